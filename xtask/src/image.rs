//! `cargo xtask image`: what turns OpenWrt's ImageBuilder into an image with burstmesh for one board: the list of packages and
//! the files to add. docs/flashing.md says what to do with them.

use crate::board::{self, Board};
use crate::build::{self, Job};
use crate::process;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The shipped configuration, the same as the package's.
const CONFIG: &str = "openwrt-feed/burstmesh/files/etc/config/burstmesh";
/// Name of the mesh's device, as the shipped configuration has it.
const MESH: &str = "mesh0";
/// The mesh protocol's UDP port.
const PORT: u16 = 4454;

/// Arguments of `image`.
#[derive(clap::Args)]
pub struct Args {
    /// A router model, as its file in board-configs/ is called
    #[arg(long)]
    board: String,
}

/// `cargo xtask image`.
pub fn run(args: &Args) -> Result<()> {
    let board = board::load(&args.board)?;
    let built = build::make(&Job::for_board(&board)?)?;
    let folder = process::root().join("dist").join(&board.file).join("image");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let put = |name: &str, bytes: &[u8], mode: u32| -> Result<()> {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(())
    };
    put("packages", packages(&board).as_bytes(), 0o644)?;
    put("files/usr/sbin/burstmesh", &fs::read(&built.binary)?, 0o755)?;
    let config = fs::read_to_string(process::root().join(CONFIG)).context(CONFIG)?;
    // Its contents are a member's secret.
    put("files/etc/config/burstmesh", config.as_bytes(), 0o600)?;
    // Keys live over sysupgrade.
    put(
        "files/lib/upgrade/keep.d/burstmesh",
        b"/etc/burstmesh/\n",
        0o644,
    )?;
    put(
        "files/etc/uci-defaults/90-burstmesh",
        defaults(&board).as_bytes(),
        0o755,
    )?;
    println!(
        "make image PROFILE={} PACKAGES=\"$(cat {2}/packages)\" FILES={2}/files    # in the ImageBuilder of {}",
        board.openwrt.profile,
        board.openwrt.target,
        folder.display()
    );
    Ok(())
}

/// Packages that the image has beside OpenWrt's own. firewall4 brings nftables and connection tracking with it.
fn packages(board: &Board) -> String {
    let mut list = vec!["kmod-tun"];
    if !board.radio.is_empty() {
        // The small wpad of an image knows no mesh with encryption; this one does, should the owner want it.
        list.extend(["-wpad-basic-mbedtls", "wpad-mesh-mbedtls"]);
    }
    list.join(" ") + "\n"
}

/// Runs once on the router, at its first start or after a sysupgrade: the mesh's radio and network, the firewall's rule, and
/// the device names of this board in the configuration. What the owner has set already stays.
fn defaults(board: &Board) -> String {
    let mut out = format!(
        "#!/bin/sh\n# burstmesh on {}: made from board-configs/{}.toml\n\nuci -q get network.burstmesh >/dev/null && exit 0\n\n",
        board.name, board.file
    );
    out.push_str("uci -q batch <<'EOF'\nset network.burstmesh=interface\nset network.burstmesh.proto='none'\n");
    let mut lines = Vec::new();
    match board.radio.iter().find(|radio| radio.mesh) {
        Some(radio) => {
            lines.push(format!("delete wireless.{}.disabled", radio.uci));
            lines.push("set wireless.burstmesh=wifi-iface".to_owned());
            for (option, value) in [
                ("device", radio.uci.as_str()),
                ("mode", "mesh"),
                ("mesh_id", "burstmesh"),
                ("ifname", MESH),
                ("network", "burstmesh"),
                // Every frame of burstmesh is sealed or authenticated by itself, and nothing else is let in.
                ("encryption", "none"),
            ] {
                lines.push(format!("set wireless.burstmesh.{option}='{value}'"));
            }
        }
        // Without a radio the owner names the device.
        None => lines.push("set network.burstmesh.auto='0'".to_owned()),
    }
    lines.push("set firewall.burstmesh_zone=zone".to_owned());
    lines.push("set firewall.burstmesh_zone.name='burstmesh'".to_owned());
    lines.push("add_list firewall.burstmesh_zone.network='burstmesh'".to_owned());
    for option in ["input", "forward"] {
        lines.push(format!("set firewall.burstmesh_zone.{option}='REJECT'"));
    }
    lines.push("set firewall.burstmesh_zone.output='ACCEPT'".to_owned());
    lines.push("set firewall.burstmesh_rule=rule".to_owned());
    for (option, value) in [
        ("name", "Allow-burstmesh"),
        ("src", "burstmesh"),
        ("proto", "udp"),
        ("dest_port", &PORT.to_string()),
        ("target", "ACCEPT"),
    ] {
        lines.push(format!("set firewall.burstmesh_rule.{option}='{value}'"));
    }
    if let Some(wan) = board.ports.wan.first() {
        lines.push(format!("set burstmesh.wan.ifname='{wan}'"));
    }
    lines.push("commit".to_owned());
    let _ = writeln!(out, "{}\nEOF\n", lines.join("\n"));
    let _ = writeln!(
        out,
        "# Nothing is lent before the owner says so. Suggested for this board: {} % of the line, for example on 20 Mbit/s\n#   uci set burstmesh.wan.lend=1; uci set burstmesh.wan.lend_down={}kbit; uci commit burstmesh\nexit 0",
        board.lend.share_percent,
        20_000 * u32::from(board.lend.share_percent) / 100
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Runs a script by busybox's shell where there is one, otherwise by the system's, with a `uci` that only records.
    fn recorded(script: &str, set_already: bool) -> String {
        let folder = std::env::temp_dir().join(format!(
            "burstmesh-image-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::create_dir_all(&folder).unwrap();
        let uci = folder.join("uci");
        let answer = i32::from(!set_already);
        let stand_in = format!(
            "#!/bin/sh\n[ \"$2\" = get ] && exit {answer}\n[ \"$2\" = batch ] && exec cat\nexit 9\n"
        );
        fs::write(&uci, stand_in).unwrap();
        fs::set_permissions(&uci, fs::Permissions::from_mode(0o755)).unwrap();
        let shell = process::find("busybox").map_or(vec!["sh"], |_| vec!["busybox", "ash"]);
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .arg("-eu")
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(output.status.success(), "{script}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn every_board_has_a_script_that_a_routers_shell_runs() {
        for board in board::load_all().unwrap() {
            let said = recorded(&defaults(&board), false);
            assert!(said.ends_with("commit\n"), "{}: {said}", board.file);
            assert!(said.contains("firewall.burstmesh_rule.dest_port='4454'"));
            for radio in board.radio.iter().filter(|radio| radio.mesh) {
                let device = format!("wireless.burstmesh.device='{}'", radio.uci);
                assert!(said.contains(&device), "{}: {said}", board.file);
            }
            let known = ["set ", "add_list ", "delete ", "commit"];
            assert!(
                said.lines()
                    .all(|line| known.iter().any(|word| line.starts_with(word)))
            );
        }
    }

    #[test]
    fn what_the_owner_has_set_stays() {
        for board in board::load_all().unwrap() {
            assert_eq!(recorded(&defaults(&board), true), "");
        }
    }

    #[test]
    fn the_device_names_of_the_script_are_those_of_the_configuration() {
        let config = fs::read_to_string(process::root().join(CONFIG)).unwrap();
        assert!(config.contains(&format!("option ifname '{MESH}'")));
        assert!(config.contains("config uplink 'wan'"));
        assert!(config.contains(&format!("option port '{PORT}'")));
    }

    #[test]
    fn a_board_without_a_radio_gets_no_wireless_packages() {
        let without = board::load("x86-64").unwrap();
        assert_eq!(packages(&without), "kmod-tun\n");
        let with = board::load("tplink-archer-c7-v5").unwrap();
        assert!(packages(&with).contains(" wpad-mesh-mbedtls"));
    }
}
