"""Conversations are rendered, checked and grown in time that is linear in their length: counted, not measured.

Steps are the lines of Python that run, and the characters that are encoded. As in tests/chat/test_linear_time.py, a
conversation grows to twice and four times its length.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest
from counted_text import Steps

from dstok import chat
from dstok.chat import conversation
from dstok.chat.deepseek_recipe import tool_lines
from dstok.chat.encode import EncodedSpan, segments_of
from dstok.chat.writer import Rendered

VERSIONS = [version.name for version in chat.versions()]
Messages = list[dict[str, Any]]

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "yo", "reasoning_content": "r"}
SYSTEM = {"role": "system", "content": "s"}


def calls(*numbers: int) -> dict[str, Any]:
    """An assistant's message with calls of these numbers."""
    function = {"name": "f", "arguments": '{"a": 1}'}
    return {"role": "assistant", "content": "c", "reasoning_content": "r",
            "tool_calls": [{"id": f"c{number}", "type": "function", "function": function} for number in numbers]}


def result(number: int) -> dict[str, Any]:
    return {"role": "tool", "content": "t", "tool_call_id": f"c{number}"}


TURNS: dict[str, Callable[[int], Messages]] = {
    "answers": lambda k: [USER, ANSWER] * k,
    "one user, many answers": lambda k: [USER] + [ANSWER] * k,
    "an agent": lambda k: [USER] + [one for number in range(k) for one in (calls(number), result(number))],
    "agents": lambda k: [one for number in range(k) for one in (USER, calls(number), result(number), ANSWER)],
}
RUNS: dict[str, Callable[[int], Messages]] = {
    "users": lambda k: [USER] * k,
    "systems": lambda k: [SYSTEM] * k,
    "systems among users": lambda k: [USER, SYSTEM] * k,
    "many calls": lambda k: [USER, calls(*range(k)), *map(result, range(k))],
    "results in another order": lambda k: [USER, calls(*range(k)), *map(result, reversed(range(k)))],
    "calls without results": lambda k: [USER] + [calls(number, number + 1) for number in range(k)],
}


def assert_linear(work: Callable[[int], Steps], size: int = 12) -> None:
    small, middle, large = (work(size * factor).total for factor in (1, 2, 4))
    assert large - middle <= 2.5 * (middle - small) + 500, (small, middle, large)


def lines_of(call: Callable[[], object]) -> Steps:
    call()  # once before, as modules are imported when they are needed
    steps = Steps()
    with steps.counting_lines():
        call()
    return steps


@pytest.mark.parametrize("turns", [*TURNS, *RUNS])
@pytest.mark.parametrize("version", VERSIONS)
def test_render(version: chat.VersionName, turns: str) -> None:
    made = {**TURNS, **RUNS}[turns]
    assert_linear(lambda size: lines_of(lambda: chat.render(made(size), version)))


def test_render_results_of_many_calls() -> None:
    """V3.2 matches a result with its call by its place among the results: nothing goes back over those before."""
    assert_linear(lambda size: lines_of(lambda: chat.render(RUNS["many calls"](size), "v3.2")), 150)


@pytest.mark.parametrize("turns", [*TURNS, "many calls", "results in another order", "users", "systems"])
def test_read_request(turns: str) -> None:
    made = {**TURNS, **RUNS}[turns]
    assert_linear(lambda size: lines_of(lambda: chat.read_request({"messages": made(size)}, check=True)))


class Characters:
    """A tokenizer whose ids are code points; counts the characters that it encodes."""

    def __init__(self) -> None:
        self.steps = Steps()

    def parts_of(self, tokenizer: Any, rendered: Rendered, special: str, after: int | None = None) -> list[EncodedSpan]:
        self.steps.characters += len(rendered.text)
        texts = [text for text, _ in segments_of(rendered, "template")]
        return [EncodedSpan(end - len(text), end, list(map(ord, text))) for text, end in zip(texts, accumulate(map(len, texts)))]

    def decode_bytes(self, ids: list[int]) -> bytes:
        return "".join(map(chr, ids)).encode()


    def encode_incremental(self, special: str) -> GrowingCharacters:
        return GrowingCharacters(self.steps)


class GrowingCharacters:
    """A text that grows, of a tokenizer whose ids are code points."""

    def __init__(self, steps: Steps, held: int = 0) -> None:
        self.steps, self.held = steps, held

    def append(self, text: str) -> None:
        self.held += len(text)
        self.steps.characters += len(text)

    def preview(self, text: str) -> tuple[int, list[int]]:
        self.steps.characters += len(text)
        return self.held, [ord(one) for one in text]


def appended(version: chat.VersionName, messages: Messages, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """The lines that run as messages are added one by one, and the characters that are encoded anew."""
    tok: Any = Characters()
    monkeypatch.setattr(conversation, "parts_of", tok.parts_of)
    monkeypatch.setattr(conversation, "stand_alone", lambda tokenizer: True)
    talk = chat.Conversation(tok, version)
    with tok.steps.counting_lines():
        for message in messages:
            talk.append(message)
    assert tok.decode_bytes(talk.ids).decode() == chat.render(talk.messages, version).text
    return tok.steps


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize("version", VERSIONS)
def test_append_one_by_one(version: chat.VersionName, turns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    appended(version, TURNS[turns](3), monkeypatch)
    assert_linear(lambda size: appended(version, TURNS[turns](size), monkeypatch))


@pytest.mark.parametrize("version", VERSIONS)
def test_append_the_results_of_many_calls(version: chat.VersionName, monkeypatch: pytest.MonkeyPatch) -> None:
    appended(version, RUNS["many calls"](3), monkeypatch)
    assert_linear(lambda size: appended(version, RUNS["many calls"](size), monkeypatch), 100)


def test_schemas_that_are_nested() -> None:
    """Each level holds those within it; none is copied for each level around it."""

    def schema(size: int) -> Any:
        value: Any = list(range(size * 10))
        for _ in range(size):
            value = [{"a": value}]
        return value

    def lines(size: int) -> Steps:
        tools = [{"name": "f", "parameters": schema(size)}]
        return lines_of(lambda: tool_lines(tools, repr, None))

    assert_linear(lines)


class Colliding(int):
    """A number of which all have one hash; counts how often two are compared."""

    compared = 0

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        Colliding.compared += 1
        return int(self) == other


def test_ids_that_are_numbers_do_not_collide() -> None:
    """Python's hash of a number is known, so that a client can choose ids of one hash."""
    ids = [Colliding(number) for number in range(1, 200)]
    made = [{"id": id, "function": {"name": "f", "arguments": "{}"}} for id in ids]
    results = [{"role": "tool", "tool_call_id": id, "content": f"<{id}>"} for id in reversed(ids)]
    Colliding.compared = 0
    text = chat.render([USER, {"role": "assistant", "tool_calls": made}, *results], "v4-preview").text
    assert Colliding.compared == 0 and text.index("<1>") < text.index("<2>") < text.index("<199>")


def test_ids_that_are_equal_numbers() -> None:
    """1 and 1.0 are one id, and so are True and 1, as in the script's dictionary."""
    numbers = [3, 2.0, True, 0.5]
    same = [3.0, 2, 1, 0.5]
    made = [{"id": id, "function": {"name": "f", "arguments": "{}"}} for id in numbers]
    results = [{"role": "tool", "tool_call_id": id, "content": f"<{place}>"} for place, id in enumerate(same)]
    text = chat.render([USER, {"role": "assistant", "tool_calls": made}, *reversed(results)], "v4-preview").text
    assert text.index("<0>") < text.index("<1>") < text.index("<2>") < text.index("<3>")


def test_arguments_at_the_depth_that_json_gives_up_at() -> None:
    """json reads texts a little deeper than it writes them: what is too deep for the format is known before it writes."""
    for depth in range(900, 1000):
        text = '{"a":' + "[" * depth + '"\\ud800"' + "]" * depth + "}"
        said = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": text}}]}
        assert text in chat.render([USER, said], "v4-0731").text
