"""Hostile patterns end in a `DstokError` soon: no endless work, no RecursionError, no MemoryError.

Nothing here is timed: dstok/regex/compile_budget.py counts steps and cells. That these stand for seconds and megabytes is
tried in a child with little memory. Each of these patterns would take minutes, gigabytes or the stack without bounds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
from one_pattern import compile_pattern
from shares import seeds
from upstream import families

from dstok.compiled import kernel_selection as kernels
from dstok.compiled.programs import make_tagger, tables_of
from dstok.core.check import proofs
from dstok.errors import UnsupportedError
from dstok.pretokenizer.sources import preset_names, preset_splits
from dstok.regex import BEHAVIORS, Split
from dstok.regex.cascade import MAX_CLASSES, MAX_STEPS, compile_cascade, compile_splits
from dstok.regex.compile_budget import LIMITS, stage
from dstok.regex.parser import MAX_DEPTH, MAX_LENGTH, MAX_QUANTIFIERS

CHILD = Path(__file__).parents[1] / "helpers" / "pattern_child.py"

# No two are adjacent: each is a range and a class. Surrogates are no characters.
MANY = [chr(0x4E00 + 2 * i + 0x800 * (2 * i >= 0xD800 - 0x4E00)) for i in range(MAX_LENGTH)]
STATES = f"more than {LIMITS['NFA states']} NFA states"
EDGES = f"more than {LIMITS['edges']} edges"
VISITS = f"more than {LIMITS['steps']} steps during making the NFA deterministic"
BUILT = f"more than {LIMITS['steps']} steps during building the NFA"
MARKS = f"more than {LIMITS['states of marked texts']} states of marked texts"
MARKING = f"more than {LIMITS['steps']} steps during marking the texts of a step"
MARKED = f"more than {LIMITS['cells']} cells during marking the texts of a step"
PARSED = f"more than {LIMITS['cells']} cells during parsing"
DEPTH = f"more than {MAX_DEPTH} nested groups"
LENGTH = f"more than {MAX_LENGTH} characters"
CLASSES = f"more than {MAX_CLASSES} classes"
STACKED = f"more than {MAX_QUANTIFIERS} quantifiers on one another"

HOSTILE = {
    "counts of counts": ("(?:a{1000}){1000}", STATES),
    "loops of loops": ("(?:" * (MAX_DEPTH - 1) + "a" + "|b)+" * (MAX_DEPTH - 1), STATES),
    "groups past the bound": ("(" * 5000 + "a" + ")" * 5000, DEPTH),
    "open groups": ("(?:" * 5000, DEPTH),
    "folded groups past the bound": ("(?i:" * 5000, DEPTH),
    "looks inside looks": ("(?=" * 5000, DEPTH),
    "a very long pattern": ("a" * 100_000, LENGTH),
    "a very long class": ("[" + "a" * 100_000 + "]", LENGTH),
    "a long literal": ("a" * 15_000, MARKS),
    "folded groups around a long literal": ("(?i:" * 49 + "a" * 5000 + ")" * 49, MARKS),
    "a long chain, then a loop": ("[\\s\\S]{1000}.*", MARKS),
    "a chain whose end decides": (".{1,1000}$", MARKS),
    "chains of chains whose end decides": ("(?:.{1,1000}){1,9}$", VISITS),
    "a letter some way from the end": ("[ab]*a[ab]{20}", EDGES),
    "a letter far from the end": ("(?:a|b)*a(?:a|b){1000}c", EDGES),
    "an ambiguous count of counts": ("(?:(?:a|b){1,30}(?:b|a){1,30}){1,30}c", VISITS),
    "a row of optional characters": ("a?" * 9000 + "b", VISITS),
    "a row of optional groups": ("(?:a?b?){1}" * 1500 + "c", VISITS),
    "many alternatives": ("|".join(map("".join, product(ascii_lowercase, ascii_lowercase, "abcdef"))), EDGES),
    "many empty alternatives": ("|" * (MAX_LENGTH - 1), STATES),
    "many classes": ("".join(MANY[:19_000]), CLASSES),
    "as many classes as may be, often": ("[" + "][".join(MANY[: MAX_CLASSES - 1]) + "]{1000}", EDGES),
    "pairs of many classes": ("(?:" + "|".join(a + b for a, b in pairwise(MANY[:120])) + "){150}", STATES),
    "many large sets": ("\\P{L}" * 3999, MARKS),
    "many large sets that differ": ("".join(f"[\\p{{L}}{c}]" for c in MANY[:2200]), MARKS),
    "quantifiers on quantifiers": ("a" + "{1}" * 6000, STACKED),
    "stars on stars": ("a" + "*" * 6000, STACKED),
    "open braces": ("a{" * 9000, "more than"),
    "counts of the empty group": ("(?:){1000}{1000}{1000}a", BUILT),
    "quantified groups in quantified groups": ("(?:" * 49 + "a" + (")" + "*" * 20) * 49, STACKED),
    "classes that are large and differ": ("".join(f"[\\W{c}]" for c in MANY[:3900]), PARSED),
    "a large class, often": ("\\W" * 9000, MARKING),
    "a thousand words": ("|".join(map("".join, product("abcdefghijk", repeat=3))) + "|z+", MARKING),
    "sets that overlap": ("|".join(f"[{a}{b}]{{1,9}}" for a, b in pairwise(MANY[:100])), MARKING),
    "a look-ahead over a long chain": ("(?=a{1,900}b)a", MARKS),
    "look-behind at a letter far back": ("(?<=(?:a|b){12}a.{12})c", MARKS),
    "looks and atomic groups in counted groups": (
        r"[^\w&&[^a]]?+|\A(?:(?<a.b>[\b]{1,2}?(?<n>[[:word:]]{,2}\p{^N}t)[[:xdigit:]]||[[:punct:]][[:word:]]\p{^N}){3,1}i)"
        r"{,2}\x{3000}.", MARKED),
    "an endless property name": ("\\p{" + "L" * (MAX_LENGTH - 5) + "}", "the property 'LLL"),
}


@pytest.mark.parametrize("name", [[*HOSTILE][number] for number in seeds(len(HOSTILE), 2)])
def test_a_hostile_pattern_is_refused(name: str) -> None:
    pattern, message = HOSTILE[name]
    with stage("a test") as work, pytest.raises(UnsupportedError) as caught:
        compile_splits([Split(pattern, where="$.here")])
    assert message in caught.value.message
    assert caught.value.where in ("$.here",) or "position " in caught.value.where
    assert len(str(caught.value)) < 1000
    assert work.steps <= LIMITS["steps"] * 1.2, "a stage does much before it counts"
    assert work.cells <= LIMITS["cells"] * 1.2


def test_hostile_patterns_take_little_memory() -> None:
    """At most 300 MB beside what a process has when dstok is imported, and far less than the minute of its limit."""
    names = [[*HOSTILE][number] for number in seeds(len(HOSTILE), 2)]
    patterns = [HOSTILE[name][0] for name in {*names, "looks and atomic groups in counted groups"}]
    child = subprocess.run([sys.executable, CHILD, "300"], input=json.dumps(patterns), capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    refused = json.loads(child.stdout)
    assert len(refused) == len(patterns) and all("more than" in said or "property" in said for said in refused), refused


def test_real_patterns_need_a_small_part_of_the_limits() -> None:
    """Of all stages together, with windows and reasons, and with the search for a mask kernel."""
    real = [*dict.fromkeys([*families().values(), *(preset_splits(name)[0] for name in preset_names())])]
    for splits in (real[number] for number in seeds(len(real), 6)):
        with stage("a test") as work:
            cascade = compile_cascade(splits)
            tables_of(cascade).finder()
            make_tagger(cascade)
        assert work.steps * 5 < LIMITS["steps"] and work.cells * 20 < LIMITS["cells"], (work, splits)


def test_all_walks_of_a_search_share_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk that its budget ends counts, too: else each set of rules could walk as far anew."""
    walks = []

    class Walk(proofs.Walk):
        def __init__(self, *_: Any) -> None:
            walks.append(self)

    program = compile_splits(*preset_splits("minimax"))
    assert kernels.find_kernel(program).rules == kernels.CASED
    monkeypatch.setattr(proofs, "Walk", Walk)
    monkeypatch.setitem(LIMITS, "steps", 10_000)
    search = kernels._find.__wrapped__
    assert search(program.kept, kernels.classes_of(program), program.boundaries.edges).rules == kernels.NONE
    assert 10_000 < sum(walk.blocks for walk in walks) < 2 * 10_000 * kernels.BLOCKS_A_STEP


@pytest.mark.parametrize("name", [("many classes", "groups past the bound", "a row of optional groups")[number] for number in seeds(3, 1)])
def test_a_hostile_pattern_has_no_dfa_either(name: str) -> None:
    pattern, message = HOSTILE[name]
    with pytest.raises(UnsupportedError, match=message):
        compile_pattern(pattern)


WITHIN = [
    "(" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1),
    "[" + "".join(MANY[:9000]) + "]+",
    "[" + "\\p{L}" * 3900 + "]",
    "(?=a)" * 3500 + "a",
    "(?:a|" + "(?=a)" * 3300 + "a)",
    "a{1,300}",
    "(?:[a-c]{1,15}){1,15}",
    "|".join("[" + c + "]{1,3}" for c in MANY[:80]),
    "[" + "\\W" * 9000 + "]",
    "|".join(f"[{c}]" for c in MANY[: MAX_CLASSES - 1]),
]


CASES = [*product(WITHIN, BEHAVIORS)]
CASES = [CASES[number * 7 % len(CASES)] for number in range(len(CASES))]  # others of both each day


@pytest.mark.parametrize(("pattern", "behavior"), [CASES[number] for number in seeds(len(CASES), 2)])
def test_what_is_large_but_within_the_bounds(pattern: str, behavior: str) -> None:
    program = compile_splits([Split(pattern, behavior)])
    assert "".join(piece for piece, _ in program.pieces("xaaaby" + MANY[0])) == "xaaaby" + MANY[0]


def test_a_long_sequence_of_large_steps() -> None:
    most = 30
    steps = [Split(f"[ab]{{1,{most}}}|c{{1,{most}}}"), Split("c+"), Split("[ab]+")] * (MAX_STEPS // 3)
    program = compile_splits(steps)
    text = "x" + "ab" * most + "a" + "c" * most + "c"
    assert [len(piece) for piece, _ in program.pieces(text)] == [1, most, most, 1, most, 1]
