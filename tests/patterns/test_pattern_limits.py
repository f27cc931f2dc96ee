"""Hostile patterns end in a `DstokError` soon: no endless work, no RecursionError, no MemoryError.

Nothing here is timed. Each of these patterns took minutes, or the stack, when one of the bounds in
syntax.py, nfa.py, dfa.py and collapse.py was missing.
"""

from __future__ import annotations

from itertools import pairwise, product
from string import ascii_lowercase

import pytest
from reference import DEEP
from shares import seeds

from dstok.errors import UnsupportedError
from dstok.pattern.collapse import BEHAVIORS, MAX_CLASSES, MAX_STEPS, Split, compile_pattern, compile_splits
from dstok.pattern.dfa import MAX_EDGES, MAX_REFINED, MAX_VISITS
from dstok.pattern.nfa import MAX_STATES
from dstok.pattern.syntax import MAX_DEPTH, MAX_LENGTH

MANY = [chr(0x4E00 + 2 * i) for i in range(MAX_LENGTH)]  # no two adjacent: each its own range and class
STATES = f"more than {MAX_STATES} NFA states"
EDGES = f"more than {MAX_EDGES} edges"
VISITS = f"more than {MAX_VISITS} visits"
REFINED = f"more than {MAX_REFINED} refinements"
DEPTH = f"more than {MAX_DEPTH} nested groups"
LENGTH = f"more than {MAX_LENGTH} characters"
CLASSES = f"more than {MAX_CLASSES} classes"
STACKED = "more than 20 quantifiers on one another"

HOSTILE = {
    "counts of counts": ("(?:a{1000}){1000}", STATES),
    "loops of loops": ("(?:" * (MAX_DEPTH - 1) + "a" + "|b)+" * (MAX_DEPTH - 1), STATES),
    "groups past the bound": ("(" * 5000 + "a" + ")" * 5000, DEPTH),
    "open groups": ("(?:" * 5000, DEPTH),
    "folded groups past the bound": ("(?i:" * 5000, DEPTH),
    "looks inside looks": ("(?=" * 5000, DEPTH),
    "a very long pattern": ("a" * 100_000, LENGTH),
    "a very long class": ("[" + "a" * 100_000 + "]", LENGTH),
    "a long literal": ("a" * 15_000, REFINED),
    "folded groups around a long literal": ("(?i:" * 49 + "a" * 5000 + ")" * 49, REFINED),
    "a long chain, then a loop": ("[\\s\\S]{1000}.*", REFINED),
    "a chain whose end decides": (".{1,1000}$", REFINED),
    "chains of chains whose end decides": ("(?:.{1,1000}){1,9}$", VISITS),
    "a letter some way from the end": ("[ab]*a[ab]{20}", EDGES),
    "a letter far from the end": ("(?:a|b)*a(?:a|b){1000}c", VISITS),
    "an ambiguous count of counts": ("(?:(?:a|b){1,30}(?:b|a){1,30}){1,30}c", VISITS),
    "a row of optional characters": ("a?" * 9000 + "b", VISITS),
    "a row of optional groups": ("(?:a?b?){1}" * 1500 + "c", VISITS),
    "many alternatives": ("|".join(map("".join, product(ascii_lowercase, ascii_lowercase, "abcdef"))), EDGES),
    "many empty alternatives": ("|" * (MAX_LENGTH - 1), STATES),
    "many classes": ("".join(MANY[:19_000]), CLASSES),
    "as many classes as may be, often": ("[" + "][".join(MANY[: MAX_CLASSES - 1]) + "]{1000}", EDGES),
    "pairs of many classes": ("(?:" + "|".join(a + b for a, b in pairwise(MANY[:120])) + "){150}", STATES),
    "many large sets": ("\\P{L}" * 3999, REFINED),
    "many large sets that differ": ("".join(f"[\\p{{L}}{c}]" for c in MANY[:2200]), REFINED),
    "quantifiers on quantifiers": ("a" + "{1}" * 6000, STACKED),
    "stars on stars": ("a" + "*" * 6000, STACKED),
    "open braces": ("a{" * 9000, "more than"),
    "an endless property name": ("\\p{" + "L" * (MAX_LENGTH - 5) + "}", "the property 'LLL"),
}


@pytest.mark.parametrize("name", [[*HOSTILE][number] for number in seeds(len(HOSTILE), 12)])
def test_a_hostile_pattern_is_refused(name: str) -> None:
    pattern, message = HOSTILE[name]
    with pytest.raises(UnsupportedError) as caught:
        compile_splits([Split(pattern, where="$.here")])
    assert message in caught.value.message
    assert caught.value.where in ("$.here", "$.pre_tokenizer") or ", position " in f", {caught.value.where}"
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["many classes", "groups past the bound", "a long chain, then a loop"])
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
    "|".join("[" + c + "]{1,3}" for c in MANY[: MAX_CLASSES - 1]),
]


CASES = [*product(WITHIN, BEHAVIORS)]
CASES = [CASES[number * 7 % len(CASES)] for number in range(len(CASES))]  # others of both each day


@pytest.mark.parametrize(("pattern", "behavior"), [CASES[number] for number in seeds(len(CASES), 3)])
def test_what_is_large_but_within_the_bounds(pattern: str, behavior: str) -> None:
    program = compile_splits([Split(pattern, behavior)])
    assert "".join(piece for piece, _ in program.pieces("xaaaby" + MANY[0])) == "xaaaby" + MANY[0]


def test_a_long_sequence_of_large_steps() -> None:
    most = 100 if DEEP else 50
    steps = [Split(f"[ab]{{1,{most}}}|c{{1,{most}}}"), Split("c+"), Split("[ab]+")] * (MAX_STEPS // 3)
    program = compile_splits(steps)
    text = "x" + "ab" * most + "a" + "c" * most + "c"
    assert [len(piece) for piece, _ in program.pieces(text)] == [1, most, most, 1, most, 1]
