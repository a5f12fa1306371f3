//! `cargo xtask image`: what turns OpenWrt's ImageBuilder into an image with burstmesh for one board: our packages, the list of
//! what to install, and a script that makes the mesh on the board's radio. docs/flashing.md says what to do with them.

use crate::board::{self, Board, Radio};
use crate::openwrt;
use crate::package::write;
use crate::process::root;
use anyhow::{Result, ensure};
use std::fs;
use std::path::PathBuf;

/// Before the package's own script (80-burstmesh), which looks for the mesh's device.
const SCRIPT: &str = "etc/uci-defaults/70-burstmesh-mesh";

/// Arguments of `image`.
#[derive(clap::Args)]
pub struct Args {
    /// A router model, as its file in board-configs/ is called
    #[arg(long)]
    board: String,
    /// Pack this agent instead of building one
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Where all of it goes; dist/BOARD/image without it
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// `cargo xtask image`.
pub fn run(args: &Args) -> Result<()> {
    let board = board::load(&args.board)?;
    let folder = match &args.out {
        Some(folder) => root().join(folder),
        None => root().join("dist").join(&board.file).join("image"),
    };
    // An ImageBuilder has folders of these names, too: only our own are made anew.
    ensure!(
        !folder.join("packages").exists() || folder.join("list").is_file(),
        "{} has packages of others: name a folder of its own",
        folder.display()
    );
    for old in ["packages", "files"] {
        let _ = fs::remove_dir_all(folder.join(old));
    }
    openwrt::pack(&board, args.agent.as_deref(), &folder.join("packages"))?;
    write(&folder.join("list"), &list(&board), 0o644)?;
    let mut files = String::new();
    if let Some(radio) = mesh_radio(&board) {
        let script = script(&board, radio);
        write(&folder.join("files").join(SCRIPT), &script, 0o755)?;
        files = format!(" FILES={}/files", folder.display());
    }
    println!(
        "cp {2}/packages/* packages/ && make image PROFILE={0} PACKAGES=\"$(cat {2}/list)\"{files}    # in the ImageBuilder of {1}",
        board.openwrt.profile,
        board.openwrt.target,
        folder.display()
    );
    Ok(())
}

fn mesh_radio(board: &Board) -> Option<&Radio> {
    board.radio.iter().find(|radio| radio.mesh)
}

/// Packages that the image has beside OpenWrt's own. Ours bring what they need.
fn list(board: &Board) -> String {
    let mut list = vec![openwrt::agents(board), "luci", "luci-app-burstmesh"];
    if !board.radio.is_empty() {
        // The small wpad of an image knows no mesh with encryption; this one does, should the owner want it.
        list.extend(["-wpad-basic-mbedtls", "wpad-mesh-mbedtls"]);
    }
    list.join(" ") + "\n"
}

/// Makes the mesh, once on a router, at its first start or after a sysupgrade. All else is the package's own matter.
fn script(board: &Board, radio: &Radio) -> String {
    format!(
        r#"#!/bin/sh
# burstmesh on {name}: made from board-configs/{file}.toml.

# As the package does with its sections: what the owner deletes stays away.
ADDED=/etc/burstmesh.added
grep -qxF wireless.burstmesh "$ADDED" 2>/dev/null && exit 0

# A radio that the kernel has not found yet: again at the next start.
[ "$(uci -q get wireless.{radio})" = wifi-device ] || exit 1

# A radio that is off has an open access point into the home network, as OpenWrt ships it: that stays off.
if [ "$(uci -q get wireless.{radio}.disabled)" = 1 ]; then
	[ -z "$(uci -q get wireless.default_{radio})" ] || uci -q set wireless.default_{radio}.disabled='1'
	uci -q delete wireless.{radio}.disabled
fi

# No network: the device is in no bridge, and the package's firewall zone names it. Every frame of burstmesh is sealed or
# authenticated by itself, and nothing else is let in.
uci -q get wireless.burstmesh >/dev/null || uci -q batch <<-EOT
	set wireless.burstmesh=wifi-iface
	set wireless.burstmesh.device='{radio}'
	set wireless.burstmesh.mode='mesh'
	set wireless.burstmesh.mesh_id='burstmesh'
	set wireless.burstmesh.ifname='mesh0'
	set wireless.burstmesh.encryption='none'
EOT
uci -q commit wireless
echo wireless.burstmesh >>"$ADDED"
exit 0
"#,
        name = board.name,
        file = board.file,
        radio = radio.uci,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_of_the_list_fits_the_boards_memory() {
        for board in board::load_all().unwrap() {
            let tiny = board.hardware.ram_mb < 128;
            let agent = if tiny { "burstmesh-tiny" } else { "burstmesh" };
            assert_eq!(list(&board).split(' ').next(), Some(agent));
        }
    }

    #[test]
    fn a_board_without_a_radio_gets_no_wireless_packages_and_no_mesh() {
        let without = board::load("x86-64").unwrap();
        assert_eq!(list(&without), "burstmesh luci luci-app-burstmesh\n");
        assert!(mesh_radio(&without).is_none());
        let with = board::load("tplink-archer-c7-v5").unwrap();
        assert!(list(&with).contains(" wpad-mesh-mbedtls"));
        assert!(mesh_radio(&with).is_some());
    }
}
