"""The pages with the real agent behind: what the agent says still has the shape that the pages read, and a browser shows it well."""

import json
import os
import subprocess
import time
import unittest
from pathlib import Path

from neighbours import Neighbours

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
SHOTS = TREE / "target/pages"
SECONDS = 12


def lacking(sample, said, where=""):
    """Where the agent no longer says what the sample has, or says it in another type. It may say more."""
    if type(sample) is not type(said):
        return [f"{where}: {type(said).__name__} and not {type(sample).__name__}"]
    if isinstance(sample, dict):
        gone = [f"{where}.{key}" for key in sample if key not in said]
        return gone + [one for key in sample if key in said for one in lacking(sample[key], said[key], f"{where}.{key}")]
    if isinstance(sample, list) and sample:
        return lacking(sample[0], said[0], f"{where}[0]") if said else [f"{where} is empty"]
    return []


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Neighbours() as lab:
            lab.wait(lambda status: status["pooling"] and sum(path["state"] == "live" for path in status["paths"]) == 2)
            lab.download()
            cls.series, cls.times = [], []
            begun = time.monotonic()
            for second in range(SECONDS):
                time.sleep(max(0, begun + second - time.monotonic()))
                cls.series.append(lab.status())
        SHOTS.mkdir(parents=True, exist_ok=True)
        file = SHOTS / "statuses.json"
        file.write_text(json.dumps(cls.series))
        done = subprocess.run(["node", "browse.mjs", str(file), str(SHOTS)], cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.found = json.loads(done.stdout)

    def test_the_agent_says_all_that_the_committed_sample_has(self):
        file = TREE / "tests/luci/status.json"
        if os.environ.get("BLESS"):
            file.write_text(json.dumps(self.series[-1], indent="\t") + "\n")
        self.assertEqual(lacking(json.loads(file.read_text()), self.series[-1]), [])

    def test_a_poll_costs_at_most_4_kb(self):
        self.assertLessEqual(len(json.dumps(self.series[-1], separators=(",", ":"))), 4096)

    def test_no_page_makes_an_error(self):
        self.assertEqual(self.found["errors"], [])
        self.assertEqual(len(self.found["pages"]), 14)

    def test_no_page_is_wider_than_the_screen(self):
        self.assertEqual({name: page["overflow"] for name, page in self.found["pages"].items() if page["overflow"] > 0}, {})

    def test_every_text_has_the_contrast_that_wcag_aa_wants(self):
        low = {name: page["contrast"] for name, page in self.found["pages"].items() if page["contrast"] < 4.5}
        self.assertEqual(low, {})

    def test_the_button_works_by_keyboard_and_keeps_the_focus_while_the_page_lives(self):
        for name, page in self.found["pages"].items():
            self.assertEqual((page["focused"], page["paused"]), ("bm-pause", True), name)

    def test_pictures_and_tables_have_names(self):
        for name, page in self.found["pages"].items():
            self.assertTrue(all(page["pictures"]) and all(page["tables"]), name)
            self.assertEqual(len(page["pictures"]), 2 if name.startswith("overview") else 0, name)

    def test_translations_leave_no_text_out(self):
        for name, page in self.found["pages"].items():
            self.assertNotIn("!", page["text"], name)
        self.assertIn("Nachbarn", self.found["pages"]["overview-phone-de"]["text"])
        self.assertIn("Vecinos", self.found["pages"]["overview-phone-es"]["text"])

    def test_the_graph_is_the_counters_within_2_percent(self):
        points = self.found["pages"]["overview-desktop"]["points"]
        for column, field in ((0, "rx_bytes"), (1, "tx_bytes")):
            counted = [sum(path[field] for path in status["paths"]) for status in (self.series[0], self.series[-1])]
            shown = sum(point[column] for point in points) / 8
            self.assertAlmostEqual(shown, counted[1] - counted[0], delta=0.02 * (counted[1] - counted[0]))

    def test_a_download_over_both_lines_is_seen_as_such(self):
        page = self.found["pages"]["overview-desktop"]
        self.assertEqual(len(page["areas"]), 4)
        self.assertGreater(max(point[0] for point in page["points"]), 25e6)
        self.assertIn("own line wan", page["text"])
        self.assertIn("lent by ", page["text"])


if __name__ == "__main__":
    unittest.main()
