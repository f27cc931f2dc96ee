"""An automaton that is too large is an error about the part of the pattern that costs the most."""

from __future__ import annotations

import pytest

from dstok import Splitter, UnsupportedError


@pytest.mark.parametrize(("pattern", "part"), [
    (".{1,1000}$", "the repetition {1,1000} at position 0: fewer turns, or no upper bound ({1,}), need fewer states"),
    ("(?=a{1,900}b)a", "the repetition {1,900} at position 3"),
    ("[ab]*a[ab]{20}", "the repetition {20} at position 6: fewer turns need fewer states"),
    ("b{2}(?:a{1000}){1000}", "the repetition {1000} at position 7"),
    ("x|" + "|".join(f"{a}{b}{c}" for a in "abcdefghij" for b in "abcdefghij" for c in "abcdefghij") + "|z+",
     "the choice of 1002 at position 0: fewer alternatives need fewer states"),
    ("a?" * 9000 + "b", "the 9001 parts in a row at position 0: fewer parts need fewer states"),
])
def test_the_costly_part_is_named(pattern: str, part: str) -> None:
    with pytest.raises(UnsupportedError, match="more than [0-9]+ ") as caught:
        Splitter(pattern)
    assert f"an automaton that is too large, mostly because of {part}" in str(caught.value)


def test_the_step_with_the_costly_part_is_named() -> None:
    with pytest.raises(UnsupportedError, match=r"the repetition \{1,300\} at position 2.* - at pattern 1"):
        Splitter([r"\w+", "x|.{1,300}$"])


def test_a_limit_without_a_costly_part_keeps_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    from dstok.regex.compile_budget import LIMITS

    monkeypatch.setitem(LIMITS, "states from the right", 2)
    with pytest.raises(UnsupportedError, match="a pattern that needs more than 2 states from the right"):
        Splitter("(?<=ab)b|c")
