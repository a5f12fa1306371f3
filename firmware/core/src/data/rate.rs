//! What a path carries: found from what arrived, by the receiver's own clock, with delay growth as the first sign
//! of too much.
//!
//! Times are microseconds of the receiver's clock, wrapping; only differences are used. See docs/transport.md for
//! the figures behind the constants.

use crate::time::{Duration, Instant};
use heapless::Deque;

/// While starting, so many 256ths of what arrives. Less where a train has measured the path: what is tried beyond what it carries
/// stands in its queue a round trip later, and all of a flow waits for that.
const UNTRAINED: u32 = 360;
const TRAINED: u32 = 307;
/// Assumed before anything is known: 2 Mbit/s.
pub const INITIAL: u32 = 250_000;
/// No path is believed to carry more than 2 Gbit/s.
const MOST: u32 = 250_000_000;
const UPDATE: Duration = Duration::from_millis(50);
/// ... and after this much already when the newest report alone shows a queue of [`OVERFULL`] times the high threshold: the line has
/// become narrower, and at a rate that is twice too high each millisecond lost is one more in its queue.
const SOON: Duration = Duration::from_millis(15);
const OVERFULL: i32 = 4;
/// After so many steps in a row above the high threshold every other one costs 1/256 more, up to [`INSIST`]: what a borrower holds on to
/// there is the owner's, who has 95.5 % of his line by this and 94.0 without.
const BEAR: u8 = 4;
const INSIST: u8 = 16;
/// The delivered rate is taken over this much of the receiver's time.
const WINDOW_US: u32 = 150_000;

/// A path that was busy for so long carries what arrives: the window, and a round trip to hear of it.
const FULL: Duration = Duration::from_millis(250);

/// The smallest of fewer delays says little.
const SAMPLES: u8 = 4;

/// A full packet, bytes. On a narrow line it is later than the small ones that found the least delay, by its own time on the line:
/// 6 ms at 2 Mbit/s, which is no queue.
const PACKET: u32 = 1_500;
/// Of that the thresholds bear so much (us), which is a packet's time at 8 Mbit/s.
const BORNE: u32 = 1_500;
/// No packet is allowed more (us): a rate that was found far too low would see no queue at all.
const LONGEST: u32 = 24_000;

/// How much of a queue of its own a path is driven to.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Below this (us) there is room for more.
    pub low: i32,
    /// Above this (us) the path is over its rate.
    pub high: i32,
    /// How much of the rate each millisecond of queue above `low` costs per step, in 1/256.
    pub cut: u32,
}

/// A path over the gateway's own uplink.
pub const OWN: Thresholds = Thresholds {
    low: 3_000,
    high: 6_000,
    cut: 1,
};
/// A lent path yields: below the queue at which the owner's own traffic settles it still backs off, and by more.
pub const LENT: Thresholds = Thresholds {
    low: 3_000,
    high: 5_500,
    cut: 2,
};

#[derive(Clone, Copy, Debug)]
struct Arrived {
    time: u32,
    bytes: u32,
}

/// Smallest one-way delay of the last 10 to 20 seconds (two half windows).
#[derive(Clone, Copy, Debug)]
struct Base {
    current: i32,
    previous: i32,
    since: Instant,
}

/// Rate and delay of one path, in one direction.
#[derive(Clone, Debug)]
pub struct Rate {
    thresholds: Thresholds,
    rate: u32,
    /// The most that the path was seen to carry since it began, which is what its narrowest line has; 0: nothing yet.
    widest: u32,
    delivered: u32,
    /// The same of the last steps.
    lately: [u32; 4],
    starting: bool,
    /// The last rate at which the path was busy and its queue short, or the one at which it came to be held; bytes per second.
    good: u32,
    /// Its lender lets far less through than it carries.
    held: bool,
    /// What the line carried while the queue that the start left behind drains, bytes per second.
    settling: Option<u32>,
    arrived: Deque<Arrived, 16>,
    base: Option<Base>,
    /// Smallest queueing delay seen since the last update, us.
    queue: Option<i32>,
    /// The same of the samples since the last report, and how many there were.
    newest: Option<(i32, u8)>,
    /// The largest.
    longest: i32,
    /// How far apart the samples of the last step were, over their number, us.
    spread: i32,
    /// How much more than what arrives is tried while starting, in 1/256.
    growth: u32,
    /// Samples since then.
    samples: u8,
    queue_now: i32,
    /// Steps in a row above the high threshold.
    over: u8,
    calm: u8,
    busy: bool,
    /// Since when every step was busy.
    busy_since: Option<Instant>,
    updated: Instant,
    acked: u32,
    lost: u32,
}

impl Rate {
    /// Nothing known yet, or only a rate (bytes per second) remembered from before.
    pub fn new(thresholds: Thresholds, known: Option<u32>) -> Self {
        Self {
            thresholds,
            rate: known.unwrap_or(INITIAL),
            widest: 0,
            delivered: 0,
            lately: [0; 4],
            starting: true,
            good: 0,
            held: false,
            settling: None,
            arrived: Deque::new(),
            base: None,
            queue: None,
            newest: None,
            longest: 0,
            spread: 0,
            growth: UNTRAINED,
            samples: 0,
            queue_now: 0,
            over: 0,
            calm: 0,
            busy: false,
            busy_since: None,
            updated: Instant::ZERO,
            acked: 0,
            lost: 0,
        }
    }

    /// The path turned out to be a lent one.
    pub fn yield_early(&mut self) {
        self.thresholds = LENT;
    }
    /// What to send at, bytes per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }
    /// What arrived lately, bytes per second.
    pub fn delivered(&self) -> u32 {
        self.delivered
    }
    /// The rate is still being found.
    pub fn starting(&self) -> bool {
        self.starting
    }
    /// A train has shown what the path carries at least.
    pub fn is_trained(&self) -> bool {
        self.growth == TRAINED
    }
    /// The path's own queue at the last look, in us.
    pub fn queue_us(&self) -> u32 {
        self.queue_now as u32
    }
    /// One-way delay without queue on the tunnel's scale (offset unknown but common to all paths), in us.
    pub fn base_delay(&self) -> Option<i32> {
        self.base.map(|b| b.current.min(b.previous))
    }
    /// One-way delay as it is now, same scale. What stood in the path's queue at the last look drains with time.
    pub fn delay(&self, now: Instant) -> Option<i32> {
        self.base_delay().map(|b| b + self.remaining_queue(now))
    }
    fn remaining_queue(&self, now: Instant) -> i32 {
        let drained = now.since(self.updated).as_micros().min(1_000_000) as i32;
        (self.queue_now - drained).max(0)
    }
    /// Its lender lets through at most so much (bytes per second; 0: whatever it carries). Far below the rate this says that he needs
    /// the line: then the queue is likely his, and once he is done the path carries again what it did before. Meanwhile it gives way
    /// to that queue as ever.
    pub fn limit(&mut self, most: u32) {
        let held = most > 0 && most < self.rate.max(self.good) / 4;
        if self.held != held {
            let best = self.rate.max(self.good);
            (self.rate, self.good) = if held {
                (self.rate, best)
            } else {
                (best, best)
            };
        }
        self.held = held;
    }
    /// For as long as a measure takes the scheduler has had more to send than the rate allows.
    pub fn presses(&self, now: Instant) -> bool {
        self.busy_since.is_some_and(|t| now.since(t) >= FULL)
    }
    /// The scheduler had more to send than the rate allowed.
    pub fn was_busy(&mut self) {
        self.busy = true;
    }

    /// A train of padding came out at this rate (bytes per second): the path carries as much at least, since trains that meet
    /// only slow each other down.
    pub fn trained(&mut self, rate: u32) {
        self.at_least(rate);
        if self.starting {
            self.widest = self.widest.max(self.rate);
            self.growth = TRAINED;
        }
    }

    /// The path carries so much, and perhaps far more.
    pub fn at_least(&mut self, rate: u32) {
        if self.starting {
            self.rate = self.rate.max(fraction(rate, 246));
        }
    }

    /// A one-way delay sample: arrival by the receiver's clock less departure by ours, on the tunnel's scale.
    pub fn delay_sample(&mut self, now: Instant, delay: i32) {
        let base = self.base.get_or_insert(Base {
            current: delay,
            previous: delay,
            since: now,
        });
        if now.since(base.since) > Duration::from_secs(10) {
            *base = Base {
                current: delay,
                previous: base.current,
                since: now,
            };
        }
        base.current = base.current.min(delay);
        let queue = delay.saturating_sub(base.current.min(base.previous));
        self.longest = self.queue.map_or(queue, |_| self.longest.max(queue));
        self.queue = Some(self.queue.map_or(queue, |q| q.min(queue)));
        self.samples = self.samples.saturating_add(1);
        let (least, samples) = self.newest.unwrap_or((queue, 0));
        self.newest = Some((least.min(queue), samples.saturating_add(1)));
    }

    /// A report: `bytes` in all had arrived at receiver's time `time`; `acked` and `lost` packets are news.
    pub fn report(&mut self, now: Instant, time: u32, bytes: u32, acked: u32, lost: u32) {
        self.acked = self.acked.saturating_add(acked);
        self.lost = self.lost.saturating_add(lost);
        let newest = self.arrived.back().map_or(0, |a| time.wrapping_sub(a.time));
        if newest > WINDOW_US / 2 {
            // A silence says nothing about what the path carries.
            self.arrived.clear();
        }
        if self.arrived.is_empty() || (newest as i32 > 5_000) {
            if self.arrived.is_full() {
                self.arrived.pop_front();
            }
            let _ = self.arrived.push_back(Arrived { time, bytes });
        }
        self.measure();
        let step = if self.overfull() { SOON } else { UPDATE };
        if now.since(self.updated) >= step {
            self.update(now);
        }
    }

    /// The samples since the report before show that the path is far over its rate. Then they alone count: the least of the whole step
    /// is from before.
    fn overfull(&mut self) -> bool {
        let Some((queue, _)) = self.newest.take().filter(|(_, n)| *n >= SAMPLES) else {
            return false;
        };
        let overfull = queue - self.packet_us() > OVERFULL * self.thresholds.high;
        if overfull {
            self.queue = Some(queue);
        }
        overfull
    }

    /// Delivered rate over the last 150 ms of the receiver's time.
    fn measure(&mut self) {
        let Some(last) = self.arrived.back().copied() else {
            return;
        };
        let window = if self.starting {
            WINDOW_US / 2
        } else {
            WINDOW_US
        };
        while self.arrived.len() > 2
            && self
                .arrived
                .get(1)
                .is_some_and(|a| last.time.wrapping_sub(a.time) >= window)
        {
            self.arrived.pop_front();
        }
        let Some(first) = self.arrived.front() else {
            return;
        };
        let (us, bytes) = (
            last.time.wrapping_sub(first.time),
            last.bytes.wrapping_sub(first.bytes),
        );
        if us > 10_000 {
            // Twenty times a second, so a 64-bit division is affordable here.
            self.delivered =
                (u64::from(bytes) * 1_000_000 / u64::from(us)).min(u64::from(MOST)) as u32;
        }
    }

    fn update(&mut self, now: Instant) {
        let remaining = self.remaining_queue(now);
        self.updated = now;
        if let Some(queue) = self.queue.filter(|_| self.samples >= SAMPLES) {
            // Of n samples of a path whose delay jumps by d the least is about d / n above the least that there is. Datagrams
            // that do not overtake each other come late together, so that n samples are worth a third as many. And what
            // only this step has is a queue that grows.
            let spread = (self.longest - queue) / i32::from(self.samples - 1);
            let jitter = 3 * spread.min(self.spread);
            (self.queue, self.samples, self.spread) = (None, 0, spread);
            self.queue_now = (queue - jitter).max(0);
        } else {
            // Too little was sent to say more than what can still wait.
            self.queue_now = remaining;
        }
        let queue = (self.queue_now - self.packet_us()).max(0);
        let [a, b, c, _] = self.lately;
        self.lately = [self.delivered, a, b, c];
        self.widest = self.widest.max(self.delivered);
        let lossy = self.lost * 8 > self.acked + self.lost;
        if self.busy {
            self.busy_since.get_or_insert(now);
        } else {
            self.busy_since = None;
        }
        // What arrives is what the path carries only when all of the window was busy, and the report's way is over.
        let full = self.busy_since.is_some_and(|t| now.since(t) >= FULL);
        if self.starting {
            self.start(queue, lossy, full);
        } else {
            self.follow(queue, lossy, full);
            if full && !self.held && queue <= self.thresholds.high {
                self.good = self.rate;
            }
        }
        (self.acked, self.lost, self.busy) = (0, 0, false);
        self.rate = self.rate.clamp(INITIAL / 8, MOST);
    }

    /// By how much full packets are later than small ones where nothing waits, beyond what the thresholds bear. By the line's width
    /// and not by the rate, or a lent path that has given way to the owner would bear a longer queue than he does.
    fn packet_us(&self) -> i32 {
        let width = if self.widest == 0 {
            self.rate
        } else {
            self.widest
        };
        let packet = PACKET * 1_000_000 / width.max(1);
        packet.saturating_sub(BORNE).min(LONGEST) as i32
    }

    /// From nothing: four tenths more than arrives, or two after a train (what arrives lags by a round trip, and so bounds the
    /// overshoot), until the path's own queue or its losses say that it is too much.
    fn start(&mut self, queue: i32, lossy: bool, full: bool) {
        // A lent path's start is no gentler: it is short, and stopping it early would leave the line unused.
        let over = queue > OWN.high || lossy;
        self.over = if over { self.over.saturating_add(1) } else { 0 };
        if self.over >= 2 || queue > 2 * OWN.high {
            // Also when clients send less than the rate: what overflows is no rate to go back to.
            let carried = fraction(self.delivered, 218);
            let bound = if full { 0 } else { fraction(self.rate, 224) };
            self.starting = carried < bound;
            self.settling = Some(self.delivered);
            self.rate = carried.max(bound);
        } else if self.busy && !over {
            self.rate = self.rate.max(fraction(self.delivered, self.growth));
        }
    }

    /// Around the rate that was found: up by little while busy and calm, down to what arrives when the queue grows.
    fn follow(&mut self, queue: i32, lossy: bool, full: bool) {
        // Single measurements are off by a tenth where the delay jumps, and the least of them would win.
        let lately = self.lately.iter().copied().max().unwrap_or(0);
        let clear = queue > 2 * self.thresholds.high;
        self.over = if queue > self.thresholds.high && self.settling.is_none() {
            self.over.saturating_add(1)
        } else {
            0
        };
        if let Some(carried) = self.settling {
            if queue > self.thresholds.high {
                // What stands in its queue keeps the line busy: what arrives now is what it carries.
                self.settling = Some(self.delivered);
            } else if queue <= self.thresholds.low {
                self.settling = None;
                self.rate = self.rate.max(fraction(carried, 244));
            }
        }
        if queue > self.thresholds.high && !full {
            // What arrives says little about what could, while little is being sent or was a moment ago; but a queue that
            // stands all the same is one that the path has become too narrow for.
            self.calm = 0;
            let step = if clear { 224 } else { 252 };
            self.rate = fraction(self.rate, step).max(self.rate.min(fraction(self.delivered, 240)));
        } else if queue > self.thresholds.high {
            self.calm = 0;
            // Cut below what arrives, the more the longer the queue, so that it drains.
            let arrives = if clear { self.delivered } else { lately };
            let over =
                ((queue - self.thresholds.low) / 1000).clamp(1, 50) as u32 * self.thresholds.cut;
            let over = over + u32::from((self.over.saturating_sub(BEAR) / 2).min(INSIST));
            self.rate = self.rate.min(fraction(arrives, 256 - over.min(100)));
        } else if lossy {
            self.calm = 0;
            let bound = if full { 0 } else { fraction(self.rate, 224) };
            self.rate = self.rate.min(self.delivered.max(bound));
        } else if full && queue <= self.thresholds.low {
            self.calm = self.calm.saturating_add(1);
            // 1 % a step; after half a second of calm larger steps, since the path must have become wider.
            let step = if self.calm > 10 {
                3 * u32::from(self.calm.min(20) - 8)
            } else {
                3
            };
            let most = fraction(self.delivered, 300);
            self.rate = fraction(self.rate, 256 + step).min(most.max(self.rate));
        } else if full {
            self.rate = self.rate.min(fraction(lately, 264));
        }
    }

    /// After a silence: what was known is doubted.
    pub fn restart(&mut self) {
        let (thresholds, half) = (self.thresholds, self.rate / 2);
        let (base, widest, held) = (self.base, self.widest, self.held);
        let good = if held { self.good / 2 } else { 0 };
        *self = Self {
            base,
            widest,
            held,
            good,
            ..Self::new(thresholds, Some(half.max(INITIAL / 8)))
        };
    }
}

/// `value * n / 256`.
#[inline(never)]
fn fraction(value: u32, n: u32) -> u32 {
    ((u64::from(value) * u64::from(n)) >> 8).min(u64::from(MOST)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link of `capacity` bytes/s with a queue, driven at the controller's rate for `seconds`; the mean rate of the last half
    /// second, since it swings around what it found.
    fn drive(rate: &mut Rate, capacity: impl Fn(u64) -> u64, seconds: u64, start_ms: u64) -> u32 {
        let (mut queue, mut total, mut sum) = (0u64, 0u64, 0u64);
        let steps = seconds * 50;
        for step in 0..steps {
            let ms = start_ms + step * 20;
            let now = Instant::from_millis(ms);
            let cap = capacity(ms);
            queue += u64::from(rate.rate()) / 50;
            let out = queue.min(cap / 50);
            queue -= out;
            total += out;
            rate.delay_sample(now, 20_000 + (queue * 1_000_000 / cap) as i32);
            rate.was_busy();
            rate.report(now, (ms * 1000) as u32, total as u32, 30, 0);
            if step >= steps - 25 {
                sum += u64::from(rate.rate());
            }
        }
        (sum / 25) as u32
    }

    #[test]
    fn from_nothing_it_finds_the_rate_within_a_second_and_a_half() {
        for mbit in [5u64, 20, 50] {
            let cap = mbit * 125_000;
            let mut r = Rate::new(OWN, None);
            let found = drive(&mut r, |_| cap, 2, 1000);
            assert!(
                (cap * 85 / 100..cap * 112 / 100).contains(&u64::from(found)),
                "{mbit}: {found} of {cap}"
            );
        }
    }

    /// A report every 20 ms about five datagrams. The longest queue of the last four seconds, us.
    fn longest_queue(capacity: impl Fn(u64) -> u64) -> u64 {
        let (mut r, mut queue, mut total) = (Rate::new(OWN, Some(2_400_000)), 0u64, 0u64);
        let mut longest = 0;
        for step in 0..2_000u64 {
            let ms = 1_000 + step * 4;
            let (now, cap) = (Instant::from_millis(ms), capacity(ms));
            queue += u64::from(r.rate()) / 250;
            let out = queue.min(cap / 250);
            (queue, total) = (queue - out, total + out);
            let waits = queue * 1_000_000 / cap;
            r.delay_sample(now, 20_000 + waits as i32);
            r.was_busy();
            if step % 5 == 4 {
                r.report(now, ms as u32 * 1_000, total as u32, 30, 0);
            }
            if step >= 1_000 {
                longest = longest.max(waits);
            }
        }
        longest
    }

    #[test]
    fn a_line_that_halves_is_noticed_before_its_queue_is_long() {
        let capacity = |ms| if ms < 6_000 { 2_500_000 } else { 1_250_000 };
        let longest = longest_queue(capacity);
        assert!(longest < 90_000, "{longest} us");
    }

    #[test]
    fn a_full_packets_own_time_on_a_narrow_line_is_no_queue() {
        for kbit in [700u64, 1_000, 2_000] {
            let cap = kbit * 125;
            let mut r = Rate::new(LENT, None);
            r.delay_sample(Instant::from_millis(900), 20_000);
            let packet = 1_500 * 1_000_000 / cap as i32;
            let (mut queue, mut total, mut sum) = (0, 0, 0);
            for step in 0..1_000 {
                let now = Instant::from_millis(1_000 + step * 20);
                queue += u64::from(r.rate()) / 50;
                let out = queue.min(cap / 50);
                (queue, total) = (queue - out, total + out);
                let waits = (queue * 1_000_000 / cap) as i32;
                r.delay_sample(now, 20_000 + waits + packet);
                if step % 50 == 0 {
                    // A small one.
                    r.delay_sample(now, 20_000 + waits);
                }
                r.was_busy();
                r.report(now, (1_000 + step as u32 * 20) * 1_000, total as u32, 30, 0);
                sum += u64::from(r.rate()) * u64::from(step >= 800);
            }
            let found = sum / 2 / cap;
            assert!((85..112).contains(&found), "{kbit}: {found} %");
        }
    }

    #[test]
    fn the_queue_of_the_start_drains_and_what_the_line_carried_meanwhile_is_its_rate() {
        let (mut r, cap) = (Rate::new(OWN, None), 6_250_000u64);
        let (mut queue, mut total) = (0u64, 0u64);
        let mut drained = None;
        for step in 0..150u64 {
            // What leaves is heard of 80 ms later, so the start goes too far.
            let now = Instant::from_millis(1_000 + step * 20);
            queue += u64::from(r.rate()) / 50;
            let out = queue.min(cap / 50);
            (queue, total) = (queue - out, total + out);
            r.delay_sample(now, 20_000 + (queue * 1_000_000 / cap) as i32);
            r.was_busy();
            let time = (1_000 + step * 20) as u32 * 1000;
            r.report(now, time, total as u32, 30, 0);
            if !r.starting() && r.settling.is_none() {
                drained = Some(r.rate());
                break;
            }
        }
        let found = u64::from(drained.unwrap());
        assert!((cap * 93 / 100..cap).contains(&found), "{found} of {cap}");
    }

    #[test]
    fn it_follows_a_link_that_halves_and_doubles() {
        let mut r = Rate::new(OWN, None);
        drive(&mut r, |_| 2_500_000, 5, 1000);
        let halved = drive(&mut r, |_| 1_250_000, 2, 6000);
        assert!((1_000_000..1_400_000).contains(&halved), "{halved}");
        let doubled = drive(&mut r, |_| 2_500_000, 4, 8000);
        assert!((2_100_000..2_800_000).contains(&doubled), "{doubled}");
    }

    #[test]
    fn a_rate_that_clients_do_not_fill_is_found_too_high_when_the_queue_stands() {
        let mut r = Rate::new(OWN, Some(3_500_000));
        // A line of 2.5 MB/s, on which clients send 3 MB/s of the 3.5 that are believed.
        for step in 0..20u32 {
            if !r.starting() {
                break;
            }
            let ms = 1000 + u64::from(step) * 50;
            let now = Instant::from_millis(ms);
            for _ in 0..SAMPLES {
                r.delay_sample(now, if step == 0 { 20_000 } else { 90_000 });
            }
            r.report(now, (ms * 1000) as u32, step * 125_000, 30, 8);
        }
        assert!(!r.starting());
        assert!((1_900_000..2_600_000).contains(&r.rate()), "{}", r.rate());
    }

    #[test]
    fn what_stood_in_a_paths_queue_is_forgotten_as_it_drains() {
        let mut r = Rate::new(OWN, None);
        let now = Instant::from_millis(1000);
        r.delay_sample(now, 20_000);
        for _ in 0..2 * SAMPLES {
            r.delay_sample(now, 100_000);
        }
        r.queue = Some(80_000);
        r.report(now, 0, 0, 8, 0);
        let after = |ms| r.delay(now + Duration::from_millis(ms)).unwrap();
        assert_eq!([after(0), after(30), after(200)], [100_000, 70_000, 20_000]);
    }

    /// A step of 50 ms in which these delays were seen, at a path that carries `delivered` bytes per second.
    fn step(rate: &mut Rate, ms: u64, delivered: u64, delays: &[i32]) {
        let now = Instant::from_millis(ms);
        delays.iter().for_each(|d| rate.delay_sample(now, *d));
        rate.was_busy();
        rate.report(
            now,
            (ms * 1000) as u32,
            (delivered * ms / 1000) as u32,
            30,
            0,
        );
    }

    #[test]
    fn delays_that_jump_in_every_step_are_no_queue_and_one_that_grows_is() {
        let mut r = Rate::new(OWN, None);
        step(&mut r, 1_000, 625_000, &[20_000; 8]);
        let jumps = [
            28_000, 36_000, 30_000, 38_000, 29_000, 33_000, 37_000, 31_000,
        ];
        step(&mut r, 1_050, 625_000, &jumps);
        // So far that may as well be a queue.
        assert_eq!(r.queue_us(), 8_000);
        step(&mut r, 1_100, 625_000, &jumps);
        let queue = r.queue_us();
        assert!(queue < 5_000, "{queue}");
        // A queue that grows from there on is seen at once.
        step(&mut r, 1_150, 625_000, &jumps.map(|d| d + 20_000));
        assert_eq!(r.queue_us(), queue + 20_000);
    }

    #[test]
    fn a_path_is_never_taken_for_sooner_than_its_least_delay() {
        let mut r = Rate::new(OWN, None);
        let jumps = [20_000, 60_000, 30_000, 50_000];
        for ms in [1_000, 1_050, 1_100] {
            step(&mut r, ms, 625_000, &jumps);
            assert_eq!(r.delay(Instant::from_millis(ms)), Some(20_000));
        }
    }

    #[test]
    fn what_a_train_has_measured_is_gone_beyond_more_gently() {
        let most = |trained: bool| {
            let mut r = Rate::new(OWN, None);
            if trained {
                r.trained(INITIAL);
            }
            (1_000..1_500)
                .step_by(50)
                .for_each(|ms| step(&mut r, ms, 1_000_000, &[20_000; 8]));
            assert!(r.starting());
            r.rate()
        };
        assert_eq!([most(false), most(true)], [1_406_250, 1_199_218]);
    }

    #[test]
    fn a_path_that_its_lender_needed_carries_afterwards_what_it_did_before() {
        let mut r = Rate::new(LENT, None);
        let found = drive(&mut r, |_| 2_500_000, 5, 1000);
        // The owner begins: the path gives way to his queue, and half a second later hears that he needs the line.
        let mut total = 4_000_000_000u32;
        let mut beside = |r: &mut Rate, ms: core::ops::Range<u64>, bytes: u32| {
            for ms in ms.step_by(50) {
                let now = Instant::from_millis(ms);
                total = total.wrapping_add(bytes / 20);
                (0..8).for_each(|_| r.delay_sample(now, 90_000));
                r.was_busy();
                r.report(now, (ms * 1000) as u32, total, 30, 0);
            }
        };
        beside(&mut r, 6_100..6_600, 200_000);
        assert!(r.rate() < found / 4, "{}", r.rate());
        r.limit(39_000);
        let given_way = r.rate();
        beside(&mut r, 6_600..12_000, 39_000);
        assert!(r.rate() <= given_way, "it gives way as ever");
        r.limit(0);
        assert!(r.rate() > found / 10 * 9, "{} of {found}", r.rate());
    }

    #[test]
    fn an_idle_path_keeps_its_rate() {
        let mut r = Rate::new(OWN, None);
        drive(&mut r, |_| 2_500_000, 5, 1000);
        let found = r.rate();
        for ms in 0..100 {
            r.report(Instant::from_millis(7000 + ms * 50), 0, 0, 1, 0);
        }
        assert_eq!(r.rate(), found);
    }
}
