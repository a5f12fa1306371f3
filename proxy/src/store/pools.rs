//! Which addresses a community and its members get: arithmetic only.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::config::Leases;

/// One community's share of the pools. Each member has a slot in it; v4 and v6 leases share the slot's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub v4: Ipv4Net,
    pub v6: Ipv6Net,
}

/// The tunnel addresses of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
}

/// Slot 0 is the network's own address, slot 1 the exit's (in the first share; kept free in all, for one rule).
pub const FIRST_SLOT: u32 = 2;

impl Share {
    /// The `index`th share of the pools, or `None` past their end.
    pub fn nth(pools: &Leases, index: u32) -> Option<Self> {
        if index >= Self::count(pools) {
            return None;
        }
        let bits4 = 32u32.checked_sub(pools.community_v4.into())?;
        let bits6 = 128u32.checked_sub(pools.community_v6.into())?;
        let offset4 = u32::try_from(u64::from(index) << bits4).ok()?;
        // A share as long as the address space leaves nothing to shift: index 0 is the only one.
        let offset6 = u128::from(index).checked_shl(bits6).unwrap_or(0);
        let v4 = Ipv4Addr::from(u32::from(pools.v4.network()).checked_add(offset4)?);
        let v6 = Ipv6Addr::from(u128::from(pools.v6.network()).checked_add(offset6)?);
        Some(Self {
            v4: Ipv4Net::new(v4, pools.community_v4).ok()?,
            v6: Ipv6Net::new(v6, pools.community_v6).ok()?,
        })
    }

    /// How many communities the pools have room for.
    pub fn count(pools: &Leases) -> u32 {
        let bits4 = pools.community_v4.saturating_sub(pools.v4.prefix_len());
        let bits6 = pools.community_v6.saturating_sub(pools.v6.prefix_len());
        1u32.checked_shl(bits4.min(bits6).into())
            .unwrap_or(u32::MAX)
    }

    /// Whether the share still lies inside the pools of the configuration.
    pub fn is_inside(&self, pools: &Leases) -> bool {
        pools.v4.contains(&self.v4) && pools.v6.contains(&self.v6)
    }

    /// The last slot: the broadcast address is left out, and the smaller family decides.
    pub fn last_slot(&self) -> u32 {
        let v4 = u32::MAX
            .checked_shr(self.v4.prefix_len().into())
            .unwrap_or(0);
        let v6 = u128::MAX
            .checked_shr(self.v6.prefix_len().into())
            .unwrap_or(0);
        (v4.saturating_sub(1)).min(u32::try_from(v6).unwrap_or(u32::MAX))
    }

    /// How many members fit.
    pub fn room(&self) -> u32 {
        (self.last_slot() + 1).saturating_sub(FIRST_SLOT)
    }

    /// The addresses of a slot.
    pub fn addresses(&self, slot: u32) -> Addresses {
        Addresses {
            v4: Ipv4Addr::from(u32::from(self.v4.network()).saturating_add(slot)),
            v6: Ipv6Addr::from(u128::from(self.v6.network()).saturating_add(slot.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(v4: &str, v6: &str, community_v4: u8, community_v6: u8) -> Leases {
        Leases {
            v4: v4.parse().unwrap(),
            v6: v6.parse().unwrap(),
            community_v4,
            community_v6,
        }
    }

    #[test]
    fn shares_follow_one_another_and_end_with_the_pool() {
        let pools = Leases::default();
        assert_eq!(Share::count(&pools), 256);
        let last = Share::nth(&pools, 255).unwrap();
        assert_eq!(last.v4.to_string(), "10.77.255.0/24");
        assert_eq!(last.v6.to_string(), "fd77:6275:7273:ff::/64");
        assert_eq!(Share::nth(&pools, 256), None);
    }

    #[test]
    fn a_share_leaves_out_network_exit_and_broadcast() {
        let share = Share::nth(&Leases::default(), 0).unwrap();
        assert_eq!(share.room(), 253);
        assert_eq!(share.addresses(FIRST_SLOT).v4, Ipv4Addr::new(10, 77, 0, 2));
        assert_eq!(
            share.addresses(share.last_slot()).v4,
            Ipv4Addr::new(10, 77, 0, 254)
        );
        assert_eq!(share.addresses(3).v6.to_string(), "fd77:6275:7273::3");
    }

    #[test]
    fn the_smaller_family_decides_how_many_fit() {
        let pools = pools("10.0.0.0/8", "fd00::/120", 16, 125);
        assert_eq!(Share::count(&pools), 32);
        assert_eq!(Share::nth(&pools, 0).unwrap().room(), 6);
    }

    #[test]
    fn the_widest_pools_overflow_nothing() {
        let all = pools("0.0.0.0/0", "::/0", 0, 0);
        let share = Share::nth(&all, 0).unwrap();
        assert_eq!(Share::nth(&all, 1), None);
        assert_eq!(share.last_slot(), u32::MAX - 1);
        assert!(Share::count(&pools("0.0.0.0/0", "::/0", 29, 125)) > 1 << 28);
    }
}
