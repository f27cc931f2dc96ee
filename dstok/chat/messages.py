"""Messages as users give them -> dictionaries that the formats read, and texts in place of values.

In: a list of OpenAI's message dictionaries, or of objects with the same attributes (those of the openai package, say).
Out: dictionaries with the same keys, at every depth; of a value the text that a format writes.
Invariant: a dictionary is taken as it is, key by key: formats tell a missing key from None, as their references do. An
object's attributes that are None count as missing, except `content`. No format writes the Python form of a value.
Where json or jinja raises, a `ChatError` has the class of its error: in jinja's operators, `UndefinedError` for a
missing key, `TypeError` for None and other types.
Source: `to_json` of the scripts of V3.2 and V4; deepseek-recipe 0.2.0 (MIT) and jinja2 3.1, by experiment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dstok.errors import ChatError

Message = dict[str, Any]
MAX_DEPTH = 64  # of objects within objects; a message has four levels
TEXTS = {str}  # the types in most messages


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING: Any = _Missing()  # formats read this where a message lacks a key


def shown(value: Any, limit: int = 60) -> str:
    """The value, shortened for an error message."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        text = f"a deep {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def wrong(expected: str, value: Any, index: int | None = None, field: str = "", reference: str = "") -> ChatError:
    """The error about a value that is not the one expected."""
    return ChatError(f"expected {expected}, found {shown(value)}", index, field, reference)


def check(value: Any, kind: Any, expected: str, index: int | None = None, field: str = "", reference: str = "") -> Any:
    """The value, if it is of a kind. Raises `ChatError`."""
    if not isinstance(value, kind):
        raise wrong(expected, value, index, field, reference)
    return value


def too_deep() -> ChatError:
    """The error for nesting deeper than Python's recursion reaches."""
    return ChatError("expected messages and variables, found one that holds itself or is nested too deeply")


def dump(value: Any, index: int | None, field: str) -> str:
    """The value as JSON. Raises `ChatError` for cycles, too deep nesting, and values that JSON cannot express."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ChatError(f"expected a value that JSON can hold: {error}", index, field, type(error).__name__) from None


def message_list(messages: Any, field: str = "messages") -> list[Any]:
    """A list of messages, or another iterable of them, as a list. Raises `ChatError`."""
    if isinstance(messages, str | bytes | memoryview | Mapping) or not isinstance(messages, Iterable):
        raise wrong("a list of messages", messages, field=field)
    return list(messages)


def as_message(message: Any, index: int) -> Message:
    """A message as a dictionary. Raises `ChatError` for anything else."""
    copy: Message = check(_plain(message, 0), dict, "a message with a role and content", index)
    return copy


def as_messages(messages: Any, first: int = 0) -> list[Message]:
    """The messages as dictionaries. Raises `ChatError` for anything but messages; `first`: the first's index."""
    return [as_message(message, index) for index, message in enumerate(message_list(messages), first)]


def _plain(value: Any, depth: int) -> Any:
    """Objects as dictionaries, at any depth."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if depth > MAX_DEPTH:
        return value  # a schema may be deeper; json.dumps tells whether it is too deep
    if isinstance(value, Mapping):
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    fields = getattr(value, "__dict__", None)
    if isinstance(fields, dict) and fields and not isinstance(value, type):
        return {key: _plain(item, depth + 1) for key, item in fields.items()
                if not key.startswith("_") and (item is not None or key == "content")}
    return value


def as_tools(tools: Any) -> list[dict[str, Any]]:
    """OpenAI's tool objects, from such objects or from the function objects inside. Raises `ChatError`."""
    if tools is None:
        return []
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Sequence):
        raise wrong("a list of tools", tools, field="tools")
    found = [_plain(tool, 0) for tool in tools]
    for number, tool in enumerate(found):
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise wrong("a tool with a function that has a name", tool, field=f"tools[{number}]")
    return [tool if "function" in tool else {"type": "function", "function": tool} for tool in found]


def calls_of(message: Message, index: int) -> list[Any] | None:
    """The tool calls of an assistant's message: None if it has none. Raises `ChatError` for anything but a list."""
    calls: list[Any] | None = check(message.get("tool_calls"), list | None, "a list of tool calls", index, "tool_calls")
    return calls


def text_messages(messages: Any, field: str = "messages", first: int = 0) -> list[Message]:
    """The messages as dictionaries, with text in place of lists of parts; `first`: the first's. Raises `ChatError`."""
    found = message_list(messages, field)
    for place, message in enumerate(found):
        if type(message) is not dict or {*map(type, message.values())} != TEXTS:
            plain = found[place] = as_message(message, first + place)
            if not isinstance(plain.get("content"), str | None):
                plain["content"] = content_text(plain["content"], first + place)
    return found


def content_text(content: Any, index: int) -> str | None:
    """The text of the content of message `index`; None if there is none. Raises `ChatError`."""
    if content is None or isinstance(content, str):
        return content
    texts = list[str]()
    for place, part in enumerate(check(content, list, "text or a list of parts", index, "content")):
        kind = part.get("type", MISSING) if isinstance(part, dict) else MISSING
        if kind != "text":
            found = shown(part) if kind is MISSING else f"one of type {shown(kind)}"
            raise ChatError(f"expected a part of type 'text', found {found}", index, f"content[{place}]")
        texts.append(check(part.get("text", MISSING), str, "text", index, f"content[{place}].text"))
    return "\n\n".join(texts)


def text_or_nothing(message: Message, key: str, index: int) -> str:
    """The text of `message[key]`; "" if the key is missing or its value None. Raises `ChatError` for anything else."""
    value = message.get(key)
    return value if type(value) is str else check(value, str | None, "text", index, key, "TypeError") or ""


def joined(value: Any, index: int | None, field: str) -> str:
    """`'text' + value`: only text can be joined."""
    text: str = check(value, str, "text", index, field, "UndefinedError" if value is MISSING else "TypeError")
    return text


def content(message: Message, index: int) -> str:
    """`'text' + message['content']`."""
    value = message.get("content", MISSING)
    return value if type(value) is str else joined(value, index, "content")


def calls(message: Message, index: int) -> list[Any]:
    """The values that `for tool in message['tool_calls']` visits: none if the key is missing."""
    if message.get("tool_calls", MISSING) is None:
        raise wrong("a list of tool calls", None, index, "tool_calls", "TypeError")
    return calls_of(message, index) or []


def call_text(call: Any, index: int, number: int, key: str) -> str:
    """`'text' + tool['function'][key]`, or the same of `tool['type']`."""
    where = f"tool_calls[{number}]"
    check(call, dict, "a tool call", index, where, "UndefinedError")
    if key == "type":
        return joined(call.get(key, MISSING), index, f"{where}.type")
    function = check(call.get("function", MISSING), dict, "a function", index, f"{where}.function", "UndefinedError")
    return joined(function.get(key, MISSING), index, f"{where}.function.{key}")
