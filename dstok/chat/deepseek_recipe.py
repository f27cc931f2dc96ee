"""Conversations as deepseek-recipe takes them: the common part of V4 0731 and V4.1.

In: messages and options as users give them. Out: checked messages of one form each, and a `RecipeConversation` of the
options; or a `ChatError`.
Invariant: a conversation equals deepseek-recipe's `Conversation`. Content is text. As in its request layer, blank lines
join a list of text parts, and an assistant's None is ''. Tools are JSON lines. Floats are as the version writes them.
Source: deepseek-recipe 0.2.0 (MIT), by experiment: tests/chat/test_references.py, tests/chat/test_order.py.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dstok.chat.messages import MISSING, Message, as_message, calls_of, check, content_text, message_list, wrong
from dstok.core.text.utf8 import is_text
from dstok.errors import ChatError

ROLES = ("system", "user", "assistant", "tool", "latest_reminder")
EFFORTS = {None: None, "minimal": "low", "low": "low", "medium": "high", "high": "high", "xhigh": "xhigh", "max": "max"}
CHOICES = ("auto", "none", "required")
MAX_DEPTH = 127  # of arguments; the reference's parser refuses deeper ones
SMALLEST, LARGEST = -(2**63), 2**64 - 1  # integers beyond these become floats

Call = tuple[str, str, str]  # id, name, arguments
Number = Callable[[float], str]


@dataclass
class RecipeConversation:
    """A conversation's options. tools: JSON lines, empty if none may be called. schema: the answer's."""

    thinking: bool
    tools: list[str]
    has_tools: bool
    required: bool
    effort: str | None
    json_object: bool
    schema: str | None


def conversation_of(
    tools: list[Any], number: Number, *, thinking: bool, tool_choice: Any, reasoning_effort: Any, response_format: Any,
    response_schema: Any, response_regex: Any,
) -> RecipeConversation:
    """The options of a conversation. Raises `ChatError` for values that the reference refuses."""
    choice = "required" if isinstance(tool_choice, dict) else "auto" if tool_choice is None else tool_choice
    if choice not in CHOICES:
        raise wrong(f"one of {', '.join(CHOICES)}", choice, field="tool_choice")
    if not isinstance(reasoning_effort, str | None) or reasoning_effort not in EFFORTS:
        raise wrong("low, high, xhigh or max", reasoning_effort, field="reasoning_effort")
    named = bool(tools) and choice != "none"
    json_object, schema = _format(response_format, response_schema, response_regex, number)
    lines = tool_lines(tools, number, None)
    return RecipeConversation(thinking, lines if named else [], named, named and choice == "required",
                              EFFORTS[reasoning_effort], json_object, schema)


def recipe_messages(messages: Any, first: int, number: Number) -> list[Message]:
    """The messages as dictionaries; the first has the index `first`. Raises `ChatError`.

    Each has text as its `content`. Of an assistant's, `reasoning_content` is text or None, and `tool_calls` a list of
    `Call`; of a tool's, `tool_call_id` is text or None; of a system's, `tools` are JSON lines. Others are not checked.
    """
    found = message_list(messages)
    for place, message in enumerate(found):
        if type(message) is dict and is_text(message.get("content")):
            role = message.get("role")
            if role == "user":
                continue
            if role == "assistant" and "tool_calls" not in message:
                reasoning = message.get("reasoning_content")
                if reasoning is None or is_text(reasoning):
                    continue
        found[place] = _checked(as_message(message, first + place), first + place, number)
    return found


def _checked(message: Message, index: int, number: Number) -> Message:
    role = message.get("role", MISSING)
    if role not in ROLES:
        raise wrong(f"a role, one of {', '.join(ROLES)}", role, index, "role", "TypeError")
    checked: Message = {"role": role, "content": content_of(message, index, role)}
    for key in {"assistant": ("reasoning_content",), "tool": ("tool_call_id",)}.get(role, ()):
        checked[key] = None if message.get(key) is None else _text(message[key], index, key)
    if role == "assistant":
        checked["prefix"] = message.get("prefix")
        calls = calls_of(message, index)
        if calls is not None:
            checked["tool_calls"] = [_call(call, index, place, number) for place, call in enumerate(calls)]
    elif role == "system" and message.get("tools") is not None:
        checked["tools"] = tool_lines(message["tools"], number, index)
    return checked


def content_of(message: Message, index: int, role: str) -> str:
    """The text of a message's content; text parts are joined by blank lines. Raises `ChatError`."""
    content = message.get("content", MISSING)
    if role == "assistant" and (content is None or content is MISSING):
        return ""
    return _text(content if content is MISSING else content_text(content, index), index, "content")


def _text(value: Any, index: int | None, field: str) -> str:
    text: str = check(value, str, "text", index, field, "TypeError")
    if not is_text(text):
        place = next(place for place, char in enumerate(text) if "\ud800" <= char <= "\udfff")
        raise ChatError(f"expected text, found a lone surrogate at {place}", index, field, "UnicodeEncodeError")
    return text


def _call(call: Any, index: int, place: int, number: Number) -> Call:
    where = f"tool_calls[{place}]"
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise wrong("a call of a function", call, index, where, "TypeError")
    arguments = function.get("arguments", MISSING)
    if isinstance(arguments, dict):
        arguments = _written(arguments, number, index, f"{where}.function.arguments")
    return (_text(call.get("id") or "", index, f"{where}.id"),
            _text(function.get("name", MISSING), index, f"{where}.function.name"),
            _text(arguments, index, f"{where}.function.arguments"))


def tool_lines(tools: Any, number: Number, index: int | None) -> list[str]:
    """A line of JSON for each tool that is not loaded later: its name, description and parameters."""
    lines = []
    for place, tool in enumerate(check(tools, list, "a list of tools", index, "tools")):
        where = f"tools[{place}]"
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict):
            raise wrong("a tool", tool, index, where, "TypeError")
        shape = {"name": _text(function.get("name", MISSING), index, f"{where}.name"),
                 "description": _text(function.get("description") or "", index, f"{where}.description"),
                 "parameters": function.get("parameters")}
        line = _written(shape, number, index, where)
        if not (function.get("defer_loading") or tool.get("defer_loading")):
            lines.append(line)
    return lines


def _format(response_format: Any, schema: Any, regex: Any, number: Number) -> tuple[bool, str | None]:
    """Whether the answer must be a JSON object, and its schema as JSON."""
    kind = response_format.get("type") if isinstance(response_format, dict) else response_format
    if kind == "json_schema" and isinstance(response_format, dict):
        inner = response_format.get("json_schema")
        schema = inner.get("schema", inner) if isinstance(inner, dict) else response_format.get("schema")
        kind = "text"
        if schema is None:
            raise ChatError("expected a schema, found nothing", field="response_format.json_schema")
    if kind not in (None, "text", "json_object"):
        raise wrong("text, json_object or json_schema", kind, field="response_format")
    if sum([kind == "json_object", schema is not None, regex is not None]) > 1:
        raise ChatError("expected one of json_object, a schema and a regex, found several", field="response_format",
                        reference="ValueError")
    if regex is not None:
        _text(regex, None, "response_regex")
    return kind == "json_object", None if schema is None else _written(schema, number, None, "response_schema")


def _written(value: Any, number: Number, index: int | None, field: str) -> str:
    """The value as JSON."""
    pieces: list[str] = []

    def write(value: Any) -> None:
        if isinstance(value, dict | list | tuple):
            is_object, items = isinstance(value, dict), value.items() if isinstance(value, dict) else value
            pieces.append("{" if is_object else "[")
            for place, item in enumerate(items):
                pieces.append(", " if place else "")
                if is_object:
                    write(check(item[0], str, "a key that is text", index, field, "TypeError"))
                    pieces.append(": ")
                write(item[1] if is_object else item)
            pieces.append("}" if is_object else "]")
        elif isinstance(value, str):
            pieces.append(json.dumps(_text(value, index, field), ensure_ascii=False))
        elif value is None or isinstance(value, int):
            if value is not None and not SMALLEST <= value <= LARGEST:
                raise ChatError("expected a number of JSON, found a larger one", index, field, "OverflowError")
            pieces.append(json.dumps(value))
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise ChatError(f"expected a finite number, found {value}", index, field, "ValueError")
            pieces.append(number(value))
        else:
            raise ChatError(f"expected a value of JSON, found {type(value).__name__}", index, field, "TypeError")

    try:
        write(value)
    except RecursionError:
        raise ChatError("expected a value, found one that is nested too deeply", index, field) from None
    return "".join(pieces)


def parameters_of(arguments: str, number: Number) -> list[tuple[str, bool, str]]:
    """A call's parameters: (name, whether it is text, its text). All but a JSON object is one named `arguments`."""
    try:
        values = json.loads(arguments, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
        if re.search(r"\\u[dD]", arguments):
            json.dumps(values, ensure_ascii=False).encode()  # no half of a surrogate pair is escaped
    except (ValueError, RecursionError):
        values = None
    is_deep = arguments.count("[") + arguments.count("{") > MAX_DEPTH and _depth(values) > MAX_DEPTH
    if not isinstance(values, dict) or is_deep:
        return [("arguments", True, arguments)]
    return [(key, isinstance(value, str), value if isinstance(value, str) else _written(value, number, None, key))
            for key, value in values.items()]


def _integer(digits: str) -> int | float:
    value = int(digits) if len(digits) <= 20 and digits != "-0" else LARGEST + 1
    return value if SMALLEST <= value <= LARGEST else _finite(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return value


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth
