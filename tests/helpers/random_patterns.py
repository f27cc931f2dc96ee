"""Random patterns of the whole grammar, for as long as asked: python random_patterns.py PAIRS [SEED].

The judge of pieces is upstream, the judge of matches and groups the package `regex`. Prints how many pairs of a pattern
and a text were compared by each, the differences, and the refusals by reason.
"""

from __future__ import annotations

import random
import re
import sys
import warnings
from collections import Counter

import regex
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from regex_patterns import judge_of_matches, matches_by
from upstream import pieces_by, upstream_splitter

from dstok import DstokError, PatternError, Split, Splitter
from dstok.conformance.strategies import LETTERS, split_steps

TEXTS = 100  # for each pattern: they cost little beside it


class Comparison:
    """What was compared so far."""

    def __init__(self, first_seed: int = 0) -> None:
        self.chance = random.Random(first_seed)
        self.patterns = self.pairs = self.match_pairs = self.both_refuse = 0
        self.ways: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.examples: dict[str, str] = {}  # by reason, the shortest pattern
        self.differences: list[str] = []

    def compare(self, splits: list[Split], given_texts: list[str]) -> None:
        try:
            judge = upstream_splitter(splits)
        except Exception as error:  # upstream raises no class of its own
            judge, said = None, str(error)
        try:
            splitter = Splitter(splits)
        except PatternError as error:
            if judge is not None:
                self.refuse(f"pattern error: {error.message}", splits)
            self.both_refuse += judge is None
            return
        except DstokError as error:
            self.refuse(re.sub(r" - at .*|[0-9']+", "", str(error))[:90], splits)
            return
        if judge is None:
            self.refuse(f"upstream alone refuses: {said[:70]}", splits)
            return
        self.patterns += 1
        self.ways[splitter.strategy()] += 1
        for text in given_texts:
            self.pairs += 1
            try:
                expected = pieces_by(judge, text)
            except Exception as error:  # a limit of upstream's on the time of a match
                self.refuse(f"upstream gives up: {str(error)[:60]}", splits)
                continue
            found = splitter.split(text)
            if found != expected:
                shown = [(s.pattern, s.behavior, s.invert) for s in splits]
                self.differences.append(f"{shown} {text!r}: expected {expected}, found {found} ({splitter.strategy()})")
                break
        if len(splits) == 1:
            self.compare_matches(splits[0].pattern, splitter, given_texts)

    def compare_matches(self, pattern: str, splitter: Splitter, given_texts: list[str]) -> None:
        try:
            judge = judge_of_matches(pattern)
        except regex.error:  # a limit of its own
            return
        if judge is None:
            return
        groups = [n for n in range(judge.groups + 1) if n not in splitter._matcher._pattern.refused]
        for text in given_texts:
            self.match_pairs += 1
            found, expected = (matches_by(one, text, groups) for one in (splitter.matcher(), judge))
            if found != expected:
                self.differences.append(f"matches of {pattern!r} {text!r}: expected {expected}, found {found}")
                break

    def refuse(self, reason: str, splits: list[Split]) -> None:
        shown = " then ".join(split.pattern for split in splits)
        self.refusals[reason] += 1
        self.examples[reason] = min(self.examples.get(reason, shown), shown, key=len)

    def report(self) -> str:
        rows = [f"{self.patterns} patterns, {self.pairs} pairs by upstream, {self.match_pairs} by regex, "
                f"{len(self.differences)} differences, {self.both_refuse} refused by both", f"ways: {dict(self.ways)}"]
        rows += [f"  {count:6} {reason}: {self.examples[reason]!r}" for reason, count in self.refusals.most_common()]
        return "\n".join([*rows, *sorted(self.differences, key=len)[:30]])


def some_texts(chance: random.Random) -> list[str]:
    """Texts of up to 12 characters, some of few different ones."""
    return ["".join(chance.choices(chance.choice([LETTERS, LETTERS, "ab \n", "sSßſé"]), k=chance.randrange(13)))
            for _ in range(TEXTS)]


def run(pairs: int, first_seed: int) -> Comparison:
    """Compares until there are so many pairs."""
    comparison = Comparison(first_seed)
    warnings.simplefilter("ignore")
    number = first_seed
    while comparison.pairs < pairs:
        steps = st.lists(split_steps(), min_size=1, max_size=1) | st.lists(split_steps(), min_size=1, max_size=2)

        @seed(number)
        @settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(steps)
        def compare(splits: list[Split]) -> None:
            comparison.compare(splits, some_texts(comparison.chance))

        compare()
        number += 1
        print(comparison.report(), flush=True)
    return comparison


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
