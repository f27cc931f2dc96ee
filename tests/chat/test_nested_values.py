"""Values that are nested deeper than Python's recursion goes are a `ChatError`, or text, wherever they stand.

A server takes them from its clients: a parser of JSON in C may read what Python then cannot print.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dstok import chat

VERSIONS = [version.name for version in chat.versions()]
ROLES = ("user", "assistant", "tool", "system", "developer", "latest_reminder")
KEYS = ("content", "reasoning_content", "role", "tool_calls", "tool_call_id", "prefix", "task", "wo_eos", "tools",
        "response_format")
Case = tuple[Any, dict[str, Any]]


def nested(kind: str) -> Any:
    value: Any = "x"
    for _ in range(100_000):
        value = [value] if kind == "list" else {"type": "object", "a": value}
    return value


def call(**changes: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "c", "reasoning_content": "r",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, **changes}]}


def cases(value: Any) -> Iterator[Case]:
    """Conversations with the value in each place, last and not last; options that are the value."""
    user = {"role": "user", "content": "x"}
    for role in ROLES:
        before = [user, call()] if role == "tool" else []
        plain = {"role": role, "content": "c", "reasoning_content": "r", "tool_call_id": "c"}
        changes = [{key: value} for key in KEYS]
        changes += [{"content": [one]} for one in (value, {"type": "text", "text": value}, {"type": value, "text": "x"})]
        for change in changes:
            yield [*before, {**plain, **change}], {}
            yield [*before, {**plain, **change}, user], {}
            yield [user, *before, {**plain, **change}], {}
    functions = [{"name": value, "arguments": "{}"}, {"name": "f", "arguments": value},
                 {"name": "f", "arguments": {"a": value}}]
    for changed in ({"id": value}, {"type": value}, *({"function": one} for one in (value, *functions))):
        yield [user, call(**changed)], {}
    yield value, {}
    yield [value], {}
    for option in ("tools", "context", "response_format", "response_schema", "tool_choice", "reasoning_effort", "thinking"):
        yield [user], {option: value}
    for key in ("name", "description", "parameters"):
        yield [user], {"tools": [{"type": "function", "function": {"name": "f", "description": "", key: value}}]}


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize("version", VERSIONS)
def test_render(version: chat.VersionName, kind: str) -> None:
    refused = 0
    for messages, options in cases(nested(kind)):
        try:
            chat.render(messages, version, **options)
        except chat.ChatError as error:
            refused += 1
            assert len(error.message) < 400
    assert refused > 20


@pytest.mark.parametrize("kind", ["list", "object"])
def test_read_request(kind: str) -> None:
    for messages, options in cases(nested(kind)):
        for check in (True, False):
            try:
                chat.read_request({"messages": messages, **options}, check=check)
            except chat.ChatError as error:
                assert len(error.message) < 400
