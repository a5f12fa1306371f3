//! What the household itself used of an uplink: what passed the interface, less what was lent.

use crate::config::values::Ifname;
use burstmesh_core::ledger::Amount;
use burstmesh_linux::netlink::Counters;

/// One uplink's meter.
#[derive(Debug, Default)]
pub struct Meter {
    /// The device that the counters are of, by its name and the kernel's number.
    ifname: Ifname,
    index: u32,
    last: Option<Counters>,
    /// Lent bytes that have not been found in the interface's counters yet.
    lent: Amount,
}

impl Meter {
    /// So much was lent since the last reading.
    pub fn lent(&mut self, amount: Amount) {
        self.lent.add(amount);
    }

    /// Goes on from counters that were kept, if the device is still the same one then.
    pub fn resume(&mut self, index: u32, counters: Counters) {
        (self.index, self.last) = (index, Some(counters));
    }

    /// What is to be kept: the device and its counters.
    pub fn kept(&self) -> (u32, Counters) {
        (self.index, self.last.unwrap_or_default())
    }

    /// The counters now; gives what was the household's own since the last reading.
    pub fn read(&mut self, ifname: &Ifname, index: u32, counters: Counters) -> Amount {
        if self.ifname != *ifname {
            let resumed = self.ifname.is_empty() && self.index == index;
            self.last = self.last.filter(|_| resumed);
            self.ifname = ifname.clone();
        }
        self.index = index;
        let Some(last) = self.last.replace(counters) else {
            self.lent = Amount::default();
            return Amount::default();
        };
        Amount {
            up: own(last.tx_bytes, counters.tx_bytes, &mut self.lent.up),
            down: own(last.rx_bytes, counters.rx_bytes, &mut self.lent.down),
        }
    }
}

/// What passed, less what was lent. Where the counters lag behind, the rest is taken off the next time.
fn own(last: u64, now: u64, lent: &mut u64) -> u64 {
    // A device that was made anew begins at zero.
    let passed = now.checked_sub(last).unwrap_or(now);
    let found = passed.min(*lent);
    *lent -= found;
    passed - found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(tx_bytes: u64, rx_bytes: u64) -> Counters {
        Counters { rx_bytes, tx_bytes }
    }
    fn amount(up: u64, down: u64) -> Amount {
        Amount { up, down }
    }

    #[test]
    fn own_use_is_what_passed_less_what_was_lent() {
        let (mut meter, wan) = (Meter::default(), Ifname::try_from("wan").unwrap());
        assert_eq!(meter.read(&wan, 3, counters(1_000, 5_000)), amount(0, 0));
        meter.lent(amount(100, 300));
        assert_eq!(meter.read(&wan, 3, counters(1_150, 5_300)), amount(50, 0));
        // Lent bytes that the counters show only later are nobody's own.
        meter.lent(amount(0, 500));
        assert_eq!(meter.read(&wan, 3, counters(1_150, 5_700)), amount(0, 0));
        assert_eq!(meter.read(&wan, 3, counters(1_150, 5_900)), amount(0, 100));
    }

    #[test]
    fn a_device_made_anew_and_another_one_begin_from_the_start() {
        let (mut meter, wan) = (Meter::default(), Ifname::try_from("wan").unwrap());
        meter.read(&wan, 3, counters(1_000, 5_000));
        assert_eq!(meter.read(&wan, 3, counters(70, 0)), amount(70, 0));
        // Dialled anew: the same name, another device.
        assert_eq!(meter.read(&wan, 5, counters(20, 0)), amount(20, 0));
        let lte = Ifname::try_from("lte0").unwrap();
        assert_eq!(meter.read(&lte, 4, counters(1 << 40, 9)), amount(0, 0));
        assert_eq!(
            meter.read(&lte, 4, counters((1 << 40) + 5, 9)),
            amount(5, 0)
        );
    }

    #[test]
    fn counters_that_went_on_over_a_restart_are_counted_and_those_of_another_device_are_not() {
        let wan = Ifname::try_from("wan").unwrap();
        for (index, own) in [(3, amount(50, 7)), (4, amount(0, 0))] {
            let mut meter = Meter::default();
            meter.resume(3, counters(100, 100));
            assert_eq!(meter.read(&wan, index, counters(150, 107)), own);
            assert_eq!(meter.kept(), (index, counters(150, 107)));
        }
    }
}
