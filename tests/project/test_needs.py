"""The markers of tests that need corpora or judges: found through decorators, functions of the tests, and fixtures."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import needs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judges import rank_file
from shared_data import wiki


@cache
def words() -> list[str]:
    return [word for word in (lambda: wiki().split())()]


@given(st.just(1))
def by_hypothesis(number: int) -> None:
    assert rank_file("cl100k_base") and words()[number]


def by_itself() -> None:
    """It names what it does not call: wiki."""


@pytest.mark.parametrize(("test", "fixture", "expected"), [
    (words, None, {"corpora"}), (by_hypothesis, None, {"corpora", "judges"}), (by_itself, None, set()),
    (by_itself, words, {"corpora"}),
])
def test_markers(test: Any, fixture: Any, expected: set[str]) -> None:
    known = {"some": [SimpleNamespace(func=fixture)]} if fixture else {}
    item: Any = SimpleNamespace(function=test, _fixtureinfo=SimpleNamespace(name2fixturedefs=known))
    assert needs.markers(item) == expected


def test_every_test_has_been_asked(request: pytest.FixtureRequest) -> None:
    """What is collected with this file has its markers; this one needs nothing."""
    assert not {mark.name for mark in request.node.iter_markers()} & set(needs.MARKERS.values())
