"""A strategy for hypothesis: conversations of every kind, to compare a chat format with its reference.

In: a version of `dstok.chat`, and the tokens whose texts occur in the messages. Out: a strategy of `Drawn`. Invariant:
roles come in any order and number. Every field may be missing, None, empty, a token's text or a part of one. Some
arguments are neither JSON nor an object. Every option of the version is drawn. Half of the conversations are such as a
server sees: a system message, users, answers, calls with their results.

>>> from hypothesis import given, settings
>>> from dstok import chat
>>> @settings(max_examples=20, database=None)
... @given(conversations("v3.1"))
... def test(drawn):
...     try:
...         assert "<｜begin▁of▁sentence｜>" in chat.render(drawn.messages, "v3.1", **drawn.options).text
...     except chat.ChatError:
...         pass
>>> test()
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dstok.base.extras import of_extra
from dstok.chat.versions import find_version

with of_extra("testing", __name__):
    from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["STRUCTURAL", "Drawn", "conversations"]

STRUCTURAL = (
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜System｜>",
    "<｜latest_reminder｜>", "<think>", "</think>", "｜DSML｜", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>", "<｜action｜>", "<tool_result>",
    "</｜DSML｜invoke>", '">\n', "<function_results>", "{", "}", "```",
)
WORDS = ("Hello", "ok", "weather in Hangzhou", "你好", "a\n\nb", "\n", " ", "  x ", "naïve 🦙", "1", "\t", "{}", "null")
IDS = ("call_1", "call_2", "call_3", "")
OTHER = (None, 7, ["x"], {"type": "text"})  # a text field may hold these by mistake
ARGUMENTS = ("{}", '{"city": "北京", "days": 3}', '{"a": [1, 2.50, null], "b": {"c": "d"}, "e": ""}', "[1]", "",
             "no json", '{"x": 1e400}', '{"x": -0, "y": 1e-7, "z": 0.00001, "w": 1E+22}', '"text"', "null",
             '{"n": 123456789012345678901234567890}', '{"d": 1, "d": 2}', '{"s": "\\ud800"}', '{"t": true,}',
             '{"u": "\\u00e9\\n"}', '{"v": NaN}')
ROLES = ("system", "user", "assistant", "tool", "latest_reminder")
OTHER_ROLES = ("developer", "function")
TASKS = ("action", "query", "authority", "domain", "title", "read_url", "summary")
SCHEMAS: tuple[Any, ...] = ({"type": "object", "properties": {"city": {"type": "string", "description": "城市"}}}, {},
           None, {"minimum": 0.00001, "maximum": 10**18, "enum": ["<｜User｜>", None, True, 1e-7, -0.0]})


@dataclass
class Drawn:
    """A conversation: the arguments of `dstok.chat.render`."""

    messages: list[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)


def conversations(version: str, tokens: tuple[str, ...] = STRUCTURAL) -> SearchStrategy[Drawn]:
    """Conversations and options of `version`. `tokens`: texts put, whole and in parts, into every field."""
    texts = _texts(tokens)
    strict = "tool_choice" in find_version(version).options  # deepseek-recipe's take no wrong types, and fewer roles
    wild = st.lists(_any_message(texts, strict), max_size=7)
    return st.builds(Drawn, st.one_of(wild, _dialogue(texts, version, strict)), _options(version, texts))


def _texts(tokens: tuple[str, ...]) -> SearchStrategy[str]:
    """A word, a token's text, a part of one, several joined, any characters."""
    words, whole = st.sampled_from(WORDS), st.sampled_from(tokens)
    part = st.builds(lambda token, start, size: token[start % len(token) :][: 1 + size], whole, st.integers(0, 20),
                     st.integers(0, 20))
    joined = st.lists(st.one_of(words, whole, part), min_size=2, max_size=3).map("".join)
    return _mostly(st.one_of(words, whole, joined, st.text(max_size=5)), st.just("\ud800x"), 150)


def _mostly(usual: SearchStrategy[Any], other: SearchStrategy[Any], times: int) -> SearchStrategy[Any]:
    """`usual`, and once in about `times` `other`. `one_of` cannot weight by repeating a strategy."""
    return st.integers(0, times).flatmap(lambda drawn: other if drawn == times * 2 // 3 else usual)


def _any_message(texts: SearchStrategy[str], strict: bool) -> SearchStrategy[dict[str, Any]]:
    """A message of any role with any fields, including missing and wrong ones."""
    parts = st.lists(st.builds(lambda text: {"type": "text", "text": text}, texts), max_size=2)
    content = _mostly(texts, st.one_of(st.none(), parts, st.sampled_from(OTHER)), 40 if strict else 5)
    optional: dict[str, SearchStrategy[Any]] = {
        "tool_calls": st.one_of(st.none(), _calls(texts), _calls(texts)),
        "reasoning_content": st.one_of(st.none(), texts), "tool_call_id": st.sampled_from((None, *IDS)),
        "prefix": st.booleans(), "wo_eos": st.booleans(), "name": texts, "tools": _tools(texts),
        "task": st.sampled_from(TASKS), "response_format": st.sampled_from([None, {"type": "object"}]),
    }
    role = st.sampled_from(ROLES[:4] * 4 + ROLES * (6 if strict else 1) + OTHER_ROLES)
    fields = st.lists(st.sampled_from(["tool_calls", "reasoning_content", *optional]), max_size=3, unique=True)
    shape = fields.flatmap(lambda names: st.fixed_dictionaries({name: optional[name] for name in names}))
    with_content = st.fixed_dictionaries({"role": role, "content": content})
    bare = st.fixed_dictionaries({"role": role})
    return st.builds(lambda own, rest: {**own, **rest}, _mostly(with_content, bare, 40 if strict else 12), shape)


def _dialogue(texts: SearchStrategy[str], version: str, strict: bool = False) -> SearchStrategy[list[dict[str, Any]]]:
    """A conversation such as servers see."""
    def said(role: str, **more: SearchStrategy[Any]) -> SearchStrategy[list[dict[str, Any]]]:
        return st.fixed_dictionaries({"role": st.just(role), "content": texts}, optional=more).map(lambda one: [one])

    reasoned = {"reasoning_content": texts}
    pair = st.builds(lambda one, other: [*one, *other], said("user"), said("assistant", **reasoned))
    turns = [said("user"), said("assistant", **reasoned), _exchange(texts), pair]
    turn = st.one_of(turns if version == "v3.2" else [*turns, said("latest_reminder")])
    system = st.one_of(st.just([]), said("system", tools=_tools(texts)))
    system = system if strict else _mostly(system, said("developer"), 5)
    last = st.one_of(said("user"), said("user"), said("user", task=st.sampled_from(TASKS)), st.just([]),
                     said("assistant", prefix=st.booleans(), **reasoned))
    return st.builds(lambda first, turns, end: [*first, *(one for part in turns for one in part), *end], system,
                     st.lists(turn, max_size=4), last)


def _exchange(texts: SearchStrategy[str]) -> SearchStrategy[list[dict[str, Any]]]:
    """An assistant's calls and their results, which may come in another order."""
    def exchange(calls: list[Any], results: list[str], turned: bool, said: dict[str, Any]) -> list[dict[str, Any]]:
        answers = [{"role": "tool", "content": text, "tool_call_id": call["id"]} for call, text in zip(calls, results)]
        return [{"role": "assistant", **said, "tool_calls": calls}, *(answers[::-1] if turned else answers)]

    good = st.builds(_call, st.sampled_from(IDS), texts, st.sampled_from(ARGUMENTS[:3]), st.just("function"))
    calls = st.lists(good, min_size=1, max_size=3, unique_by=_id)
    said = st.fixed_dictionaries({"content": st.one_of(st.none(), texts)}, optional={"reasoning_content": texts})
    return st.builds(exchange, calls, st.lists(texts, min_size=2, max_size=3), st.booleans(), said)


def _id(call: dict[str, Any]) -> str:
    return str(call["id"])


def _call(call_id: str | None, name: Any, arguments: Any, kind: str) -> dict[str, Any]:
    return {"id": call_id, "type": kind, "function": {"name": name, "arguments": arguments}}


def _calls(texts: SearchStrategy[str]) -> SearchStrategy[list[Any]]:
    """Up to four calls; some lack something."""
    arguments = st.one_of(st.sampled_from(ARGUMENTS), st.sampled_from(ARGUMENTS),
                          st.dictionaries(texts, texts, max_size=2).map(json.dumps),
                          st.dictionaries(texts, texts, max_size=2))
    good = st.builds(_call, st.sampled_from(IDS), texts, arguments, st.just("function"))
    broken = st.sampled_from([{}, {"type": "function"}, {"type": "function", "function": {}},
                              {"function": {"name": "f", "arguments": "{}"}, "id": "call_1"},
                              {"type": "function", "function": {"name": "f"}, "id": "call_2"}])
    return st.lists(_mostly(good, broken, 15), max_size=4)


def _tools(texts: SearchStrategy[str]) -> SearchStrategy[list[Any]]:
    function = st.fixed_dictionaries({"name": texts}, optional={
        "description": st.one_of(st.none(), texts), "parameters": st.sampled_from(SCHEMAS), "strict": st.booleans()})
    return st.lists(st.builds(lambda function: {"type": "function", "function": function}, function), max_size=2)


def _options(version: str, texts: SearchStrategy[str]) -> SearchStrategy[dict[str, Any]]:
    """Options of the version, and the common arguments."""
    found = find_version(version)
    known: dict[str, SearchStrategy[Any]] = {
        "thinking": st.booleans(), "drop_thinking": st.booleans(), "add_default_bos_token": st.booleans(),
        "context": _mostly(st.none(), _dialogue(texts, version), 3),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "reasoning_effort": st.sampled_from([None, "high", "max"] if "drop_thinking" in found.options
                                            else [None, "low", "high", "xhigh", "max"]),
        "response_format": st.sampled_from([None, "text", "json_object"]),
        "response_schema": st.sampled_from([None, None, *SCHEMAS]),
        "response_regex": st.sampled_from([None, None, "a+"]),
    }
    optional = {name: known[name] for name in found.options}
    if found.takes_tools:
        optional["tools"] = _tools(texts)
    if not found.opens:
        optional["add_generation_prompt"] = st.booleans()
    return st.fixed_dictionaries({}, optional=optional)
