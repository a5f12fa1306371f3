//! Packet memory: a seat of it for each member with a session, as many as the machine has room for.
//!
//! A seat's memory is taken when it is first used, and kept for the next member: what is taken is bounded by the plan.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use burstmesh_core::data::pool::{Block, Slot};
use burstmesh_core::data::queue::TxFlow;
use burstmesh_core::data::resequence::RxFlow;
use burstmesh_core::data::tunnel::Memory;
use burstmesh_core::node::exit::{MAX_SEATS, Seat};

use crate::config::Limits;

/// Without `[limits] memory`: this part of the machine's RAM.
const SHARE: u64 = 4;
/// Without `[limits] members`: no more than that.
const MOST: usize = 512;
/// Without `[limits] members`: seats shrink rather than that there are fewer of them.
const STREET: usize = 16;
const MIB: u64 = 1 << 20;

/// A size of seats.
#[derive(Clone, Copy, Debug)]
struct Size {
    bytes: u64,
    memory: fn() -> Memory<'static>,
}

/// The largest first: 4 MB of packets, 300 Mbit/s for 100 ms; and a half, a quarter, an eighth of it.
const SIZES: [Size; 4] = [
    size::<16_384>(),
    size::<8_192>(),
    size::<4_096>(),
    size::<2_048>(),
];

/// How many members can be here at a time, and what each may keep.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Sessions at a time.
    pub seats: usize,
    /// Memory of one seat.
    pub seat_bytes: u64,
    /// What `[limits] members` asked for, if that is more.
    pub wanted: Option<usize>,
    pub(super) memory: fn() -> Memory<'static>,
}

impl Plan {
    /// What the configuration and this machine give.
    pub fn of(limits: &Limits) -> Self {
        Self::new(limits, machine())
    }

    fn new(limits: &Limits, machine: u64) -> Self {
        let budget = match limits.memory.told() {
            Some(mib) => u64::from(*mib) * MIB,
            None => machine / SHARE,
        };
        let fits = |size: &Size| usize::try_from(budget / size.bytes).unwrap_or(usize::MAX);
        let told = limits.members.told().map(|n| usize::from(*n));
        let (enough, most) = (told.unwrap_or(STREET), told.unwrap_or(MOST));
        let [.., smallest] = SIZES;
        let size = SIZES.into_iter().find(|s| fits(s) >= enough);
        let size = size.unwrap_or(smallest);
        let seats = fits(&size).clamp(1, most.min(MAX_SEATS));
        Self {
            seats,
            seat_bytes: size.bytes,
            wanted: told.filter(|wanted| *wanted > seats),
            memory: size.memory,
        }
    }

    /// In words, for the log and `check`.
    pub fn describe(&self) -> String {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let most = self.seat_bytes * self.seats as u64;
        let mut text = format!(
            "room for {} members at a time, {:.1} MB each, {:.0} MB in all",
            self.seats,
            mb(self.seat_bytes),
            mb(most)
        );
        let [.., smallest] = SIZES;
        if let Some(wanted) = self.wanted {
            text += &format!(
                "; not for {wanted}, which [limits] members asks for: they need memory = {}",
                (wanted as u64 * smallest.bytes).div_ceil(MIB)
            );
        }
        text
    }
}

const fn size<const BLOCKS: usize>() -> Size {
    let bytes = BLOCKS * size_of::<Block>()
        + BLOCKS / 2 * size_of::<Slot>()
        + BLOCKS / 16 * (size_of::<TxFlow>() + size_of::<RxFlow>())
        + size_of::<Option<Seat<'static>>>();
    Size {
        bytes: bytes as u64,
        memory: for_a_seat::<BLOCKS>,
    }
}

/// Memory for one seat, for the rest of the process' life.
pub(super) fn for_a_seat<const BLOCKS: usize>() -> Memory<'static> {
    Memory {
        slots: vec![Slot::FREE; BLOCKS / 2].leak(),
        blocks: vec![Block::FREE; BLOCKS].leak(),
        tx_flows: vec![TxFlow::FREE; BLOCKS / 16].leak(),
        rx_flows: vec![RxFlow::FREE; BLOCKS / 16].leak(),
    }
}

/// Empty seats.
pub(super) fn seats(count: usize) -> &'static mut [Option<Seat<'static>>] {
    (0..count).map(|_| None).collect::<Vec<_>>().leak()
}

/// Bytes of RAM that this process may have: the machine's, or its control group's limit.
fn machine() -> u64 {
    let text = |path: &Path| read_to_string(path).unwrap_or_default();
    let ram = ram(&text(Path::new("/proc/meminfo")));
    let group = text(Path::new("/proc/self/cgroup"));
    let limits = groups(&group).into_iter().filter_map(|folder| {
        let text = text(&folder.join("memory.max"));
        text.trim().parse::<u64>().ok()
    });
    limits.chain(ram).min().unwrap_or(0)
}

/// `MemTotal` of `/proc/meminfo`, in kB there.
fn ram(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// The folders of a process' control group (version 2) and of those around it.
fn groups(own: &str) -> Vec<PathBuf> {
    let path = own.lines().find_map(|l| l.strip_prefix("0::/"));
    let root = Path::new("/sys/fs/cgroup");
    let ancestors = path.map(|p| root.join(p).ancestors().map(Path::to_owned).collect());
    let all: Vec<PathBuf> = ancestors.unwrap_or_default();
    all.into_iter().filter(|p| p.starts_with(root)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Setting;

    fn plan(memory: Option<u32>, members: Option<u16>, machine_mib: u64) -> Plan {
        let limits = Limits {
            memory: memory.map_or(Setting::Auto, Setting::Told),
            members: members.map_or(Setting::Auto, Setting::Told),
        };
        Plan::new(&limits, machine_mib * MIB)
    }

    #[test]
    fn a_machine_of_any_size_gives_no_more_than_a_quarter_of_its_memory() {
        for machine in [64, 256, 512, 1024, 4096, 65_536] {
            let plan = plan(None, None, machine);
            let most = plan.seat_bytes * plan.seats as u64;
            assert!(
                most <= machine * MIB / SHARE,
                "{machine}: {}",
                plan.describe()
            );
            assert!(
                plan.seats >= 16 && plan.seats <= MOST,
                "{}",
                plan.describe()
            );
        }
        assert_eq!(plan(None, None, 65_536).seats, MOST);
        assert_eq!(plan(None, None, 1).seats, 1, "somebody is always let in");
    }

    #[test]
    fn seats_shrink_to_let_in_as_many_as_were_told() {
        let (few, many) = (plan(Some(128), Some(20), 1), plan(Some(128), Some(100), 1));
        assert_eq!((few.seats, many.seats), (20, 100));
        assert!(few.seat_bytes > many.seat_bytes);
        assert!(few.wanted.is_none() && many.wanted.is_none());
        let too_many = plan(Some(16), Some(1000), 1);
        assert!(too_many.seats < 1000 && too_many.wanted == Some(1000));
        assert!(too_many.describe().contains("not for 1000"));
    }

    #[test]
    fn the_machines_memory_and_the_control_groups_are_read() {
        assert_eq!(ram("MemFree: 1 kB\nMemTotal:  2048 kB\n"), Some(2 * MIB));
        let folders = groups("0::/system.slice/x.service\n");
        let root = Path::new("/sys/fs/cgroup");
        assert_eq!(folders.len(), 3);
        assert_eq!(folders[0], root.join("system.slice/x.service"));
        assert!(groups("1:name=systemd:/\n").is_empty());
        assert!(machine() > 0);
    }
}
