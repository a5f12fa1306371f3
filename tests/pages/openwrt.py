"""Houses whose routers are a real OpenWrt: its own ubusd, procd, netifd, firewall4, rpcd, uhttpd and package manager, booted in a namespace.

`OPENWRT_ROOT` names the root folder, such as the unpacked rootfs archive of a release for x86-64; each house has a copy. procd runs as a
child of a shell and not as the first process, which would take this machine's devices for its own; the kernel is this machine's.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from neighbours import BINARIES
from router import pack

NETWORK = """
config interface 'loopback'
	option device 'lo'
	option proto 'static'
	option ipaddr '127.0.0.1'
	option netmask '255.0.0.0'

config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	option ipaddr '192.168.1.1'
	option netmask '255.255.255.0'

config interface 'wan'
	option device 'wan'
	option proto 'static'
	option ipaddr '{address}'
	option netmask '255.255.255.0'
	option gateway '{gateway}'
"""

# What comes with a router's kernel, which is this machine's here.
KERNEL = ("kmod-tun", "kmod-nf-conntrack-netlink")

# What a kernel's start would have made; then those services that ours has to do with, as the last of which the settings are noted down.
BOOT = """set -e
mount --bind "$1" "$1"; cd "$1"
mount -t proc proc proc; mount -t sysfs -o ro sys sys; mount -t tmpfs tmp tmp; mount -t tmpfs dev dev
mkdir -p dev/net tmp/lock tmp/run/ubus tmp/log mnt
while read -r name mode numbers; do mknod -m "$mode" "dev/$name" c $numbers; done <<EOT
null 666 1 3
zero 666 1 5
random 666 1 8
urandom 666 1 9
net/tun 600 10 200
EOT
ip link set lo up
pivot_root . mnt; umount -l /mnt
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
ubusd & sleep 0.5
procd & sleep 0.5
for script in /etc/rc.d/S??log /etc/rc.d/S??rpcd /etc/rc.d/S??firewall /etc/rc.d/S??network /etc/rc.d/S??uhttpd; do "$script" boot || true; done
reload_config
touch /tmp/booted
exec sleep 100000
"""

# Whatever a package manager remembers of what it did.
BOOKS = re.compile(r"lib/apk/.*|usr/lib/opkg/.*|etc/apk/world|etc/(passwd|group|shadow)-?|etc/resolv.conf")
# UCI writes a whole file anew, without its comments: what it means is compared.
SETTINGS = ("etc/config/network", "etc/config/firewall")


def packages(folder):
    """The packages of our tree, with an agent that this root's C library runs."""
    musl = list((Path(os.environ["OPENWRT_ROOT"]) / "lib").glob("ld-musl-*"))
    pack(folder, None if musl else BINARIES / "burstmesh", board="x86-64")
    apk = shutil.which("apk")
    for name in KERNEL if apk else ():
        about = [f"name:{name}", "version:1-r1", "arch:noarch", "description:of this machine"]
        subprocess.run([apk, "mkpkg", *(word for one in about for word in ("--info", one)), "--output", f"{folder}/{name}-1-r1.apk"], check=True)
    return folder


class OpenWrt:
    """Booted on creation; `end` stops it and takes the copy away."""

    def __init__(self, lab, name, address, gateway):
        self.lab, self.name = lab, name
        self.root = Path(tempfile.mkdtemp(prefix="burstmesh-openwrt-"))
        subprocess.run(["cp", "-a", f"{os.environ['OPENWRT_ROOT']}/.", str(self.root)], check=True)
        (self.root / "etc/config/network").write_text(NETWORK.format(address=address, gateway=gateway))
        (self.root / "etc/config/wireless").write_text("config wifi-iface 'mesh'\n\toption mode 'mesh'\n\toption ifname 'mesh0'\n")
        whole = ["ip", "netns", "exec", lab.ns(name), "unshare", "--fork", "--kill-child", "--pid", "--mount", "--ipc", "--uts"]
        self.log = lab.folder / f"{name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*whole, "sh", "-c", BOOT, "sh", str(self.root)], stdout=log, stderr=log)
        until = time.monotonic() + 60
        while not self.booted():
            if time.monotonic() > until or self.process.poll() is not None:
                raise AssertionError(self.log.read_text())
            time.sleep(0.2)

    def booted(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.first = children[0] if children else None
        return self.first is not None and Path(f"/proc/{self.first}/root/tmp/booted").exists()

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *command):
        whole = ["nsenter", "--target", self.first, "--all", "--root", "--wd", *command]
        done = subprocess.run(whole, capture_output=True, text=True, check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        if done.returncode != 0:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def runs(self):
        return "/usr/bin/burstmesh" in self.run("ps", "w")

    def install(self, made):
        """By the router's own package manager, as the guide says it."""
        there = Path(f"/proc/{self.first}/root/tmp/packages")
        shutil.copytree(made, there)
        ours = ("burstmesh", "luci-app-burstmesh")
        if (self.root / "usr/bin/apk").exists():
            self.run("sh", "-c", f"apk add --no-network --allow-untrusted {' '.join(f'/tmp/packages/{name}-[01]*.apk' for name in (*KERNEL, *ours))}")
        else:
            # opkg installs nothing whose dependencies it has never heard of, whatever it is told.
            with (self.root / "usr/lib/opkg/status").open("a") as status:
                status.writelines(f"Package: {name}\nVersion: 1\nStatus: install user installed\nArchitecture: all\n\n" for name in KERNEL)
            self.run("sh", "-c", f"opkg install {' '.join(f'/tmp/packages/{name}_*.ipk' for name in ours)}")

    def uninstall(self):
        if (self.root / "usr/bin/apk").exists():
            self.run("apk", "del", "--no-network", "luci-app-burstmesh", "burstmesh", *KERNEL)
        else:
            self.run("opkg", "remove", "luci-app-burstmesh", "burstmesh")

    def settle(self):
        """Waits until netifd and firewall4 have done what the last change asked for."""
        before = None
        for _ in range(20):
            now = self.state()
            if now == before:
                return
            before = now
            time.sleep(1)

    def state(self):
        """What a removal must give back: rules, routes, devices, firewall, interfaces, services, files."""
        looks = ("ip rule", "ip -6 rule", "ip -4 route show table all", "ip -o link", "nft -s list ruleset", "ls /etc/rc.d", "ubus list", "uci show network", "uci show firewall")
        seen = {look: self.run("sh", "-c", look) for look in looks}
        # A reload of firewall4 leaves the names of a zone's chains behind, without a rule in them, until its next restart.
        rules = re.sub(r"\tchain \w+ {\n\t}\n", "", seen["nft -s list ruleset"])
        seen["nft -s list ruleset"] = "\n".join(filter(None, rules.splitlines()))
        files = (path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())
        seen["files"] = {str(path.relative_to(self.root)): path.read_bytes() for path in files}
        seen["files"] = {name: data for name, data in seen["files"].items() if not BOOKS.fullmatch(name) and name not in SETTINGS}
        return seen
