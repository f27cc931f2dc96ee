"""Shares of exhaustive sets: the days together have every item once, each day about as many, spread over the set."""

from __future__ import annotations

import doctest
from itertools import product

import pytest
import shares
from shares import diagonal, share


@pytest.fixture(autouse=True)
def not_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DEEP", False), ("BRIEF", False), ("PART", 1)):
        monkeypatch.setattr(shares, name, value)


@pytest.mark.parametrize("of", [1, 2, 3, 7, 16, 50])
@pytest.mark.parametrize("size", [0, 1, 7, 1000, 4096])
def test_days_have_all(size: int, of: int) -> None:
    days = [list(share(range(size), of, day)) for day in range(of)]
    assert sorted(item for day in days for item in day) == list(range(size))
    assert max(map(len, days)) - min(map(len, days)) <= 3
    assert days == [list(share(range(size), of, day)) for day in range(of, 2 * of)]


@pytest.mark.parametrize("period", [2, 4, 8, 10, 16, 32, 50])
def test_a_day_has_all_of_an_inner_loop(period: int) -> None:
    """Of a product each inner item is there, with every share that is large enough."""
    for day in range(8):
        assert {number % period for number in share(range(100 * period), 8, day)} == set(range(period))


def test_the_deep_profile_has_the_whole_and_the_brief_one_a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "PART", 10)
    assert 8 <= len(list(share(range(1000), 10))) <= 12
    monkeypatch.setattr(shares, "DEEP", True)
    assert list(share(range(1000), 10)) == list(range(1000))


@pytest.mark.parametrize("sizes", [(1,), (5,), (2, 4), (3, 4), (13, 4, 2)], ids=str)
def test_a_diagonal_has_each_value(sizes: tuple[int, ...]) -> None:
    """In no more cases than the longest list has values, all of them cases of the product."""
    cases = [*product(*("abcdefghijklm"[:size] for size in sizes))]
    chosen = diagonal(cases)
    assert len(chosen) == max(sizes) and chosen <= {*cases}
    assert [len({*values}) for values in zip(*chosen)] == [*sizes]


def test_the_example() -> None:
    assert doctest.testmod(shares).failed == 0
