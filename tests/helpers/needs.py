"""Which tests need the shared corpora, other projects' files, or a browser: found by what they call.

In: a test item. Out: the names of its markers, `corpora`, `judges` and `browser`. A test has one if it, a fixture of it,
or a function of the tests that one of these calls, and so on, is in shared_data.py, judges.py or browser.py: nobody has
to remember it.

    pytest -m "corpora or judges or browser"          # what CI runs without them, where each has to skip
    pytest -m "not corpora and not judges and not browser"
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

TESTS = str(Path(__file__).resolve().parents[1])
MARKERS = {"shared_data": "corpora", "judges": "judges", "browser": "browser"}


def markers(item: pytest.Function) -> set[str]:
    """Of a test."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return _of((item.function, *(each.func for found in fixtures for each in found)))


@cache  # most tests are one function with many parameters
def _of(roots: tuple[Any, ...]) -> set[str]:
    seen, waiting = set[int](), [function for function in map(_plain, roots) if function is not None]
    found = set[str]()
    while waiting:
        function = waiting.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        if function.__module__ in MARKERS:
            found.add(MARKERS[function.__module__])
        called = (_plain(function.__globals__.get(name)) for name in _names(function.__code__))
        waiting += [each for each in called if each is not None]
    return found


def _plain(value: Any) -> Any:
    """The function under the decorators, if it is one of the tests' own."""
    while value is not None and not (hasattr(value, "__code__") and not hasattr(value, "hypothesis")):
        test = getattr(value, "hypothesis", None)
        value = test.inner_test if test is not None else getattr(value, "__wrapped__", None)
    return value if value is not None and value.__code__.co_filename.startswith(TESTS) else None


def _names(code: CodeType) -> Iterator[str]:
    """The names that a function, or one inside it, uses."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
