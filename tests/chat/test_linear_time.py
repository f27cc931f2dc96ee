"""Parsers take time that is linear in the completion, whatever it holds and however it is cut: counted, not measured.

Completions of every construct grow to twice and four times their length: tests/helpers/parser_steps.py.
`tests/fuzzing/fuzz_completions.py` tries more of them.
"""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from random import Random
from typing import Any

import pytest
from chat_models import smaller_ours
from completions import FENCE, NUMBER, Growing, growing
from parser_steps import WAYS, assert_linear, assert_linear_in_text
from reference import DEEP, PART
from shares import chance_of_today

from dstok import chat
from dstok.chat import answers, parse_dsml
from dstok.chat.answers import Delimiters
from dstok.chat.v2_v3 import CALL_BEGIN, CALL_END, CALLS_BEGIN, SEP
from dstok.chat.writer import CLOSE, DIALECTS, DSML

VERSIONS = [version.name for version in chat.versions()]
SHAPES = 500 if DEEP else max(4 // PART, 1)
PARSERS = (parse_dsml, import_module("dstok.chat.parse"))  # the name `chat.parse` is the function


@pytest.mark.parametrize("mode", ["strict", "lenient"])
@pytest.mark.parametrize("version", VERSIONS)
def test_completions_that_grow(version: chat.VersionName, mode: str) -> None:
    rng = chance_of_today(f"linear {version} {mode}")
    for _ in range(SHAPES):
        shape, thinking, tools = growing(rng, version), rng.random() < 0.7, rng.random() < 0.9
        json_output = mode == "lenient" and version in DIALECTS and rng.random() < 0.5
        for way in WAYS:
            assert_linear_in_text(shape, version, way, mode=mode, thinking=thinking, tools=tools, json_output=json_output)


@pytest.mark.parametrize("mode", ["strict", "lenient"])
def test_completions_of_ids_that_grow(mode: str) -> None:
    """Leniently, the ids of the format's tokens are delimiters."""
    tok, rng = smaller_ours("v4-preview"), chance_of_today(f"linear ids {mode}")
    for _ in range(SHAPES):
        shape = growing(rng, "v4-0731")
        for cut in (lambda ids: [ids], list):
            cuts = [cut(tok.encode(shape.text(shape.times(2000) * factor))) for factor in (1, 2, 4)]
            assert_linear(cuts, shape, "v4-0731", mode=mode, tokenizer=tok)


@pytest.mark.parametrize("way", WAYS)
def test_calls_with_many_separators_and_fences(way: str) -> None:
    """A block of JSON may begin at each fence after each separator, and end at each fence's end."""
    begin, units = f"</think>{CALLS_BEGIN}{CALL_BEGIN}", (SEP, FENCE, "\n```")
    for end in (f"x{CALL_END}", CALL_END):
        for version in ("r1", "v3", "v3.1"):
            assert_linear_in_text(Growing(begin, units, end), version, way, mode="lenient")
            assert_linear_in_text(Growing(begin, units, end), version, way, mode="strict")


@pytest.mark.parametrize("way", WAYS)
def test_calls_with_many_parameters(way: str) -> None:
    """Each name has to be one that the call does not have yet."""
    version: Any
    for version, dialect in DIALECTS.items():
        begin = f'</think>\n\n<｜DSML｜{dialect.block}>\n<｜DSML｜{dialect.invoke} name="f">\n'
        unit = f'<｜DSML｜{dialect.parameter} name="{NUMBER}" string="true">"</｜DSML｜{dialect.parameter}>\n'
        assert_linear_in_text(Growing(begin, (unit,), ""), version, way, mode="strict")


@pytest.mark.parametrize("module", PARSERS)
def test_parsers_read_text_through_the_reader(module: Any) -> None:
    """A regular expression of their own would be counted by nobody, and may go back in the text."""
    nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
    imported = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert "re" not in imported and not [node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "_text"
                                         and not (isinstance(node.value, ast.Name) and node.value.id == "self")]


def every_delimiters(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, ...]]:
    """All sets of delimiters that parsers look for."""
    found: set[tuple[str, ...]] = {(CLOSE,), (f"<{DSML}",)}

    def noted(*texts: str) -> Delimiters:
        found.add(texts)
        return answers.delimiters(*texts)

    for module in PARSERS:
        monkeypatch.setattr(module, "delimiters", noted)
    for version in VERSIONS:
        for tools in (True, False):
            for mode in ("strict", "lenient"):
                json_output = mode == "lenient" and version in DIALECTS
                chat.Parser(version, tools=tools, json_output=json_output, mode=mode)
    return found


def test_a_search_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pattern repeats anything, no delimiter stands within another, and the first one is found, or the longest part."""
    rng = Random(11)
    for texts in every_delimiters(monkeypatch):
        assert not re.search(r"(?<!\\)[*+{]|(?<![\\(])\?", answers._pattern(texts))
        assert not [(one, other) for one in texts for other in texts if one is not other and one in other]
        pieces = [text[: rng.randrange(1, len(text) + 1)] for text in texts for _ in range(4)] + list(texts) + ["x"]
        for _ in range(200):
            text = "".join(rng.choices(pieces, k=rng.randint(0, 6)))
            found = answers.delimiters(*texts).search(text)
            assert (found.span() if found else None) == first_or_part(text, texts), (text, texts)


def test_delimiters_that_are_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long text is read like one that comes in parts."""
    rng = Random(12)
    for texts in every_delimiters(monkeypatch):
        found = answers.delimiters(*texts)
        for _ in range(40):
            text = "".join(rng.choice(texts)[: rng.randrange(1, 30)] + "x" * rng.choice((0, 3, 240, 250, 1000, 2000))
                           for _ in range(rng.randint(1, 6)))
            whole, parts, read, cut = answers.TextBuffer(), answers.TextBuffer(), list[str](), list[str]()
            whole.add(text)
            while (one := whole.passing(found))[1]:
                read += one
            read += [one[0], whole.rest()]
            for at in range(0, len(text), 100):
                parts.add(text[at : at + 100])
                while (one := parts.passing(found))[1]:
                    cut += one
                cut.append(one[0])
            assert merged([*cut, parts.rest()], texts) == merged(read, texts), (texts, text)


def merged(parts: list[str], texts: tuple[str, ...]) -> list[str]:
    """The parts with neighbours joined that are no delimiters."""
    found: list[str] = []
    for part in filter(None, parts):
        if found and part not in texts and found[-1] not in texts:
            found[-1] += part
        else:
            found.append(part)
    return found


def first_or_part(text: str, texts: tuple[str, ...]) -> tuple[int, int] | None:
    whole = [(text.index(one), text.index(one) + len(one)) for one in texts if one in text]
    parts = [(at, len(text)) for at in range(len(text)) if any(one.startswith(text[at:]) for one in texts)]
    return min(whole or parts, default=None)
