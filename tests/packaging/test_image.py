"""What `cargo xtask image` makes: a router that starts from it for the first time is as one on which the packages were installed,
with a mesh."""

import subprocess
import tempfile
import tomllib
from pathlib import Path

from router import AGENT, TREE, RouterTest, unpack
from test_feed import read
from test_settings import MINE

# As OpenWrt's first start writes it: off, and open as soon as somebody switches it on.
WIRELESS = """
config wifi-device 'RADIO'
	option type 'mac80211'
	option disabled '1'

config wifi-iface 'default_RADIO'
	option device 'RADIO'
	option network 'lan'
	option mode 'ap'
	option encryption 'none'
"""
MESH = {"device": "radio0", "mode": "mesh", "mesh_id": "burstmesh", "ifname": "mesh0", "encryption": "none"}


def image(case, board):
    """The folder that the command fills, and the line that it prints."""
    folder = Path(case.enterContext(tempfile.TemporaryDirectory()))
    agent = folder / "agent"
    agent.write_text(AGENT)
    command = ["cargo", "run", "--quiet", "--locked", "--package", "xtask", "--", "image", "--board", board]
    command += ["--agent", str(agent), "--out", str(folder / "image")]
    said = subprocess.run(command, cwd=TREE, check=True, capture_output=True, text=True).stdout
    return folder / "image", said.splitlines()[-1]


class Image(RouterTest):
    def flashed(self, board="tplink-archer-c7-v5"):
        """A router at its first start: files of packages and image are there, no script of theirs has run."""
        folder, _ = image(self, board)
        router = self.router()
        router.write("etc/config/wireless", WIRELESS.replace("RADIO", "radio0"))
        for name in (folder / "list").read_text().split():
            for package in (folder / "packages").glob(f"{name}_*.ipk"):
                unpack(package)[0].extractall(router.root)
        subprocess.run(["cp", "-R", f"{folder}/files/.", router.root], check=True)
        return router

    def first_start(self, router):
        """As OpenWrt does it: by name, and what succeeds goes."""
        for script in sorted((router.root / "etc/uci-defaults").glob("*-burstmesh*")):
            router.run("/bin/sh", f"/etc/uci-defaults/{script.name}")
            script.unlink()

    def test_the_first_start_makes_a_mesh_and_all_that_an_install_makes(self):
        router = self.flashed()
        self.first_start(router)
        self.assertEqual({key: router.uci("get", f"wireless.burstmesh.{key}") for key in MESH}, MESH)
        self.assertEqual({key: router.uci("get", key) for key in MINE}, {**MINE, "firewall.burstmesh_mesh.device": "mesh0"})
        self.assertEqual(router.uci("get", "burstmesh.@mesh[0].ifname"), "mesh0")
        self.assertEqual(router.uci("get", "burstmesh.wan.ifname"), "pppoe-wan")
        self.assertEqual(router.read("etc/config/firewall").count("'burstmesh'"), 5, "one zone, and what names it")
        for file in ("usr/bin/burstmesh", "etc/init.d/burstmesh", "usr/share/luci/menu.d/luci-app-burstmesh.json"):
            self.assertTrue((router.root / file).exists(), file)

    def test_the_radio_comes_on_and_its_open_access_point_does_not(self):
        router = self.flashed()
        self.first_start(router)
        wireless = router.read("etc/config/wireless")
        self.assertEqual(router.uci("get", "wireless.default_radio0.disabled"), "1")
        self.assertEqual(wireless.count("disabled"), 1, wireless)

    def test_an_access_point_that_is_on_stays_on(self):
        router = self.flashed()
        router.write("etc/config/wireless", WIRELESS.replace("RADIO", "radio0").replace("\toption disabled '1'\n", ""))
        self.first_start(router)
        self.assertNotIn("disabled", router.read("etc/config/wireless"))

    def test_a_later_image_brings_nothing_back_and_changes_no_byte(self):
        router = self.flashed()
        scripts = {path: path.read_bytes() for path in (router.root / "etc/uci-defaults").glob("*-burstmesh*")}
        self.first_start(router)
        router.uci("delete", "wireless.burstmesh")
        before = {path: path.read_bytes() for path in (router.root / "etc/config").iterdir()}
        for path, text in scripts.items():
            path.write_bytes(text)
        self.first_start(router)
        self.assertEqual({path: path.read_bytes() for path in before}, before)

    def test_a_radio_that_is_not_found_yet_is_waited_for(self):
        router = self.flashed()
        router.write("etc/config/wireless", "")
        with self.assertRaisesRegex(AssertionError, "exit 1"):
            self.first_start(router)
        self.assertFalse((router.root / "etc/burstmesh.added").exists())

    def test_every_boards_line_names_packages_that_are_there_and_a_script_that_a_router_reads(self):
        for file in sorted((TREE / "board-configs").glob("*.toml")):
            board = tomllib.loads(file.read_text())
            with self.subTest(file.stem):
                folder, line = image(self, file.stem)
                self.assertIn(f"make image PROFILE={board['openwrt']['profile']} ", line)
                names = {path.name.split("_")[0] for path in (folder / "packages").glob("*.ipk")}
                self.assertEqual({name for name in (folder / "list").read_text().split() if "burstmesh" in name} - names, set())
                meshes = [radio["uci"] for radio in board.get("radio", []) if radio.get("mesh")]
                self.assertEqual("FILES=" in line, bool(meshes))
                for script in folder.glob("files/etc/uci-defaults/*"):
                    self.assertIn(f"burstmesh.device='{meshes[0]}'", script.read_text())
                    read(self, [script])
