"""The bodies of requests to OpenAI's or DeepSeek's API -> messages and the arguments of `render`.

In: the body of a request for a chat completion, as a dictionary. Out: a `Request`. Invariant: only the parts of a body
that concern the text are read; `render` refuses those that a version has no text for. With `check`, a body that
DeepSeek's API refuses is a `ChatError`, and any other gives the text that the API makes.
Source: the request layer of deepseek-recipe 0.2.0 (MIT), by experiment: tests/chat/test_requests.py. dstok does not
check whether schemas are valid JSON Schema, nor settings outside the text, such as temperature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dstok.chat.deepseek_recipe import CHOICES, ROLES, content_of
from dstok.chat.messages import MISSING, Message, as_messages, shown, wrong
from dstok.chat.messages import check as checked
from dstok.errors import ChatError

READ = ("tools", "tool_choice", "reasoning_effort", "response_format")  # a format may have text for these
SAYS_NOTHING = {"tool_choice": ("auto",), "response_format": ("text", {"type": "text"})}  # the API's defaults
EFFORTS = {"minimal": "low", "low": "low", "medium": "high", "high": "high", "xhigh": "xhigh", "ultra": "max",
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
    messages = as_messages(body["messages"])
    if not messages:
        raise ChatError("expected messages, found none", field="messages")
    effort, thinking = body.get("reasoning_effort"), body.get("thinking")
    if effort is not None and not (isinstance(effort, str) and effort in EFFORTS):
        raise wrong(f"one of {', '.join(EFFORTS)}", effort, field="reasoning_effort")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if thinking is not None and not (isinstance(kind, str) and kind in THINKS):
        raise wrong("an object with the type enabled, adaptive or disabled", thinking, field="thinking")
    thinks = effort != "none" if thinking is None else THINKS[str(kind)]  # it takes precedence over the effort
    tools = _tools(body.get("tools"), body.get("tool_choice") != "none")
    choice = _choice(body.get("tool_choice"), tools, thinks)
    texts = [_text_of(message, index, index + 1 == len(messages)) for index, message in enumerate(messages)]
    _check_results(messages)
    format = _format(body.get("response_format"), texts)
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
    asked = {"reasoning_effort": EFFORTS.get(effort or ""), "tools": tools,
             "tool_choice": None if choice == "auto" else choice}
    return Request(said, {"thinking": thinks, **{name: value for name, value in asked.items() if value}, **format})


def _once(values: Iterable[Any], what: str, index: int | None, field: str) -> None:
    found = [*values]
    if len(set(found)) < len(found):
        raise ChatError(f"expected each {what} once, found one twice", index, field)


def _tools(tools: Any, may_be_called: bool) -> list[dict[str, Any]]:
    """The tools; those that may not be called are not checked."""
    found = list[dict[str, Any]]()
    for number, tool in enumerate(checked(tools, list | None, "a list of tools", field="tools") or ()):
        where = f"tools[{number}]"
        function = _function_of(tool, where)
        name, schema = function["name"], function.get("parameters")
        if not NAME.fullmatch(name):
            raise wrong("letters of ASCII, digits, _ and -", name, field=f"{where}.name")
        about = checked(function.get("description"), str | None, "text", field=f"{where}.description")
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
        checked(message.get("content", MISSING), str, "text", index, "content")
    text = content_of(message, index, role)
    if role == "tool":
        checked(message.get("tool_call_id", MISSING), str, "the id of a call", index, "tool_call_id")
    if role != "assistant":
        return text
    if calls is not None:
        if not isinstance(calls, list) or not calls:
            raise wrong("a list of calls, at least one", calls, index, "tool_calls")
        for number, call in enumerate(calls):
            where = f"tool_calls[{number}]"
            function = _function_of(call, where, index)
            checked(call.get("id"), str, "text", index, f"{where}.id")
            checked(function.get("arguments"), str, "text", index, f"{where}.function.arguments")
        _once((call["id"] for call in calls), "id", index, "tool_calls")
    elif message.get("content") is None:
        raise ChatError("expected content or tool_calls, found neither", index, "content")
    checked(message.get("prefix"), bool | None, "bool", index, "prefix")
    checked(message.get("reasoning_content"), str | None, "str", index, "reasoning_content")
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


def _format(format: Any, texts: list[str]) -> dict[str, Any]:
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
        return {"response_schema": checked(schema, dict | bool, "a schema", field="response_format.json_schema")}
    if kind == "regex":
        return {"response_regex": checked(format.get("regex"), str, "text", field="response_format.regex")}
    if kind != "text":
        raise wrong(f"an object with the type {', '.join(FORMATS)}", format, field="response_format")
    return {}
