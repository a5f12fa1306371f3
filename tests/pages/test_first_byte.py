"""From the installed packages to the first pooled byte, by what the household guide says and nothing else.

Two houses with the package's own files under busybox's shell; procd and UCI are stand-ins (tests/packaging), and this test starts
and ends the agent as the init script tells procd to: unprivileged, with the capabilities that the package names. With OPENWRT_ROOT the
same once more on two real OpenWrt roots (openwrt.py).
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import unittest
from difflib import ndiff
from pathlib import Path

from neighbours import BINARIES, EXIT, SERVER, Neighbours

TREE = Path(__file__).resolve().parents[2]
sys.path.append(str(TREE / "tests/packaging"))

import openwrt  # noqa: E402
from router import Router, pack  # noqa: E402

NETWORK = """
config interface 'lan'
	option device 'br-lan'
	option proto 'static'

config interface 'wan'
	option device 'wan'
	option proto 'dhcp'
"""

WIRELESS = """
config wifi-iface 'mesh'
	option mode 'mesh'
	option ifname 'mesh0'
"""

# As LuCI's Save & Apply does it: whoever asked for a trigger is told.
SWITCH = "uci set burstmesh.@community[0].enabled={}; uci commit burstmesh; reload_config"

LIMIT = "uci set burstmesh.wan.lend_down=2Mbit; uci commit burstmesh; /etc/init.d/burstmesh reload"

# What the guide says that stays after a removal, and the package's user.
KEPT = re.compile(r"etc/(burstmesh/key(\.epoch|\.ledger)?|config/burstmesh|passwd|group)")


def guide():
    """The commands of the chapters *Join* and *Lend*, as a shell script."""
    text = (TREE / "docs/household.md").read_text()
    join = re.search(r"^## 3\. Join$.*?```\n(.*?)```", text, re.M | re.S).group(1)
    lend = re.search(r"^## 4\. Lend$.*?`(uci set [^`]*lend=1)`", text, re.M | re.S).group(1)
    joined, saved = join.splitlines()[:1], join.splitlines()[1:]
    return "\n".join([*joined, lend, *saved])


class House(Router):
    """A router in a namespace of the neighbourhood."""

    def __init__(self, lab, name):
        super().__init__()
        self.lab, self.name, self.agent = lab, name, None
        self.write("etc/config/network", NETWORK)
        self.write("etc/config/wireless", WIRELESS)
        for program in ("/usr/sbin/nft", shutil.which("setpriv")):
            self.bring(program)
        self.bring(BINARIES / "burstmesh", "libraries only")
        for folder in ("proc", "sys"):
            (self.root / folder).mkdir(exist_ok=True)

    def bring(self, program, only=None):
        """A program of this machine that a router has as well, with its libraries."""
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        files = re.findall(r"(/\S+) \(0x", listed) + ([] if only else [str(program)])
        for file in files:
            there = self.root / file.lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, there)

    def entering(self, *command):
        mounts = f"mount -t proc proc {self.root}/proc && mount -t sysfs sys {self.root}/sys && "
        return ["ip", "netns", "exec", self.lab.ns(self.name), "unshare", "-m", "sh", "-c", f'{mounts} exec chroot {self.root} "$@"', "sh", *command]

    def run(self, *command):
        if not hasattr(self, "lab"):
            return super().run(*command)
        done = subprocess.run(self.entering(*command), capture_output=True, text=True, check=False, env={"PATH": "/sbin:/bin:/usr/sbin:/usr/bin"})
        if done.returncode != 0:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        # The stand-in for procd has written down what procd would do now.
        self.obey()
        return done.stdout

    def obey(self):
        calls = [shlex.split(call) for call in self.calls()]
        (self.root / "tmp/calls").unlink(missing_ok=True)
        params = {call[1]: call[2:] for call in calls if call[0] == "procd_set_param"}
        if ["procd_kill", "burstmesh"] in calls:
            self.end()
        if "command" in params and self.agent is None:
            caps = [cap.removeprefix("CAP_").lower() for cap in json.loads(self.read(params["capabilities"][0].lstrip("/")))["effective"]]
            # As procd does it: no jail, no capabilities.
            caps = caps if ["procd_add_jail", "burstmesh"] in calls else []
            keep = ",".join(["-all", *(f"+{cap}" for cap in caps)])
            jail = ["--reuid", params["user"][0], "--regid", params["group"][0], "--clear-groups", "--no-new-privs"]
            jail += ["--inh-caps", keep, "--ambient-caps", keep, "--bounding-set", keep]
            with (self.lab.folder / f"{self.name}.log").open("a") as log:
                self.agent = subprocess.Popen(self.entering(shutil.which("setpriv"), *jail, *params["command"]), stdout=log, stderr=log)
            self.lab.processes.append(self.agent)
        elif ["procd_send_signal", "burstmesh", "*", "HUP"] in calls and self.agent is not None:
            self.agent.send_signal(signal.SIGHUP)

    def end(self):
        if self.agent is not None:
            self.agent.terminate()
            self.agent.wait(10)
            self.agent = None

    def settle(self):
        """Waits until the kernel has its own IPv6 addresses, which come with routes."""
        until = time.monotonic() + 10
        while self.lab.inside(self.name, "ip", "-6", "address", "show", "tentative") and time.monotonic() < until:
            time.sleep(0.1)

    def state(self):
        """What a removal must give back: rules, routes, devices, firewall, files."""
        looks = (("ip", "rule"), ("ip", "-6", "rule"), ("ip", "route", "show", "table", "all"), ("ip", "-o", "link"), ("nft", "-s", "list", "ruleset"))
        seen = {" ".join(look): self.lab.inside(self.name, *look) for look in looks}
        files = (path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())
        seen["files"] = {str(path.relative_to(self.root)): path.read_bytes() for path in files if not str(path).startswith((f"{self.root}/proc", f"{self.root}/sys", f"{self.root}/tmp"))}
        for name in ("network", "firewall"):
            lines = seen["files"].pop(f"etc/config/{name}").decode().splitlines()
            seen[name] = [" ".join(line.split()) for line in lines if line.strip()]
        return seen

    def runs(self):
        return self.agent is not None


def differences(before, now):
    """Where the state is another than it was."""
    files = {name for name in before["files"].keys() | now["files"].keys() if before["files"].get(name) != now["files"].get(name)}
    lines = lambda seen: seen.splitlines() if isinstance(seen, str) else seen  # noqa: E731
    others = [f"{name}: {line}" for name in before if name != "files" for line in ndiff(lines(before[name]), lines(now[name])) if line[0] in "+-"]
    return others + sorted(name for name in files if not KEPT.fullmatch(name))


class Town(Neighbours):
    """The neighbourhood before anybody has installed anything."""

    def start(self):
        self.houses = {}
        self.inside("oak", "ip", "link", "add", "br-lan", "type", "bridge")
        self.open_exit()
        for name in ("elm", "oak"):
            self.houses[name] = House(self, name)

    def __exit__(self, *error):
        super().__exit__(*error)
        for house in self.houses.values():
            house.remove()

    def status(self, house="elm"):
        return json.loads(self.houses[house].run("/usr/bin/burstmesh", "status", "--json"))


class RealTown(Town):
    """The same with real routers, whose netifd gives them their addresses."""

    def start(self):
        self.houses = {}
        self.inside("oak", "ip", "link", "add", "br-lan", "type", "bridge")
        self.open_exit()
        for name, address in (("elm", "198.51.100.11"), ("oak", "198.51.100.12")):
            for device in ("br-lan", "wan"):
                self.inside(name, "ip", "address", "flush", "dev", device)
            self.houses[name] = openwrt.OpenWrt(self, name, address, EXIT)

    def __exit__(self, *error):
        for house in self.houses.values():
            house.end()
        self.houses = {}
        super().__exit__(*error)

    def status(self, house="elm"):
        try:
            return json.loads(self.houses[house].run("ubus", "call", "burstmesh", "status"))
        except AssertionError as gone:
            raise subprocess.CalledProcessError(1, "ubus") from gone


class FirstByte(unittest.TestCase):
    def test_one_paste_and_one_tick_lead_to_a_download_over_both_lines_and_a_removal_leaves_nothing(self):
        with Town() as town:
            town.folder.chmod(0o755)
            self.live(town, pack(town.folder / "packages", BINARIES / "burstmesh", board="x86-64"))

    def test_the_same_on_a_real_openwrt(self):
        if "OPENWRT_ROOT" not in os.environ:
            print("!!! LEFT OUT: from the packages to the first byte on a real OpenWrt root: no OPENWRT_ROOT", file=sys.stderr)
            self.skipTest("no OPENWRT_ROOT")
        with RealTown() as town:
            self.live(town, openwrt.packages(town.folder / "packages"))

    def live(self, town, packages):
        before, idle = {}, {}
        for name, house in town.houses.items():
            house.settle()
            before[name] = house.state()
            house.install(made=packages)
            self.assertFalse(house.runs(), "without an invitation the service does not start")
            house.settle()
            idle[name] = house.state()
        begun = time.monotonic()
        script = guide().replace("bm1...", town.invitation)
        self.assertLessEqual(len(script.splitlines()), 4, script)
        for house in town.houses.values():
            house.run("/bin/sh", "-ec", script)
        town.wait(self.is_pooling_over_both)
        ready = time.monotonic() - begun
        town.inside("client", "curl", "-sf", "-m", "60", "-o", "/dev/null", f"http://{SERVER}:8000/big")
        paths = town.status()["paths"]
        self.assertEqual(len([path for path in paths if path["rx_bytes"] > 5_000_000]), 2, paths)
        print(f"from the paste to pooling over two lines: {ready:.1f} s", file=sys.stderr)
        self.new_settings_are_in_force_within_a_second(town)
        for name, house in town.houses.items():
            house.run("/bin/sh", "-ec", SWITCH.format(0))
            self.is_again(house, idle[name], "switched off")
        for house in town.houses.values():
            house.run("/bin/sh", "-ec", SWITCH.format(1))
        town.wait(self.is_pooling_over_both)
        for name, house in town.houses.items():
            house.uninstall()
            self.is_again(house, before[name], "removed")

    def new_settings_are_in_force_within_a_second(self, town):
        """From the commit by way of the service to what the running agent says of itself."""
        before, begun = town.status(), time.monotonic()
        town.houses["elm"].run("/bin/sh", "-ec", LIMIT)
        while town.status()["uplinks"][0]["lend_down_kbit"] != 2000:
            self.assertLess(time.monotonic() - begun, 5)
        took = time.monotonic() - begun
        print(f"from the commit until the new limit is in force: {took:.2f} s", file=sys.stderr)
        self.assertLess(took, 1)
        self.assertGreaterEqual(town.status()["uptime_s"], before["uptime_s"], "it was restarted")

    def is_again(self, house, before, why):
        """The router is as it was, once what was told to stop has stopped."""
        until = time.monotonic() + 10
        while True:
            house.settle()
            left = differences(before, house.state())
            if not left or time.monotonic() > until:
                break
            time.sleep(0.2)
        self.assertFalse(left, "\n".join([f"{house.name}, {why}:", *left]))

    @staticmethod
    def is_pooling_over_both(status):
        return status["pooling"] and sum(path["state"] == "live" for path in status["paths"]) == 2


if __name__ == "__main__":
    unittest.main()
