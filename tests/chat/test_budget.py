"""The messages of a conversation that fit a number of ids: exact, as many as possible, nothing torn."""

from __future__ import annotations

from importlib import import_module
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
from chat_models import ours
from hypothesis import given
from hypothesis import strategies as st
from reference import part_of_examples

import dstok
from dstok import chat
from dstok.errors import ArgumentError

budget = import_module("dstok.chat.encode")  # `dstok.chat.encode` is the function
VERSIONS = [version.name for version in chat.versions()]
SYSTEM = {"role": "system", "content": "Be brief."}
WORDS = ("a", "it is so", "\n\n", "東京 " * 9, "", "</think>x", "<｜User｜>", "12345 " * 20)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str, calls: int = 0) -> dict[str, Any]:
    made = [{"id": f"call_{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            for number in range(calls)]
    return {"role": "assistant", "content": text, "reasoning_content": "Hm."} | ({"tool_calls": made} if made else {})


def result(number: int) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": "7 " * number}


def turns(given: list[Any]) -> list[list[Any]]:
    """A conversation as turns, of which a turn is rounds: (user's texts, [(answer, number of calls)])."""
    made = []
    for texts, rounds in given:
        turn = [user(text) for text in texts]
        for text, calls in rounds:
            turn += [answer(text, calls), *map(result, range(calls))]
        made.append(turn)
    return made


@part_of_examples(0.5)
@given(st.sampled_from(VERSIONS), st.booleans(), st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=2),
              st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 2)), min_size=1, max_size=3)), min_size=1, max_size=5),
       st.integers(0, 120), st.sampled_from(["turn", "user"]))
def test_the_most_that_fit(version: Any, system: bool, made: Any, most: int, keep: Any) -> None:
    tok, parts = ours(version), turns(made)
    hoped: list[list[Any]] = [[*([SYSTEM] if system else []), *chain(*parts[gone:])] for gone in range(len(parts))]
    if keep == "user":
        starts = [place for place, message in enumerate(parts[-1]) if message["role"] == "assistant"]
        hoped += [[*([SYSTEM] if system else []), *parts[-1][: starts[0]], *parts[-1][start:]] for start in starts[1:]]
    talk = hoped[0]
    counts = [chat.count(tok, kept, version) for kept in hoped]
    if most < counts[-1]:
        with pytest.raises(chat.ChatError, match=f"expected at least {counts[-1]}, the ids of the messages"):
            chat.fit(tok, talk, version, max_tokens=most, keep=keep)
        return
    found = chat.fit(tok, talk, version, max_tokens=most, keep=keep)
    place = hoped.index(found)
    assert counts[place] <= most
    assert place == 0 or counts[place - 1] > most
    assert all(any(message is one for one in talk) for message in found)


@pytest.mark.parametrize("version", ["v3", "v3.1", "v3.2", "v4-0731"])
def test_the_prompt_and_tools_count(version: Any) -> None:
    tok, talk = ours(version), [SYSTEM, user("a"), answer("b"), user("c")]
    arguments: dict[str, Any] = {"add_generation_prompt": True}
    if version != "v3":
        arguments["tools"] = [{"name": "f", "description": "g", "parameters": {}}]
    least = chat.count(tok, [SYSTEM, user("c")], version, **arguments)
    assert chat.fit(tok, talk, version, max_tokens=least, **arguments) == [SYSTEM, user("c")]
    with pytest.raises(chat.ChatError, match=f"at least {least}"):
        chat.fit(tok, talk, version, max_tokens=least - 1, **arguments)


def test_what_stays_together() -> None:
    """Users in a row, a reminder and the user after it, system messages anywhere, a message with tools."""
    reminder, first = {"role": "latest_reminder", "content": "late"}, {"role": "assistant", "content": "I begin"}
    tools = {"role": "developer", "content": "x", "tools": [{"type": "function", "function": {"name": "f"}}]}
    talk = [first, reminder, user("a"), user("b"), answer("c"), SYSTEM, reminder, answer("d"), tools, answer("e"), reminder,
            user("f"), answer("g"), reminder]
    assert budget._groups(talk, False) == [[0], [1, 2, 3, 4, 6, 7]]
    assert budget._groups([SimpleNamespace(**message) for message in talk], True) == [[0], [1, 2, 3, 4, 6, 7]]
    rounds = [user("a"), answer("b", 2), result(0), result(1), answer("c", 1), result(0), SYSTEM, answer("d")]
    assert budget._groups(rounds, True) == [[1, 2, 3], [4, 5]]
    assert budget._groups(rounds, False) == budget._groups([], True) == budget._groups([SYSTEM], True) == []


def test_long_conversations_are_counted_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2,000 turns: one encoding, and two or three counts of the result, whatever the limit."""
    tok, calls = ours("v3.1"), list[int]()
    talk = [message for number in range(2000) for message in (user(f"Is it {number}?"), answer("yes " * (number % 7)))]

    def counted(tokenizer: Any, messages: Any, *arguments: Any, **options: Any) -> int:
        calls.append(len(messages))
        return chat.count(tokenizer, messages, *arguments, **options)

    monkeypatch.setattr(budget, "count", counted)
    for most in (100, 5000, 20_000):
        calls.clear()
        found = chat.fit(tok, talk, "v3.1", max_tokens=most)
        assert most - 20 < chat.count(tok, found, "v3.1") <= most
        assert len(calls) <= 3
        assert sum(calls) < 4 * len(found)


def test_templates_fit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose text does not tell the messages: then it is searched by halves."""
    pytest.importorskip("jinja2")
    tok = ours("v3")
    talk = [user(f"It is {number}, and so on.") if number % 2 else answer("Yes.") for number in range(1, 400)]
    for text in ("{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}",
                 "{% for m in messages %}<｜User｜>{{ m.content | upper | replace('O', '0') }}{% endfor %}"):
        template = chat.Template(text, tok, trusted=True)
        found = chat.fit(tok, talk, template, max_tokens=300)
        assert chat.count(tok, found, template) <= 300 < chat.count(tok, talk[-len(found) - 2 :], template)


def test_bad_arguments() -> None:
    tok = ours("v3")
    with pytest.raises(ArgumentError, match="max_tokens"):
        chat.fit(tok, [user("a")], "v3", max_tokens=-1)
    with pytest.raises(chat.ChatError, match='expected "turn" or "user"'):
        chat.fit(tok, [user("a")], "v3", max_tokens=9, keep="all")  # type: ignore[arg-type]
    with pytest.raises(chat.ChatError, match="expected a list of messages"):
        chat.fit(tok, "a", "v3", max_tokens=9)
    assert chat.fit(tok, [], "v3", max_tokens=1) == []
    assert dstok.chat.fit is chat.fit
