//! Fewer wake-ups: a descriptor that wakes the loop again and again is let rest, and what came meanwhile is taken in one
//! go. Where packets come one by one, waking up for each costs more than carrying it.
//!
//! Only for what needs no time of arrival: the tunnel device, not sockets.

use crate::error::Result;
use crate::fd::Fd;
use crate::poll::{Interest, Poll};
use burstmesh_core::time::{Duration, Instant};

/// How long it rests, which is how long a packet may wait for others: little beside any line's own delay. Half of it is what a ping
/// beside a steady stream waits, of the millisecond that is allowed (docs/cpu.md).
const REST: Duration = Duration::from_micros(1_700);
/// How much of it may be left where the loop is awake anyway.
const EARLY: Duration = Duration::from_micros(850);

/// What reading the descriptor brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing was there.
    Nothing,
    /// Something, and nothing is left.
    All,
    /// As much as one round takes; there may be more.
    More,
}

/// Decides when a descriptor rests.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    looked: Instant,
    until: Option<Instant>,
}

impl Rest {
    /// Of a descriptor that is in the poll set.
    pub fn new(now: Instant) -> Self {
        Self {
            looked: now,
            until: None,
        }
    }

    /// It has rested: read it, and say by [`Self::looked`] what was there. Half a rest is enough where the loop is awake anyway,
    /// for a datagram or another timer: that spares a wake-up.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now + EARLY)
    }

    /// When it is over at the latest.
    pub fn poll_timeout(&self) -> Instant {
        self.until.unwrap_or(Instant::FAR)
    }

    /// It was read: because it woke the loop, or because its rest was over. Two wake-ups within its rest's length let it
    /// rest; nothing there ends that.
    pub fn looked(
        &mut self,
        now: Instant,
        found: Look,
        poll: &Poll,
        (fd, token): (&Fd, u32),
    ) -> Result<()> {
        let resting = self.until.is_some();
        let often = now.since(self.looked) < REST;
        self.looked = now;
        let (rests, until) = match found {
            Look::Nothing => (false, now),
            Look::All => (resting || often, self.next_end(now)),
            // Much is there: nothing is gained by waiting for more.
            Look::More => (resting, now),
        };
        self.until = rests.then_some(until);
        match (resting, rests) {
            (false, true) => poll.modify(fd, token, Interest::Nothing),
            (true, false) => poll.modify(fd, token, Interest::Read),
            _ => Ok(()),
        }
    }

    /// When a rest that begins now is over. One that follows another ends so long after that one's end, not after now: else what
    /// the wake-up and the round took is added to each, and a stream's packets wait longer than is meant.
    fn next_end(&self, now: Instant) -> Instant {
        let end = self.until.unwrap_or(now).min(now) + REST;
        if end > now { end } else { now + REST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fd::socket_pair;
    use crate::poll::Events;

    const TOKEN: u32 = 3;

    struct Scene {
        rest: Rest,
        poll: Poll,
        read: Fd,
        _write: Fd,
    }

    /// A descriptor that always has something.
    fn scene() -> Scene {
        let (read, write) = socket_pair().unwrap();
        let poll = Poll::new().unwrap();
        poll.add(&read, TOKEN, Interest::Read).unwrap();
        write.write_all(b"x").unwrap();
        Scene {
            rest: Rest::new(Instant::ZERO),
            poll,
            read,
            _write: write,
        }
    }

    impl Scene {
        fn looked(&mut self, micros: u64, found: Look) {
            let now = Instant::ZERO + Duration::from_micros(micros);
            let fd = (&self.read, TOKEN);
            self.rest.looked(now, found, &self.poll, fd).unwrap();
        }

        fn wakes(&mut self) -> bool {
            let mut events = Events::<4>::new();
            self.poll.wait(&mut events, Some(Duration::ZERO)).unwrap();
            events.iter().count() > 0
        }
    }

    #[test]
    fn what_comes_now_and_then_wakes_at_once() {
        let mut s = scene();
        for look in 1..9 {
            s.looked(look * 1_700, Look::All);
            assert!(s.wakes());
        }
        assert_eq!(s.rest.poll_timeout(), Instant::FAR);
    }

    #[test]
    fn what_comes_often_rests_until_nothing_comes() {
        let mut s = scene();
        s.looked(5_000, Look::All);
        s.looked(5_100, Look::All);
        assert!(!s.wakes());
        let at = |micros| Instant::ZERO + Duration::from_micros(micros);
        assert_eq!(s.rest.poll_timeout(), at(6_800));
        s.looked(6_800, Look::All);
        assert!(!s.wakes());
        assert_eq!(s.rest.poll_timeout(), at(8_500));
        s.looked(8_500, Look::Nothing);
        assert!(s.wakes());
        assert_eq!(s.rest.poll_timeout(), Instant::FAR);
    }

    #[test]
    fn a_rest_that_ended_late_makes_the_next_one_shorter_and_one_that_ended_too_late_does_not() {
        let mut s = scene();
        s.looked(5_000, Look::All);
        s.looked(5_100, Look::All);
        let at = |micros| Instant::ZERO + Duration::from_micros(micros);
        s.looked(6_950, Look::All);
        assert_eq!(s.rest.poll_timeout(), at(8_500));
        s.looked(10_300, Look::All);
        assert_eq!(s.rest.poll_timeout(), at(12_000));
    }

    #[test]
    fn whoever_is_awake_in_the_second_half_of_a_rest_reads_and_the_next_rest_begins_then() {
        let mut s = scene();
        s.looked(5_000, Look::All);
        s.looked(5_100, Look::All);
        let at = |micros| Instant::ZERO + Duration::from_micros(micros);
        assert!(!s.rest.is_over(at(5_949)) && s.rest.is_over(at(5_950)));
        s.looked(6_000, Look::All);
        assert!(!s.wakes());
        assert_eq!(s.rest.poll_timeout(), at(7_700));
    }

    #[test]
    fn a_full_round_is_followed_by_the_next_at_once() {
        let mut s = scene();
        s.looked(5_000, Look::More);
        s.looked(5_100, Look::More);
        assert!(s.wakes());
        s.looked(5_200, Look::All);
        assert!(!s.wakes());
        s.looked(6_700, Look::More);
        assert!(s.rest.is_over(Instant::ZERO + Duration::from_micros(6_700)));
    }
}
