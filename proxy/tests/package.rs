//! The Debian package and the archive: complete, reproducible, and what they hold runs.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

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

/// The program without what only a debugger reads: packing that would take minutes.
fn stripped() -> &'static Path {
    static STRIPPED: OnceLock<PathBuf> = OnceLock::new();
    STRIPPED.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("burstmesh-proxy");
        let mut strip = Command::new("strip");
        let done = strip.arg("-o").arg(&path).arg(PROGRAM).status();
        if !done.is_ok_and(|s| s.success()) {
            fs::copy(PROGRAM, &path).unwrap();
        }
        path
    })
}

fn pack(out: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env!("CARGO"));
    let cargo = cargo.args(["run", "--quiet", "-p", "xtask", "--", "package-proxy"]);
    must(
        cargo
            .arg("--binary")
            .arg(stripped())
            .arg("--out")
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

/// What the Debian package must have, with mode and owner.
const FILES: &[(&str, &str)] = &[
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
    (
        "-rw-r--r-- root/root",
        "./usr/share/doc/burstmesh-proxy/copyright",
    ),
    (
        "-rw-r--r-- root/root",
        "./usr/share/doc/burstmesh-proxy/changelog.Debian.gz",
    ),
    (
        "-rw-r--r-- root/root",
        "./usr/share/man/man8/burstmesh-proxy.8.gz",
    ),
];

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
        concat!("Version: ", env!("CARGO_PKG_VERSION"), "-1"),
    ] {
        assert!(about.contains(line), "{line}: {about}");
    }
    let listed = must(Command::new("dpkg-deb").arg("-c").arg(&deb));
    for (mode, path) in FILES {
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
    sums_are_right(&tree, &scripts);
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

/// Every file but the configuration has its sum, and the changelog says the version and a date.
fn sums_are_right(tree: &Path, scripts: &Path) {
    let sums = scripts.join("md5sums");
    let check = Command::new("md5sum")
        .args(["-c", "--quiet"])
        .arg(&sums)
        .current_dir(tree)
        .output();
    assert!(check.unwrap().status.success());
    let files = must(
        Command::new("find")
            .args([".", "-type", "f"])
            .current_dir(tree),
    );
    let summed = fs::read_to_string(&sums).unwrap();
    assert_eq!(
        summed.lines().count() + 1,
        files.lines().count(),
        "{summed}{files}"
    );
    let changelog = tree.join("usr/share/doc/burstmesh-proxy/changelog.Debian.gz");
    let changelog = must(Command::new("gzip").arg("-dc").arg(changelog));
    let first = concat!(
        "burstmesh-proxy (",
        env!("CARGO_PKG_VERSION"),
        "-1) unstable"
    );
    assert!(changelog.starts_with(first), "{changelog}");
    assert!(
        changelog.contains(" +0000") && !changelog.contains("@DATE@"),
        "{changelog}"
    );
    let copyright =
        fs::read_to_string(tree.join("usr/share/doc/burstmesh-proxy/copyright")).unwrap();
    assert!(
        copyright.contains("Permission is hereby granted")
            && copyright.contains("common-licenses/Apache-2.0")
    );
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
    // 0 is locked up, 100 is a root shell: a service that makes rules and interfaces of the host's network stays under 25.
    let exposure = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=25", "--no-pager"])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&exposure.stdout);
    assert!(exposure.status.success(), "{said}");
}

/// Debian as it is installed here, seen through an overlay: what is installed there is gone with the process.
const MACHINE: &str = r#"
set -e
mount -t tmpfs none "$WORK"; mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
mount -t overlay none -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" "$WORK/root" || exit 77
mkdir -p "$WORK/root/debs"; cp "$DEBS"/*.deb "$WORK/root/debs/"
mount -t proc none "$WORK/root/proc"; mount -t tmpfs none "$WORK/root/run"
mount --rbind /dev "$WORK/root/dev"
exec chroot "$WORK/root" sh -exc "$SCRIPT" 2>&1
"#;

/// What an admin does, twice over: the second round finds what the first one left.
const ADMIN: &str = r#"
export DEBIAN_FRONTEND=noninteractive
dpkg -s nftables >/dev/null 2>&1 || exit 77
unit=burstmesh-proxy.service
wants=/etc/systemd/system/multi-user.target.wants/$unit
for round in 1 2; do
    dpkg -i /debs/old.deb
    dpkg -s burstmesh-proxy | grep -q '^Status: install ok installed'
    test -z "$(dpkg --verify burstmesh-proxy | grep -v '/usr/share/\(doc\|man\)')"
    burstmesh-proxy --version
    test ! -e $wants
    systemctl enable $unit; test -L $wants
    sed -i 's/^uplink = .*/uplink = "lo"/' /etc/burstmesh-proxy/config.toml
    burstmesh-proxy check
    key=$(burstmesh-proxy key)
    test $round = 1 || test "$key" = "$kept"
    # The same again, and a newer one: settings and enabling stay.
    dpkg -i /debs/old.deb; dpkg -i /debs/new.deb; dpkg -i /debs/new.deb
    dpkg -s burstmesh-proxy | grep -q '^Version: 99'
    grep -q '^uplink = "lo"' /etc/burstmesh-proxy/config.toml
    test -L $wants
    # What an admin switched off stays off.
    systemctl disable $unit; dpkg -i /debs/new.deb; test ! -e $wants; systemctl enable $unit
    dpkg -r burstmesh-proxy; dpkg -r burstmesh-proxy
    test ! -e /usr/bin/burstmesh-proxy; test -e /etc/burstmesh-proxy/config.toml; test -e /var/lib/burstmesh-proxy/key
    dpkg -i /debs/new.deb; grep -q '^uplink = "lo"' /etc/burstmesh-proxy/config.toml; test -L $wants
    dpkg -P burstmesh-proxy | tee /purged; dpkg -P burstmesh-proxy
    grep -q 'rm -r /var/lib/burstmesh-proxy' /purged
    test ! -e /etc/burstmesh-proxy; test ! -L $wants; test -e /var/lib/burstmesh-proxy/key
    ! dpkg -s burstmesh-proxy
    kept=$key
done
echo both rounds done
"#;

#[test]
fn the_package_is_installed_upgraded_removed_and_purged_and_the_exits_key_stays() {
    if !have("dpkg-deb") || !have("unshare") || !have("deb-systemd-helper") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    pack(dir.path());
    let debs = dir.path().join("debs");
    fs::create_dir(&debs).unwrap();
    let old = debs.join("old.deb");
    fs::rename(find(dir.path(), ".deb"), &old).unwrap();
    let tree = dir.path().join("tree");
    must(Command::new("dpkg-deb").arg("-R").args([&old, &tree]));
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    let newer = text.replace("\nVersion: ", "\nVersion: 99");
    assert_ne!(text, newer);
    fs::write(&control, newer).unwrap();
    must(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Znone", "-b"])
            .args([&tree, &debs.join("new.deb")]),
    );
    let work = dir.path().join("work");
    fs::create_dir(&work).unwrap();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", MACHINE])
        .env("WORK", &work)
        .env("DEBS", &debs)
        .env("SCRIPT", ADMIN)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || errors.contains("unshare failed") {
        eprintln!("SKIPPED: no overlay of an installed Debian with nftables can be made here");
        return;
    }
    assert!(
        output.status.success() && said.ends_with("both rounds done\n"),
        "{said}{errors}"
    );
}
