//! The lender's side of relaying: which borrower may use which uplink towards which exit, and what it has carried.

use super::Via;
use crate::data::replay::ReplayWindow;
use crate::error::Refusal;
use crate::time::{Duration, Instant};
use crate::wire::control::MAX_CIDS;
use heapless::Vec;

/// Most grants given at a time.
pub const MAX_RELAYS: usize = 16;
/// Of these, most ways to members: they leave room for what uplinks are lent by.
pub const MAX_WAYS: usize = 8;
/// How long a grant lasts unless renewed.
pub const LEASE: Duration = Duration::from_secs(30);
/// Nothing is told under a grant that holds shorter: what is told puts renewing off, by ten seconds.
const TELL: Duration = Duration::from_secs(12);

/// What was carried for a borrower, in outer IP bytes as the uplink's account sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes from the borrower to the exit.
    pub up_bytes: u64,
    /// Bytes from the exit to the borrower.
    pub down_bytes: u64,
    /// Datagrams up.
    pub up_packets: u32,
    /// Datagrams down.
    pub down_packets: u32,
}

/// Where a grant leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Out of the socket that an uplink has for an exit.
    Line(Via),
    /// Over the mesh to another member, by its place among the peers, as long as it is so few hops away.
    Member {
        /// Its place.
        place: u8,
        /// The most hops.
        hops: u8,
    },
}

impl Over {
    /// The same line towards the same exit, be it under another address: nobody needs two of them at a time.
    fn is_like(self, other: Self) -> bool {
        let line = |over| match over {
            Self::Line(Via::Uplink { uplink, exit, .. }) => Some((uplink, exit)),
            _ => None,
        };
        self == other || (line(self).is_some() && line(self) == line(other))
    }
}

/// One grant as the lender keeps it.
#[derive(Clone, Debug)]
pub struct Relay {
    /// The borrower's place among the peers.
    pub peer: u8,
    /// The name in relay frames.
    pub id: u32,
    /// Where it leads.
    pub over: Over,
    /// Connection IDs under which the exit answers the borrower.
    pub cids: Vec<u32, MAX_CIDS>,
    /// Until when it holds.
    pub until: Instant,
    /// Since when it has these connection IDs, and what it has carried since.
    pub since: Instant,
    /// See `since`.
    pub carried: Carried,
    /// What the borrower was last told that it may use, up and down, kbit/s; 0 = no limit.
    pub told: [u32; 2],
    window: ReplayWindow,
    next_down: u32,
}

/// All grants given.
#[derive(Debug, Default)]
pub struct Relays {
    table: [Option<Relay>; MAX_RELAYS],
}

impl Relays {
    /// Gives or renews a grant; returns its name. `fresh` names a new one. Who asks for other connection IDs, or for another
    /// address of the same exit, has forgotten the grant it had, and begins its counters anew: so do we, under a new name.
    pub fn grant(
        &mut self,
        now: Instant,
        peer: u8,
        over: Over,
        cids: &Vec<u32, MAX_CIDS>,
        fresh: u32,
        told: [u32; 2],
    ) -> Result<u32, Refusal> {
        if let Some(r) = self
            .table
            .iter_mut()
            .flatten()
            .find(|r| r.peer == peer && r.over.is_like(over))
        {
            (r.until, r.told) = (now + LEASE, told);
            if (r.over, &r.cids) != (over, cids) {
                (r.id, r.over, r.next_down) = (fresh, over, 0);
                r.cids.clone_from(cids);
                (r.since, r.carried) = (now, Carried::default());
                r.window = ReplayWindow::default();
            }
            return Ok(r.id);
        }
        let ways = self.iter().filter(|r| r.is_way() && r.until >= now).count();
        if matches!(over, Over::Member { .. }) && ways >= MAX_WAYS {
            return Err(Refusal::Full);
        }
        let place = self
            .table
            .iter_mut()
            .find(|r| r.as_ref().is_none_or(|r| r.until < now))
            .ok_or(Refusal::Full)?;
        *place = Some(Relay {
            peer,
            id: fresh,
            over,
            cids: cids.clone(),
            until: now + LEASE,
            since: now,
            carried: Carried::default(),
            told,
            window: ReplayWindow::default(),
            next_down: 0,
        });
        Ok(fresh)
    }

    /// All grants in force.
    pub fn iter(&self) -> impl Iterator<Item = &Relay> {
        self.table.iter().flatten()
    }

    /// The grant with this name.
    pub fn named(&mut self, now: Instant, id: u32) -> Option<&mut Relay> {
        self.table
            .iter_mut()
            .flatten()
            .find(|r| r.id == id && r.until >= now)
    }

    /// The grant under which an answer with this connection ID, come in on this socket, goes back.
    pub fn answering(&mut self, now: Instant, via: Via, cid: u32) -> Option<&mut Relay> {
        self.table
            .iter_mut()
            .flatten()
            .find(|r| r.over == Over::Line(via) && r.until >= now && r.cids.contains(&cid))
    }

    /// Those of which the borrower will hear in time, to be told what has changed.
    pub fn told(&mut self, now: Instant) -> impl Iterator<Item = &mut Relay> {
        let all = self.table.iter_mut().flatten();
        all.filter(move |r| r.until >= now + TELL)
    }

    /// The uplink is not lent any more: takes its grants back; gives the borrowers' places and the exits' sockets.
    pub fn revoke(&mut self, uplink: u8) -> Vec<(u8, Via), MAX_RELAYS> {
        let mut revoked = Vec::new();
        for r in &mut self.table {
            if let Some(relay) = r.take_if(|r| r.is_over(uplink))
                && let Over::Line(via) = relay.over
            {
                let _ = revoked.push((relay.peer, via));
            }
        }
        revoked
    }

    /// Another grant, or a path of our own, already answers to one of these connection IDs on that socket.
    pub fn knows(&self, peer: u8, via: Via, cids: &[u32]) -> bool {
        self.table.iter().flatten().any(|r| {
            r.over == Over::Line(via) && r.peer != peer && r.cids.iter().any(|c| cids.contains(c))
        })
    }

    /// A peer has left, or its session is new: its grants end.
    pub fn forget_peer(&mut self, peer: u8) {
        self.forget(|r| r.peer == peer);
    }

    /// A peer is refused: what our uplinks are lent to it by ends, and not the ways over the mesh.
    pub fn forget_lines_of(&mut self, peer: u8) {
        self.forget(|r| r.peer == peer && !r.is_way());
    }

    /// Somebody else takes this peer's place: nobody's way leads there any more.
    pub fn forget_ways_to(&mut self, peer: u8) {
        self.forget(|r| matches!(r.over, Over::Member { place, .. } if place == peer));
    }

    fn forget(&mut self, which: impl Fn(&Relay) -> bool) {
        for r in &mut self.table {
            r.take_if(|r| which(r));
        }
    }
}

impl Relay {
    /// Our uplink that is lent.
    pub fn uplink(&self) -> Option<u8> {
        match self.over {
            Over::Line(Via::Uplink { uplink, .. }) => Some(uplink),
            _ => None,
        }
    }
    /// The exit that it leads to over it.
    pub fn exit(&self) -> Option<u8> {
        match self.over {
            Over::Line(Via::Uplink { exit, .. }) => Some(exit),
            _ => None,
        }
    }
    fn is_way(&self) -> bool {
        matches!(self.over, Over::Member { .. })
    }
    fn is_over(&self, over: u8) -> bool {
        self.uplink() == Some(over)
    }

    /// A frame from the borrower was authentic: has it come for the first time?
    pub fn check(&self, counter: u32) -> Result<(), Refusal> {
        self.window.check(u64::from(counter))
    }

    /// It goes out: counts it.
    pub fn count_up(&mut self, counter: u32, outer: usize) -> Result<(), Refusal> {
        self.window.insert(u64::from(counter))?;
        self.carried.up_bytes += outer as u64;
        self.carried.up_packets = self.carried.up_packets.wrapping_add(1);
        Ok(())
    }

    /// A datagram from the exit goes to the borrower: the counter for its relay frame.
    pub fn count_down(&mut self, outer: usize) -> u32 {
        self.carried.down_bytes += outer as u64;
        self.carried.down_packets = self.carried.down_packets.wrapping_add(1);
        self.next_down = self.next_down.wrapping_add(1);
        self.next_down
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIA: Via = Via::Uplink {
        uplink: 0,
        exit: 0,
        address: 0,
    };

    #[test]
    fn a_replayed_frame_is_refused_and_not_counted_and_a_lapsed_grant_carries_nothing() {
        let (mut relays, now) = (Relays::default(), Instant::from_millis(5));
        let cids = Vec::from_slice(&[7]).unwrap();
        let line = Over::Line(VIA);
        assert_eq!(relays.grant(now, 1, line, &cids, 42, [0; 2]), Ok(42));
        let r = relays.named(now, 42).unwrap();
        assert_eq!((r.check(1), r.count_up(1, 1500)), (Ok(()), Ok(())));
        assert_eq!(r.check(1), Err(Refusal::Replayed));
        assert_eq!(r.count_up(1, 1500), Err(Refusal::Replayed));
        assert_eq!(r.carried.up_packets, 1);
        assert!(relays.answering(now, VIA, 7).is_some());
        assert!(relays.answering(now, VIA, 8).is_none());
        let later = now + LEASE + Duration::from_millis(1);
        assert!(relays.named(later, 42).is_none());
    }

    #[test]
    fn a_revoked_grant_carries_nothing() {
        let (mut relays, now) = (Relays::default(), Instant::from_millis(5));
        let granted = relays.grant(now, 1, Over::Line(VIA), &Vec::new(), 42, [0; 2]);
        assert!(granted.is_ok() && relays.revoke(1).is_empty());
        assert_eq!(relays.revoke(0).as_slice(), [(1, VIA)]);
        assert!(relays.named(now, 42).is_none());
    }

    #[test]
    fn a_borrower_holds_one_grant_of_a_line_for_each_exit_whichever_address_it_asks_for() {
        let (mut relays, now) = (Relays::default(), Instant::from_millis(5));
        for n in 0..40 {
            let (exit, address) = (n as u8 % 2, n as u8 / 2 % 4);
            let via = Via::Uplink {
                uplink: 0,
                exit,
                address,
            };
            let cids = Vec::from_slice(&[n]).unwrap();
            let granted = relays.grant(now, 1, Over::Line(via), &cids, 100 + n, [0; 2]);
            assert_eq!(granted, Ok(100 + n));
        }
        let names: std::vec::Vec<_> = relays.iter().map(|r| r.id).collect();
        assert_eq!(names, [138, 139]);
    }

    #[test]
    fn a_grant_asked_for_under_new_connection_ids_gets_a_new_name_and_new_counters() {
        let (mut relays, now) = (Relays::default(), Instant::from_millis(5));
        let cids = |n| Vec::from_slice(&[n]).unwrap();
        assert_eq!(
            relays.grant(now, 1, Over::Line(VIA), &cids(7), 42, [0; 2]),
            Ok(42)
        );
        relays.named(now, 42).unwrap().count_up(1, 100).unwrap();
        assert_eq!(
            relays.grant(now, 1, Over::Line(VIA), &cids(8), 43, [0; 2]),
            Ok(43)
        );
        assert!(relays.named(now, 42).is_none());
        let r = relays.named(now, 43).unwrap();
        assert_eq!(r.count_up(1, 100), Ok(()));
        assert_eq!((r.carried.up_packets, r.count_down(100)), (1, 1));
    }

    #[test]
    fn a_full_table_says_so_and_renewing_keeps_the_name() {
        let (mut relays, now) = (Relays::default(), Instant::from_millis(5));
        for peer in 0..MAX_RELAYS as u8 {
            assert_eq!(
                relays.grant(
                    now,
                    peer,
                    Over::Line(VIA),
                    &Vec::new(),
                    u32::from(peer) + 1,
                    [0; 2]
                ),
                Ok(u32::from(peer) + 1)
            );
        }
        assert_eq!(
            relays.grant(now, 3, Over::Line(VIA), &Vec::new(), 99, [0; 2]),
            Ok(4)
        );
        assert_eq!(
            relays.grant(now, 77, Over::Line(VIA), &Vec::new(), 99, [0; 2]),
            Err(Refusal::Full)
        );
        relays.forget_peer(3);
        assert_eq!(
            relays.grant(now, 77, Over::Line(VIA), &Vec::new(), 99, [0; 2]),
            Ok(99)
        );
    }

    #[test]
    fn ways_to_members_leave_half_of_the_table_to_what_uplinks_are_lent_by() {
        let (mut relays, now) = (Relays::default(), Instant::from_millis(5));
        let mut ask = |place| {
            let over = Over::Member { place, hops: 1 };
            relays.grant(now, 100, over, &Vec::new(), 50 + u32::from(place), [0; 2])
        };
        let granted = (0..20).filter(|place| ask(*place).is_ok()).count();
        assert_eq!(granted, MAX_WAYS);
        assert_eq!(ask(0), Ok(50), "one that is there is renewed");
        relays.forget_ways_to(0);
        assert!(relays.named(now, 50).is_none() && relays.named(now, 51).is_some());
        let line = relays.grant(now, 1, Over::Line(VIA), &Vec::new(), 42, [0; 2]);
        assert_eq!(line, Ok(42));
    }
}
