//! Loss detection and retransmission of a bulk sender, by transmissions in the order in which they left.
//!
//! A transmission is lost when three later ones have been acknowledged (TCP: RFC 6675 with SACK; QUIC: RFC 9002, 6.1.1),
//! for QUIC also when it is older than 9/8 of a round trip. Neither adapts to reordering, as kernels' TCP would, and
//! neither takes a reduction back that proves needless: what reorders or delays is punished harder here than outside.

use super::congestion::{Congestion, Law};
use std::collections::{BTreeSet, VecDeque};

const THRESHOLD: u64 = 3;
/// Least retransmission timeout beyond the round trip (as Linux has it), us.
const LEAST_RTO: u64 = 200_000;

#[derive(Clone, Copy, Debug)]
struct Sent {
    chunk: u64,
    at: u64,
    again: bool,
    open: bool,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub sent: u64,
    pub again: u64,
    pub reductions: u64,
    pub timeouts: u64,
}

/// A sender that always has more.
#[derive(Debug)]
pub struct Sender {
    sent: VecDeque<Sent>,
    base: u64,
    /// Which transmission carries a chunk now; from `una` on.
    latest: VecDeque<Option<u64>>,
    una: u64,
    lost: BTreeSet<u64>,
    in_flight: u64,
    largest: Option<u64>,
    recovery: u64,
    congestion: Congestion,
    srtt: u64,
    var: u64,
    least_rtt: u64,
    progress: u64,
    backoff: u32,
    by_time: bool,
    /// Most packets on their way (the receiver's window), and most chunks in all.
    window: u64,
    chunks: u64,
    full: bool,
    pub totals: Totals,
}

impl Sender {
    /// `by_time`: also lost by age. `chunks`: how many there are to send.
    pub fn new(law: Law, by_time: bool, chunks: u64) -> Self {
        Self {
            sent: VecDeque::new(),
            base: 0,
            latest: VecDeque::new(),
            una: 0,
            lost: BTreeSet::new(),
            in_flight: 0,
            largest: None,
            recovery: 0,
            congestion: Congestion::new(law),
            srtt: 0,
            var: 0,
            least_rtt: u64::MAX,
            progress: 0,
            backoff: 0,
            by_time,
            window: 4_000,
            chunks,
            full: false,
            totals: Totals::default(),
        }
    }

    pub fn window(&self) -> u64 {
        self.congestion.window()
    }

    /// The oldest chunk that is not acknowledged.
    pub fn una(&self) -> u64 {
        self.una
    }

    /// The oldest transmission of which nothing is known.
    pub fn oldest(&self) -> u64 {
        self.base
    }

    fn next(&self) -> u64 {
        self.base + self.sent.len() as u64
    }

    /// What to send now: serial and chunk.
    pub fn poll(&mut self, now: u64) -> Option<(u64, u64)> {
        self.full = self.in_flight >= self.congestion.window();
        if self.full || self.in_flight >= self.window {
            return None;
        }
        let (chunk, again) = match self.lost.pop_first() {
            Some(chunk) => (chunk, true),
            None => (self.una + self.latest.len() as u64, false),
        };
        if !again {
            if chunk >= self.chunks {
                return None;
            }
            self.latest.push_back(None);
        }
        let serial = self.next();
        if self.in_flight == 0 {
            self.progress = now;
        }
        self.sent.push_back(Sent {
            chunk,
            at: now,
            again,
            open: true,
        });
        self.latest[(chunk - self.una) as usize] = Some(serial);
        self.in_flight += 1;
        self.totals.sent += 1;
        self.totals.again += u64::from(again);
        Some((serial, chunk))
    }

    /// All chunks below this arrived.
    pub fn acked_below(&mut self, now: u64, chunk: u64) {
        for c in self.una..chunk.min(self.una + self.latest.len() as u64) {
            self.acked_chunk(now, c);
        }
    }

    /// A chunk arrived, by whichever transmission.
    pub fn acked_chunk(&mut self, now: u64, chunk: u64) {
        let at = chunk.checked_sub(self.una).map(|i| i as usize);
        if let Some(serial) = at.and_then(|i| self.latest.get(i).copied().flatten()) {
            self.acked(now, serial);
        }
    }

    /// This transmission arrived.
    pub fn acked(&mut self, now: u64, serial: u64) {
        let Some(at) = serial.checked_sub(self.base).map(|i| i as usize) else {
            return;
        };
        let Some(sent) = self.sent.get_mut(at) else {
            return;
        };
        let (rtt, chunk) = (now - sent.at, sent.chunk);
        if sent.open {
            sent.open = false;
            self.in_flight -= 1;
            (self.progress, self.backoff) = (now, 0);
            if self.full {
                self.congestion.acked(now, 1, self.srtt);
            }
        }
        // Sooner than possible: it was an earlier transmission that arrived.
        let its_own = !sent.again || self.by_time;
        if self.largest.is_none_or(|l| serial > l) && (its_own || rtt >= self.least_rtt) {
            self.largest = Some(serial);
            if its_own {
                self.measure(rtt);
                let (next, least) = (self.next(), self.least_rtt);
                self.congestion.sample(serial, next, rtt, least);
            }
        }
        self.lost.remove(&chunk);
        if let Some(i) = chunk.checked_sub(self.una)
            && let Some(latest) = self.latest.get_mut(i as usize)
        {
            *latest = None;
        }
    }

    fn measure(&mut self, rtt: u64) {
        self.least_rtt = self.least_rtt.min(rtt);
        if self.srtt == 0 {
            (self.srtt, self.var) = (rtt, rtt / 2);
            return;
        }
        self.var = (3 * self.var + self.srtt.abs_diff(rtt)) / 4;
        self.srtt = (7 * self.srtt + rtt) / 8;
    }

    /// An acknowledgement has been read to its end: what does it say about the rest?
    pub fn detect(&mut self, now: u64) {
        let Some(largest) = self.largest else { return };
        let old = now.saturating_sub((self.srtt * 9 / 8).max(1_000));
        let mut lost = Vec::new();
        for (i, s) in self.sent.iter_mut().enumerate() {
            let serial = self.base + i as u64;
            if serial >= largest {
                break;
            }
            let late = largest - serial >= THRESHOLD || (self.by_time && s.at < old);
            if s.open && late {
                s.open = false;
                lost.push((serial, s.chunk));
            }
        }
        for (serial, chunk) in lost {
            self.in_flight -= 1;
            self.lose(serial, chunk);
            if serial >= self.recovery {
                self.recovery = self.next();
                self.congestion.reduce();
                self.totals.reductions += 1;
            }
        }
        self.forget();
    }

    fn lose(&mut self, serial: u64, chunk: u64) {
        let at = chunk.checked_sub(self.una).map(|i| i as usize);
        if at.is_some_and(|i| self.latest.get(i) == Some(&Some(serial))) {
            self.lost.insert(chunk);
        }
    }

    fn forget(&mut self) {
        while self.latest.front().is_some_and(Option::is_none) {
            self.latest.pop_front();
            self.una += 1;
        }
        while self.sent.front().is_some_and(|s| !s.open) {
            self.sent.pop_front();
            self.base += 1;
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn timeout(&self) -> u64 {
        if self.in_flight == 0 {
            return u64::MAX;
        }
        let rto = self.srtt.max(1_000) + (4 * self.var).max(LEAST_RTO);
        let rto = if self.srtt == 0 { 1_000_000 } else { rto };
        self.progress + (rto << self.backoff.min(6))
    }

    /// The passing of time.
    pub fn handle_timeout(&mut self, now: u64) {
        if now < self.timeout() {
            return;
        }
        let mut open = Vec::new();
        for (serial, s) in (self.base..).zip(&mut self.sent) {
            if std::mem::take(&mut s.open) {
                open.push((serial, s.chunk));
            }
        }
        for (serial, chunk) in open {
            self.lose(serial, chunk);
        }
        self.in_flight = 0;
        self.recovery = self.next();
        self.congestion.collapse();
        self.totals.timeouts += 1;
        self.backoff += 1;
        self.progress = now;
        self.forget();
    }

    /// Everything has arrived.
    pub fn is_done(&self) -> bool {
        self.una >= self.chunks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_loss_is_found_sent_again_and_paid_for_once() {
        let mut s = Sender::new(Law::Cubic, false, u64::MAX);
        let first: Vec<_> = std::iter::from_fn(|| s.poll(0)).collect();
        assert_eq!(first.len(), 10);
        for (serial, _) in first.iter().filter(|(serial, _)| *serial != 2) {
            s.acked(20_000, *serial);
        }
        s.detect(20_000);
        assert_eq!((s.una(), s.totals.reductions), (2, 1));
        let (serial, chunk) = s.poll(20_000).unwrap();
        assert_eq!((serial, chunk), (10, 2));
        s.acked(40_000, serial);
        s.detect(40_000);
        assert_eq!((s.una(), s.totals.again), (10, 1));
    }

    #[test]
    fn silence_ends_in_a_timeout_and_a_window_of_one() {
        let mut s = Sender::new(Law::Reno, false, u64::MAX);
        while s.poll(0).is_some() {}
        assert_eq!(s.timeout(), 1_000_000);
        s.handle_timeout(1_000_000);
        assert_eq!((s.window(), s.totals.timeouts), (1, 1));
        assert_eq!(s.poll(1_000_000).map(|p| p.1), Some(0));
        assert_eq!(s.poll(1_000_000), None);
    }
}
