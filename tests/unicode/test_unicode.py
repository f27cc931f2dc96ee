"""The Unicode properties equal `unicodedata2` and upstream on every code point.

Two judges, neither of which shares data with the tables: `unicodedata2` for the general categories, and
upstream's regex engine for everything that a pattern can name.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterable
from itertools import chain

import pytest
import unicodedata2
from hypothesis import given
from hypothesis import strategies as st
from kept import kept
from reference import DEEP
from shares import share
from tokenizers import NormalizedString, Regex
from tokenizers.pre_tokenizers import Split

from dstok import unicode
from dstok.errors import DstokError, UnsupportedError
from dstok.unicode import CodePointSet, UnknownPropertyError, general_category, property_set
from dstok.unicode.properties import read_section

VERSION = "16.0"
CODESPACE = range(0x110000)
SCALARS = "".join(map(chr, chain(range(0xD800), range(0xE000, 0x110000))))
GROUPS = ("C", "L", "M", "N", "P", "S", "Z")
CATEGORY_NAMES = read_section("category_names")
SHORT_NAMES = tuple(names[0] for names in CATEGORY_NAMES)
TWO_LETTER_NAMES = tuple(name for name in SHORT_NAMES if len(name) == 2 and name != "LC")
ALL_NAMES = (
    *chain.from_iterable(CATEGORY_NAMES),
    *("Any", "Assigned", "White_Space", "WSpace", "Space"),
)


@kept()
def all_categories() -> tuple[str, ...]:
    return tuple(unicodedata2.category(chr(code_point)) for code_point in CODESPACE)


@kept()
def members() -> dict[str, set[int]]:
    """The code points of each category."""
    found: dict[str, set[int]] = {}
    for code_point, category in enumerate(all_categories()):
        found.setdefault(category, set()).add(code_point)
    return found


@kept()
def all_scalars() -> NormalizedString:
    return NormalizedString(SCALARS)


def unmatched(pattern: str, text: NormalizedString) -> str:
    """Return the characters that upstream leaves when it removes every match from a text.

    The patterns here match one character and look at no other, so what is left is what does not match.
    """
    return "".join(piece.normalized for piece in text.split(Regex(pattern), "removed"))


def scalars(code_points: Iterable[int]) -> str:
    return "".join(chr(c) for c in code_points if not 0xD800 <= c < 0xE000)


def assert_same(found: str, expected: str) -> None:
    """Compare a million characters without letting pytest render their difference."""
    if found != expected:
        differing = sorted(set(found) ^ set(expected))
        shown = ", ".join(f"U+{ord(char):04X}" for char in differing[:10])
        pytest.fail(f"{len(differing)} code points differ, the first: {shown}")


def accepts(name: str) -> bool:
    """Tell whether upstream compiles a property name; it raises a bare Exception where it does not."""
    try:
        Regex(rf"\p{{{name}}}")
    except Exception as error:
        if "invalid character property name" not in str(error):
            raise
        return False
    return True


# ---- against unicodedata2 ------------------------------------------------------------------------


def test_the_independent_source_has_the_same_version() -> None:
    assert unicodedata2.unidata_version == f"{VERSION}.0"
    assert VERSION == unicode.DEFAULT_VERSION


def test_category_of_every_code_point() -> None:
    differing = [c for c in CODESPACE if unicode.category_of(c) != all_categories()[c]]
    assert differing[:10] == []


@pytest.mark.parametrize("name", TWO_LETTER_NAMES)
def test_category_as_a_set(name: str) -> None:
    expected = members()[name]
    assert expected, "a category without code points would test nothing"
    differing = set(general_category(name)) ^ expected
    assert sorted(differing)[:10] == []


@pytest.mark.parametrize("name", [*GROUPS, "LC"])
def test_group_as_the_union_of_its_categories(name: str) -> None:
    categories = {"LC": ("Lu", "Ll", "Lt")}.get(name, tuple(n for n in TWO_LETTER_NAMES if n[0] == name))
    expected = set(chain.from_iterable(map(members().__getitem__, categories)))
    differing = set(general_category(name)) ^ expected
    assert sorted(differing)[:10] == []


def test_names_are_the_thirty_categories_and_their_groups() -> None:
    assert set(TWO_LETTER_NAMES) == set(all_categories())
    assert set(SHORT_NAMES) - set(TWO_LETTER_NAMES) == {*GROUPS, "LC"}


def test_checksum_over_every_code_point() -> None:
    expected = hashlib.sha256("".join(all_categories()).encode()).hexdigest()
    assert unicode.checksum(VERSION) == expected


# ---- against upstream, all code points -----------------------------------------------------------

FORMS_OF_GROUPS: dict[str, CodePointSet] = {
    **{rf"\P{{{name}}}": ~property_set(name) for name in GROUPS},
    **{rf"\p{{^{name}}}": ~property_set(name) for name in GROUPS},
    **{rf"[\p{{{name}}}]": property_set(name) for name in GROUPS},
    **{rf"[^\p{{{name}}}]": ~property_set(name) for name in GROUPS},
}
SWEEPS: dict[str, CodePointSet] = {
    **{rf"\p{{{name}}}": property_set(name) for name in (*SHORT_NAMES, "Any", "Assigned", "White_Space")},
    r"\p{Alphabetic}": unicode.alphabetic(),
    r"\s": unicode.white_space(),
    r"\S": ~unicode.white_space(),
    r"[\s]": unicode.white_space(),
    r"[^\s]": ~unicode.white_space(),
    r"[\S]": ~unicode.white_space(),
    r"\d": unicode.digit(),
    r"\D": ~unicode.digit(),
    r"[\d]": unicode.digit(),
    r"[^\d]": ~unicode.digit(),
    r"[\D]": ~unicode.digit(),
    r"\w": unicode.word(),
    r"\W": ~unicode.word(),
    r"[\w]": unicode.word(in_class=True),
    r"[^\w]": ~unicode.word(in_class=True),
    r"[\W]": ~unicode.word(in_class=True),
    r"[^\W]": unicode.word(in_class=True),
}


@pytest.mark.parametrize("pattern", [*share(SWEEPS, 9)])
def test_sweep_against_upstream(pattern: str) -> None:
    assert_same(unmatched(pattern, all_scalars()), scalars(~SWEEPS[pattern]))


@pytest.mark.parametrize("pattern", FORMS_OF_GROUPS)
def test_forms_of_groups(pattern: str) -> None:
    """A group that is negated or in a class: on all code points in the deep profile, else on both ends of every run."""
    text = all_scalars() if DEEP else borders()
    expected = "".join(char for char in text.normalized if char not in FORMS_OF_GROUPS[pattern])
    assert_same(unmatched(pattern, text), expected)


def test_sweep_sees_what_the_split_pre_tokenizer_does() -> None:
    text = all_scalars() if DEEP else borders()
    pieces = Split(Regex(r"\w"), "removed").pre_tokenize_str(text.normalized)
    assert_same("".join(piece for piece, _ in pieces), unmatched(r"\w", text))


def test_sweep_can_fail() -> None:
    without_one = property_set("L") - CodePointSet.from_chars("\u4e00")
    with pytest.raises(pytest.fail.Exception, match=r"1 code points differ, the first: U\+4E00"):
        assert_same(unmatched(r"\p{L}", borders()), "".join(char for char in borders().normalized if char not in without_one))


def test_one_character_at_a_time_around_every_border_of_word() -> None:
    splitter = Split(Regex(r"\w"), "removed")
    word = unicode.word()
    borders = {c + step for pair in word.ranges for c in pair for step in (-1, 0, 1)}
    differing = [char for char in scalars(borders) if bool(splitter.pre_tokenize_str(char)) == (char in word)]
    assert differing == []


# ---- property names ------------------------------------------------------------------------------


@kept()
def borders() -> NormalizedString:
    """One text with both ends of every run of a category or of White_Space."""
    named = chain.from_iterable(general_category(name).ranges for name in TWO_LETTER_NAMES)
    ends = set(chain.from_iterable([*named, *unicode.white_space().ranges]))
    return NormalizedString(scalars(sorted(ends)))


def assert_same_set_as_upstream(name: str) -> None:
    outside = ~property_set(name)
    expected = "".join(char for char in borders().normalized if char in outside)
    assert_same(unmatched(rf"\p{{{name}}}", borders()), expected)


@pytest.mark.parametrize("name", ALL_NAMES)
@pytest.mark.parametrize("spell", [str, str.upper, str.lower, str.swapcase], ids=lambda f: f.__name__)
def test_names_in_any_case(name: str, spell: Callable[[str], str]) -> None:
    assert_same_set_as_upstream(spell(name))


@pytest.mark.parametrize("name", ALL_NAMES)
@pytest.mark.parametrize("separator", ["", " ", "-", "_", " _- "])
def test_names_with_any_separator(name: str, separator: str) -> None:
    assert_same_set_as_upstream(separator.join(["", *name.split("_"), ""]))
    assert_same_set_as_upstream(separator.join(name))


@given(name=st.sampled_from(ALL_NAMES), data=st.data())
def test_names_one_edit_away(name: str, data: st.DataObject) -> None:
    """Whatever name we accept, upstream accepts too, and means the same set by it."""
    index = data.draw(st.integers(0, len(name)))
    inserted = data.draw(st.sampled_from(" -_^&=.:1aclnopsuLZ\t\n\0\u00a0\u00e9\u017f\u212a"))
    removed = data.draw(st.integers(0, 1))
    edited = name[:index] + inserted + name[index + removed :]
    try:
        property_set(edited)
    except UnknownPropertyError:
        return
    assert accepts(edited)
    assert_same_set_as_upstream(edited)


@pytest.mark.parametrize(
    "name",
    ["", " ", "_", "Lx", "L1", "L&", "Is_L", "gc=Lu", "General_Category=Lu", "Script=Greek", "^^L", " ^L",
     "L\t", "L\u00a0", "\u017fpace", "Mar\u212a", "\uff2c", "Letter\u0301"],
)  # fmt: skip
def test_names_unknown_here_and_upstream(name: str) -> None:
    assert not accepts(name)
    with pytest.raises(UnknownPropertyError, match=r"expected a general category, .*found"):
        property_set(name)


@pytest.mark.parametrize("name", ["Greek", "Grek", "In_Basic_Latin", "Alphabetic", "Word", "XID_Start", "^L"])
def test_names_known_upstream_but_refused_here(name: str) -> None:
    assert accepts(name)
    with pytest.raises(UnknownPropertyError):
        property_set(name)


@pytest.mark.parametrize("name", ["lu", "Letter", "", "Any", "l", "Lx", "l u"])
def test_general_category_takes_exact_short_names_only(name: str) -> None:
    with pytest.raises(UnknownPropertyError, match="expected a general category such as L or Lu, found"):
        general_category(name)


def test_unknown_property_error_is_a_dstok_error_and_a_lookup_error() -> None:
    assert issubclass(UnknownPropertyError, DstokError) and issubclass(UnknownPropertyError, LookupError)
    with pytest.raises(UnknownPropertyError) as caught:
        property_set("Nope")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    "look_up",
    [lambda v: property_set("L", v), lambda v: general_category("L", v), lambda v: unicode.category_of(65, v),
     unicode.white_space, unicode.alphabetic, unicode.digit, unicode.word, unicode.checksum],
)  # fmt: skip
def test_unknown_version(look_up: Callable[[str], object]) -> None:
    assert "1.0" not in unicode.versions()
    with pytest.raises(UnsupportedError, match=r"expected a Unicode version out of .*16\.0.*, found '1\.0'"):
        look_up("1.0")


@pytest.mark.parametrize("code_point", [-1, 0x110000])
def test_category_of_no_code_point(code_point: int) -> None:
    with pytest.raises(ValueError, match=r"expected a code point in 0\.\.0x10FFFF, found"):
        unicode.category_of(code_point)


def test_results_are_cached() -> None:
    assert property_set("Letter") is property_set("L") is general_category("L", VERSION)
    assert unicode.word() is unicode.word(VERSION)
