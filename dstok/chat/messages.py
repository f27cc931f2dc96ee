"""Messages as users give them -> dictionaries that the formats read.

In: a list of OpenAI's message dictionaries, or of objects with the same attributes (those of the openai package,
say).
Out: dictionaries with the same keys, at every depth. Invariant: a dictionary is taken as it is, key by key. Formats
tell a missing key from one that is None, because their references do. An object's attributes that are None count as
missing, except `content`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dstok.errors import ChatError

__all__ = ["MISSING", "Message", "as_message", "as_messages", "as_tools", "calls_of", "message_list", "shown",
           "too_deep"]

Message = dict[str, Any]
MAX_DEPTH = 64  # of objects within objects; a message has four levels


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING: Any = _Missing()  # formats read this where a message lacks a key


def as_messages(messages: Any, field: str = "messages", first: int = 0) -> list[Message]:
    """The messages as dictionaries. Raises `ChatError` for anything but messages; `first`: the first's index."""
    return [as_message(message, index) for index, message in enumerate(message_list(messages, field), first)]


def as_message(message: Any, index: int) -> Message:
    """A message as a dictionary. Raises `ChatError` for anything else."""
    copy = _plain(message, index, 0)
    if not isinstance(copy, dict):
        raise ChatError(f"expected a message with a role and content, found {shown(copy)}", index)
    return copy


def message_list(messages: Any, field: str = "messages") -> list[Any]:
    """A list of messages, or another iterable of them, as a list. Raises `ChatError`."""
    if type(messages) is not list and (
            isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable)):
        raise ChatError(f"expected a list of messages, found {shown(messages)}", field=field)
    return list(messages)


def _plain(value: Any, index: int, depth: int) -> Any:
    """Objects as dictionaries, at any depth."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if depth > MAX_DEPTH:
        return value  # a schema may be deeper; json.dumps tells whether it is too deep
    if isinstance(value, Mapping):
        return {key: _plain(item, index, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, index, depth + 1) for item in value]
    fields = getattr(value, "__dict__", None)
    if isinstance(fields, dict) and fields and not isinstance(value, type):
        return {key: _plain(item, index, depth + 1) for key, item in fields.items()
                if not key.startswith("_") and (item is not None or key == "content")}
    return value


def as_tools(tools: Any) -> list[dict[str, Any]]:
    """OpenAI's tool objects, from such objects or from the function objects inside. Raises `ChatError`."""
    if tools is None:
        return []
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Sequence):
        raise ChatError(f"expected a list of tools, found {shown(tools)}", field="tools")
    return [_tool(_plain(tool, 0, 0), number) for number, tool in enumerate(tools)]


def _tool(tool: Any, number: int) -> dict[str, Any]:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ChatError(f"expected a tool with a function that has a name, found {shown(tool)}",
                        field=f"tools[{number}]")
    return tool if "function" in tool else {"type": "function", "function": tool}


def calls_of(message: Message, index: int) -> list[Any] | None:
    """The tool calls of an assistant's message: None if it has none. Raises `ChatError` for anything but a list."""
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise ChatError(f"expected a list of tool calls, found {shown(calls)}", index, "tool_calls")
    return calls


def shown(value: Any, limit: int = 60) -> str:
    """The value, shortened for an error message."""
    if value is MISSING:
        return "nothing"
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        text = f"a deep {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def too_deep() -> ChatError:
    """The error for nesting deeper than Python's recursion reaches."""
    return ChatError("expected messages and variables, found one that holds itself or is nested too deeply")
