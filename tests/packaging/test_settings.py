"""What an install does to the router's settings, and that a removal undoes it."""

import unittest
from pathlib import Path

from router import FIREWALL, NETWORK, RouterTest

MINE = {
    "network.burstmesh": "interface",
    "network.burstmesh.proto": "none",
    "network.burstmesh.device": "bm0",
    "firewall.burstmesh": "zone",
    "firewall.burstmesh.name": "burstmesh",
    "firewall.burstmesh.network": "burstmesh",
    "firewall.burstmesh.device": "bm0",
    "firewall.burstmesh.input": "REJECT",
    "firewall.burstmesh.output": "ACCEPT",
    "firewall.burstmesh.forward": "REJECT",
    "firewall.burstmesh_lan": "forwarding",
    "firewall.burstmesh_lan.src": "lan",
    "firewall.burstmesh_lan.dest": "burstmesh",
    "firewall.burstmesh_wan": "forwarding",
    "firewall.burstmesh_wan.src": "burstmesh",
    "firewall.burstmesh_wan.dest": "wan",
    "firewall.burstmesh_mesh": "zone",
    "firewall.burstmesh_mesh.name": "bmmesh",
    "firewall.burstmesh_mesh.device": "wmesh",
    "firewall.burstmesh_mesh.input": "REJECT",
    "firewall.burstmesh_mesh.output": "ACCEPT",
    "firewall.burstmesh_mesh.forward": "REJECT",
    "firewall.burstmesh_icmp": "rule",
    "firewall.burstmesh_icmp.src": "bmmesh",
    "firewall.burstmesh_icmp.proto": "icmp",
    "firewall.burstmesh_icmp.target": "ACCEPT",
}


def meaning(text):
    """The statements of a UCI file, whatever their spacing."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def state(router):
    """All files below /etc, and where links lead."""
    found = (path for path in (router.root / "etc").rglob("*") if path.is_symlink() or path.is_file())
    return {str(path.relative_to(router.root)): path.readlink() if path.is_symlink() else path.read_bytes() for path in found}


class Settings(RouterTest):
    def test_an_install_makes_an_interface_a_zone_and_the_way_into_it(self):
        router = self.router()
        router.install()
        self.assertEqual({key: router.uci("-q", "get", key) for key in MINE}, MINE)
        # Not before the sections are there, and before the service starts. The bus learns that the agent may publish.
        calls = router.calls()
        self.assertEqual(calls[:3], ["killall -q -HUP ubusd", "reload_config", "enable"])
        self.assertFalse((router.root / "etc/uci-defaults/80-burstmesh").exists())
        self.assertEqual(router.read("tmp/zone_at_reload").strip(), "zone")

    def test_what_was_there_is_untouched(self):
        router = self.router()
        router.install()
        for path, before in (("network", NETWORK), ("firewall", FIREWALL)):
            now = meaning(router.read(f"etc/config/{path}"))
            self.assertEqual(now[: len(meaning(before))], meaning(before))

    def test_a_second_run_changes_no_byte(self):
        router = self.router()
        router.install()
        before = {name: router.read(f"etc/config/{name}") for name in ("network", "firewall", "burstmesh")}
        router.defaults()
        after = {name: router.read(f"etc/config/{name}") for name in before}
        self.assertEqual(after, before)

    def test_scripts_that_run_twice_leave_what_one_run_leaves(self):
        for script in ("postinst", "prerm"):
            with self.subTest(script):
                router = self.router()
                router.install()
                router.script(script)
                once = state(router)
                router.script(script)
                self.assertEqual(state(router), once)
                self.assertEqual(b"bm0" in once["etc/config/network"], script == "postinst")

    def test_the_service_is_switched_on_and_off_twice_as_once(self):
        router = self.router()
        router.install()
        links = {"S95burstmesh", "K10burstmesh"}
        for action, wanted in (("enable", links), ("enable", links), ("disable", set()), ("disable", set()), ("enable", links)):
            router.service(action)
            self.assertEqual({path.name for path in (router.root / "etc/rc.d").iterdir()}, wanted)

    def test_a_zone_that_somebody_changed_stays_as_it_is(self):
        router = self.router()
        router.install()
        router.uci("set", "firewall.burstmesh.input=ACCEPT")
        router.uci("commit", "firewall")
        router.defaults()
        self.assertEqual(router.uci("get", "firewall.burstmesh.input"), "ACCEPT")

    def test_what_the_owner_deleted_stays_away_over_upgrades_and_what_is_new_comes(self):
        router = self.router()
        router.install()
        deleted = {"network": "network.burstmesh", "firewall": "firewall.burstmesh_wan"}
        for config, section in deleted.items():
            router.uci("delete", section)
            router.uci("commit", config)
        # As if this version were the first with that rule.
        router.uci("delete", "firewall.burstmesh_icmp")
        added = [line for line in router.read("etc/burstmesh.added").splitlines() if line != "firewall.burstmesh_icmp"]
        router.write("etc/burstmesh.added", "\n".join(added) + "\n")
        router.defaults()
        for config, section in deleted.items():
            self.assertNotIn(f"'{section.split('.')[1]}'", [line.split()[-1] for line in meaning(router.read(f"etc/config/{config}")) if line.startswith("config")])
        self.assertEqual(router.uci("get", "firewall.burstmesh_icmp"), "rule")

    def test_all_sections_come_again_when_the_package_does(self):
        router = self.router()
        router.install()
        router.script("prerm")
        self.assertFalse((router.root / "etc/burstmesh.added").exists())
        router.install()
        self.assertEqual({key: router.uci("-q", "get", key) for key in MINE}, MINE)

    def test_an_option_of_an_older_version_gets_its_name_of_today_and_keeps_its_value(self):
        router = self.router()
        router.install()
        # Names that no version has had.
        settings = router.read("etc/config/burstmesh") + "\nconfig uplink\n\toption give '2Mbit'\n\nconfig client 'guests'\n\toption give '1'\n"
        router.write("etc/config/burstmesh", settings)
        for option in ("give=5Mbit", "month=1TB", "cap=2TB"):
            router.uci("set", f"burstmesh.wan.{option}")
        older = 'RENAMED="\nuplink give lend_up\nuplink month cap\nmesh never port\n'
        for _ in range(2):
            router.defaults(lambda script: script.replace('RENAMED="\n', older))
            self.assertEqual(router.uci("get", "burstmesh.wan.lend_up"), "5Mbit")
            self.assertEqual(router.uci("get", "burstmesh.@uplink[1].lend_up"), "2Mbit")
            self.assertEqual(router.uci("get", "burstmesh.wan.cap"), "2TB")
            said = router.uci("show", "burstmesh")
            # Another type of section may have an option of that name.
            self.assertEqual([line for line in said.splitlines() if ".give=" in line], ["burstmesh.guests.give='1'"])
            self.assertNotIn("month", said)

    def test_fresh_settings_get_this_routers_device_names(self):
        router = self.router()
        router.install()
        self.assertEqual(router.uci("get", "burstmesh.wan.ifname"), "pppoe-wan")
        self.assertEqual(router.uci("get", "burstmesh.lan.ifname"), "br-home")
        self.assertEqual(router.uci("get", "burstmesh.@mesh[0].ifname"), "wmesh")

    def test_of_a_modem_the_device_is_taken_that_has_the_address_and_never_its_path(self):
        for path in ("/sys/devices/platform/soc/usb2/2-1", "/dev/cdc-wdm0"):
            router = self.router()
            router.write("etc/config/network", NETWORK.replace("eth1", path).replace("pppoe", "modemmanager"))
            router.install()
            self.assertEqual(router.uci("get", "burstmesh.wan.ifname"), "wan")
            # Once the line is up.
            router.write("bin/ubus", '#!/bin/sh\n[ "$*" = "call network.interface.wan status" ] && echo wwan0\n', 0o755)
            router.write("bin/jsonfilter", "#!/bin/sh\ncat\n", 0o755)
            router.defaults()
            self.assertEqual(router.uci("get", "burstmesh.wan.ifname"), "wwan0")

    def test_settings_of_a_member_are_never_guessed_at(self):
        router = self.router()
        router.install()
        router.uci("set", "burstmesh.wan.ifname=wan")
        router.uci("set", "burstmesh.@community[0].invitation=bm1abc")
        router.uci("commit", "burstmesh")
        router.defaults()
        self.assertEqual(router.uci("get", "burstmesh.wan.ifname"), "wan")

    def test_a_removal_leaves_the_router_as_it_was(self):
        router = self.router()
        router.install()
        (router.root / "etc/burstmesh").mkdir(exist_ok=True)
        router.write("etc/burstmesh/key", "kept")
        router.script("prerm")
        for path, before in (("network", NETWORK), ("firewall", FIREWALL)):
            self.assertEqual(meaning(router.read(f"etc/config/{path}")), meaning(before))
        self.assertFalse(Path(router.root / "tmp/run/burstmesh").exists())
        self.assertEqual(router.read("etc/burstmesh/key"), "kept")
        self.assertIn("reload_config", router.calls()[-3:])

    def test_an_upgrade_removes_nothing(self):
        router = self.router()
        router.install()
        before = router.read("etc/config/firewall")
        router.script("prerm", PKG_UPGRADE="1")
        self.assertEqual(router.read("etc/config/firewall"), before)

    def test_scripts_do_nothing_to_the_machine_that_builds_an_image(self):
        router = self.router()
        router.install()
        before, calls = router.read("etc/config/firewall"), router.calls()
        router.script("prerm-pkg", IPKG_INSTROOT="/image")
        router.script("postinst-pkg", IPKG_INSTROOT="/image")
        self.assertEqual((router.read("etc/config/firewall"), router.calls()), (before, calls))


if __name__ == "__main__":
    unittest.main()
