//! Sessions that leave at a neighbour's own line, under its address: what a host keeps of its guest, and a guest of its host.

use crate::crypto::sip24;
use crate::data::reset::Near;
use crate::time::{Duration, Instant};
use crate::wire::path::Cost;

/// Where guests' IPv4 addresses are, with its length: a range that is in nobody's home (class E, RFC 1112, 4), so that they
/// need no agreement. No packet with one of them leaves the two routers.
pub const NETWORK_V4: ([u8; 4], u8) = ([251, 0, 0, 0], 8);
/// The same for IPv6 (RFC 4193).
pub const NETWORK_V6: ([u8; 16], u8) = (
    [
        0xfd, 0x42, 0x75, 0x72, 0x73, 0x74, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
    64,
);
/// How long a host's word holds unless it is said again.
pub const LEASE: Duration = Duration::from_secs(30);
/// A host that got so many packets in so much time and sent none back gets no new sessions for a while: its line may be down.
const UNANSWERED: u8 = 8;
const SILENCE: Duration = Duration::from_secs(3);
const REST: Duration = Duration::from_secs(30);

/// A guest's addresses with its host, made of the relay key by which it authenticates there.
pub fn addresses(key: &[u8; 16]) -> Near {
    let number = sip24(key, b"guest").to_be_bytes();
    let [.., a, b, c] = number;
    let mut v6 = NETWORK_V6.0;
    if let Some(last) = v6.last_chunk_mut() {
        *last = number;
    }
    Near {
        v4: [NETWORK_V4.0[0], a, b, c],
        v6,
    }
}

/// Whether a packet's source or destination may be a guest's address.
pub fn concerns(packet: &[u8]) -> bool {
    let v4 = |at: usize| packet.get(at) == Some(&NETWORK_V4.0[0]);
    let v6 = |at: usize| packet.get(at..at + 8) == NETWORK_V6.0.get(..8);
    match packet.first().map(|b| b >> 4) {
        Some(4) => v4(12) || v4(16),
        Some(6) => v6(8) || v6(24),
        _ => false,
    }
}

/// A neighbour whose sessions leave at our line.
#[derive(Debug)]
pub struct Guest {
    /// Our uplink.
    pub uplink: u8,
    /// When something of it passed last.
    pub active_at: Instant,
}

/// What is left to all guests of a line together, kbit/s; 0 = no limit. `most` is what the line was seen to carry, `own` what its
/// household uses now, `lent` what guests use, `before` what they were left the last time.
///
/// Nobody sends a guest's download more slowly for the owner's sake, and among many a new flow of the owner's gets little. So where
/// the line is full and the household uses some of it, guests are left half of what they use, again and again, until the
/// household has what it wants and the line is not full any more. They get it back in small steps (additive increase,
/// multiplicative decrease: Chiu and Jain, 1989).
pub fn left_to_guests(most: u32, own: u32, lent: u32, before: u32) -> u32 {
    let wants = own >= most / IDLE;
    if most < KNOWN || (!wants && before == 0) {
        return 0;
    }
    let full = own.saturating_add(lent) >= most / 8 * 7;
    if wants && full {
        return (lent / 2).max(most / LEAST);
    }
    let step = if wants { most / 32 } else { most / 8 };
    match before.saturating_add(step) {
        _ if before == 0 => 0,
        left if left >= most => 0,
        left => left,
    }
}

/// A household that uses less than this part of its line needs no room.
const IDLE: u32 = 32;
/// Of a line that was never seen to carry more than this (kbit/s) nobody knows when it is full.
const KNOWN: u32 = 1_000;
/// Guests always get this part, so that their connections live.
const LEAST: u32 = 32;

/// A neighbour at whose line our sessions may leave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host {
    /// Its number for the uplink.
    pub uplink: u8,
    /// What it is likely to have over, up and down, kbit/s; 0 = not stated.
    pub kbit: [u32; 2],
    /// Over IPv6 too.
    pub ipv6: bool,
    /// What its owner says that its use costs.
    pub cost: Cost,
    until: Instant,
    /// Since when it has not answered, and packets since then.
    asked: Option<Instant>,
    unanswered: u8,
    rests_until: Instant,
}

impl Host {
    /// It says so, for `seconds`.
    pub fn renew(&mut self, now: Instant, seconds: u16) {
        self.until = now + Duration::from_secs(u64::from(seconds));
    }

    /// Its word holds.
    pub fn holds(&self, now: Instant) -> bool {
        now < self.until
    }

    /// It may get new sessions.
    pub fn answers(&self, now: Instant) -> bool {
        self.holds(now) && self.rests_until <= now
    }

    /// A packet goes there.
    pub fn asked(&mut self, now: Instant) {
        let since = *self.asked.get_or_insert(now);
        self.unanswered = self.unanswered.saturating_add(1);
        if self.unanswered >= UNANSWERED && now.since(since) >= SILENCE {
            self.rests_until = now + REST;
            (self.asked, self.unanswered) = (None, 0);
        }
    }

    /// A packet came from there.
    pub fn answered(&mut self) {
        (self.asked, self.unanswered) = (None, 0);
        self.rests_until = Instant::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_addresses_are_in_the_networks_and_differ_by_key() {
        let (a, b) = (addresses(&[1; 16]), addresses(&[2; 16]));
        assert_ne!(a.v4, b.v4);
        for near in [a, b] {
            assert_eq!(near.v4[0], 251);
            assert_eq!(near.v6[..8], NETWORK_V6.0[..8]);
            let mut packet = [0; 40];
            packet[0] = 0x45;
            packet[12..16].copy_from_slice(&near.v4);
            assert!(concerns(&packet) && near.sends(&packet) && !near.receives(&packet));
            packet = [0; 40];
            packet[0] = 0x60;
            packet[24..40].copy_from_slice(&near.v6);
            assert!(concerns(&packet) && near.receives(&packet) && !near.sends(&packet));
        }
        assert!(!concerns(&[0x45; 20]) && !concerns(&[]));
    }

    #[test]
    fn guests_make_room_within_five_steps_and_get_it_back_in_eight() {
        let most = 20_000;
        assert_eq!(left_to_guests(most, 600, 19_000, 0), 0);
        assert_eq!(left_to_guests(900, 450, 450, 0), 0);
        // A flow of the household takes what guests give up.
        let (mut own, mut left) = (1_000, 0);
        for _ in 0..5 {
            left = left_to_guests(most, own, most - own, left);
            own = most - left;
        }
        assert_eq!(left, most / 32);
        let mut steps = 0;
        while left > 0 {
            left = left_to_guests(most, 0, left, left);
            steps += 1;
        }
        assert_eq!(steps, 8);
    }

    #[test]
    fn guests_use_what_a_household_with_enough_leaves() {
        let (most, own) = (20_000, 5_000);
        let (mut left, mut used) = (0, 0);
        for step in 0..200 {
            let lent = if left == 0 {
                most - own
            } else {
                left.min(most - own)
            };
            left = left_to_guests(most, own, lent, left);
            used += if step >= 100 { lent } else { 0 };
        }
        assert!(used / 100 > (most - own) * 6 / 10, "{}", used / 100);
    }

    #[test]
    fn a_host_that_leaves_everything_unanswered_rests_and_one_answer_ends_that() {
        let at = Instant::from_millis;
        let mut host = Host::default();
        host.renew(at(0), 30);
        for ms in 0..7 {
            host.asked(at(1_000 + ms));
        }
        assert!(host.answers(at(5_000)), "seven packets prove nothing");
        host.asked(at(4_000));
        assert!(!host.answers(at(4_001)) && host.holds(at(4_001)));
        host.answered();
        assert!(host.answers(at(4_002)));
        assert!(!host.answers(at(30_000)), "its word has lapsed");
    }
}
