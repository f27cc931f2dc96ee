"""`dstok.unicode.difference`: the changes of two versions, by `unicodedata2` and by the sets themselves."""

from __future__ import annotations

from itertools import pairwise

import pytest

import dstok
from dstok import unicode
from dstok.testing import unicode_changes
from dstok.unicode import Change, CodePointSet


def union(changes: list[Change]) -> CodePointSet:
    return CodePointSet.from_ranges(r for change in changes for r in change.code_points.ranges)


def of(property: str, one: str, other: str) -> list[Change]:
    return [change for change in unicode.difference(one, other) if change.property == property]


@pytest.mark.parametrize(("one", "other"), list(pairwise(unicode.versions())))
def test_categories_are_those_of_another_source(one: str, other: str) -> None:
    """The kit's table of changes is made from releases of `unicodedata2`."""
    before, after = unicode_changes.moved(one, other), unicode_changes.moved(other, one)
    found = {chr(c): (change.before, change.after) for change in of("General_Category", one, other)
             for c in change.code_points}
    assert found == {char: (before[char], after[char]) for char in before}


def test_scripts_and_binary_properties() -> None:
    changes = of("Script", "14.0", "17.0")
    for name in unicode.scripts("17.0"):
        old = unicode.script(name, "14.0") if name in unicode.scripts("14.0") else CodePointSet.empty()
        assert union([c for c in changes if c.after == name]) == unicode.script(name, "17.0") - old
        assert union([c for c in changes if c.before == name]) == old - unicode.script(name, "17.0")
    everything = unicode.difference("14.0", "17.0")
    for name in unicode.binary_properties("17.0"):
        old, new = unicode.binary_property(name, "14.0"), unicode.binary_property(name, "17.0")
        mine = [change for change in everything if change.property == name]
        assert union(mine) == old ^ new
        assert union([change for change in mine if change.after == "yes"]) == new - old


def test_script_extensions_and_the_way_back() -> None:
    name = "Script_Extensions=Latin"
    there, back = of(name, "15.0", "17.0"), of(name, "17.0", "15.0")
    assert union(there) == unicode.script_extensions("Latin", "15.0") ^ unicode.script_extensions("Latin", "17.0")
    assert {(c.before, c.after, c.code_points) for c in there} == {(c.after, c.before, c.code_points) for c in back}


def test_old_symbols_are_no_longer_pictographic() -> None:
    """Decision 182-C20 of the Unicode Technical Committee, for 17.0: 689 symbols that are no emoji (unicode-org/unicodetools,
    pull request 1019, counts them)."""
    old, new = (unicode.binary_property("Extended_Pictographic", version) for version in ("16.0", "17.0"))
    assert len(old - new) == 689 and not new - old
    assert (old - new).isdisjoint(unicode.binary_property("Emoji", "17.0"))


def test_a_version_without_a_table() -> None:
    with pytest.raises(dstok.UnsupportedError, match=r"13\.0"):
        unicode.difference("16.0", "13.0")


def test_samples() -> None:
    letters = unicode.general_category("L")
    sample = letters.sample(1000, seed=3)
    assert len(set(sample)) == 1000 and all(c in letters for c in sample)
    assert sample == letters.sample(1000, seed=3) != letters.sample(1000, seed=4)
    assert sorted(letters.sample(len(letters))) == list(letters)
    with pytest.raises(ValueError, match="expected a count from 0 to 2, found 3"):
        CodePointSet.from_chars("ab").sample(3)
