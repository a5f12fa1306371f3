//! Kernel settings that forwarding needs. They stay when we leave: something else may count on them by then.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::config::{Config, Ipv6Mode};

pub(super) fn forwarding(config: &Config) -> Result<()> {
    set("net/ipv4/ip_forward", "1")?;
    if *config.nat.ipv6.get_ref() == Ipv6Mode::Off {
        return Ok(());
    }
    // A forwarding host stops listening to router advertisements: a server that has its IPv6 default route from
    // them would lose it within the hour. 2 means "listen although forwarding".
    let accept_ra = format!("net/ipv6/conf/{}/accept_ra", config.nat.uplink.get_ref());
    if read(&accept_ra).as_deref() == Some("1") {
        set(&accept_ra, "2")?;
    }
    if read("net/ipv6/conf/all/forwarding").is_none() {
        tracing::warn!("this kernel has no IPv6: members get none; set ipv6 = \"off\"");
        return Ok(());
    }
    set("net/ipv6/conf/all/forwarding", "1")
}

/// Writes a setting that is not so yet, and says so in the log.
fn set(name: &str, value: &str) -> Result<()> {
    let before = read(name);
    if before.as_deref() == Some(value) {
        return Ok(());
    }
    let dotted = name.replace('/', ".");
    std::fs::write(path(name), value).with_context(|| {
        format!("cannot set {dotted} = {value}; run as root or with CAP_NET_ADMIN, or set it in /etc/sysctl.d")
    })?;
    tracing::info!(
        "set {dotted} = {value} (was {})",
        before.as_deref().unwrap_or("unknown")
    );
    Ok(())
}

fn read(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path(name)).ok()?;
    Some(text.trim().to_owned())
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name)
}
