"""The algebra of `CodePointSet` equals that of Python's `set`, and its ranges are always canonical."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Callable, Iterable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstok.errors import ArgumentError
from dstok.unicode import CodePointSet

CODESPACE_SIZE = 0x110000

# Small universes make overlaps and adjacency frequent; these starts put them where an edge could be wrong:
# both ends of the codespace, the surrogates, the end of the BMP, the borders of UTF-8 lengths.
WINDOW = 16
STARTS = (0, 0x78, 0x7F8, 0xD7F8, 0xDFF8, 0xFFF8, CODESPACE_SIZE - WINDOW)


@st.composite
def two_sets(draw: st.DrawFn) -> tuple[set[int], set[int]]:
    start = draw(st.sampled_from(STARTS))
    members = st.sets(st.integers(start, start + WINDOW - 1))
    return draw(members), draw(members)


def build(members: Iterable[int]) -> CodePointSet:
    return CodePointSet.from_ranges((c, c) for c in members)


def assert_canonical(s: CodePointSet) -> None:
    edges = list(chain.from_iterable(s.ranges))
    assert edges == sorted(edges)
    assert all(later[0] - earlier[1] > 1 for earlier, later in zip(s.ranges, s.ranges[1:], strict=False))


@pytest.mark.parametrize("operation", [operator.or_, operator.and_, operator.sub, operator.xor])
@given(pair=two_sets())
def test_operators_equal_those_of_set(
    operation: Callable[..., CodePointSet | set[int]], pair: tuple[set[int], set[int]]
) -> None:
    result = operation(build(pair[0]), build(pair[1]))
    assert isinstance(result, CodePointSet)
    assert_canonical(result)
    assert list(result) == sorted(operation(*pair))


@given(pair=two_sets())
def test_relations_equal_those_of_set(pair: tuple[set[int], set[int]]) -> None:
    left, right = map(build, pair)
    assert left.isdisjoint(right) == pair[0].isdisjoint(pair[1])
    assert left.issubset(right) == pair[0].issubset(pair[1])
    assert left.issubset(left | right)
    assert (left == right) == (pair[0] == pair[1])
    if left == right:
        assert hash(left) == hash(right)


@given(pair=two_sets())
def test_complement(pair: tuple[set[int], set[int]]) -> None:
    members = build(pair[0])
    complement = ~members
    assert_canonical(complement)
    assert members.isdisjoint(complement) and members | complement == CodePointSet.all()
    assert len(complement) == CODESPACE_SIZE - len(pair[0])
    assert ~complement == members


@given(pair=two_sets())
def test_queries_equal_those_of_set(pair: tuple[set[int], set[int]]) -> None:
    members, around = build(pair[0]), pair[0] | pair[1]
    assert [c in members for c in around] == [c in pair[0] for c in around]
    assert [chr(c) in members for c in around] == [c in pair[0] for c in around]
    assert (len(members), bool(members)) == (len(pair[0]), bool(pair[0]))
    assert CodePointSet.from_chars("".join(map(chr, pair[0]))) == members


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6))))
def test_from_ranges_in_any_order(starts_and_lengths: list[tuple[int, int]]) -> None:
    ranges = [(start, start + length) for start, length in starts_and_lengths]
    result = CodePointSet.from_ranges(ranges)
    assert_canonical(result)
    assert set(result) == {c for first, last in ranges for c in range(first, last + 1)}


def test_constants() -> None:
    assert list(CodePointSet.empty()) == [] and not CodePointSet.empty()
    assert len(CodePointSet.all()) == CODESPACE_SIZE
    assert ~CodePointSet.all() == CodePointSet.empty()


@pytest.mark.parametrize("bad", [(-1, 3), (5, 4), (0, 0x110000)])
def test_from_ranges_refuses(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"expected 0 <= first <= last <= 0x10FFFF, found \("):
        CodePointSet.from_ranges([(1, 2), bad])


@pytest.mark.parametrize("bad", [((5, 6), (1, 2)), ((1, 3), (3, 4)), ((1, 2), (3, 4)), ((-1, 0),), ((2, 1),)])
def test_constructor_refuses_what_is_not_canonical(bad: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="expected ascending, disjoint, non-adjacent ranges"):
        CodePointSet(bad)


def test_membership_takes_one_character() -> None:
    with pytest.raises(ArgumentError, match="expected one character, found 2"):
        "ab" in CodePointSet.all()  # noqa: B015


def test_sets_are_immutable_and_can_be_pickled() -> None:
    digits = CodePointSet.from_chars("0123456789")
    with pytest.raises(AttributeError):
        digits.ranges = ()  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(digits)) == digits


@pytest.mark.parametrize(
    ("members", "expected"),
    [("", "CodePointSet()"), ("a", "CodePointSet(U+0061)"),
     ("\U0001f600ab", "CodePointSet(U+0061..U+0062, U+1F600)"),
     ("acegik", "CodePointSet(U+0061, U+0063, U+0065, U+0067, 2 more ranges)")],
)  # fmt: skip
def test_repr(members: str, expected: str) -> None:
    assert repr(CodePointSet.from_chars(members)) == expected
