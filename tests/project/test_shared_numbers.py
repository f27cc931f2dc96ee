"""Numbers that two sides share are equal: each is written once in the core, and once in the Python that makes its tables.

The core does not import that Python, and a built-in model does not either; so both sides write the number down.
"""

from __future__ import annotations

import re

import pytest
from core_sources import source

from dstok.core.merge._pieces import BORDER_BYTES, cuttable_ranges
from dstok.pattern import automaton, marked, nfa, windows
from dstok.tables import byte_pairs, kernels
from dstok.tables.image import checks
from dstok.unicode import normalization

NUMBER = r"\bNAME\s*=\s*((?:0x[0-9A-Fa-f]+|\d+|<<|>>|[-+*/ ()])+?)\s*(?:[,};#\n]|/\*)"


def number(file: str, name: str) -> int:
    """What a source of the core says a constant is."""
    found = re.findall(NUMBER.replace("NAME", name), source(file).read_text(encoding="utf-8"))
    assert found, f"no {name} in {file}"
    assert len(set(found)) == 1, found
    return int(eval(found[0], {}))


RULES = ["NONE", "V3", "ONES", "THREES", "CASED", "GPT2", "CL100K", "LLM", "CODER"]


@pytest.mark.parametrize("name", RULES)
def test_rules(name: str) -> None:
    assert number("_kernel.h", f"RULES_{name}") == getattr(kernels, name)
    assert sorted(kernels.KINDS) == list(range(1, len(RULES)))


@pytest.mark.parametrize("name", ["LETTER", "PUNCT", "CJK", "BLANK", "RARE", "NUMBER"])
def test_kinds(name: str) -> None:
    assert number("_kernel.h", f"F_{name}") == getattr(kernels, name)


@pytest.mark.parametrize(("name", "value"), [
    ("CAPITAL", "F_LETTER | F_PUNCT"), ("CASELESS", "F_LETTER | F_BLANK"), ("COMBINING", "F_LETTER | F_PUNCT | F_BLANK")])
def test_kinds_of_cased_words(name: str, value: str) -> None:
    assert f"F_{name} = {value}" in source("_kernel.h").read_text(encoding="utf-8")
    assert getattr(kernels, name) == sum(getattr(kernels, flag.removeprefix("F_")) for flag in value.split(" | "))


@pytest.mark.parametrize(("file", "name", "value"), [
    ("_windows.h", "WINDOW_EDGE", windows.EDGE),
    ("_windows.h", "WINDOW_YES", windows.YES),
    ("_windows.h", "WINDOW_UNKNOWN", windows.UNKNOWN),
    ("_check.pyx", "WILD", windows.WILD),
    ("_finder.pyx", "GROUPS", 256),
    ("_finder.pyx", "HISTORIES", 16**3),
    ("_finder.pyx", "BORDERS", BORDER_BYTES),
    ("_scan.pyx", "OPERATION", automaton.OPERATION),
    ("_two_sided.pxd", "START", automaton.START),
    ("_walk.pyx", "FINAL", marked.FINAL),
    ("_walk.pyx", "START", automaton.START),
    ("_walk.pyx", "DEAD", automaton.DEAD),
    ("_forms.pxd", "BOUNDARY", normalization.BOUNDARY),
    ("_forms.pyx", "TROUBLED", normalization.TROUBLED),
    ("_forms.pyx", "HANGUL", normalization.HANGUL),
])
def test_tables(file: str, name: str, value: int) -> None:
    assert number(file, name) == value


def test_python_with_python() -> None:
    assert (nfa.DEAD, nfa.START, nfa.NO_TAG) == (automaton.DEAD, automaton.START, automaton.NO_TAG)
    assert checks.MAX_BYTE_PAIRS == byte_pairs.NO_PAIR


def test_cuttable_characters() -> None:
    """Three bytes each, so that `joined_pairs` may look at three bytes on each side; letters, and no more than that."""
    ranges = sorted(cuttable_ranges())
    assert all(0x800 <= low <= high <= 0xFFFF for low, high in ranges)
    assert all(before < low for (_, before), (low, _) in zip(ranges, ranges[1:]))
    characters = {c for low, high in ranges for c in range(low, high + 1)}
    assert len(characters) == 0x56 + 3 + 0x5A + 4 + 0x19C0 + 0x5200 + 11172
    assert characters.isdisjoint(map(ord, "\u3040\u3097\u309b\u309c\u30a0\u30fb\u3100\u4dc0\u4dff\ua000\ud7a4"))
