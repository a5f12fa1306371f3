"""A small router root: the packages' own files, busybox's shell, and stand-ins for procd and UCI.

`BURSTMESH_UCI` names a static `uci` to use instead of the stand-in.
"""

import atexit
import functools
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
FEED = TREE / "openwrt-feed"
# Also what takes minutes: `cargo xtask test --long`.
LONG = os.environ.get("BURSTMESH_LONG") == "1"

# What the agent would say of a faulty file, so that the scripts around it can be tried without building it.
AGENT = """#!/bin/sh
echo "agent $*" >>/tmp/calls
[ ! -e /tmp/faulty ] || { echo "/etc/config/burstmesh:3: something is wrong"; exit 2; }
"""

# What whoever reloads finds of ours at that moment; and services are reloaded that have a trigger for settings that have changed.
RELOAD = """#!/bin/sh
echo reload_config >>/tmp/calls
uci -q get firewall.burstmesh >/tmp/zone_at_reload
now="$(md5sum /etc/config/burstmesh)"
[ "$now" != "$(cat /tmp/seen 2>/dev/null)" ] || exit 0
echo "$now" >/tmp/seen
! grep -q burstmesh /tmp/triggers 2>/dev/null || exec /bin/sh /etc/rc.common /etc/init.d/burstmesh reload
"""

NETWORK = """
config interface 'loopback'
	option device 'lo'
	option proto 'static'

config interface 'lan'
	option device 'br-home'
	option proto 'static'

config interface 'wan'
	option device 'eth1'
	option proto 'pppoe'
"""

FIREWALL = """
config zone
	option name 'lan'
	list network 'lan'
	option input 'ACCEPT'

config zone
	option name 'wan'
	list network 'wan'
	option masq '1'

config forwarding
	option src 'lan'
	option dest 'wan'
"""

WIRELESS = """
config wifi-device 'radio0'
	option type 'mac80211'

config wifi-iface 'default_radio0'
	option device 'radio0'
	option mode 'ap'

config wifi-iface 'mesh'
	option device 'radio0'
	option mode 'mesh'
	option ifname 'wmesh'
"""


def make(package, target, dest, **variables):
    """Runs a target of a package's Makefile with stand-ins for OpenWrt's rules."""
    command = ["make", "--no-print-directory", "-C", str(FEED / package), target]
    command += [f"TOPDIR={TREE / 'packaging/openwrt'}", f"DEST={dest}"]
    command += [f"{name}={value}" for name, value in variables.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def pack(out, agent, board="glinet-gl-ar300m", umask=0o022, more=()):
    """Packages as `cargo xtask package` makes them of this agent, or of one that it builds; gives their paths."""
    command = ["cargo", "run", "--quiet", "--locked", "--package", "xtask", "--", "package", "--board", board]
    command += ["--out", str(out), *(["--agent", str(agent)] if agent else []), *more]
    subprocess.run(command, cwd=TREE, check=True, stdout=subprocess.DEVNULL, umask=umask)
    return {path.name.split("_")[0]: path for path in Path(out).glob("*.ipk")}


def with_exit(program):
    """Has the exit's package made too, of this program."""
    return ("--exit", "--exit-binary", str(program))


@functools.cache
def packages():
    """Packages with the agent above, also in the exit's place, made once."""
    folder = Path(tempfile.mkdtemp(prefix="burstmesh-packages-"))
    atexit.register(shutil.rmtree, folder)
    agent = folder / "agent"
    agent.write_text(AGENT)
    agent.chmod(0o755)
    return pack(folder, agent, more=with_exit(agent))


def unpack(package):
    """The two archives of an .ipk: what goes to the router, and what is said of it."""
    with tarfile.open(package) as outer:
        read = {name: outer.extractfile(f"./{name}").read() for name in ("debian-binary", "data.tar.gz", "control.tar.gz")}
    if read["debian-binary"] != b"2.0\n":
        raise AssertionError(f"{package}: {read['debian-binary']}")
    return tuple(tarfile.open(fileobj=io.BytesIO(read[name])) for name in ("data.tar.gz", "control.tar.gz"))


def fields(control):
    """The fields of a package's description."""
    text = control.extractfile("./control").read().decode().replace("\n ", " ")
    return dict(line.split(": ", 1) for line in text.splitlines())


class Router:
    """A root folder to run scripts in."""

    def __init__(self, jail=True):
        self.root = Path(tempfile.mkdtemp(prefix="burstmesh-router-"))
        for folder in ("bin", "tmp", "dev/net", "etc/config", "sbin", "usr/bin", "usr/sbin", "usr/lib"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "var").symlink_to("tmp")
        shutil.copytree(HERE / "root", self.root, dirs_exist_ok=True)
        shutil.copy(shutil.which("busybox"), self.root / "bin/busybox")
        self.run("/bin/busybox", "--install", "-s", "/bin")
        uci = os.environ.get("BURSTMESH_UCI")
        if uci:
            shutil.copy(uci, self.root / "sbin/uci")
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/ash\n")
        self.write("etc/group", "root:x:0:\n")
        self.write("etc/config/network", NETWORK)
        self.write("etc/config/firewall", FIREWALL)
        self.write("etc/config/wireless", WIRELESS)
        self.write("sbin/reload_config", RELOAD, 0o755)
        if jail:
            self.write("sbin/ujail", "", 0o755)
        subprocess.run(["mknod", "-m", "600", str(self.root / "dev/net/tun"), "c", "10", "200"], check=True)
        subprocess.run(["mknod", "-m", "666", str(self.root / "dev/null"), "c", "1", "3"], check=True)

    def install(self, package="burstmesh", made=None):
        """The package's files and its user, then its script, as opkg does it."""
        data, control = unpack((made or packages())[package])
        data.extractall(self.root)
        info = self.root / "usr/lib/opkg/info"
        info.mkdir(parents=True, exist_ok=True)
        for member in filter(tarfile.TarInfo.isfile, control):
            self.write(f"{info}/{package}.{member.name[2:]}", control.extractfile(member).read().decode(), member.mode)
        files = [member.name[1:] for member in data if member.isfile()]
        self.write(f"{info}/{package}.list", "".join(f"{name}\n" for name in files))
        self.add_user(fields(control).get("Require-User"))
        self.script("postinst", package)

    def add_user(self, wanted):
        if wanted:
            user, group = wanted.split(":")
            (user, uid), (group, gid) = user.split("="), group.split("=")
            self.append("etc/passwd", f"{user}:x:{uid}:{gid}:{user}:/var/run/{user}:/bin/false\n")
            self.append("etc/group", f"{group}:x:{gid}:\n")

    def uninstall(self, package="burstmesh"):
        """The package's script, then its files, but for settings that were changed, as opkg does it."""
        self.script("prerm", package)
        info = self.root / "usr/lib/opkg/info"
        kept = set((info / f"{package}.conffiles").read_text().split())
        for name in (info / f"{package}.list").read_text().split():
            if name not in kept:
                (self.root / name[1:]).unlink(missing_ok=True)
        for file in info.glob(f"{package}.*"):
            file.unlink()

    def defaults(self, version=lambda script: script):
        """What the first boot after a sysupgrade runs: the script is in the image again, perhaps of another version."""
        data, _ = unpack(packages()["burstmesh"])
        data.extract("./etc/uci-defaults/80-burstmesh", self.root)
        self.write("etc/uci-defaults/80-burstmesh", version(self.read("etc/uci-defaults/80-burstmesh")))
        return self.run("/bin/sh", "/etc/uci-defaults/80-burstmesh")

    def script(self, name, package="burstmesh", **environment):
        """Runs a script of the installed package."""
        env = [f"{key}={value}" for key, value in environment.items()]
        self.run("/bin/env", *env, "/bin/sh", f"/usr/lib/opkg/info/{package}.{name}")

    def service(self, action, name="burstmesh"):
        """Runs the init script; gives the calls that it made."""
        (self.root / "tmp/calls").unlink(missing_ok=True)
        self.run("/bin/sh", "/etc/rc.common", f"/etc/init.d/{name}", action)
        return self.calls()

    def changed(self):
        """What LuCI's Save & Apply does once it has written the settings; gives the calls that followed."""
        (self.root / "tmp/calls").unlink(missing_ok=True)
        self.run("/sbin/reload_config")
        return self.calls()[1:]

    def calls(self):
        path = self.root / "tmp/calls"
        return path.read_text().splitlines() if path.exists() else []

    def run(self, *command):
        done = subprocess.run(
            ["chroot", str(self.root), *command], capture_output=True, text=True, check=False, env={"PATH": "/sbin:/bin:/usr/sbin:/usr/bin"}
        )
        if done.returncode != 0 or done.stderr:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path, text, mode=0o644):
        (self.root / path).write_text(text)
        (self.root / path).chmod(mode)

    def append(self, path, text):
        self.write(path, self.read(path) + text)

    def read(self, path):
        return (self.root / path).read_text()

    def uci(self, *arguments):
        return self.run("/sbin/uci", *arguments).strip()

    def mode(self, path):
        """Mode, owner and group, as numbers."""
        stat = (self.root / path).stat()
        return (oct(stat.st_mode & 0o7777), stat.st_uid, stat.st_gid)

    def remove(self):
        shutil.rmtree(self.root)


class RouterTest(unittest.TestCase):
    """A test with a router of its own."""

    def router(self, **how):
        if os.geteuid() != 0:
            self.skipTest("a root folder of its own needs root")
        router = Router(**how)
        self.addCleanup(router.remove)
        return router
