"""The Makefiles, read by make with stand-ins for OpenWrt's rules, and the shell scripts as a linter sees them."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from router import FEED, TREE, make

# What OpenWrt's rust-values.mk forces on cargo's profile `release`.
FORCED = {"CODEGEN_UNITS": "1", "DEBUG": "false", "LTO": "true", "OPT_LEVEL": "z", "OVERFLOW_CHECKS": "true", "PANIC": "unwind"}


def about(package, folder="burstmesh", **variables):
    text = make(folder, f"about-{package}", "unused", **variables)
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


PACKAGES = (("burstmesh", "burstmesh"), ("burstmesh-tiny", "burstmesh"), ("burstmesh-proxy", "burstmesh-proxy"))


def scripts():
    """All that the feed has as files."""
    found = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", str(FEED)], cwd=TREE, capture_output=True, text=True, check=True)
    names = [TREE / name for name in found.stdout.splitlines()]
    return [name for name in names if name.is_file() and name.read_bytes().startswith(b"#!/bin/sh")]


class Makefiles(unittest.TestCase):
    def test_the_version_is_the_workspaces(self):
        version = re.search(r'^version = "([^"]+)"', (TREE / "Cargo.toml").read_text(), re.M).group(1)
        for package, folder in PACKAGES:
            self.assertEqual(about(package, folder)["version"], f"{version.replace('-', '_')}-r1")

    def test_each_variant_is_built_from_the_tree_with_its_features_and_our_profile(self):
        small, tiny = about("burstmesh", BUILD_VARIANT="small"), about("burstmesh-tiny", BUILD_VARIANT="tiny")
        self.assertEqual((small["variant"], small["features"]), ("small", ""))
        self.assertEqual((tiny["variant"], tiny["features"], tiny["conflicts"]), ("tiny", "tiny,defmt", "burstmesh"))
        for one, without in ((small, ""), (tiny, " --no-default-features")):
            words = one["compile"].rstrip().split()
            self.assertIn(" cargo install --profile router ", one["compile"])
            self.assertTrue(words[words.index("--path") + 1].endswith("/build/firmware/agent"))
            self.assertTrue(one["compile"].rstrip().endswith(" --locked --bin burstmesh" + without))
            self.assertEqual(one["build_depends"], "rust/host")
            self.assertIn("@(aarch64||", one["depends"])
            self.assertEqual(one["userid"], "burstmesh=4454:burstmesh=4454")

    def test_the_profile_withstands_what_openwrt_forces_on_release(self):
        env = {**os.environ, "RUSTC_BOOTSTRAP": "1", **{f"CARGO_PROFILE_RELEASE_{key}": value for key, value in FORCED.items()}}
        command = ["cargo", "build", "--locked", "--profile", "router", "-p", "burstmesh", "--unit-graph", "-Zunstable-options"]
        done = subprocess.run(command, cwd=TREE, env=env, capture_output=True, text=True, check=True)
        units = [unit for unit in json.loads(done.stdout)["units"] if "firmware/" in unit["pkg_id"]]
        # A build script runs on the machine that builds.
        units = [unit for unit in units if unit["target"]["kind"] != ["custom-build"] and unit["mode"] == "build"]
        self.assertGreaterEqual(len(units), 4)
        for unit in units:
            profile = unit["profile"]
            self.assertEqual((profile["panic"], profile["overflow_checks"], profile["lto"]), ("abort", False, "fat"), unit["pkg_id"])
            # The agent's own crate alone is built for size: its paths per packet are in the others.
            self.assertEqual(profile["opt_level"] == "z", "firmware/agent#" in unit["pkg_id"], unit["pkg_id"])

    def test_settings_and_keys_outlive_an_upgrade_of_the_system(self):
        for package in ("burstmesh", "burstmesh-tiny"):
            with tempfile.TemporaryDirectory() as folder:
                make("burstmesh", f"scripts-{package}", folder)
                self.assertEqual((Path(folder) / "conffiles").read_text().split(), ["/etc/config/burstmesh", "/etc/burstmesh/", "/etc/burstmesh.added"])
                for script in ("postinst", "prerm"):
                    self.assertTrue((Path(folder) / script).read_text().startswith("#!/bin/sh\n"))

    def test_both_variants_install_the_same_files(self):
        trees = []
        for package in ("burstmesh", "burstmesh-tiny"):
            with tempfile.TemporaryDirectory() as folder:
                built = Path(folder) / "built/bin"
                built.mkdir(parents=True)
                (built / "burstmesh").write_text("")
                make("burstmesh", f"install-{package}", f"{folder}/root", PKG_INSTALL_DIR=built.parent)
                root = Path(folder) / "root"
                files = (path for path in root.rglob("*") if path.is_file())
                trees.append({str(path.relative_to(root)): oct(path.stat().st_mode & 0o777) for path in files})
        self.assertEqual(trees[0], trees[1])
        self.assertEqual(
            trees[0],
            {
                "usr/bin/burstmesh": "0o755",
                "etc/config/burstmesh": "0o600",
                "etc/init.d/burstmesh": "0o755",
                "etc/uci-defaults/80-burstmesh": "0o755",
                "etc/capabilities/burstmesh.json": "0o644",
                "usr/libexec/burstmesh/settings": "0o755",
                "usr/share/acl.d/burstmesh.json": "0o644",
            },
        )

    def test_the_exits_configuration_keeps_its_state_on_flash(self):
        with tempfile.TemporaryDirectory() as folder:
            built = Path(folder) / "built/bin"
            built.mkdir(parents=True)
            (built / "burstmesh-proxy").write_text("")
            make("burstmesh-proxy", "install-burstmesh-proxy", f"{folder}/root", PKG_INSTALL_DIR=built.parent)
            config = (Path(folder) / "root/etc/burstmesh-proxy/config.toml").read_text()
        for line in ('state_dir = "/etc/burstmesh-proxy/state"', 'control = "/var/run/burstmesh-proxy/control.sock"', 'uplink = "wan"'):
            self.assertIn(f"\n{line}\n", config)
        self.assertNotIn("systemctl", config)

    def test_the_source_is_the_checkout_without_what_was_built(self):
        with tempfile.TemporaryDirectory() as folder:
            make("burstmesh", "prepare", folder)
            there = {path.name for path in (Path(folder) / "build").iterdir()}
        self.assertTrue({"Cargo.toml", "Cargo.lock", ".cargo", "firmware", "proxy"} <= there)
        self.assertFalse({"target", ".git", "dist"} & there)


class Scripts(unittest.TestCase):
    def test_the_agent_keeps_two_capabilities_and_no_more(self):
        kept = json.loads((FEED / "burstmesh/files/etc/capabilities/burstmesh.json").read_text())
        self.assertEqual(set(kept), {"bounding", "effective", "ambient", "permitted", "inheritable"})
        for which in kept.values():
            self.assertEqual(which, ["CAP_NET_ADMIN", "CAP_NET_RAW"])

    def test_shellcheck_and_busybox_find_nothing_wrong_in_any_script(self):
        self.assertGreaterEqual(len(scripts()), 4)
        read(self, scripts())

    def test_nor_in_what_the_makefiles_have_run_at_an_install_and_a_removal(self):
        for package, folder in PACKAGES:
            work = Path(self.enterContext(tempfile.TemporaryDirectory()))
            make(folder, f"scripts-{package}", work)
            made = [work / name for name in ("postinst", "prerm") if (work / name).read_text().strip()]
            # The exit's service is OpenWrt's own matter.
            self.assertEqual(len(made), 0 if package == "burstmesh-proxy" else 2, package)
            if made:
                read(self, made)


def read(case, files):
    """As a linter for busybox's shell does, and as that shell itself."""
    shellcheck = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([shellcheck, "-s", "busybox", *files], capture_output=True, text=True, check=False)
    case.assertEqual(done.returncode, 0, done.stdout + done.stderr)
    for file in files:
        case.assertTrue(file.read_bytes().startswith(b"#!/bin/sh"), file)
        subprocess.run(["busybox", "ash", "-n", file], check=True)


if __name__ == "__main__":
    unittest.main()
