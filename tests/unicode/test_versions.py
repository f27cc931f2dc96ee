"""The sets of several versions of Unicode: what changes from one to the next, and samples."""

from __future__ import annotations

from itertools import pairwise

import pytest

import dstok
from dstok import unicode
from dstok.conformance.automaton_guide import moved
from dstok.unicode import CodePointSet


@pytest.mark.parametrize(("one", "other"), list(pairwise(unicode.versions())))
def test_categories_are_those_of_another_source(one: str, other: str) -> None:
    """The kit's table of changes is made from releases of `unicodedata2`."""
    before, after = moved(one, other), moved(other, one)
    sets = [{name: unicode.general_category(name, version) for name in unicode.general_categories(version)} for version in (one, other)]
    found = {char: (old, new) for old in sets[0] for new in sets[1] if old != new for char in map(chr, sets[0][old] & sets[1][new])}
    assert found == {char: (before[char], after[char]) for char in before}


def test_old_symbols_are_no_longer_pictographic() -> None:
    """Decision 182-C20 of the Unicode Technical Committee, for 17.0: 689 symbols that are no emoji (unicode-org/unicodetools,
    pull request 1019, counts them)."""
    old, new = (unicode.binary_property("Extended_Pictographic", version) for version in ("16.0", "17.0"))
    assert len(old - new) == 689 and not new - old
    assert (old - new).isdisjoint(unicode.binary_property("Emoji", "17.0"))


def test_a_version_without_a_table() -> None:
    with pytest.raises(dstok.UnsupportedError, match=r"13\.0"):
        unicode.general_category("L", "13.0")


def test_samples() -> None:
    letters = unicode.general_category("L")
    sample = letters.sample(1000, seed=3)
    assert len(set(sample)) == 1000 and all(c in letters for c in sample)
    assert sample == letters.sample(1000, seed=3) != letters.sample(1000, seed=4)
    assert sorted(letters.sample(len(letters))) == list(letters)
    with pytest.raises(ValueError, match="expected a count from 0 to 2, found 3"):
        CodePointSet.from_chars("ab").sample(3)
