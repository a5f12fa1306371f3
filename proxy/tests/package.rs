//! The Debian package and the archive: complete, reproducible, and what they hold runs.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burstmesh-proxy");

fn have(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: no {program} here");
    }
    there
}

fn must(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn pack(out: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env!("CARGO"));
    let cargo = cargo.args(["run", "--quiet", "-p", "xtask", "--", "package-proxy"]);
    must(
        cargo
            .args(["--binary", PROGRAM, "--out"])
            .arg(out)
            .current_dir(root),
    );
}

fn find(folder: &Path, ending: &str) -> std::path::PathBuf {
    let mut files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    files
        .find(|p| p.to_string_lossy().ends_with(ending))
        .unwrap()
}

fn same_bytes(first: &Path, second: &Path) {
    for ending in [".deb", ".tar.gz"] {
        let same =
            fs::read(find(first, ending)).unwrap() == fs::read(find(second, ending)).unwrap();
        assert!(same, "two builds of the {ending} differ");
    }
}

#[test]
fn the_packages_are_complete_reproducible_and_what_they_hold_runs() {
    if !have("dpkg-deb") || !have("tar") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    pack(&first);
    pack(&second);
    same_bytes(&first, &second);
    let deb = find(&first, ".deb");
    let about = must(Command::new("dpkg-deb").arg("-I").arg(&deb));
    for line in [
        "Package: burstmesh-proxy",
        "Depends: nftables",
        concat!("Version: ", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(about.contains(line), "{line}: {about}");
    }
    let listed = must(Command::new("dpkg-deb").arg("-c").arg(&deb));
    for (mode, path) in [
        ("-rwxr-xr-x root/root", "./usr/bin/burstmesh-proxy"),
        ("-rw-r--r-- root/root", "./etc/burstmesh-proxy/config.toml"),
        (
            "-rw-r--r-- root/root",
            "./usr/lib/systemd/system/burstmesh-proxy.service",
        ),
        (
            "-rw-r--r-- root/root",
            "./usr/share/doc/burstmesh-proxy/README.md",
        ),
    ] {
        let there = listed
            .lines()
            .any(|l| l.starts_with(mode) && l.ends_with(path));
        assert!(there, "{path}: {listed}");
    }

    let tree = dir.path().join("tree");
    must(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&tree));
    let version = must(Command::new(tree.join("usr/bin/burstmesh-proxy")).arg("--version"));
    assert_eq!(
        version.trim(),
        concat!("burstmesh-proxy ", env!("CARGO_PKG_VERSION"))
    );
    let scripts = dir.path().join("scripts");
    must(Command::new("dpkg-deb").arg("-e").arg(&deb).arg(&scripts));
    for script in ["postinst", "prerm", "postrm"] {
        must(Command::new("sh").arg("-n").arg(scripts.join(script)));
    }
    unit_is_sound(&tree);

    must(
        Command::new("tar")
            .arg("-xzf")
            .arg(find(&first, ".tar.gz"))
            .arg("-C")
            .arg(dir.path()),
    );
    let folder = find(dir.path(), std::env::consts::ARCH);
    assert!(folder.join("README.md").exists() && folder.join("config.toml").exists());
    must(Command::new(folder.join("burstmesh-proxy")).arg("--version"));
}

/// systemd's own opinion. It wants to find the programs that the unit names: the unpacked one takes the place of the
/// installed one.
fn unit_is_sound(tree: &Path) {
    if !have("systemd-analyze") {
        return;
    }
    let unit =
        fs::read_to_string(tree.join("usr/lib/systemd/system/burstmesh-proxy.service")).unwrap();
    let there = unit.replace(
        "/usr/bin/burstmesh-proxy",
        &tree.join("usr/bin/burstmesh-proxy").display().to_string(),
    );
    let path = tree.join("burstmesh-proxy.service");
    fs::write(&path, there).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Other units of the machine may have faults of their own.
    let ours: Vec<_> = said
        .lines()
        .filter(|l| l.contains("burstmesh-proxy"))
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
}
