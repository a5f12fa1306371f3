"""Two houses, their mesh, an exit and a web server in network namespaces: real daemons whose status fills the pages.

Every line is shaped to 20 Mbit/s. `BURSTMESH_BIN_DIR` names the folder of the daemons.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from hub import Hub

BINARIES = Path(os.environ.get("BURSTMESH_BIN_DIR", Path(__file__).resolve().parents[2] / "target/release"))
EXIT = "198.51.100.1"
# The web server's address lies beyond the lines' own network, since what is on-link is never pooled, and is a public one, since the exit reaches no other.
SERVER = "88.220.9.99"
SERVER_HOP = "198.51.100.99"


def sh(*command, **how):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **how).stdout


class Neighbours:
    """A context: built on entry, gone on exit."""

    def __init__(self):
        self.tag = f"bmp{os.getpid()}"
        self.folder = Path(tempfile.mkdtemp(prefix="burstmesh-pages-"))
        self.namespaces, self.processes = [], []
        self.hub = None

    def __enter__(self):
        try:
            self.build()
            self.start()
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "del", name], check=False)
        if self.hub:
            self.hub.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ns(self, name):
        return f"{self.tag}-{name}"

    def inside(self, name, *command, **how):
        return sh("ip", "netns", "exec", self.ns(name), *command, **how)

    def spawn(self, name, *command):
        whole = ["ip", "netns", "exec", self.ns(name), *map(str, command)]
        with (self.folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(whole, stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

    def add(self, name):
        sh("ip", "netns", "add", self.ns(name))
        self.namespaces.append(self.ns(name))
        self.inside(name, "ip", "link", "set", "lo", "up")

    def wire(self, a, a_dev, b, b_dev):
        sh("ip", "-n", self.ns(a), "link", "add", a_dev, "type", "veth", "peer", "name", b_dev, "netns", self.ns(b))
        for name, dev in ((a, a_dev), (b, b_dev)):
            # Each packet by itself: of a train that is handed over whole, the kernel counts the headers once.
            self.inside(name, "ip", "link", "set", dev, "gso_max_segs", "1", "up")

    def build(self):
        for name in ("net", "exit", "server", "elm", "oak", "client"):
            self.add(name)
        self.inside("net", "ip", "link", "add", "br0", "type", "bridge")
        self.inside("net", "ip", "link", "set", "br0", "up")
        for name, dev, address in (("exit", "eth0", EXIT), ("server", "eth0", SERVER_HOP), ("elm", "wan", "198.51.100.11"), ("oak", "wan", "198.51.100.12")):
            self.wire("net", name, name, dev)
            self.inside("net", "ip", "link", "set", name, "master", "br0")
            self.inside(name, "ip", "address", "add", f"{address}/24", "dev", dev)
        for house in ("elm", "oak"):
            self.inside(house, "ip", "route", "add", "default", "via", EXIT)
            self.inside(house, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            for side, dev in ((house, "wan"), ("net", house)):
                self.inside(side, "tc", "qdisc", "add", "dev", dev, "root", "tbf", "rate", "20mbit", "burst", "16k", "latency", "60ms")
        self.inside("exit", "ip", "route", "add", "default", "via", SERVER_HOP)
        self.inside("server", "ip", "address", "add", f"{SERVER}/32", "dev", "lo")
        # Lines without delay tell BBR, which some machines have as their own, next to nothing.
        self.inside("server", "sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic")
        self.wire("elm", "mesh0", "oak", "mesh0")
        self.wire("elm", "br-lan", "client", "eth0")
        self.inside("elm", "ip", "address", "add", "192.168.1.1/24", "dev", "br-lan")
        self.inside("client", "ip", "address", "add", "192.168.1.2/24", "dev", "eth0")
        self.inside("client", "ip", "route", "add", "default", "via", "192.168.1.1")

    def start(self):
        self.open_exit()
        self.start_agents()

    def open_exit(self):
        """The exit, its community and the web server; `self.invitation` is what a neighbour gets."""
        config = self.folder / "exit.toml"
        config.write_text(f'state_dir = "{self.folder}/state"\ncontrol = "{self.folder}/exit.sock"\n[nat]\nuplink = "eth0"\n')
        self.proxy("community", "add", "Elm Street")
        self.invite()
        self.run_exit()
        (self.folder / "big").write_bytes(bytes(64_000_000))
        self.spawn("server", "python3", "-m", "http.server", "8000", "--directory", self.folder)

    def proxy(self, *words):
        return self.inside("exit", BINARIES / "burstmesh-proxy", "--config", self.folder / "exit.toml", *words)

    def invite(self, *more):
        said = self.proxy("invite", "Elm Street", "--address", f"{EXIT}:4454", *more)
        self.invitation = next(word for word in said.split() if word.startswith("bm1"))

    def restart_exit(self):
        """As an admin does it: what it has counted is written before it ends."""
        self.exit.terminate()
        self.exit.wait(10)
        self.run_exit()

    def run_exit(self):
        self.exit = self.spawn("exit", BINARIES / "burstmesh-proxy", "--config", self.folder / "exit.toml", "run")

    def start_agents(self):
        """Elm's agent finds a bus."""
        self.hub = Hub(self.folder / "ubus.sock")
        for house in ("elm", "oak"):
            (self.folder / f"{house}.uci").write_text(
                f"config community\n\toption invitation '{self.invitation}'\n\toption key_file '{self.folder}/{house}.key'\n"
                "config uplink 'wan'\n\toption ifname 'wan'\n\toption lend '1'\n"
                + ("\toption cap '500GB'\nconfig client 'lan'\n\toption ifname 'br-lan'\n" if house == "elm" else "")
                + "config mesh\n\toption ifname 'mesh0'\n"
            )
            self.spawn(house, BINARIES / "burstmesh", "run", "--config", self.folder / f"{house}.uci", "--socket", self.folder / f"{house}.sock", "--ubus", self.folder / ("ubus.sock" if house == "elm" else "none"))
        self.hub.meet()

    def status(self, house="elm"):
        text = self.inside(house, BINARIES / "burstmesh", "status", "--json", "--socket", self.folder / f"{house}.sock")
        return json.loads(text)

    def wait(self, what, seconds=60):
        """Waits until `what` is true of the status, and gives it."""
        until, status = time.monotonic() + seconds, None
        while time.monotonic() < until:
            try:
                status = self.status()
                if what(status):
                    return status
            except subprocess.CalledProcessError:
                pass
            time.sleep(0.2)
        logs = "".join(f"--- {path.name}\n{path.read_text()}" for path in self.folder.glob("*.log"))
        raise AssertionError(f"waited in vain; the last status: {status}\n{logs}")

    def settle(self):
        """Waits until the lines carry next to nothing: both homes have measured their paths."""
        until, before = time.monotonic() + 20, None
        while before is None or sum(map(sum, now.values())) - sum(map(sum, before.values())) > 4_000:
            if time.monotonic() > until:
                raise AssertionError(f"the lines do not come to rest: {before}, half a second later {now}")
            before = self.counters()
            time.sleep(0.5)
            now = self.counters()

    def look(self):
        """What the pages get: the status, and what they ask for beside it."""
        return {key: value for method in ("status", "members", "flows", "counters") for key, value in self.hub.call(method).items()}

    def counters(self):
        """What the kernel counted on the lines, received and sent, without the Ethernet headers: a line carries packets of IP."""
        counted = {}
        for house in ("elm", "oak"):
            names = [f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets")]
            read = self.inside(house, "cat", *(f"/sys/class/net/wan/statistics/{name}" for name in names)).split()
            rx, rx_packets, tx, tx_packets = map(int, read)
            counted[f"{house} wan"] = (rx - 14 * rx_packets, tx - 14 * tx_packets)
        return counted

    def download(self):
        """A download in the background."""
        return self.spawn("client", "curl", "-s", "-m", "30", "-o", "/dev/null", f"http://{SERVER}:8000/big")
