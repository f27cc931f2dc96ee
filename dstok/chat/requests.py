"""Requests and conversations as DeepSeek's API and deepseek-recipe take them: the common part of V4 0731 and V4.1.

In: the body of a request for a chat completion, as a dictionary; messages and options as users give them. Out: a
`Request`, the arguments of `render`; checked messages of one form each, and a `RecipeConversation` of the options; or a
`ChatError`.
Invariant: only the parts of a body that concern the text are read; `render` refuses those that a version has no text
for. With `check`, a body that DeepSeek's API refuses is a `ChatError`, and any other gives the API's text. A
conversation equals deepseek-recipe's `Conversation`. Content is text. As in its request layer, blank lines join a list
of text parts, and an assistant's None is ''. Tools are JSON lines. Floats are as the version writes them.
Source: deepseek-recipe 0.2.0 (MIT), by experiment: tests/chat/test_requests.py, tests/chat/test_references.py,
tests/chat/test_order.py. dstok does not check whether schemas are valid JSON Schema, nor settings outside the text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dstok.chat.messages import MISSING, Message, as_message, calls_of, check, content_text, message_list, shown, wrong
from dstok.core.text.utf8 import is_text
from dstok.errors import ChatError

READ = ("tools", "tool_choice", "reasoning_effort", "response_format")  # a format may have text for these
SAYS_NOTHING = {"tool_choice": ("auto",), "response_format": ("text", {"type": "text"})}  # the API's defaults
API_EFFORTS = {"minimal": "low", "low": "low", "medium": "high", "high": "high", "xhigh": "xhigh", "ultra": "max",
               "max": "max", "none": None}
THINKS = {"enabled": True, "adaptive": True, "disabled": False}
FORMATS = ("text", "json_object", "json_schema", "regex")
NAME = re.compile("[a-zA-Z0-9_-]+")


class Request(NamedTuple):
    """A request: `render(request.messages, version, **request.arguments)`."""

    messages: Any
    arguments: dict[str, Any]


def read_request(body: Mapping[str, Any], *, check: bool = False) -> Request:
    """Reads the parts of a body that concern the text.

    They are messages, tools, tool_choice, reasoning_effort, response_format, thinking and chat_template_kwargs (the
    variables of a template, as vLLM and SGLang take them). `check`: reads the body as DeepSeek's API does, for v4-0731
    and v4.1. Thinking is on by default, "medium" means "high", and missing reasoning beside tools is empty. Calls
    without results, results without calls, a `prefix` outside the last message, invalid function names and the like are
    refused. Raises `ChatError`.

    >>> body = {"model": "x", "messages": [{"role": "user", "content": "Hi"}], "reasoning_effort": "none"}
    >>> read_request(body, check=True).arguments["thinking"]
    False
    """
    if not isinstance(body, Mapping) or "messages" not in body:
        raise wrong("an array of messages, or an object with them", body)
    if check:
        return _as_api(body)
    given = {key: body[key] for key in READ if body.get(key) is not None and body[key] not in SAYS_NOTHING.get(key, ())}
    thinking = body.get("thinking")
    if thinking is not None:  # DeepSeek's API: {"type": "enabled"}
        given["thinking"] = thinking.get("type") == "enabled" if isinstance(thinking, dict) else thinking
    kwargs = body.get("chat_template_kwargs")
    return Request(body["messages"], {**given, **(kwargs if isinstance(kwargs, dict) else {})})


def _as_api(body: Mapping[str, Any]) -> Request:
    messages = [as_message(message, index) for index, message in enumerate(message_list(body["messages"]))]
    if not messages:
        raise ChatError("expected messages, found none", field="messages")
    effort, thinking = body.get("reasoning_effort"), body.get("thinking")
    if effort is not None and not (isinstance(effort, str) and effort in API_EFFORTS):
        raise wrong(f"one of {', '.join(API_EFFORTS)}", effort, field="reasoning_effort")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if thinking is not None and not (isinstance(kind, str) and kind in THINKS):
        raise wrong("an object with the type enabled, adaptive or disabled", thinking, field="thinking")
    thinks = effort != "none" if thinking is None else THINKS[str(kind)]  # it takes precedence over the effort
    tools = _tools(body.get("tools"), body.get("tool_choice") != "none")
    choice = _choice(body.get("tool_choice"), tools, thinks)
    texts = [_text_of(message, index, index + 1 == len(messages)) for index, message in enumerate(messages)]
    _check_results(messages)
    format = _answer_format(body.get("response_format"), texts)
    if messages[-1]["role"] == "assistant" and messages[-1].get("prefix") and (  # it continues as text
            tools or any(message["role"] == "tool" for message in messages) or "response_format" in format):
        raise ChatError("expected neither tools nor JSON beside a prefix, found one of them", len(messages) - 1,
                        "prefix")
    said = []  # messages as the API reads them: reasoning only where the model thinks, and no message's tools
    for message, text in zip(messages, texts):
        if message["role"] != "system" or text:
            said.append({key: value for key, value in message.items() if key not in ("tools", "reasoning_content")})
            if message["role"] == "assistant" and thinks:
                said[-1]["reasoning_content"] = message.get("reasoning_content") or ""
    asked = {"reasoning_effort": API_EFFORTS.get(effort or ""), "tools": tools,
             "tool_choice": None if choice == "auto" else choice}
    return Request(said, {"thinking": thinks, **{name: value for name, value in asked.items() if value}, **format})


def _once(values: Iterable[Any], what: str, index: int | None, field: str) -> None:
    found = [*values]
    if len(set(found)) < len(found):
        raise ChatError(f"expected each {what} once, found one twice", index, field)


def _tools(tools: Any, may_be_called: bool) -> list[dict[str, Any]]:
    """The tools; those that may not be called are not checked."""
    found = list[dict[str, Any]]()
    for number, tool in enumerate(check(tools, list | None, "a list of tools", field="tools") or ()):
        where = f"tools[{number}]"
        function = _function_of(tool, where)
        name, schema = function["name"], function.get("parameters")
        if not NAME.fullmatch(name):
            raise wrong("letters of ASCII, digits, _ and -", name, field=f"{where}.name")
        about = check(function.get("description"), str | None, "text", field=f"{where}.description")
        if may_be_called and schema is not None and not (isinstance(schema, dict) and schema.get("type") == "object"):
            raise wrong('a schema of the type "object"', schema, field=f"{where}.parameters")
        found.append({"type": "function", "function": {"name": name, "description": about,
                                                       "parameters": {} if schema is None else schema}})
    if may_be_called:
        _once((tool["function"]["name"] for tool in found), "name", None, "tools")
    return found


def _function_of(value: Any, where: str, index: int | None = None) -> dict[str, Any]:
    """The function of a tool, a call or a choice. It has a name."""
    function = value.get("function") if isinstance(value, dict) and value.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise wrong("the type function, and a function with a name", value, index, where)
    return function


def _choice(choice: Any, tools: list[dict[str, Any]], thinking: bool) -> str:
    """A named function counts as required. Without tools there is no choice."""
    if choice is None or choice == "auto":
        return "auto"
    if not isinstance(choice, str):
        name = _function_of(choice, "tool_choice")["name"]
        if tools and name not in [tool["function"]["name"] for tool in tools]:
            raise wrong("the name of a tool", name, field="tool_choice")
        choice = "required"
    if choice not in CHOICES:
        raise wrong(f"one of {', '.join(CHOICES)}, or a function", choice, field="tool_choice")
    if choice == "required" and tools and thinking:
        raise ChatError("expected auto or none where the model is to think, found another choice", field="tool_choice")
    return str(choice) if tools else "auto"


def _text_of(message: Message, index: int, is_last: bool) -> str:
    """The text of a message, which is checked."""
    role, calls = message.get("role", MISSING), message.get("tool_calls")
    if not (isinstance(role, str) and role in ROLES):
        raise wrong(f"a role, one of {', '.join(ROLES)}", role, index, "role")
    if role == "latest_reminder":
        check(message.get("content", MISSING), str, "text", index, "content")
    text = content_of(message, index, role)
    if role == "tool":
        check(message.get("tool_call_id", MISSING), str, "the id of a call", index, "tool_call_id")
    if role != "assistant":
        return text
    if calls is not None:
        if not isinstance(calls, list) or not calls:
            raise wrong("a list of calls, at least one", calls, index, "tool_calls")
        for number, call in enumerate(calls):
            where = f"tool_calls[{number}]"
            function = _function_of(call, where, index)
            check(call.get("id"), str, "text", index, f"{where}.id")
            check(function.get("arguments"), str, "text", index, f"{where}.function.arguments")
        _once((call["id"] for call in calls), "id", index, "tool_calls")
    elif message.get("content") is None:
        raise ChatError("expected content or tool_calls, found neither", index, "content")
    check(message.get("prefix"), bool | None, "bool", index, "prefix")
    check(message.get("reasoning_content"), str | None, "str", index, "reasoning_content")
    if message.get("prefix") and not is_last:
        raise ChatError("expected a prefix in the last message alone, found one in another", index, "prefix")
    return text


def _check_results(messages: list[Message]) -> None:
    """After an assistant's calls stand their results, each once, in any order. There are none anywhere else."""
    wanted: set[Any] = set()
    for index, message in enumerate([*messages, {"role": ""}]):
        if message["role"] == "tool":
            if message["tool_call_id"] not in wanted:
                raise ChatError(f"expected the result of a call, found one of {shown(message['tool_call_id'])}", index,
                                "tool_call_id")
            wanted.remove(message["tool_call_id"])
        elif wanted:
            at, field = (index, "role") if index < len(messages) else (index - 1, "tool_calls")
            raise ChatError(f"expected the results of all calls, found none of {shown(min(wanted))}", at, field)
        elif message["role"] == "assistant":
            wanted = {call["id"] for call in message.get("tool_calls") or ()}


def _answer_format(format: Any, texts: list[str]) -> dict[str, Any]:
    if format is None:
        return {}
    kind = format.get("type") if isinstance(format, dict) else None
    if kind == "json_object":
        if not any("json" in text.lower() for text in texts):
            raise ChatError('expected the word "json" in a message, found it in none', field="response_format")
        return {"response_format": "json_object"}
    if kind == "json_schema":
        inner = format.get("json_schema")
        schema = inner.get("schema") if isinstance(inner, dict) else None
        return {"response_schema": check(schema, dict | bool, "a schema", field="response_format.json_schema")}
    if kind == "regex":
        return {"response_regex": check(format.get("regex"), str, "text", field="response_format.regex")}
    if kind != "text":
        raise wrong(f"an object with the type {', '.join(FORMATS)}", format, field="response_format")
    return {}


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
