"""How many steps a parser takes for a completion: characters that it looks at or copies, and calls of functions.

In: a completion in parts, or one that grows. Out: its steps, or an AssertionError. Invariant: a text that a parser reads
is a `Counted`, and each search of `dstok.chat.answers` counts up to the end of what it finds. A text that costs a
step more for each character costs twice as many steps more from the second length to the third as from the first to the
second; where time is quadratic, four times as many. Up to three times are allowed, since text that holds no beginning of
a delimiter costs less, and where parts are cut decides how much of it there is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from completions import Growing
from counted_text import Counted, Steps

from dstok import chat
from dstok.chat import answers, parse_dsml
from dstok.chat.answers import Delimiters, Found, TextBuffer

__all__ = ["WAYS", "assert_linear", "assert_linear_in_text", "steps_of"]


class CountingDelimiters(Delimiters):
    """Counts the characters up to the end of what is found."""

    def __init__(self, delimiters: Delimiters, steps: Steps) -> None:
        self.texts, self.near, self.longest = delimiters.texts, delimiters.near, delimiters.longest

        def search(text: str, at: int = 0, stop: int | None = None) -> re.Match[str] | None:
            steps.check(text)
            stop = len(text) if stop is None else stop
            found = delimiters.search(text, at, stop)
            steps.characters += (min(stop, len(text)) if found is None else found.end()) - at
            return found

        self.search = search  # type: ignore[assignment]


class CountingReader(TextBuffer):
    """A reader whose searches and joins count."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps

    def passing(self, delimiters: Delimiters) -> Found:
        before, delimiter = super().passing(CountingDelimiters(delimiters, self.steps))
        self.steps.check(before)
        return before, delimiter

    def joined(self, texts: list[str]) -> str:
        text = super().joined(texts)
        self.steps.characters += len(text)
        return Counted(text, self.steps)


def steps_of(parts: list[Any], version: chat.VersionName, **arguments: Any) -> int:
    """The steps that parsing takes, up to an error if there is one."""
    steps, parser = Steps(), chat.Parser(version, **arguments)
    parser._reads.reader = CountingReader(steps)
    with ExitStack() as stack:
        stack.enter_context(patch.object(parse_dsml, "escaped", _escaping(steps)))
        for name in ("think", "say", "call", "argue"):
            stack.enter_context(patch.object(parser._answer, name, _checking(getattr(parser._answer, name), steps)))
        if parser._tokenizer is not None:
            stack.enter_context(patch.object(parser, "_text", _counted(parser._text, steps)))
        stack.enter_context(steps.counting())
        try:
            for part in parts:
                parser.feed(Counted(part, steps) if isinstance(part, str) else part)
            parser.finish()
        except chat.ChatError as error:
            assert len(error.message) < 400  # an excerpt, not the completion
    return steps.total


def _escaping(steps: Steps) -> Callable[[str], str]:
    def escaped(text: str) -> str:
        steps.check(text)
        steps.characters += len(text)
        return Counted(answers.escaped(str.__str__(text)), steps)

    return escaped


def _counted(text_of: Callable[[Iterable[int]], str], steps: Steps) -> Callable[[Iterable[int]], str]:
    return lambda ids: Counted(text_of(ids), steps)


def _checking(call: Callable[[str], None], steps: Steps) -> Callable[[str], None]:
    def checked(text: str) -> None:
        if text.strip("\n"):  # newlines are held back as a number
            steps.check(text)
        call(text)

    return checked


WAYS: dict[str, tuple[int, Callable[[str], list[str]]]] = {
    "whole": (6000, lambda text: [text]),  # a short text costs less for each character, or more
    "by character": (300, list),
    "in parts": (3000, lambda text: [text[at : at + 13] for at in range(0, len(text), 13)]),
}


def assert_linear(cuts: Iterable[list[Any]], shown: object, version: chat.VersionName, **arguments: Any) -> None:
    """Parses completions of one, two and four lengths, each in parts; fails where the steps grow faster than the length."""
    small, middle, large = (steps_of(parts, version, **arguments) for parts in cuts)
    assert large - middle <= 3 * (middle - small) + 500, (shown, version, arguments, small, middle, large)


def assert_linear_in_text(shape: Growing, version: chat.VersionName, way: str, **arguments: Any) -> None:
    """`assert_linear` of texts that are cut in one of the ways."""
    length, cut = WAYS[way]
    texts = [shape.text(shape.times(length) * factor) for factor in (1, 2, 4)]
    assert_linear(map(cut, texts), (shape, way), version, **arguments)
