//! A short train of padding over a new path: how fast it comes out of the narrowest place is what the path carries
//! (packet dispersion: Dovrolis et al., "Packet-Dispersion Techniques and a Capacity-Estimation Methodology", 2004).
//!
//! So the first burst finds paths of known width. Without it, the rate is found by the burst's own packets, and the queue
//! that stands meanwhile throws the flow out of slow start (kernels leave it when the round trip grows by 4 ms): CUBIC then
//! takes ten seconds to what a known path gives in one. Costs 20 KB a path and direction when it opens, 100 KB where the
//! first train was over too soon to be measured.

use super::{AnyTunnel, Transmit};
use crate::time::{Duration, Instant};
use crate::wire::feedback::{Feedback, TICK_US};
use crate::wire::frame::{HEADER, TAG};

/// Datagrams of the first train, and of the second one for faster paths.
const FIRST: u8 = 16;
const SECOND: u8 = 64;
/// A train that came out within less (us) is repeated with more datagrams.
const TOO_SHORT: u32 = 4_000;
/// The two ends take turns: reports about the one's train would fall into the other's. A path is sized by then.
const SECOND_TURN: Duration = Duration::from_millis(700);
/// The receiver reports at once only what comes after a pause; the first report has to see the train's beginning.
const PAUSE: Duration = Duration::from_millis(30);
/// Without an answer after this, what can be said has been said.
const PATIENCE: Duration = Duration::from_millis(400);

/// Where the trains of one path stand.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::data) struct Train {
    state: State,
    left: u8,
    began: Instant,
    /// Its bytes so far, and the number of the last datagram.
    sent: u32,
    last: u32,
    /// The first report about this train: receiver's time and bytes.
    first: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    First,
    Second,
    Done,
}

impl Train {
    /// The path has just become usable, and no other path's train is on its way.
    fn begin(&mut self, now: Instant) {
        *self = Self::new(State::First, FIRST, now);
    }

    fn new(state: State, left: u8, began: Instant) -> Self {
        Self {
            state,
            left,
            began,
            ..Self::default()
        }
    }

    fn under_way(&self, now: Instant) -> bool {
        matches!(self.state, State::First | State::Second) && now.since(self.began) < PATIENCE
    }

    /// A report up to datagram `largest`. What the path carries, in bytes per second, once it is known, and whether it was measured:
    /// else it carries that at least.
    pub(in crate::data) fn report(
        &mut self,
        now: Instant,
        f: &Feedback,
        largest: u64,
    ) -> Option<(u32, bool)> {
        if !self.under_way(now) || now < self.began {
            return None;
        }
        let (from, before) = *self.first.get_or_insert((f.arrival, f.bytes));
        let (us, came) = (f.arrival.wrapping_sub(from), f.bytes.wrapping_sub(before));
        let seen = came >= u32::from(FIRST) * 500;
        // It came in one go, or nearly: its receiver was late, or the path is wide.
        let at_once = !seen && self.left == 0 && largest >= u64::from(self.last);
        if !seen && !at_once {
            return None;
        }
        let (bytes, us) = if at_once {
            // No longer than it was under way, and the report back.
            let held = Duration::from_micros(u64::from(f.delay) * u64::from(TICK_US));
            let us = now.since(self.began).saturating_sub(held).as_micros();
            (self.sent, us as u32)
        } else {
            (came, us)
        };
        if self.state == State::First && us < TOO_SHORT {
            *self = Self::new(State::Second, SECOND, now + PAUSE);
            return None;
        }
        self.state = State::Done;
        let rate = u64::from(bytes) * 1_000_000 / u64::from(us.max(500));
        Some((rate.min(u64::from(u32::MAX)) as u32, !at_once))
    }
}

impl AnyTunnel<'_> {
    /// The next datagram of a train, if one is under way. One path at a time: they may share a channel.
    pub(super) fn poll_train(&mut self, now: Instant, out: &mut [u8]) -> Option<Transmit> {
        let at = self.train_at(now)?;
        let path = self.path_mut(at)?;
        if path.train.state == State::Waiting {
            path.train.begin(now);
        }
        path.train.left = path.train.left.checked_sub(1)?;
        let (headroom, mtu) = (usize::from(path.setup.headroom), usize::from(path.mtu()));
        let body = mtu - HEADER - TAG;
        out.get_mut(headroom + HEADER..headroom + HEADER + body)?
            .fill(0);
        let frame = out.get_mut(headroom..)?;
        let len = headroom + self.seal_frame(now, at, frame, body).ok()?;
        if let Some(path) = self.path_mut(at) {
            path.train.sent += (len - headroom) as u32;
            path.train.last = (path.next_number - 1) as u32;
        }
        Some(Transmit {
            path: at,
            len,
            stride: len,
            count: 1,
            message: false,
        })
    }

    /// When [`Self::poll_train`] has something to send.
    pub(super) fn train_due(&self, now: Instant) -> Instant {
        let waits = |p: &crate::data::path::Path| p.train.left > 0 && p.train.under_way(now);
        match self.paths().find(|(_, p)| waits(p)) {
            Some((_, path)) => path.train.began,
            None if self.train_at(now).is_some() => now,
            None => Instant::FAR,
        }
    }

    /// The path whose train has something to send.
    pub(super) fn train_at(&self, now: Instant) -> Option<usize> {
        if let Some((at, path)) = self.paths().find(|(_, p)| p.train.under_way(now)) {
            return (path.train.left > 0 && path.train.began <= now).then_some(at);
        }
        let from = if self.initiator {
            Duration::ZERO
        } else {
            SECOND_TURN
        };
        let waiting = |p: &crate::data::path::Path| {
            p.train.state == State::Waiting
                && p.usable()
                && !p.cost.is_metered()
                && now.since(p.opened) >= from
        };
        self.paths().find(|(_, p)| waiting(p)).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many bytes in all had come at this time.
    fn report(arrival: u32, bytes: u32) -> Feedback {
        Feedback {
            arrival,
            bytes,
            ..Feedback::default()
        }
    }

    fn begun() -> (Train, Instant) {
        let (mut train, now) = (Train::default(), Instant::from_millis(1_000));
        train.begin(now);
        (train, now)
    }

    #[test]
    fn dispersion_is_the_rate_wherever_the_first_report_falls() {
        for first in [1_400u32, 7_000] {
            let (mut train, now) = begun();
            let at = |bytes: u32| bytes * 2 / 5;
            assert_eq!(train.report(now, &report(at(first), first), 0), None);
            let rate = train.report(now, &report(at(22_400), 22_400), 15);
            assert_eq!(rate, Some((2_500_000, true)));
            assert_eq!(train.report(now, &report(at(44_800), 44_800), 31), None);
        }
    }

    #[test]
    fn what_was_over_too_soon_is_repeated_with_more() {
        let (mut train, now) = begun();
        train.report(now, &report(0, 1_400), 0);
        assert_eq!(train.report(now, &report(600, 22_400), 15), None);
        assert_eq!((train.left, train.under_way(now)), (SECOND, true));
        let now = now + PAUSE;
        train.report(now, &report(10_000, 23_800), 16);
        assert_eq!(
            train.report(now, &report(12_000, 98_800), 79),
            Some((37_500_000, true))
        );
    }

    /// All datagrams up to this number have left.
    fn left(train: &mut Train, last: u32) {
        (train.left, train.sent, train.last) = (0, 1_400 * u32::from(SECOND), last);
    }

    #[test]
    fn what_the_first_report_has_seen_all_of_is_repeated_and_is_no_slower_than_its_answer() {
        let (mut train, now) = begun();
        assert_eq!(train.report(now, &report(0, 14_000), 9), None);
        assert_eq!(train.state, State::First);
        left(&mut train, 15);
        assert_eq!(train.report(now, &report(20_000, 21_000), 15), None);
        assert_eq!((train.state, train.left), (State::Second, SECOND));
        let began = now + PAUSE;
        left(&mut train, 79);
        // The receiver held its report back for 40 ms.
        let now = began + Duration::from_millis(50);
        let late = Feedback {
            delay: (40_000 / TICK_US) as u16,
            ..report(60_000, 112_000)
        };
        assert_eq!(train.report(now, &late, 79), Some((8_960_000, false)));
    }

    #[test]
    fn silence_ends_it() {
        let (mut train, now) = begun();
        let later = now + PATIENCE;
        assert!(!train.under_way(later));
        assert_eq!(train.report(later, &report(0, 30_000), 15), None);
    }
}
