"""The pages with the real agent behind: what the agent says still has the shape that the pages read, and a browser shows it well."""

import json
import os
import subprocess
import sys
import time
import unittest
from datetime import date, timedelta
from pathlib import Path

from neighbours import SERVER, Neighbours

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
sys.path.append(str(TREE / "tests/luci"))
from told import faults  # noqa: E402, beside the schema
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


def month(ledger):
    """The days before those of the ledger, as they could have been: in this lab there is only today."""
    today, member = date.fromisoformat(ledger[0]["day"]), next(row["member"] for row in ledger if row["member"])
    rows = []
    for back in range(1, 31):
        day = (today - timedelta(back)).isoformat()
        for kind, uplink, who, gigabytes in (("own", "wan", "", 4 + back % 7), ("lent", "wan", member, 1 + back % 3), ("borrowed", "0", member, 1 + back % 5)):
            rows.append({"day": day, "kind": kind, "uplink": uplink, "member": who, "up_bytes": gigabytes * 10**8, "down_bytes": gigabytes * 10**9})
    return rows


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Neighbours() as lab:
            lab.wait(lambda status: status["pooling"] and sum(path["state"] == "live" for path in status["paths"]) == 2)
            lab.settle()
            before, cls.counted = lab.look(), [lab.counters()]
            download = lab.download()
            cls.series = []
            begun = time.monotonic()
            for second in range(SECONDS):
                time.sleep(max(0, begun + second - time.monotonic()))
                cls.series.append(lab.look())
            cls.status, cls.events = lab.hub.call("status"), lab.hub.call("events")
            # Nothing moves while both count; and what they counted is in the history and in the ledger.
            download.terminate()
            time.sleep(3)
            cls.after, cls.history = lab.look(), lab.hub.call("history")
            cls.counted.append(lab.counters())
            cls.ledger = lab.hub.call("ledger")["ledger"]
            cls.methods = lab.hub.methods
            cls.paused = [lab.hub.call("pause", minutes=2), lab.hub.call("status"), lab.hub.call("resume"), lab.hub.call("status")]
        SHOTS.mkdir(parents=True, exist_ok=True)
        file = SHOTS / "told.json"
        file.write_text(json.dumps({"before": before, "series": cls.series, "after": cls.after, "history": cls.history, "ledger": cls.ledger + month(cls.ledger)}))
        done = subprocess.run(["node", "browse.mjs", str(file), str(SHOTS)], cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.found = json.loads(done.stdout)

    def test_the_agent_says_all_that_the_committed_sample_has(self):
        file = TREE / "tests/luci/status.json"
        if os.environ.get("BLESS"):
            file.write_text(json.dumps(self.series[-1], indent="\t") + "\n")
        self.assertEqual(lacking(json.loads(file.read_text()), self.series[-1]), [])

    def test_what_the_bus_says_is_as_the_schema_says(self):
        told = {"status": [self.status, *(paused for paused in self.paused if "sentence" in paused)], "all": [*self.series, self.after], "history": [self.history], "ledger": [{"ledger": self.ledger}]}
        for method, answers in told.items():
            for answer in answers:
                self.assertEqual(faults(method, answer), [], method)

    def test_a_poll_costs_at_most_4_kb_also_with_four_uplinks_and_eight_paths(self):
        full = dict(self.status, uplinks=self.status["uplinks"] * 4, paths=self.status["paths"] * 4)
        self.assertEqual((len(full["uplinks"]), len(full["paths"])), (4, 8))
        self.assertLessEqual(len(json.dumps(full, separators=(",", ":"))), 4096)

    def test_the_bus_has_a_method_for_all_that_the_pages_ask_and_tells_nothing_twice(self):
        self.assertEqual(sorted(self.methods), ["accept", "counters", "events", "flows", "history", "ledger", "members", "pause", "refuse", "resume", "status"])
        for key in ("peers", "busiest", "refused"):
            self.assertNotIn(key, self.status)

    def test_a_pause_begins_and_ends_by_the_bus(self):
        began, during, ended, after = self.paused
        self.assertEqual((began, ended), ({"pause_s": 120}, {"pause_s": 0}))
        self.assertIn("paused", during["sentence"])
        self.assertNotIn("paused", after["sentence"])

    def test_the_agent_tells_what_happened_lately(self):
        self.assertTrue(any("pooling" in line for line in self.events["events"]), self.events)
        self.assertTrue(all(line == line.strip() for line in self.events["events"]), self.events)

    def test_the_past_that_the_agent_remembers_is_what_was_seen(self):
        recalled = self.found["pages"]["overview-desktop"]["recalled"]
        seen = sum(path["rx_bytes"] for path in self.after["paths"])
        self.assertAlmostEqual(sum(down for down, _ in recalled) * self.history["step_ms"] / 8000, seen, delta=0.02 * seen)

    def test_no_page_makes_an_error(self):
        self.assertEqual(self.found["errors"], [])
        self.assertEqual(len(self.found["pages"]), 24)

    def test_no_page_is_wider_than_the_screen(self):
        self.assertEqual({name: page["overflow"] for name, page in self.found["pages"].items() if page["overflow"] > 0}, {})

    def test_every_text_has_the_contrast_that_wcag_aa_wants(self):
        low = {name: page["texts"] for name, page in self.found["pages"].items() if page["texts"] < 4.5}
        self.assertEqual(low, {})

    def test_every_area_of_a_graph_has_the_contrast_that_wcag_wants_of_graphics_on_light_and_on_dark(self):
        seen = {name: page["graphs"] for name, page in self.found["pages"].items() if page["graphs"] is not None}
        self.assertIn("overview-desktop-dark", seen)
        self.assertEqual({name: ratio for name, ratio in seen.items() if ratio < 3}, {})

    def test_the_button_works_by_keyboard_and_keeps_the_focus_while_the_page_lives(self):
        for name, page in self.found["pages"].items():
            self.assertEqual((page["focused"], page["paused"]), ("bm-pause", True), name)

    def test_a_neighbour_is_refused_by_keyboard_once_that_is_confirmed_and_shared_with_again(self):
        node = self.series[0]["peers"][0]["node"]
        pages = {name: page["trust"] for name, page in self.found["pages"].items() if "trust" in page}
        self.assertEqual(len(pages), 4)
        for name, trust in pages.items():
            first, declined, refused, again = trust["seen"]
            self.assertEqual((first, first, 2), (declined, again, len({first, refused})), name)
            self.assertEqual((len(trust["asked"]), trust["focused"]), (2, f"bm-trust-{node}"), name)
            self.assertIn(node, trust["asked"][0])
        self.assertEqual(pages["community-phone"]["seen"][1:3], ["Do not share with it", "Share again"])

    def test_a_text_that_is_selected_stays_so_while_the_page_lives(self):
        for name, page in self.found["pages"].items():
            self.assertIn(page["selected"].strip(), page["text"], name)
            self.assertGreater(len(page["selected"]), 10, name)

    def test_what_is_the_same_stays_and_what_is_not_is_drawn_anew(self):
        for name, page in self.found["pages"].items():
            self.assertTrue(page["kept"], name)
            self.assertEqual(page["renewed"], name.split("-")[0] in ("overview", "community"), name)

    def test_pictures_and_tables_have_names(self):
        for name, page in self.found["pages"].items():
            self.assertTrue(all(page["pictures"]) and all(page["tables"]), name)
            self.assertEqual(len(page["pictures"]), {"overview": 2, "ledger": 1}.get(name.split("-")[0], 0), name)

    def test_translations_leave_no_text_out(self):
        for name, page in self.found["pages"].items():
            self.assertNotIn("!", page["text"], name)
        self.assertIn("Nachbarn", self.found["pages"]["overview-phone-de"]["text"])
        self.assertIn("Vecinos", self.found["pages"]["overview-phone-es"]["text"])

    def test_the_graph_is_what_the_kernel_counted_on_the_lines_within_2_percent(self):
        parts = self.found["pages"]["overview-desktop"]["parts"]
        for column, way in enumerate(("down", "up")):
            counted = [self.counted[-1][line][column] - self.counted[0][line][column] for line in ("elm wan", "oak wan")]
            shown = [sum(point[line][column] for point in parts) / 8 for line in (0, 1)]
            print(f"{way}: counted {counted}, shown {[round(one) for one in shown]} bytes by line", file=sys.stderr)
            # A line that carries next to nothing carries more of what is not the pool's, such as handshakes: both lines are the measure.
            for one, other in zip(shown, counted):
                self.assertAlmostEqual(one, other, delta=0.02 * sum(counted), msg=way)

    def test_the_lines_are_watched_and_judged(self):
        page = self.found["pages"]["diagnostics-desktop"]
        self.assertIn("Meanwhile", page["tables"])
        self.assertNotIn("Hardly anything", page["text"])
        self.assertIn(f"tcp {SERVER}:8000", page["text"])

    def test_a_plan_has_a_bar(self):
        for name, page in self.found["pages"].items():
            self.assertEqual(len(page["bars"]), 1 if name.split("-")[0] in ("uplinks", "ledger") else 0, name)
            for label, width in page["bars"]:
                self.assertIn("500 GB", label, name)
                self.assertGreater(width, 50, name)

    def test_the_ledger_says_who_carried_what(self):
        rows = [(row["kind"], row["member"]) for row in self.ledger]
        lender = self.series[0]["peers"][0]["node"]
        for wanted in (("own", ""), ("borrowed", lender)):
            self.assertIn(wanted, rows)
        self.assertEqual(len(self.found["pages"]["ledger-desktop"]["areas"]), 3)
        self.assertGreater(min(self.found["pages"]["ledger-desktop"]["areas"]), 20)

    def test_a_download_over_both_lines_is_seen_as_such(self):
        page = self.found["pages"]["overview-desktop"]
        self.assertEqual(len(page["areas"]), 4)
        self.assertGreater(max(point[0] for point in page["points"]), 25e6)
        self.assertIn("own line wan", page["text"])
        self.assertIn("lent by ", page["text"])


if __name__ == "__main__":
    unittest.main()
