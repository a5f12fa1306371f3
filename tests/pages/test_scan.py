"""The code of an invitation, as the exit draws it, scanned from pictures by the page in a browser that has no reader of its own."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from neighbours import BINARIES

HERE = Path(__file__).resolve().parent
SHOTS = HERE.parent.parent / "target/pages"


class Scan(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        SHOTS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="burstmesh-scan-") as folder:
            config, code = Path(folder) / "exit.toml", Path(folder) / "code.txt"
            config.write_text(f'state_dir = "{folder}/state"\ncontrol = "{folder}/exit.sock"\n[nat]\nuplink = "eth0"\n')
            proxy = lambda *words: subprocess.run([BINARIES / "burstmesh-proxy", "--config", config, *words], capture_output=True, text=True, check=True)  # noqa: E731
            proxy("community", "add", "Elm Street")
            # Two addresses of each kind: as long as invitations usually get.
            addresses = [word for address in ("203.0.113.7:4454", "198.51.100.7:4454", "[2001:db8::7]:4454", "[2001:db8::8]:4454") for word in ("--address", address)]
            said = proxy("invite", "Elm Street", *addresses, "--qr")
            cls.invitation = re.search(r"bm1\S+", said.stdout + said.stderr).group()
            code.write_text(said.stdout + said.stderr)
            done = subprocess.run(["node", "browse_scan.mjs", str(code), str(SHOTS)], cwd=HERE, capture_output=True, text=True, check=False, timeout=180)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.found = json.loads(done.stdout)

    def test_the_invitation_is_read_from_every_picture_of_it_and_from_no_other(self):
        read = {name: text for name, (text, _) in self.found["read"].items()}
        self.assertEqual(read, {name: None if name == "no code" else self.invitation for name in read})
        self.assertEqual(len(read), 6)

    def test_the_page_says_how_it_went(self):
        for name, (_, note) in self.found["read"].items():
            self.assertIn("no invitation" if name == "no code" else "in the form", note)

    def test_it_works_where_a_browser_gives_no_camera_since_the_page_is_not_secure(self):
        self.assertEqual((self.found["secure"], self.found["errors"]), (False, []))

    def test_the_decoder_is_fetched_only_when_somebody_scans(self):
        self.assertEqual(self.found["early"], [])

    def test_a_phone_shows_it_whole_and_each_choice_has_a_label(self):
        self.assertEqual((self.found["labels"], self.found["overflow"]), ([1, 1], 0))


if __name__ == "__main__":
    unittest.main()
