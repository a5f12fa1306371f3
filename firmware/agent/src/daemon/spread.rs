//! How new connections are spread where no exit is used: each leaves at one line, the own one or that of a host.
//!
//! The firewall deals them out in turn, by shares. A share follows from what each line is likely to have over, which is what its
//! owner's habits leave; so it changes rarely, and no packet waits for a decision. Of a dearer line it is less: nobody sees here which
//! lines are full.

use burstmesh_core::data::reset::Near;
use burstmesh_core::node::gateway::{Gateway, MAX_PEERS};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::path::Cost;
use heapless::Vec;

/// The line with the most gets so many of a round.
const MOST: u32 = 4;
/// Less than this (kbit/s) says only that the line was never seen at work.
const KNOWN: u32 = 1_000;

/// The shares of all lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// The own line's share; 0: it is down.
    pub own: u8,
    /// The hosts', by their places among the neighbours.
    pub hosts: [Option<Share>; MAX_PEERS],
}

/// What a host gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Our addresses there.
    pub near: Near,
    /// Largest packet.
    pub mtu: u16,
    /// Connections over IPv6 too.
    pub ipv6: bool,
    /// New connections of a round; 0: none now.
    pub weight: u8,
    /// What its owner says that its use costs.
    pub cost: Cost,
}

impl Spread {
    /// What the gateway's neighbours let us have now.
    #[inline(never)]
    pub fn of(gateway: &Gateway<'_>, now: Instant) -> Self {
        let mut spread = Self::default();
        let own = gateway.own_kbit().zip(gateway.own_cost());
        let (mut worth, mut most) = ([0; MAX_PEERS], own.map_or(0, |(kbit, _)| kbit));
        let answers = gateway.hosts(now).filter(|at| at.host.answers(now));
        let least = answers.map(|at| at.host.cost);
        let least = least.chain(own.map(|(_, cost)| cost)).min();
        let least = least.unwrap_or_default();
        for at in gateway.hosts(now) {
            let (Some(place), Some(worth)) =
                (spread.hosts.get_mut(at.place), worth.get_mut(at.place))
            else {
                continue;
            };
            *worth = at.host.kbit[0].saturating_add(at.host.kbit[1]);
            most = most.max(*worth);
            *place = Some(Share {
                near: at.peer.with_host,
                mtu: at.mtu,
                ipv6: at.host.ipv6,
                weight: u8::from(at.host.answers(now)),
                cost: at.host.cost,
            });
        }
        spread.own = own.map_or(0, |(kbit, cost)| priced(weight(kbit, most), cost, least));
        for (host, worth) in spread.hosts.iter_mut().zip(worth) {
            if let Some(host) = host {
                host.weight *= priced(weight(worth, most), host.cost, least);
            }
        }
        spread
    }

    /// All hosts with their places.
    pub fn hosts(&self) -> impl Iterator<Item = (usize, &Share)> {
        let all = self.hosts.iter().enumerate();
        all.filter_map(|(place, share)| Some((place, share.as_ref()?)))
    }

    /// New connections of a round, over IPv4.
    pub fn round(&self) -> u32 {
        self.round_of(false)
    }

    fn round_of(&self, v6: bool) -> u32 {
        let hosts = self.hosts().filter(|(_, host)| host.ipv6 || !v6);
        let hosts = hosts.map(|(_, host)| u32::from(host.weight));
        hosts.fold(u32::from(self.own), u32::saturating_add)
    }

    /// A round in the order in which lines get connections, as evenly as shares allow (smooth weighted round robin, as nginx has
    /// it): the host's place, or `None` for the own line.
    pub fn deal(&self, v6: bool) -> impl Iterator<Item = Option<usize>> {
        let mut shares = [0; MAX_PEERS + 1];
        for (place, host) in self.hosts().filter(|(_, host)| host.ipv6 || !v6) {
            if let Some(share) = shares.get_mut(place) {
                *share = i32::from(host.weight);
            }
        }
        shares[MAX_PEERS] = i32::from(self.own);
        let round = self.round_of(v6);
        let mut waits = [0; MAX_PEERS + 1];
        (0..round).map(move |_| {
            let (mut first, mut most) = (0, i32::MIN);
            for (n, (wait, share)) in waits.iter_mut().zip(shares).enumerate() {
                *wait += share;
                if *wait > most {
                    (first, most) = (n, *wait);
                }
            }
            if let Some(wait) = waits.get_mut(first) {
                *wait -= round as i32;
            }
            (first < MAX_PEERS).then_some(first)
        })
    }

    /// Somebody is our host.
    pub fn is_used(&self) -> bool {
        self.hosts().next().is_some()
    }

    /// Our addresses with the host in this place.
    pub fn near(&self, place: usize) -> Option<Near> {
        self.hosts.get(place).copied().flatten().map(|h| h.near)
    }

    /// Our addresses with hosts of `before` that are none any more, or not the same.
    #[inline(never)]
    pub fn lost(&self, before: &Self) -> Vec<Near, MAX_PEERS> {
        let mut lost = Vec::new();
        for place in 0..MAX_PEERS {
            if let Some(near) = before.near(place)
                && self.near(place) != Some(near)
            {
                let _ = lost.push(near);
            }
        }
        lost
    }

    /// The same lines, each for what it was for before: only shares may differ.
    pub fn same_lines(&self, other: &Self) -> bool {
        let same = |(a, b): (&Option<Share>, &Option<Share>)| match (a, b) {
            (Some(a), Some(b)) => (a.near, a.ipv6, a.weight > 0) == (b.near, b.ipv6, b.weight > 0),
            (None, None) => true,
            _ => false,
        };
        (self.own > 0) == (other.own > 0) && self.hosts.iter().zip(&other.hosts).all(same)
    }
}

/// Who has not said what it has over gets as much as the best.
fn weight(kbit: u32, most: u32) -> u8 {
    match (kbit, most) {
        (..KNOWN, _) | (_, ..KNOWN) => MOST as u8,
        _ => (u64::from(kbit) * u64::from(MOST)).div_ceil(u64::from(most)) as u8,
    }
}

/// Half as many for each step by which a line is dearer than the cheapest; none on a metered one beside others.
fn priced(weight: u8, cost: Cost, least: Cost) -> u8 {
    if cost.is_metered() && cost != least {
        return 0;
    }
    (weight >> cost.level().saturating_sub(least.level())).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(last: u8, weight: u8) -> Option<Share> {
        Some(Share {
            near: Near {
                v4: [251, 0, 0, last],
                v6: [last; 16],
            },
            mtu: 1_400,
            ipv6: true,
            weight,
            cost: Cost::LEAST,
        })
    }

    fn spread(hosts: &[Option<Share>]) -> Spread {
        let mut all = Spread {
            own: 1,
            ..Spread::default()
        };
        all.hosts[..hosts.len()].copy_from_slice(hosts);
        all
    }

    #[test]
    fn shares_are_in_proportion_and_an_unknown_line_counts_as_the_best() {
        assert_eq!(weight(20_000, 20_000), 4);
        assert_eq!(weight(10_000, 20_000), 2);
        assert_eq!(weight(1_000, 20_000), 1);
        assert_eq!(
            (weight(0, 20_000), weight(0, 0), weight(64, 900)),
            (4, 4, 4)
        );
        assert_eq!(weight(u32::MAX, u32::MAX), 4);
    }

    #[test]
    fn a_dearer_line_gets_half_as_many_and_a_metered_one_none_beside_others() {
        let all = |least| {
            [0, 1, 2, 3, 4]
                .map(Cost::new)
                .map(|cost| (cost >= least).then(|| priced(4, cost, least)))
        };
        assert_eq!(
            all(Cost::LEAST),
            [Some(4), Some(2), Some(1), Some(1), Some(0)]
        );
        assert_eq!(all(Cost::new(2)), [None, None, Some(4), Some(2), Some(0)]);
        assert_eq!(all(Cost::METERED)[4], Some(4));
    }

    #[test]
    fn a_round_alternates_as_evenly_as_shares_allow() {
        let mut lines = spread(&[share(1, 4), None, share(3, 2)]);
        lines.own = 2;
        let order: std::vec::Vec<_> = lines.deal(false).collect();
        let (a, c, own) = (Some(0), Some(2), None);
        assert_eq!(order, [a, c, own, a, a, c, own, a]);
        lines.hosts[2].as_mut().unwrap().ipv6 = false;
        assert!(!lines.deal(true).any(|place| place == c));
        assert_eq!(lines.deal(true).count(), 6);
        assert_eq!(Spread::default().deal(false).count(), 0);
    }

    #[test]
    fn a_host_with_new_addresses_is_lost_and_one_with_another_share_is_not() {
        let before = spread(&[share(1, 2), share(2, 2), share(3, 2)]);
        let after = spread(&[share(1, 4), None, share(9, 2)]);
        let lost: std::vec::Vec<_> = after.lost(&before).iter().map(|l| l.v4[3]).collect();
        assert_eq!(lost, [2, 3]);
        assert!(!after.same_lines(&before));
        assert!(spread(&[share(1, 4)]).same_lines(&spread(&[share(1, 1)])));
        assert!(!spread(&[share(1, 4)]).same_lines(&spread(&[share(1, 0)])));
    }
}
