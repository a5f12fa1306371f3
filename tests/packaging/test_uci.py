"""A second opinion on the agent's UCI reader: a parser that others wrote reads the same statements in the same files."""

import json
import os
import random
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("BURSTMESH_STATEMENTS")


def ours(texts):
    """What the agent's reader makes of each text: lists of [keyword, word, word], None for what is not UCI."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(n) for n in range(len(texts))]
        for path, text in zip(paths, texts):
            path.write_text(text)
        told = subprocess.run([PROGRAM, *paths], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in told.splitlines()]


def parsed(text):
    """The same of uciparse: its lines, and the text as it would write it."""
    from uciparse import uci

    try:
        file = uci.UciFile.from_lines(text.splitlines(keepends=True))
    except uci.UciParseError:
        return None, None
    kinds = {
        uci.UciConfigLine: lambda line: ["config", line.section, line.name or ""],
        uci.UciOptionLine: lambda line: ["option", line.name, line.value],
        uci.UciListLine: lambda line: ["list", line.name, line.value],
    }
    return [kinds[type(line)](line) for line in file.lines if type(line) in kinds], "".join(file.normalized())


def files():
    """What the project itself has: the package's settings, the examples of the documents, the inputs of the fuzzer."""
    documents = [*(TREE / "docs").glob("*.md"), TREE / "README.md"]
    blocks = [block for page in documents for block in re.findall(r"```(?:uci)?\n(.*?)```", page.read_text(), re.S)]
    examples = [block for block in blocks if re.match(r"\s*(#.*\n)*config ", block)]
    corpus = [path.read_text(errors="replace") for path in sorted((TREE / "tests/fuzz/corpus/uci").iterdir())]
    reference = (TREE / "firmware/agent/src/config/reference.rs").read_text()
    package = (TREE / "openwrt-feed/burstmesh/files/etc/config/burstmesh").read_text()
    return [package, re.search(r'EXAMPLE: &str = "(.*?)"', reference, re.S)[1], *examples, *corpus]


def made(seed):
    """A file as people write them, by chance: quotes of both kinds, comments, blanks, empty values."""
    chance = random.Random(seed)
    blank = lambda: chance.choice([" ", "\t", "  "])
    word = lambda: "".join(chance.choices("abz019_", k=chance.randint(1, 8)))

    def value():
        quote = chance.choice(["", "'", '"'])
        text = word() if quote == "" else "".join(chance.choices("ab1_ #:/[]=.;-é" + ("'" if quote == '"' else '"'), k=chance.randint(0, 12)))
        return f"{quote}{text}{quote}"

    def line():
        what = chance.choice(["config", "option", "option", "list", "", "#"])
        comment = chance.choice(["", "", " # said " + word()])
        if what == "config":
            return f"config{blank()}{word()}{chance.choice(['', blank() + word()])}{comment}"
        if what in ("option", "list"):
            return f"{blank()}{what}{blank()}{word()}{blank()}{value()}{comment}"
        return what

    return "\n".join(["config first", *(line() for _ in range(chance.randint(1, 20)))]) + "\n"


@unittest.skipUnless(PROGRAM, "BURSTMESH_STATEMENTS names no program")
class SecondOpinion(unittest.TestCase):
    def compare(self, texts):
        read = ours(texts)
        theirs = [parsed(text) for text in texts]
        again = iter(ours([normal for _, normal in theirs if normal is not None]))
        for text, mine, (other, normal) in zip(texts, read, theirs):
            if other is not None:
                self.assertEqual(mine, other, text)
                self.assertEqual(next(again), mine, normal)
        return read, theirs

    def test_the_projects_own_files_mean_the_same(self):
        texts = files()
        read, theirs = self.compare(texts)
        self.assertGreater(sum(other is not None for other, _ in theirs), 8)
        # What only ours takes is a file of the fuzzer that libuci takes, too.
        self.assertLessEqual(sum(mine is not None and other is None for mine, (other, _) in zip(read, theirs)), 1)

    def test_files_by_chance_mean_the_same(self):
        texts = [made(seed) for seed in range(500)]
        _, theirs = self.compare(texts)
        self.assertEqual(sum(other is None for other, _ in theirs), 0)


if __name__ == "__main__":
    unittest.main()
