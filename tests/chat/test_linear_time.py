"""Parsers take time that is linear in the completion, whatever it holds and however it is cut: counted, not measured.

Completions of every construct grow to twice and four times their length. A text that costs a step more for each
character costs twice as many steps more from the second length to the third as from the first to the second; where
time is quadratic, four times as many.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from completions import FENCE, NUMBER, Growing, growing
from counted_text import Counted, Steps
from reference import BRIEF, DEEP
from shares import chance_of_today

from dstok import chat
from dstok.chat import answers, dsml_lenient, dsml_strict, parsing, tool_token_parser, until
from dstok.chat.parsing import DIALECTS
from dstok.chat.tool_tokens import CALL_BEGIN, CALL_END, CALLS_BEGIN, SEP
from dstok.chat.until import Delimiters, Found, Reader

VERSIONS = [version.name for version in chat.versions()]
SHAPES = 500 if DEEP else 1 if BRIEF else 4
PARSERS = (answers, dsml_lenient, dsml_strict, parsing, tool_token_parser)


class CountingDelimiters(Delimiters):
    """Counts the characters up to the end of what is found."""

    def __init__(self, delimiters: Delimiters, steps: Steps) -> None:
        self.texts = delimiters.texts

        def search(text: str, at: int = 0) -> re.Match[str] | None:
            steps.check(text)
            found = delimiters.search(text, at)
            steps.characters += (len(text) if found is None else found.end()) - at
            return found

        self.search = search  # type: ignore[assignment]


class CountingReader(Reader):
    """A reader whose searches and joins count."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps

    def passing(self, delimiters: Delimiters) -> Found:
        before, delimiter = super().passing(CountingDelimiters(delimiters, self.steps))
        self.steps.check(before)
        return before, delimiter

    def until(self, delimiters: Delimiters) -> Found | None:
        found = super().until(delimiters)
        return None if found is None else (self._joined(found[0]), found[1])

    def rest(self) -> str:
        return self._joined(super().rest())

    def _joined(self, text: str) -> str:
        self.steps.characters += len(text)
        return Counted(text, self.steps)


def steps_of(parts: list[str], monkeypatch: pytest.MonkeyPatch, version: str, **arguments: Any) -> int:
    """The steps that parsing takes, up to an error if there is one."""
    steps = Steps()
    for module in (dsml_lenient, dsml_strict):
        monkeypatch.setattr(module, "escaped", _escaping(steps))
    parser = chat.Parser(version, **arguments)
    parser._reads.reader = CountingReader(steps)  # type: ignore[attr-defined]
    for name in ("think", "say", "call", "argue"):
        monkeypatch.setattr(parser._answer, name, _checking(getattr(parser._answer, name), steps))
    with steps.counting():
        try:
            for part in parts:
                parser.feed(Counted(part, steps))
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


def _checking(call: Callable[[str], None], steps: Steps) -> Callable[[str], None]:
    def checked(text: str) -> None:
        steps.check(text)
        call(text)

    return checked


WAYS: dict[str, tuple[int, Callable[[str], list[str]]]] = {
    "whole": (800, lambda text: [text]),
    "by character": (100, list),
    "in parts": (500, lambda text: [text[at : at + 13] for at in range(0, len(text), 13)]),
}


def assert_linear(shape: Growing, monkeypatch: pytest.MonkeyPatch, version: str, way: str, **arguments: Any) -> None:
    length, cut = WAYS[way]
    texts = [shape.text(shape.times(length) * factor) for factor in (1, 2, 4)]
    small, middle, large = (steps_of(cut(text), monkeypatch, version, **arguments) for text in texts)
    assert large - middle <= 2.5 * (middle - small) + 500, (shape, way, version, arguments, small, middle, large)


@pytest.mark.parametrize("mode", ["strict", "lenient"])
@pytest.mark.parametrize("version", VERSIONS)
def test_completions_that_grow(version: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = chance_of_today(f"linear {version} {mode}")
    for _ in range(SHAPES):
        shape, thinking, tools = growing(rng, version), rng.random() < 0.7, rng.random() < 0.9
        for way in WAYS:
            assert_linear(shape, monkeypatch, version, way, mode=mode, thinking=thinking, tools=tools)


@pytest.mark.parametrize("way", WAYS)
def test_calls_with_many_separators_and_fences(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of JSON may begin at each fence after each separator, and end at each fence's end."""
    begin, units = f"</think>{CALLS_BEGIN}{CALL_BEGIN}", (SEP, FENCE, "\n```")
    for end in (f"x{CALL_END}", CALL_END):
        for version in ("r1", "v3", "v3.1"):
            assert_linear(Growing(begin, units, end), monkeypatch, version, way, mode="lenient")
            assert_linear(Growing(begin, units, end), monkeypatch, version, way, mode="strict")


@pytest.mark.parametrize("way", WAYS)
def test_calls_with_many_parameters(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name has to be one that the call does not have yet."""
    for version, dialect in DIALECTS.items():
        begin = f'</think>\n\n<｜DSML｜{dialect.block}>\n<｜DSML｜{dialect.invoke} name="f">\n'
        unit = f'<｜DSML｜{dialect.parameter} name="{NUMBER}" string="true">"</｜DSML｜{dialect.parameter}>\n'
        assert_linear(Growing(begin, (unit,), ""), monkeypatch, version, way, mode="strict")


@pytest.mark.parametrize("module", PARSERS)
def test_parsers_read_text_through_the_reader(module: Any) -> None:
    """A regular expression of their own would be counted by nobody, and may go back in the text."""
    nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
    imported = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert "re" not in imported and not [node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "_text"
                                         and not (isinstance(node.value, ast.Name) and node.value.id == "self")]


def every_delimiters(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, ...]]:
    """All sets of delimiters that parsers look for."""
    found: set[tuple[str, ...]] = {('"',), (" ",), (dsml_lenient.TEXT, dsml_lenient.JSON)}

    def noted(*texts: str) -> Delimiters:
        found.add(texts)
        return until.delimiters(*texts)

    for module in (dsml_lenient, dsml_strict, tool_token_parser):
        monkeypatch.setattr(module, "delimiters", noted)
    for version in VERSIONS:
        for tools in (True, False):
            for mode in ("strict", "lenient"):
                chat.Parser(version, tools=tools, mode=mode)  # type: ignore[arg-type]
    return found


def test_a_search_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pattern repeats anything, no delimiter stands within another, and the first one is found, or the longest part."""
    rng = Random(11)
    for texts in every_delimiters(monkeypatch):
        assert not re.search(r"(?<!\\)[*+{]|(?<![\\(])\?", until._pattern(texts))
        assert not [(one, other) for one in texts for other in texts if one is not other and one in other]
        pieces = [text[: rng.randrange(1, len(text) + 1)] for text in texts for _ in range(4)] + list(texts) + ["x"]
        for _ in range(200):
            text = "".join(rng.choices(pieces, k=rng.randint(0, 6)))
            found = until.delimiters(*texts).search(text)
            assert (found.span() if found else None) == first_or_part(text, texts), (text, texts)


def first_or_part(text: str, texts: tuple[str, ...]) -> tuple[int, int] | None:
    whole = [(text.index(one), text.index(one) + len(one)) for one in texts if one in text]
    parts = [(at, len(text)) for at in range(len(text)) if any(one.startswith(text[at:]) for one in texts)]
    return min(whole or parts, default=None)
