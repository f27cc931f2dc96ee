"""How jinja's operators treat a message's values, for the formats whose reference is a jinja template.

In: a value of a message. Out: the text that the template would join. Invariant: where jinja raises, a `ChatError` has
the class of jinja's error: `UndefinedError` for a missing key, `TypeError` for None and other types.
Source: jinja2 3.1 in the environment of transformers; measured in tests/chat/test_references.py.
"""

from __future__ import annotations

from typing import Any

from dstok.chat.messages import MISSING, Message, calls_of, shown
from dstok.errors import ChatError

__all__ = ["call_text", "calls", "content", "joined"]


def joined(value: Any, index: int | None, field: str) -> str:
    """`'text' + value`: only text can be joined."""
    if isinstance(value, str):
        return value
    raised = "UndefinedError" if value is MISSING else "TypeError"
    raise ChatError(f"expected text, found {shown(value)}", index, field, raised)


def content(message: Message, index: int) -> str:
    """`'text' + message['content']`."""
    value = message.get("content", MISSING)
    return value if type(value) is str else joined(value, index, "content")


def calls(message: Message, index: int) -> list[Any]:
    """The values that `for tool in message['tool_calls']` visits: none if the key is missing."""
    if message.get("tool_calls", MISSING) is None:
        raise ChatError("expected a list of tool calls, found None", index, "tool_calls", "TypeError")
    return calls_of(message, index) or []


def call_text(call: Any, index: int, number: int, key: str) -> str:
    """`'text' + tool['function'][key]`, or the same of `tool['type']`."""
    where = f"tool_calls[{number}]"
    if not isinstance(call, dict):
        raise ChatError(f"expected a tool call, found {shown(call)}", index, where, "UndefinedError")
    if key == "type":
        return joined(call.get(key, MISSING), index, f"{where}.type")
    function = call.get("function", MISSING)
    if not isinstance(function, dict):
        raise ChatError(f"expected a function, found {shown(function)}", index, f"{where}.function", "UndefinedError")
    return joined(function.get(key, MISSING), index, f"{where}.function.{key}")
