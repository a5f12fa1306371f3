"""The exit's own page in a browser, from the real exit while a member downloads."""

import json
import sqlite3
import subprocess
import time
import unittest
from pathlib import Path

from neighbours import BINARIES, Neighbours

HERE = Path(__file__).resolve().parent
SHOTS = HERE.parent.parent / "target/pages"


class ExitPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        SHOTS.mkdir(parents=True, exist_ok=True)
        with Neighbours() as lab:
            pooled = lambda status: status["pooling"] and sum(path["state"] == "live" for path in status["paths"]) == 2
            lab.wait(pooled)
            before = sum(path["rx_bytes"] for path in lab.status()["paths"])
            first = lab.download()
            time.sleep(4)
            first.terminate()
            time.sleep(1)
            cls.received = sum(path["rx_bytes"] for path in lab.status()["paths"]) - before
            lab.restart_exit()
            time.sleep(2)
            lab.wait(pooled)
            with sqlite3.connect(lab.folder / "state/state.db") as store:
                cls.booked = store.execute("SELECT max(down), date(day * 86400, 'unixepoch') FROM ledger").fetchone()
            link = lab.inside("exit", BINARIES / "burstmesh-proxy", "--config", lab.folder / "exit.toml", "dashboard").strip()
            lab.download()
            command = ["ip", "netns", "exec", lab.ns("exit"), "node", "browse_exit.mjs", link, str(SHOTS)]
            done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.token = link.split("#")[1]
        cls.found = json.loads(done.stdout)

    def test_no_page_makes_an_error_or_is_wider_than_the_screen_or_too_pale(self):
        self.assertEqual(self.found["errors"], [])
        self.assertEqual(len(self.found["pages"]), 4)
        for name, page in self.found["pages"].items():
            self.assertLessEqual(page["overflow"], 0, name)
            self.assertGreaterEqual(page["contrast"], 4.5, name)

    def test_members_and_both_lines_are_seen_and_everything_has_a_name(self):
        for name, page in self.found["pages"].items():
            self.assertIn("2 of 2 members here, over 2 lines.", page["text"], name)
            for address in ("198.51.100.11", "198.51.100.12"):
                self.assertIn(address, page["text"], name)
            self.assertEqual(page["tables"][:2], ["Community Elm Street", "Paths"], name)
            self.assertEqual(len(page["pictures"]), 2, name)
        self.assertGreater(max(self.found["pages"]["desktop-light"]["areas"]), 5)

    def test_the_page_has_by_day_what_a_member_moved_also_before_a_restart(self):
        booked, day = self.booked
        # The member's own count is with the headers of the tunnel.
        self.assertAlmostEqual(booked, self.received, delta=0.05 * self.received)
        for name, page in self.found["pages"].items():
            self.assertIn("By day", page["tables"], name)
            self.assertIn(day, page["text"], name)

    def test_the_token_opens_the_page_and_does_not_stay_in_the_address(self):
        self.assertNotIn("Elm Street", self.found["locked"]["text"])
        self.assertIn("Elm Street", self.found["unlocked"]["text"])
        for page in self.found["pages"].values():
            self.assertNotIn(self.token, page["address"] + page["text"])


if __name__ == "__main__":
    unittest.main()
