//! What a flow looks like, for people: light, interactive, a steady stream or a burst.
//!
//! Counted for each packet are its bytes; the rest is worked out when somebody asks. No path is chosen by it: queueing has its own
//! notion of light flows and bursts, packet by packet, and gives small packets the path where they arrive first whatever they are
//! called here.

use crate::time::Instant;

/// Bytes a second with which a flow may be a burst.
const BURST: u32 = 16_000;
/// Bytes a second with which a flow may be a stream.
const STREAM: u32 = 8_000;
/// More than this no interactive flow takes, bytes a second.
const INTERACTIVE: u32 = 64_000;
/// Nor are its packets larger than this on average.
const SMALL: u32 = 400;
/// In so many of the last eight seconds a regular flow has something.
const REGULAR: u32 = 6;
/// A stream began at least so many seconds ago, and in so many of them had something: it may come in pieces.
const OLD: u32 = 5;
const PIECES: u32 = 2;

/// What a flow looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Little, or for a short time: a look-up, a page.
    #[default]
    Light,
    /// Small packets regularly, both ways: keystrokes, a call, a game.
    Interactive,
    /// Goes on, with less than half of what it could have.
    Stream,
    /// Takes what there is.
    Burst,
}

impl Shape {
    /// In a word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Interactive => "interactive",
            Self::Stream => "steady stream",
            Self::Burst => "burst",
        }
    }
}

/// One direction of a flow by second, of 2^20 us each. Sums fade by a quarter each second, so they are some four seconds' worth.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    second: u16,
    /// Packets in this second, and in the one before.
    now: u16,
    before: u16,
    packets: u16,
    bytes_now: u32,
    bytes: u32,
    /// In which of the last eight whole seconds something passed; bit 0 is the last one.
    busy: u8,
}

impl Pace {
    /// None so far.
    pub const NONE: Self = Self {
        second: 0,
        now: 0,
        before: 0,
        packets: 0,
        bytes_now: 0,
        bytes: 0,
        busy: 0,
    };

    /// One more packet. Says whether it is the first of a second.
    pub fn count(&mut self, now: Instant, len: usize) -> bool {
        let first = self.now == 0 || Self::second(now) != self.second;
        if first {
            self.pass(now);
        }
        self.now = self.now.saturating_add(1);
        self.bytes_now = self.bytes_now.saturating_add(len as u32);
        first
    }

    /// As it is at this time, with all seconds that are over.
    #[must_use]
    pub fn at(mut self, now: Instant) -> Self {
        self.pass(now);
        self
    }

    /// Packets in the last whole second.
    pub fn lately(&self) -> u16 {
        self.before
    }

    /// Bytes a second, of the whole seconds since it began, or since a longer pause.
    pub fn rate(&self) -> u32 {
        self.bytes / self.age().clamp(1, 4)
    }

    /// How many of the last eight seconds ago it began.
    fn age(&self) -> u32 {
        u8::BITS - self.busy.leading_zeros()
    }

    fn has_small_packets(&self) -> bool {
        self.bytes <= u32::from(self.packets) * SMALL
    }

    fn is_regular(&self) -> bool {
        self.busy.count_ones() >= REGULAR
    }

    fn second(now: Instant) -> u16 {
        (now.as_micros() >> 20) as u16
    }

    // Once a second.
    #[inline(never)]
    fn pass(&mut self, now: Instant) {
        let second = Self::second(now);
        // A longer pause leaves nothing.
        for _ in 0..second.wrapping_sub(self.second).min(9) {
            self.busy = self.busy << 1 | u8::from(self.now > 0);
            self.packets = (self.packets - self.packets / 4).saturating_add(self.now);
            self.bytes = (self.bytes - self.bytes / 4).saturating_add(self.bytes_now);
            self.before = self.now;
            (self.now, self.bytes_now) = (0, 0);
            if self.busy == 0 {
                (self.packets, self.bytes) = (0, 0);
            }
        }
        self.second = second;
    }
}

/// What all flows together take one way, and what is there for them, bytes a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Supply {
    /// What the paths were measured to carry; 0: nobody knows, since nothing has ever filled them.
    pub carries: u32,
    /// The sum of all flows.
    pub taken: u32,
    /// The largest flow's share.
    pub most: u32,
}

impl Supply {
    /// One more flow.
    pub fn take(&mut self, rate: u32) {
        self.taken = self.taken.saturating_add(rate);
        self.most = self.most.max(rate);
    }

    /// A flow with this rate has at least half of what it could have: its own and what is free, or as much as the largest one.
    fn is_filled_by(&self, rate: u32) -> bool {
        let free = self.carries.saturating_sub(self.taken);
        let could = rate.saturating_add(free).max(self.most);
        self.carries > 0 && rate >= BURST && rate >= could / 2
    }
}

/// What a flow looks like whose both ways are these, as they are now.
pub fn shape(both: [&Pace; 2], supplies: [&Supply; 2]) -> Shape {
    let mut ways = both.into_iter().zip(supplies);
    if ways.any(|(pace, supply)| supply.is_filled_by(pace.rate())) {
        return Shape::Burst;
    }
    let interactive =
        |p: &&Pace| p.is_regular() && p.has_small_packets() && p.rate() <= INTERACTIVE;
    if both.iter().all(interactive) {
        return Shape::Interactive;
    }
    let goes_on = |p: &&Pace| p.rate() >= STREAM && p.age() >= OLD && p.busy.count_ones() >= PIECES;
    if both.iter().any(goes_on) {
        return Shape::Stream;
    }
    Shape::Light
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    /// 20 Mbit/s, bytes a second.
    const LINE: u32 = 2_500_000;

    /// Packets of a direction: when (ms), how long.
    type Trace = std::vec::Vec<(u64, usize)>;

    fn every(ms: u64, len: usize, from: u64, to: u64) -> Trace {
        let times = (from..to).step_by(ms as usize);
        times.map(|at| (at, len)).collect()
    }

    fn pace(trace: &Trace, at: u64) -> Pace {
        let mut pace = Pace::NONE;
        for (ms, len) in trace.iter().filter(|(ms, _)| *ms < at) {
            pace.count(Instant::from_millis(*ms), *len);
        }
        pace.at(Instant::from_millis(at))
    }

    /// What a flow looks like at this time (ms), beside others that take so much downwards, `LINE` being there.
    fn seen(up: &Trace, down: &Trace, others: &[u32], at: u64) -> Shape {
        let (up, down) = (pace(up, at), pace(down, at));
        let supply = |own: u32, others: &[u32]| {
            let mut supply = Supply {
                carries: LINE,
                ..Supply::default()
            };
            supply.take(own);
            others.iter().for_each(|rate| supply.take(*rate));
            supply
        };
        let supplies = [supply(up.rate(), &[]), supply(down.rate(), others)];
        shape([&up, &down], [&supplies[0], &supplies[1]])
    }

    #[test]
    fn keystrokes_a_call_and_a_game_are_interactive() {
        let at = 12_000;
        let keys = every(180, 92, 0, at);
        let echoes = every(180, 108, 20, at);
        assert_eq!(seen(&keys, &echoes, &[], at), Shape::Interactive);
        let call = every(20, 200, 0, at);
        assert_eq!(seen(&call, &call, &[], at), Shape::Interactive);
        // Beside a download that fills the line, too.
        assert_eq!(seen(&call, &call, &[LINE], at), Shape::Interactive);
        let (moves, world) = (every(16, 90, 0, at), every(16, 320, 0, at));
        assert_eq!(seen(&moves, &world, &[], at), Shape::Interactive);
    }

    #[test]
    fn who_types_a_word_now_and_then_is_light() {
        let keys = every(4_000, 92, 0, 12_000);
        assert_eq!(seen(&keys, &keys, &[], 12_000), Shape::Light);
    }

    #[test]
    fn a_look_up_and_a_page_are_light() {
        let (question, answer) = (every(9_999, 70, 0, 1), every(9_999, 200, 30, 31));
        assert_eq!(seen(&question, &answer, &[], 1_200), Shape::Light);
        // 300 KB.
        let (asks, page) = (every(5, 52, 0, 600), every(2, 1_400, 100, 530));
        for at in [1_100, 2_200, 5_000, 9_000] {
            assert_eq!(seen(&asks, &page, &[], at), Shape::Light, "{at} ms");
        }
    }

    #[test]
    fn video_is_a_steady_stream_whether_it_comes_evenly_or_in_pieces() {
        let at = 20_000;
        let acks = every(5, 52, 0, at);
        // 5 Mbit/s.
        let even = every(2, 1_250, 0, at);
        assert_eq!(seen(&acks, &even, &[], at), Shape::Stream);
        // A quarter of the line, beside a download that has the rest.
        let beside = [LINE - 625_000];
        assert_eq!(seen(&acks, &even, &beside, at), Shape::Stream);
        // Four seconds' worth of 2.5 Mbit/s with all of the line's speed, in turn with silence.
        let piece = |n: u64| every(1, 2_500, n * 4_000 + 900, n * 4_000 + 1_400);
        let pieces: Trace = (0..6).flat_map(piece).collect();
        for at in (9_000..22_000).step_by(700) {
            assert_eq!(seen(&acks, &pieces, &[], at), Shape::Stream, "{at} ms");
        }
        // Radio, whose acknowledgements are small and regular.
        let radio = every(60, 1_200, 0, at);
        assert_eq!(seen(&every(120, 52, 0, at), &radio, &[], at), Shape::Stream);
    }

    #[test]
    fn a_transfer_is_a_burst_from_its_second_second_on_alone_and_among_others_up_and_down() {
        let at = 10_000;
        let (acks, bulk) = (every(2, 52, 0, at), every(1, 2_400, 0, at));
        for at in [2_200, 3_300, 5_000, at] {
            assert_eq!(seen(&acks, &bulk, &[], at), Shape::Burst, "{at} ms");
            assert_eq!(seen(&bulk, &acks, &[], at), Shape::Burst, "{at} ms");
        }
        // One of five.
        let fifth = every(5, 2_400, 0, at);
        assert_eq!(seen(&acks, &fifth, &[480_000; 4], at), Shape::Burst);
    }

    #[test]
    fn nothing_is_called_a_burst_where_nobody_knows_what_the_line_carries() {
        let bulk = pace(&every(2, 1_250, 0, 9_000), 9_000);
        let nothing = Supply::default();
        assert_eq!(shape([&bulk, &bulk], [&nothing; 2]), Shape::Stream);
    }

    #[test]
    fn a_flow_that_pauses_is_forgotten_and_time_that_wraps_does_no_harm() {
        let bulk = pace(&every(1, 1_400, 0, 9_000), 9_000);
        let later = bulk.at(Instant::from_millis(9_000) + Duration::from_secs(20));
        assert_eq!((later.lately(), later.rate(), later.age()), (0, 0, 0));
        let wrap = Instant::from_micros((1 << 36) - 1_000);
        let mut pace = Pace::NONE.at(wrap);
        assert!(pace.count(wrap, 100) && !pace.count(wrap, 100));
        assert!(pace.count(wrap + Duration::from_millis(2), 100));
        assert_eq!(pace.lately(), 2);
    }
}
