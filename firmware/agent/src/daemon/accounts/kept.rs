//! What is in the file: believed time in seconds since 1970 (0: none), the ledger, the boot that the counters are of, then for
//! each place of the ledger its cap, and the device and counters of its uplink; then for each what its household is used to; then
//! the pause. What later versions add stands behind.

use super::{Habits, Ledger, Meter};
use crate::config::Config;
use crate::daemon::pause::Pause;
use burstmesh_core::calendar::Wall;
use burstmesh_core::error::Refusal;
use burstmesh_core::ledger::Cap;
use burstmesh_core::ledger::slots::BODY;
use burstmesh_core::time::Instant;
use burstmesh_core::usage::Usage;
use burstmesh_core::wire::bytes::{Reader, Writer};
use burstmesh_core::wire::control::MAX_UPLINKS;
use burstmesh_linux::file;
use burstmesh_linux::netlink::{Counters, Rtnl};

const _: () = assert!(
    4 + Ledger::EMITTED + 8 + MAX_UPLINKS * (Cap::EMITTED + 20 + Usage::EMITTED) + Pause::EMITTED
        <= BODY
);

/// What was kept beside the ledger.
#[derive(Default)]
pub struct Kept {
    pub wall: Option<Wall>,
    pub caps: [Cap; MAX_UPLINKS],
    pub meters: [Meter; MAX_UPLINKS],
    pub pause: Pause,
}

impl Kept {
    /// Reads a body, now and in this boot. Counters are gone on from only where they are of the same device since the same boot.
    pub fn read(
        &mut self,
        body: &[u8],
        ledger: &mut Ledger,
        habits: &mut Habits,
        (now, boot): (Instant, u64),
        config: &Config,
        rtnl: &mut Rtnl,
    ) -> Result<(), Refusal> {
        let mut body = Reader::new(body);
        self.wall = Wall::sane(u64::from(body.u32()?));
        ledger.read(&mut body)?;
        let same_boot = body.u64()? == boot;
        for at in 0..MAX_UPLINKS {
            let mut later = body;
            later.take(Cap::EMITTED)?;
            let index = later.u32()?;
            let counters = Counters {
                rx_bytes: later.u64()?,
                tx_bytes: later.u64()?,
            };
            let name = ledger.name(at as u8);
            let number = config.uplinks.iter().position(|u| u.name == name);
            let uplink = number.and_then(|n| config.uplinks.get(n));
            let link = uplink.and_then(|u| rtnl.link(&u.ifname).ok().flatten());
            let goes_on = same_boot
                && link.is_some_and(|l| {
                    l.index == index
                        && l.counters.rx_bytes >= counters.rx_bytes
                        && l.counters.tx_bytes >= counters.tx_bytes
                });
            if let Some(cap) = self.caps.get_mut(at) {
                *cap = Cap::read(&mut body, goes_on)?;
            }
            if let Some(meter) = number.and_then(|n| self.meters.get_mut(n))
                && goes_on
            {
                meter.resume(index, counters);
            }
            body = later;
        }
        habits
            .iter_mut()
            .try_for_each(|usage| usage.read(&mut body))?;
        // Versions before kept none.
        self.pause = Pause::read(now, same_boot, &mut body).unwrap_or_default();
        Ok(())
    }
}

/// Writes a body.
pub fn emit(
    out: &mut Writer<'_>,
    wall: Option<Wall>,
    ledger: &Ledger,
    boot: u64,
    caps: &[Cap; MAX_UPLINKS],
    meters: &[Meter; MAX_UPLINKS],
    config: &Config,
) -> Result<(), Refusal> {
    out.u32(wall.map_or(0, |w| w.0))?;
    ledger.emit(out)?;
    out.u64(boot)?;
    for (at, cap) in caps.iter().enumerate() {
        cap.emit(out)?;
        let name = ledger.name(at as u8);
        let number = config.uplinks.iter().position(|u| u.name == name);
        let meter = number.and_then(|n| meters.get(n)).map(Meter::kept);
        let (index, counters) = meter.unwrap_or_default();
        out.u32(index)?;
        out.u64(counters.rx_bytes)?;
        out.u64(counters.tx_bytes)?;
    }
    Ok(())
}

/// Tells one start of the machine from another.
pub fn boot() -> u64 {
    let mut buffer = [0; 64];
    let id = file::read("/proc/sys/kernel/random/boot_id", &mut buffer).unwrap_or_default();
    // FNV-1a.
    id.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}
