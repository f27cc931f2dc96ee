"""Random completions, good and broken, through the parsers of every version, until one goes wrong.

    python tests/fuzzing/fuzz_completions.py --seconds 600     # --seed N --first N --count 1: one again

In: nothing but a seed. Out: the seed and number of what went wrong; status 1. Three things are held: parts of any size
give what the whole gives; nothing but a `ChatError` is raised; and a completion that grows takes time that is linear in
its length, counted in steps (tests/helpers/parser_steps.py).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from itertools import count, islice
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))

from completions import completion_of, cuttings, growing, json_completion
from parser_steps import WAYS, assert_linear_in_text

from dstok import chat
from dstok.chat.writer import DIALECTS

VERSIONS = [version.name for version in chat.versions()]


def outcome(parts: list[str], version: chat.VersionName, arguments: dict[str, Any]) -> object:
    """The message, or the class of the reference's error."""
    parser = chat.Parser(version, **arguments)
    try:
        for part in parts:
            parser.feed(part)
        parser.finish()
    except chat.ChatError as error:
        return error.reference
    return parser.message


def job(rng: random.Random) -> None:
    """One completion of one version in all ways. Raises AssertionError."""
    version = rng.choice(VERSIONS)
    arguments = {"mode": rng.choice(("strict", "lenient")), "thinking": rng.random() < 0.7, "tools": rng.random() < 0.9}
    shape, others = growing(rng, version), []
    if version in DIALECTS:
        arguments["json_output"] = arguments["mode"] == "lenient" and rng.random() < 0.5
        others.append(json_completion(rng, DIALECTS[version]))
    for text in (completion_of(rng, version), shape.text(rng.randint(1, 9)), *others):
        found = [outcome(parts, version, arguments) for parts in cuttings(rng, text)]
        assert found.count(found[0]) == len(found), (version, arguments, text, found)
    assert_linear_in_text(shape, version, rng.choice(list(WAYS)), **arguments)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Random completions through the parsers.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int)
    given = parser.parse_args(argv)
    end, number = time.monotonic() + given.seconds, given.first
    for number in islice(count(given.first), given.count):
        try:
            job(random.Random(f"{given.seed} {number}"))
        except Exception as error:
            print(f"--seed {given.seed} --first {number} --count 1: {type(error).__name__}: {error}")
            return 1
        if time.monotonic() > end:
            break
    print(f"{number + 1 - given.first} completions, nothing wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
