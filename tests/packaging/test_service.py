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

PORTS = """
json_add_array firewall
json_add_object ''
json_add_string type rule
json_add_string name burstmesh-mesh0
json_add_string src *
json_add_string device mesh0
json_add_string direction in
json_add_string family ipv6
json_add_string proto udp
json_add_string dest_port 4454
json_add_string target ACCEPT
json_close_object
json_add_object ''
json_add_string type rule
json_add_string name burstmesh-eth0.9
json_add_string src *
json_add_string device eth0.9
json_add_string direction in
json_add_string family ipv6
json_add_string proto udp
json_add_string dest_port 4460
json_add_string target ACCEPT
json_close_object
json_close_array
"""


def lines(*texts):
    return [line for text in texts for line in text.strip().splitlines()]


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
        router.write("etc/config/burstmesh", JOINED, 0o600)
        return router

    def test_a_start_makes_one_jailed_instance_and_opens_the_mesh_ports(self):
        calls = without_validation(self.joined().service("start"))
        expected = lines(
            "agent check --config /etc/config/burstmesh",
            INSTANCE,
            JAIL,
            "procd_close_instance",
            "procd_add_reload_trigger burstmesh",
            PORTS,
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
        router.write("etc/config/burstmesh", JOINED.replace("community", "community\n\toption enabled '0'"))
        calls = without_validation(router.service("start"))
        self.assertEqual(calls, lines("procd_open_service burstmesh", "procd_add_reload_trigger burstmesh", "procd_close_service"))

    def test_a_faulty_file_is_told_in_the_log_and_starts_nothing(self):
        router = self.joined()
        router.write("tmp/faulty", "")
        calls = router.service("start")
        self.assertIn("logger -t burstmesh -p daemon.err '/etc/config/burstmesh:3: something is wrong'", calls)
        self.assertNotIn("procd_open_instance", calls)

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

    def test_a_reload_signals_a_running_agent(self):
        router = self.joined()
        router.write("tmp/running", "")
        calls = router.service("reload")
        self.assertEqual(calls[-1], "procd_send_signal burstmesh * HUP")
        self.assertIn("procd_open_instance", calls)

    def test_a_reload_with_a_faulty_file_leaves_a_running_agent_alone(self):
        router = self.joined()
        router.write("tmp/running", "")
        router.write("tmp/faulty", "")
        calls = router.service("reload")
        self.assertEqual([call.split()[0] for call in calls], ["agent", "logger"])

    def test_a_reload_starts_what_does_not_run_and_stops_what_is_switched_off(self):
        router = self.joined()
        self.assertIn("procd_open_instance", router.service("reload"))
        router.write("tmp/running", "")
        router.write("etc/config/burstmesh", JOINED.replace("community", "community\n\toption enabled '0'"))
        self.assertEqual(router.service("reload"), ["procd_kill burstmesh"])

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
