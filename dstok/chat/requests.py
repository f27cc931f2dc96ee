"""The bodies of requests to OpenAI's or DeepSeek's API -> messages and the arguments of `render`.

In: the body of a request for a chat completion, as a dictionary. Out: a `Request`. Invariant: only the parts of a
body that concern the text are read; `render` refuses those that a version has no text for. With `check`, a body that
DeepSeek's API refuses is a `ChatError`, and any other gives the text that the API makes.
Source: the request layer of deepseek-recipe 0.2.0 (MIT), by experiment: tests/chat/test_requests.py. dstok does not
check whether schemas are valid JSON Schema, nor settings outside the text, such as temperature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from dstok.chat.deepseek_recipe import ROLES, content_of
from dstok.chat.messages import MISSING, Message, as_messages, shown
from dstok.errors import ChatError

READ = ("tools", "tool_choice", "reasoning_effort", "response_format")  # a format may have text for these
SAYS_NOTHING = {"tool_choice": ("auto",), "response_format": ("text", {"type": "text"})}  # the API's defaults
EFFORTS = {"minimal": "low", "low": "low", "medium": "high", "high": "high", "xhigh": "xhigh", "ultra": "max",
           "max": "max", "none": None}
THINKS = {"enabled": True, "adaptive": True, "disabled": False}
CHOICES = ("auto", "none", "required")
FORMATS = ("text", "json_object", "json_schema", "regex")
NAME = re.compile("[a-zA-Z0-9_-]+")


class Request(NamedTuple):
    """A request: `render(request.messages, version, **request.arguments)`."""

    messages: Any
    arguments: dict[str, Any]


def read_request(body: Mapping[str, Any], *, check: bool = False) -> Request:
    """Reads the parts of a body that concern the text.

    They are messages, tools, tool_choice, reasoning_effort, response_format, thinking and chat_template_kwargs (the
    variables of a template, as vLLM and SGLang take them).

    `check`: reads the body as DeepSeek's API does, for the versions v4-0731 and v4.1. Thinking is on by default,
    "medium" means "high", and missing reasoning beside tools is empty. Calls without their results, results without
    calls, a `prefix` outside the last message, invalid function names and the like are refused. Raises `ChatError`.

    >>> body = {"model": "x", "messages": [{"role": "user", "content": "Hi"}], "reasoning_effort": "none"}
    >>> read_request(body, check=True).arguments["thinking"]
    False
    """
    if not isinstance(body, Mapping) or "messages" not in body:
        raise ChatError(f"expected an array of messages, or an object with them, found {shown(body)}")
    if check:
        return _checked(body)
    given = {key: body[key] for key in READ
             if body.get(key) is not None and body[key] not in SAYS_NOTHING.get(key, ())}
    thinking = body.get("thinking")
    if thinking is not None:  # DeepSeek's API: {"type": "enabled"}
        given["thinking"] = thinking.get("type") == "enabled" if isinstance(thinking, dict) else thinking
    kwargs = body.get("chat_template_kwargs")
    return Request(body["messages"], {**given, **(kwargs if isinstance(kwargs, dict) else {})})


def _checked(body: Mapping[str, Any]) -> Request:
    messages = as_messages(body["messages"])
    if not messages:
        raise ChatError("expected messages, found none", field="messages")
    thinking, effort = _thinking(body)
    tools = _tools(body.get("tools"), body.get("tool_choice") != "none")
    choice = _choice(body.get("tool_choice"), tools, thinking)
    for index, message in enumerate(messages):
        _check_message(message, index, index + 1 == len(messages))
    _check_results(messages)
    texts = [content_of(message, index, message["role"]) for index, message in enumerate(messages)]
    format = _format(body.get("response_format"), texts)
    if messages[-1]["role"] == "assistant" and messages[-1].get("prefix") and (  # it continues as text
            tools or any(message["role"] == "tool" for message in messages) or "response_format" in format):
        raise ChatError("expected neither tools nor JSON beside a prefix, found one of them", len(messages) - 1,
                        "prefix")
    said = []  # messages as the API reads them: reasoning only where the model thinks, and no message's tools
    for message, text in zip(messages, texts):
        if message["role"] != "system" or text:
            said.append({key: value for key, value in message.items() if key not in ("tools", "reasoning_content")})
            if message["role"] == "assistant" and thinking:
                said[-1]["reasoning_content"] = message.get("reasoning_content") or ""
    asked = {"reasoning_effort": effort, "tools": tools, "tool_choice": None if choice == "auto" else choice}
    return Request(said, {"thinking": thinking, **{name: value for name, value in asked.items() if value}, **format})


def _thinking(body: Mapping[str, Any]) -> tuple[bool, str | None]:
    """Whether the model thinks, and how hard. `thinking` takes precedence over the effort "none"."""
    effort, thinking = body.get("reasoning_effort"), body.get("thinking")
    if effort is not None and not (isinstance(effort, str) and effort in EFFORTS):
        raise ChatError(f"expected one of {', '.join(EFFORTS)}, found {shown(effort)}", field="reasoning_effort")
    if thinking is None:
        return effort != "none", None if effort is None else EFFORTS[effort]
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if not (isinstance(kind, str) and kind in THINKS):
        raise ChatError(f"expected an object with the type enabled, adaptive or disabled, found {shown(thinking)}",
                        field="thinking")
    return THINKS[kind], None if effort is None else EFFORTS[effort]


def _tools(tools: Any, may_be_called: bool) -> list[dict[str, Any]]:
    """The tools; those that may not be called are not checked."""
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise ChatError(f"expected a list of tools, found {shown(tools)}", field="tools")
    checked = list[dict[str, Any]]()
    for number, tool in enumerate(tools):
        where = f"tools[{number}]"
        function = _function_of(tool, where)
        name, about, schema = function["name"], function.get("description"), function.get("parameters")
        if not NAME.fullmatch(name):
            raise ChatError(f"expected letters of ASCII, digits, _ and -, found {shown(name)}", field=f"{where}.name")
        if not isinstance(about, str | None):
            raise ChatError(f"expected text, found {shown(about)}", field=f"{where}.description")
        if may_be_called and schema is not None and not (isinstance(schema, dict) and schema.get("type") == "object"):
            raise ChatError(f'expected a schema of the type "object", found {shown(schema)}',
                            field=f"{where}.parameters")
        checked.append({"type": "function", "function": {"name": name, "description": about,
                                                         "parameters": {} if schema is None else schema}})
    names = [tool["function"]["name"] for tool in checked]
    if may_be_called and len(set(names)) < len(names):
        raise ChatError("expected each name once, found one twice", field="tools")
    return checked


def _function_of(value: Any, where: str, index: int | None = None) -> dict[str, Any]:
    """The function of a tool, a call or a choice. It has a name."""
    function = value.get("function") if isinstance(value, dict) and value.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ChatError(f"expected the type function, and a function with a name, found {shown(value)}", index, where)
    return function


def _choice(choice: Any, tools: list[dict[str, Any]], thinking: bool) -> str:
    """A named function counts as required. Without tools there is no choice."""
    if choice is None or choice == "auto":
        return "auto"
    if not isinstance(choice, str):
        name = _function_of(choice, "tool_choice")["name"]
        if tools and name not in [tool["function"]["name"] for tool in tools]:
            raise ChatError(f"expected the name of a tool, found {shown(name)}", field="tool_choice")
        choice = "required"
    if choice not in CHOICES:
        raise ChatError(f"expected one of {', '.join(CHOICES)}, or a function, found {shown(choice)}",
                        field="tool_choice")
    if choice == "required" and tools and thinking:
        raise ChatError("expected auto or none where the model is to think, found another choice", field="tool_choice")
    return str(choice) if tools else "auto"


def _check_message(message: Message, index: int, is_last: bool) -> None:
    role, calls = message.get("role", MISSING), message.get("tool_calls")
    if not (isinstance(role, str) and role in ROLES):
        raise ChatError(f"expected a role, one of {', '.join(ROLES)}, found {shown(role)}", index, "role")
    if role == "latest_reminder" and not isinstance(message.get("content", MISSING), str):
        raise ChatError(f"expected text, found {shown(message.get('content', MISSING))}", index, "content")
    content_of(message, index, role)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise ChatError(f"expected the id of a call, found {shown(message.get('tool_call_id', MISSING))}", index,
                        "tool_call_id")
    if role != "assistant":
        return
    if calls is not None:
        _check_calls(calls, index)
    if calls is None and message.get("content") is None:
        raise ChatError("expected content or tool_calls, found neither", index, "content")
    for key, kind in (("prefix", bool), ("reasoning_content", str)):
        if not isinstance(message.get(key), kind | None):
            raise ChatError(f"expected {kind.__name__}, found {shown(message[key])}", index, key)
    if message.get("prefix") and not is_last:
        raise ChatError("expected a prefix in the last message alone, found one in another", index, "prefix")


def _check_calls(calls: Any, index: int) -> None:
    if not isinstance(calls, list) or not calls:
        raise ChatError(f"expected a list of calls, at least one, found {shown(calls)}", index, "tool_calls")
    for number, call in enumerate(calls):
        where = f"tool_calls[{number}]"
        function = _function_of(call, where, index)
        for value, key in ((call.get("id"), "id"), (function.get("arguments"), "function.arguments")):
            if not isinstance(value, str):
                raise ChatError(f"expected text, found {shown(value)}", index, f"{where}.{key}")
    ids = [call["id"] for call in calls]
    if len(set(ids)) < len(ids):
        raise ChatError("expected each id once, found one twice", index, "tool_calls")


def _check_results(messages: list[Message]) -> None:
    """After an assistant's calls stand their results, each once, in any order. There are none anywhere else."""
    wanted: set[Any] = set()
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in wanted:
                raise ChatError(f"expected the result of a call, found one of {shown(message['tool_call_id'])}", index,
                                "tool_call_id")
            wanted.remove(message["tool_call_id"])
            continue
        if wanted:
            raise ChatError(f"expected the results of all calls, found none of {shown(min(wanted))}", index, "role")
        if message["role"] == "assistant":
            wanted = {call["id"] for call in message.get("tool_calls") or ()}
    if wanted:
        raise ChatError(f"expected the results of all calls, found none of {shown(min(wanted))}", len(messages) - 1,
                        "tool_calls")


def _format(format: Any, texts: list[str]) -> dict[str, Any]:
    if format is None:
        return {}
    kind = format.get("type") if isinstance(format, dict) else None
    if kind not in FORMATS:
        raise ChatError(f"expected an object with the type {', '.join(FORMATS)}, found {shown(format)}",
                        field="response_format")
    if kind == "json_object":
        if not any("json" in text.lower() for text in texts):
            raise ChatError('expected the word "json" in a message, found it in none', field="response_format")
        return {"response_format": "json_object"}
    if kind == "json_schema":
        inner = format.get("json_schema")
        schema = inner.get("schema") if isinstance(inner, dict) else None
        if not isinstance(schema, dict | bool):
            raise ChatError(f"expected a schema, found {shown(schema)}", field="response_format.json_schema")
        return {"response_schema": schema}
    if kind == "regex" and not isinstance(format.get("regex"), str):
        raise ChatError(f"expected text, found {shown(format.get('regex'))}", field="response_format.regex")
    return {"response_regex": format["regex"]} if kind == "regex" else {}
