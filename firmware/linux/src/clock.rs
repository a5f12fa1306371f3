//! The clocks: a monotonic one for everything, wall time for people only.

use burstmesh_core::time::Instant;

/// Now, on the monotonic clock.
///
/// The layout of `timespec` differs between 32-bit C libraries; only the C library's own type and call are used here.
pub fn now() -> Instant {
    let time = read(libc::CLOCK_MONOTONIC);
    let micros = (time.tv_sec as u64).saturating_mul(1_000_000);
    // Below a second, so 32 bits hold it: a division by 64 bits is a long call on a router.
    Instant::from_micros(micros.saturating_add(u64::from(time.tv_nsec as u32 / 1_000)))
}

/// Seconds since 1970 as this machine believes. A router believes nonsense until NTP has answered.
#[allow(
    clippy::unnecessary_cast,
    reason = "time_t is 32 bits wide on some targets"
)]
pub fn wall_seconds() -> u64 {
    let seconds = read(libc::CLOCK_REALTIME).tv_sec;
    if size_of_val(&seconds) == 4 {
        u64::from(seconds as u32)
    } else {
        seconds as u64
    }
}

fn read(clock: libc::clockid_t) -> libc::timespec {
    // SAFETY: plain old data, filled by the call; both clocks always exist.
    unsafe {
        let mut time: libc::timespec = core::mem::zeroed();
        libc::clock_gettime(clock, &mut time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_clock_advances_by_what_was_slept() {
        let before = now();
        std::thread::sleep(Duration::from_millis(20));
        let slept = now().since(before).as_micros();
        assert!((20_000..2_000_000).contains(&slept), "{slept}");
    }

    #[test]
    fn wall_time_agrees_with_the_system() {
        let system = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert!(wall_seconds().abs_diff(system) <= 1);
    }
}
