"""The programs as OpenWrt compiles them: by the feed's Makefiles, with the RUSTFLAGS and the forced profile of its rust-values.mk,
a ready-made `core` that unwinds, and GNU's linker."""

import os
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

from router import LONG, TREE, make
from test_feed import PACKAGES, about

# What .cargo/config.toml has for routers and the feed has not: a C library inside and a `core` of its own need these, and the scripts
# take away what OpenWrt strips, or what a C library inside would bring.
NOT_THERE = {
    "-Clink-self-contained=no",
    "-Ctarget-feature=+crt-static",
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
    "-Clink-arg=-Wl,-T,firmware/agent/discard.x",
    "-Clink-arg=-Wl,-T,firmware/agent/no-unwind.x",
}
# What OpenWrt itself says.
OPENWRT = {"-Ctarget-feature=-crt-static", "-Clink-arg=-fuse-ld=bfd"}


def configured(targets):
    config = tomllib.loads((TREE / ".cargo/config.toml").read_text())
    return config["target"][f"cfg({targets})"]["rustflags"]


def flags(package, folder, arch):
    return about(package, folder, ARCH=arch)["rustflags"].split()


def host():
    said = subprocess.run(["rustc", "-vV"], cwd=TREE, capture_output=True, text=True, check=True).stdout
    return next(line.split()[1] for line in said.splitlines() if line.startswith("host: "))


class Flags(unittest.TestCase):
    def test_the_agent_has_the_flags_of_cargos_configuration_but_for_those_that_openwrt_cannot_take(self):
        wanted = set(configured('target_env = "musl"'))
        self.assertLess(NOT_THERE, wanted)
        mips = set(configured('target_arch = "mips"'))
        for arch in ("mips", "mipsel"):
            self.assertEqual(set(flags("burstmesh", "burstmesh", arch)), wanted - NOT_THERE | mips | OPENWRT, arch)
        for arch in ("arm", "aarch64"):
            self.assertEqual(set(flags("burstmesh", "burstmesh", arch)), wanted - NOT_THERE | OPENWRT, arch)

    def test_every_program_on_x86_64_has_the_cipher_that_is_configured_for_it(self):
        wanted = configured('target_arch = "x86_64"')
        for package, folder in PACKAGES:
            self.assertIn(" ".join(wanted), " ".join(flags(package, folder, "x86_64")))
            self.assertNotIn("--cfg", flags(package, folder, "mips"))

    def test_the_exit_keeps_its_texts_and_its_addresses_are_not_fixed(self):
        self.assertEqual(set(flags("burstmesh-proxy", "burstmesh-proxy", "mips")), OPENWRT)


class Sources(unittest.TestCase):
    def test_whatever_a_makefile_names_is_there(self):
        # OpenWrt passes over what is not.
        for package, folder in PACKAGES:
            names = about(package, folder)["depends_on_files"].split()
            self.assertGreaterEqual(len(names), 5)
            self.assertEqual([name for name in names if not Path(name).exists()], [], package)


@unittest.skipUnless(os.uname().machine == "x86_64", "what is built here is started here")
class Programs(unittest.TestCase):
    def test_both_agents_start_at_fixed_addresses_and_are_built_from_what_the_makefile_names(self):
        for variant, package in (("small", "burstmesh"), ("tiny", "burstmesh-tiny")):
            with self.subTest(package):
                # 3 would be a program that can lie anywhere.
                self.assertEqual(self.compiled(package, "burstmesh", BUILD_VARIANT=variant), 2)

    @unittest.skipUnless(LONG, "takes minutes: --long")
    def test_the_exit_starts_and_is_built_from_what_the_makefile_names(self):
        self.assertEqual(self.compiled("burstmesh-proxy", "burstmesh-proxy"), 3)

    def compiled(self, package, program, **how):
        """The type of the executable."""
        how.update(ARCH="x86_64", RUSTC_TARGET_ARCH=host())
        built = TREE / "target/openwrt"
        with tempfile.TemporaryDirectory() as folder:
            make(program, "compile", folder, **how, PKG_BUILD_DIR=TREE, PKG_INSTALL_DIR=folder, CARGO_TARGET_DIR=built)
            made = Path(folder) / "bin" / program
            said = subprocess.run([made, "--version"], capture_output=True, text=True, check=True).stdout
            kind = int.from_bytes(made.read_bytes()[16:18], "little")
        said_by_the_feed = about(package, program, **how)
        self.assertEqual(said.split()[-1], said_by_the_feed["version"].split("-r")[0])
        self.is_named(built / host() / f"router/{program}.d", said_by_the_feed["depends_on_files"].split())
        return kind

    def is_named(self, read, names):
        """A change of any file that the compiler read makes OpenWrt build again."""
        files = [Path(name) for name in read.read_text().split(": ", 1)[1].split()]
        self.assertGreater(len(files), 100)
        for file in files:
            self.assertTrue(any(file.is_relative_to(name) for name in names), file)


if __name__ == "__main__":
    unittest.main()
