"""The init script: exactly which calls it makes for which settings."""

import re
import unittest

from router import TREE, RouterTest

JOINED = """
config community
	option invitation 'bm1abc'

config uplink 'wan'
	option ifname 'wan'

config mesh
	option ifname 'mesh0'

config mesh
	option ifname 'eth0.9'
	option port '4460'
"""

OFF = JOINED.replace("community", "community\n\toption enabled '0'")

INSTANCE = """
procd_open_instance
procd_set_param command /usr/bin/burstmesh run --config /etc/config/burstmesh --socket /var/run/burstmesh/control.sock
procd_set_param file /usr/bin/burstmesh
procd_set_param respawn 3600 2 0
procd_set_param term_timeout 5
procd_set_param stdout 1
procd_set_param stderr 1
procd_set_param no_new_privs 1
"""

# procd gives capabilities to nobody without a jail, and the user alone could not make the tunnel.
JAIL = """
procd_add_jail burstmesh
procd_set_param user burstmesh
procd_set_param group burstmesh
procd_set_param capabilities /etc/capabilities/burstmesh.json
"""

RULE = """
json_add_object ''
json_add_string type rule
json_add_string name burstmesh-{device}-{proto}
json_add_string src *
json_add_string device {device}
json_add_string direction in
json_add_string family ipv6
json_add_string proto {proto}
{port}json_add_string target ACCEPT
json_close_object
"""


def mesh(device, port):
    """What opens the firewall on a mesh device: the agent's port, and the ICMPv6 by which neighbours find each other's address."""
    return RULE.format(device=device, proto="udp", port=f"json_add_string dest_port {port}\n") + RULE.format(device=device, proto="icmp", port="")


def lines(*texts):
    return [line for text in texts for line in text.strip().splitlines() if line]


def without_validation(calls):
    return [call for call in calls if not call.startswith("uci_load_validate")]


# The kinds of value of docs/uci.md, which is written from the agent's schema, and how procd is told of them.
TYPES = {
    "bool": "bool",
    "invitation": "string",
    "text": "string",
    "certificate": "rangelength(111,111)",
    "secret": "rangelength(44,44)",
    "public key": "rangelength(44,44)",
    "file": "maxlength(128)",
    "log level": 'or("error","warn","info","debug","trace")',
    "device": "maxlength(15)",
    "rate (bit/s: bit, kbit, Mbit, Gbit)": "string",
    "volume (bytes: MB, GB, TB)": "string",
    "day of the month": "range(1,31)",
    "time zone": "string",
    "hours": "string",
    "prefix": "cidr",
    "lane": 'or("auto","per_packet","per_session")',
    "protocol": 'or("tcp","udp")',
    "DSCP": "range(0,63)",
    "preference": "range(0,9)",
    "cost": "range(0,3)",
    "node ID": "rangelength(16,16)",
    "node ID=weight": "rangelength(18,18)",
    "prefix or name": "or(cidr,hostname)",
    "lane or direct": 'or("direct","auto","per_packet","per_session")',
    "port": "port",
    "address:port": "string",
}


def schema():
    """Validations that the reference of options asks for."""
    text = (TREE / "docs/uci.md").read_text()
    found = {}
    for kind, body in re.findall(r"^## `config (\w+)[^\n]*`\n(.*?)(?=^## |\Z)", text, re.S | re.M):
        rows = re.findall(r"^\| `(option|list) (\w+)` \| ([^|]+) \| ([^|]+) \|", body, re.M)
        if not rows:
            continue
        found[kind] = []
        for word, name, value, default in rows:
            wanted = TYPES[value.strip()]
            wanted = f"list({wanted})" if word == "list" else wanted
            default = default.strip()
            known = default not in ("not set", "required")
            found[kind].append(f"{name}:{wanted}:{default}" if known else f"{name}:{wanted}")
    return found


class Service(RouterTest):
    def joined(self, **how):
        router = self.router(**how)
        router.install()
        router.service("stop")
        router.write("etc/config/burstmesh", JOINED, 0o600)
        return router

    def test_a_start_makes_one_jailed_instance_and_opens_every_mesh_device(self):
        calls = without_validation(self.joined().service("start"))
        expected = lines(
            "agent check --config /etc/config/burstmesh",
            INSTANCE,
            JAIL,
            "procd_close_instance",
            "procd_add_reload_trigger burstmesh",
            "json_add_array firewall",
            mesh("mesh0", 4454),
            mesh("eth0.9", 4460),
            "json_close_array",
            "procd_close_service",
        )
        self.assertEqual(calls, ["procd_open_service burstmesh", *expected])

    def test_without_ujail_there_is_no_user_and_no_capability_file(self):
        router = self.joined(jail=False)
        calls = router.service("start")
        self.assertNotIn("user", " ".join(calls))
        self.assertNotIn("procd_add_jail", " ".join(calls))
        self.assertIn("procd_set_param no_new_privs 1", calls)
        self.assertEqual(router.mode("dev/net/tun"), ("0o600", 0, 0))

    def test_switched_off_there_is_no_instance_and_no_open_port(self):
        router = self.joined()
        router.write("etc/config/burstmesh", OFF)
        calls = without_validation(router.service("start"))
        self.assertEqual(calls, lines("procd_open_service burstmesh", "procd_add_reload_trigger burstmesh", "procd_close_service"))

    def test_a_faulty_file_is_told_in_the_log_and_starts_nothing(self):
        router = self.joined()
        router.write("tmp/faulty", "")
        calls = router.service("start")
        self.assertIn("logger -t burstmesh -p daemon.err '/etc/config/burstmesh:3: something is wrong'", calls)
        self.assertNotIn("procd_open_instance", calls)

    def test_a_key_where_the_unprivileged_agent_cannot_write_is_told_in_the_log_and_starts_nothing(self):
        said = "key_file must name a file in /etc/burstmesh"
        for file, may in (("/etc/burstmesh/other", True), ("/srv/key", False), ("/etc/burstmesh/../key", False)):
            router = self.joined()
            router.write("etc/config/burstmesh", JOINED.replace("community", f"community\n\toption key_file '{file}'"))
            calls = router.service("start")
            self.assertEqual(("procd_open_instance" in calls, said in "".join(calls)), (may, not may), file)
        # A running agent goes on with what it has, and without a jail root can write anywhere.
        router.write("tmp/running", "")
        self.assertEqual([call.split()[0] for call in router.service("reload")], ["agent", "logger"])
        (router.root / "sbin/ujail").unlink()
        self.assertIn("procd_open_instance", router.service("start"))

    def test_the_unprivileged_agent_reaches_what_it_needs_after_every_commit(self):
        router = self.joined()
        router.service("start")
        wanted = {
            "dev/net/tun": ("0o660", 0, 4454),
            "etc/config/burstmesh": ("0o640", 0, 4454),
            "etc/burstmesh": ("0o700", 4454, 4454),
            "tmp/run/burstmesh": ("0o755", 4454, 4454),
        }
        self.assertEqual({path: router.mode(path) for path in wanted}, wanted)
        # UCI writes a new file.
        router.write("etc/config/burstmesh", JOINED, 0o600)
        router.write("tmp/running", "")
        router.service("reload")
        self.assertEqual({path: router.mode(path) for path in wanted}, wanted)

    def test_a_link_that_a_taken_over_agent_plants_gives_it_nothing(self):
        router = self.joined()
        router.service("start")
        router.write("etc/shadow", "root::0:0:99999:7:::\n", 0o600)
        (router.root / "tmp/secrets").mkdir()
        router.write("tmp/secrets/one", "")
        for folder in ("etc/burstmesh", "tmp/run/burstmesh"):
            (router.root / folder / "key.epoch").symlink_to("/etc/shadow")
            (router.root / folder / "folder").symlink_to("/tmp/secrets")
        router.write("etc/burstmesh/key", "by root")
        router.write("tmp/running", "")
        router.service("reload")
        self.assertEqual(router.mode("etc/burstmesh/key")[1:], (4454, 4454))
        for path in ("etc/shadow", "tmp/secrets", "tmp/secrets/one"):
            self.assertEqual(router.mode(path)[1:], (0, 0), path)
        router.service("stop")
        self.assertTrue((router.root / "tmp/secrets/one").exists() and (router.root / "etc/shadow").exists())
        self.assertFalse((router.root / "tmp/run/burstmesh").exists())

    def test_a_reload_signals_a_running_agent(self):
        router = self.joined()
        router.write("tmp/running", "")
        calls = router.service("reload")
        self.assertEqual(calls[-1], "procd_send_signal burstmesh * HUP")
        self.assertIn("procd_open_instance", calls)

    def test_a_mesh_device_that_is_named_later_is_opened_by_the_reload(self):
        router = self.joined()
        router.service("start")
        router.write("etc/config/burstmesh", JOINED.replace("mesh0", "phy0-mesh0"))
        calls = router.changed()
        self.assertNotIn("procd_kill burstmesh", calls)
        opened = [call.split()[-1] for call in calls if call.startswith("json_add_string name")]
        self.assertEqual(opened, [f"burstmesh-{device}-{proto}" for device in ("phy0-mesh0", "eth0.9") for proto in ("udp", "icmp")])

    def test_a_reload_with_a_faulty_file_leaves_a_running_agent_alone(self):
        router = self.joined()
        router.write("tmp/running", "")
        router.write("tmp/faulty", "")
        calls = router.service("reload")
        self.assertEqual([call.split()[0] for call in calls], ["agent", "logger"])

    def test_what_is_switched_off_stops_and_what_is_switched_on_again_starts(self):
        router = self.joined()
        self.assertIn("procd_open_instance", router.service("start"))
        for _ in range(2):
            router.write("etc/config/burstmesh", OFF)
            calls = router.changed()
            self.assertEqual(calls[0], "procd_kill burstmesh")
            self.assertNotIn("procd_open_instance", calls)
            self.assertEqual(router.mode("dev/net/tun"), ("0o600", 0, 0))
            self.assertFalse((router.root / "tmp/run/burstmesh").exists())
            router.write("etc/config/burstmesh", JOINED)
            self.assertIn("procd_open_instance", router.changed())

    def test_what_is_stopped_by_hand_stays_so_whatever_the_settings_become(self):
        router = self.joined()
        router.service("start")
        router.service("stop")
        router.write("etc/config/burstmesh", OFF)
        self.assertEqual(router.changed(), [])

    def with_names(self, options):
        """A router with two instances of a dnsmasq of these compile options, and one name to bypass."""
        router = self.joined()
        client = "\nconfig client 'lan'\n\toption ifname 'br-lan'\n\tlist bypass '198.51.100.0/24'\n\tlist bypass 'bank.example'\n"
        router.write("etc/config/burstmesh", JOINED + client + "\tlist bypass '2001:db8::7'\n\tlist bypass '192.0.2.1'\n")
        router.write("usr/sbin/dnsmasq", f"#!/bin/sh\necho 'Compile time options: IPv6 {options} auth'\n", 0o755)
        router.write("etc/init.d/dnsmasq", "#!/bin/sh\necho dnsmasq $1 >>/tmp/calls\n", 0o755)
        (router.root / "tmp/etc").mkdir()
        for name in ("cfg01", "cfg02"):
            router.write(f"tmp/etc/dnsmasq.conf.{name}", f"bogus-priv\nconf-dir=/tmp/dnsmasq.{name}.d,*.conf\n")
            (router.root / f"tmp/dnsmasq.{name}.d").mkdir()
        return router, [router.root / f"tmp/dnsmasq.{name}.d/burstmesh.conf" for name in ("cfg01", "cfg02")]

    def test_bypassed_names_go_to_every_dnsmasq_which_is_restarted_when_they_have_changed(self):
        router, files = self.with_names("ipset nftset")
        calls = router.service("start")
        self.assertEqual([call for call in calls if "dnsmasq" in call], ["dnsmasq restart"])
        for file in files:
            self.assertEqual(file.read_text(), "nftset=/bank.example/4#inet#burstmesh#direct4,6#inet#burstmesh#direct6\n")
        router.write("tmp/running", "")
        self.assertNotIn("dnsmasq restart", router.service("reload"))
        settings = (router.root / "etc/config/burstmesh").read_text()
        router.write("etc/config/burstmesh", settings.replace("bank", "school"))
        self.assertIn("dnsmasq restart", router.service("reload"))
        self.assertIn("/school.example/", files[1].read_text())
        self.assertIn("dnsmasq restart", router.service("stop"))
        self.assertEqual([file.exists() for file in files], [False, False])
        self.assertNotIn("dnsmasq restart", router.service("stop"))

    def test_a_dnsmasq_that_knows_no_sets_is_told_in_the_log_and_left_alone(self):
        router, files = self.with_names("ipset no-nftset")
        calls = router.service("start")
        self.assertTrue(any("install dnsmasq-full" in call for call in calls), calls)
        self.assertNotIn("dnsmasq restart", calls)
        self.assertFalse(files[0].exists())

    def test_a_stop_gives_the_device_back(self):
        router = self.joined()
        router.service("start")
        router.service("stop")
        self.assertEqual(router.mode("dev/net/tun"), ("0o600", 0, 0))

    def test_the_validation_says_what_the_schema_says(self):
        calls = self.joined().service("start")
        told = {}
        for call in calls:
            if call.startswith("uci_load_validate burstmesh"):
                words = call.split()
                self.assertEqual(words[3:5], ["''", "''"])
                told[words[2]] = words[5:]
        self.assertEqual(told, schema())


if __name__ == "__main__":
    unittest.main()
