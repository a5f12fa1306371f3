"""The exit's package: what is in it, and its service under busybox's shell."""

import tarfile
import tomllib

from router import TREE, RouterTest, fields, make, packages, unpack

NAME = "burstmesh-proxy"
FILES = {
    "./usr/bin/burstmesh-proxy": 0o755,
    "./etc/init.d/burstmesh-proxy": 0o755,
    "./etc/burstmesh-proxy/config.toml": 0o600,
    "./lib/upgrade/keep.d/burstmesh-proxy": 0o644,
}
STARTED = """
procd_open_service burstmesh-proxy
procd_open_instance
procd_set_param command /usr/bin/burstmesh-proxy --config /etc/burstmesh-proxy/config.toml run
procd_set_param file /usr/bin/burstmesh-proxy /etc/burstmesh-proxy/config.toml
procd_set_param respawn 3600 5 0
procd_set_param term_timeout 10
procd_set_param stdout 1
procd_set_param stderr 1
procd_set_param no_new_privs 1
procd_close_instance
procd_close_service
"""


class Exit(RouterTest):
    def installed(self):
        router = self.router()
        router.install(NAME)
        return router

    def test_the_package_holds_program_service_and_settings_and_keeps_its_members_over_a_sysupgrade(self):
        data, control = unpack(packages()[NAME])
        self.assertEqual({member.name: member.mode for member in filter(tarfile.TarInfo.isfile, data)}, FILES)
        self.assertEqual(data.extractfile("./lib/upgrade/keep.d/burstmesh-proxy").read(), b"/etc/burstmesh-proxy/state/\n")
        self.assertEqual(control.extractfile("./conffiles").read(), b"/etc/burstmesh-proxy/config.toml\n")
        about = dict(line.split("=", 1) for line in make(NAME, f"about-{NAME}", "unused").splitlines() if "=" in line)
        self.assertEqual(fields(control)["Version"], about["version"])
        self.assertEqual(fields(control)["Architecture"], "mips_24kc")

    def test_an_install_switches_the_service_on_and_starts_it(self):
        router = self.installed()
        self.assertEqual(router.calls(), ["enable", *STARTED.split("\n")[1:-1]])
        self.assertTrue((router.root / "etc/rc.d/S96burstmesh-proxy").is_symlink())

    def test_a_second_start_asks_the_same_and_key_and_members_are_for_root_alone(self):
        router = self.installed()
        for _ in range(2):
            self.assertEqual(router.service("start", NAME), STARTED.split("\n")[1:-1])
            self.assertEqual(router.mode("etc/burstmesh-proxy/state"), ("0o700", 0, 0))
        self.assertTrue((router.root / "tmp/run/burstmesh-proxy").is_dir())

    def test_a_removal_stops_it_and_leaves_settings_and_members(self):
        router = self.installed()
        router.write("etc/burstmesh-proxy/state/store", "members")
        for _ in range(2):
            router.script("prerm", NAME)
            self.assertEqual(router.calls()[-2:], ["disable", "procd_kill burstmesh-proxy"])
        router.uninstall(NAME)
        self.assertEqual(router.read("etc/burstmesh-proxy/state/store"), "members")
        self.assertTrue((router.root / "etc/burstmesh-proxy/config.toml").exists())
        self.assertFalse((router.root / "usr/bin/burstmesh-proxy").exists())
        self.assertEqual(list((router.root / "etc/rc.d").iterdir()), [])

    def test_its_settings_are_those_of_the_exit_with_a_routers_places(self):
        text = unpack(packages()[NAME])[0].extractfile("./etc/burstmesh-proxy/config.toml").read().decode()
        ours, shipped = tomllib.loads(text), tomllib.loads((TREE / "packaging/config.toml").read_text())
        places = {"state_dir": "/etc/burstmesh-proxy/state", "control": "/var/run/burstmesh-proxy/control.sock"}
        self.assertEqual({key: ours[key] for key in places}, places)
        self.assertEqual(set(ours), set(shipped) | set(places))
