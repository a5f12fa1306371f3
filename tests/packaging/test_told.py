"""The sample of what the agent tells keeps to the schema, and the schema would notice if it did not. Real agents are held to it in
`tests/pages`."""

import copy
import json
import sys
import unittest
from pathlib import Path

LUCI = Path(__file__).resolve().parents[1] / "luci"
SAMPLE = json.loads((LUCI / "status.json").read_text())


class Told(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            import jsonschema as _
        except ImportError:
            raise unittest.SkipTest("jsonschema is not installed") from None
        sys.path.insert(0, str(LUCI))
        from told import faults

        cls.faults = staticmethod(faults)

    def test_the_committed_sample_is_as_the_schema_says(self):
        self.assertEqual(self.faults("all", SAMPLE), [])

    def test_what_is_missing_or_of_another_kind_is_noticed(self):
        for place, value in (
            (["sentence"], ""), (["pause_s"], -1), (["uplinks", 0, "up"], 1), (["paths", 0, "state"], "asleep"), (["paths", 1, "via"], "no node/0"),
            (["peers", 0, "node"], "x"), (["busiest", 0, "paths"], 7), (["busiest", 0, "kind"], "large"), (["refused", "forged"], "none"), (["lease"], {}),
        ):
            wrong = copy.deepcopy(SAMPLE)
            *road, last = place
            at = wrong
            for step in road:
                at = at[step]
            at[last] = value
            self.assertEqual(len(self.faults("all", wrong)), 1, place)
        self.assertEqual(len(self.faults("all", {key: value for key, value in SAMPLE.items() if key != "paths"})), 1)


if __name__ == "__main__":
    unittest.main()
