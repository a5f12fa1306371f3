//! Fewer wake-ups: a descriptor that wakes the loop again and again is let rest, and what came meanwhile is taken in one
//! go. Where packets come one by one, waking up for each costs more than carrying it.
//!
//! Only for what needs no time of arrival: the tunnel device, not sockets.

use crate::error::Result;
use crate::fd::Fd;
use crate::poll::{Interest, Poll};
use burstmesh_core::time::{Duration, Instant};

/// How long it rests, which is how long a packet may wait for others: little beside any line's own delay.
const REST: Duration = Duration::from_micros(1_500);

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

    /// It has rested: read it, and say by [`Self::looked`] what was there.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// When [`Self::is_over`] will be true.
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
        let (rests, length) = match found {
            Look::Nothing => (false, REST),
            Look::All => (resting || often, REST),
            // Much is there: nothing is gained by waiting for more.
            Look::More => (resting, Duration::ZERO),
        };
        self.until = rests.then(|| now + length);
        match (resting, rests) {
            (false, true) => poll.modify(fd, token, Interest::Nothing),
            (true, false) => poll.modify(fd, token, Interest::Read),
            _ => Ok(()),
        }
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
            s.looked(look * 1_500, Look::All);
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
        assert!(!s.rest.is_over(at(6_599)) && s.rest.is_over(at(6_600)));
        s.looked(6_600, Look::All);
        assert!(!s.wakes());
        assert_eq!(s.rest.poll_timeout(), at(8_100));
        s.looked(8_100, Look::Nothing);
        assert!(s.wakes());
        assert_eq!(s.rest.poll_timeout(), Instant::FAR);
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
