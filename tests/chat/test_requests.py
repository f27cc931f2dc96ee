"""Bodies of requests as they are; with `check`, what deepseek-recipe's request layer takes, refuses and makes of them."""

from __future__ import annotations

import copy
import os
from random import Random
from typing import Any

import pytest
from chat_references import recipe

from dstok import chat

COUNT = {"deep": 20_000, "brief": 200}.get(os.environ.get("DSTOK_PROFILE", ""), 2000)
MODELS = {"v4-0731": "DeepSeek-V4-Pro", "v4.1": "DeepSeek-V4.1-Flash"}
USER = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
CONTENTS: tuple[Any, ...] = ("Hi", "", "json", [], [{"type": "text", "text": "a"}, {"type": "text", "text": "JSON"}], "<｜User｜>")
ODD: tuple[Any, ...] = (None, 7, True, "x", {}, {"type": "text"}, [7])
OPTIONS: dict[str, tuple[Any, ...]] = {
    "reasoning_effort": (None, "none", "minimal", "low", "medium", "high", "xhigh", "ultra", "max", "odd", 7),
    "thinking": (None, {"type": "enabled"}, {"type": "adaptive"}, {"type": "disabled"}, {"type": "disabled"}, {}, True,
                 {"type": "odd"}),
    "tools": (None, [], [TOOL], [TOOL], [TOOL, {"type": "function", "function": {"name": "g"}}], [TOOL, TOOL], [TOOL["function"]],
              [{"type": "function", "function": {"name": "a b"}}], [{"type": "function", "function": {"name": ""}}],
              [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}],
              [{"type": "function", "function": {"name": "f", "parameters": None, "description": None}}], [7], 7),
    "tool_choice": (None, "auto", "none", "required", "odd", 7, {"type": "function", "function": {"name": "f"}},
                    {"type": "function", "function": {"name": "h"}}, {"type": "function"}),
    "response_format": (None, {"type": "text"}, {"type": "json_object"}, {"type": "regex", "regex": "a+"}, {"type": "regex"},
                        {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, {"type": "json_schema"},
                        {"type": "json_schema", "json_schema": {"name": "n", "schema": None}}, "json_object", {}),
}


def turn(rng: Random, number: int) -> list[dict[str, Any]]:
    """A message, or calls with their results."""
    role = rng.choice(("user", "user", "assistant", "calls", "calls", "system", "latest_reminder"))
    if role != "calls":
        found: dict[str, Any] = {"role": role, "content": rng.choice(CONTENTS[:3] if role == "latest_reminder" else CONTENTS)}
        if role == "assistant" and rng.random() < 0.5:
            found["reasoning_content"] = rng.choice((None, "", "r", "json"))
        return [found]
    ids = [f"c{number}{place}" for place in range(rng.randint(1, 3))]
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": rng.choice(("{}", '{"a": 1}', "odd"))}}
             for id in ids]
    said = {"role": "assistant", "content": rng.choice((None, "", "x")), "tool_calls": calls}
    if rng.random() < 0.5:
        said["reasoning_content"] = "r"
    results = [{"role": "tool", "content": rng.choice(CONTENTS), "tool_call_id": id} for id in ids]
    rng.shuffle(results)
    return [said, *results]


def spoilt(rng: Random, messages: list[dict[str, Any]]) -> None:
    """One fault, or none."""
    place = rng.randrange(len(messages))
    message, kind = messages[place], rng.randrange(12)
    if kind == 0:
        del messages[place]
    elif kind == 1:
        messages.insert(rng.randrange(len(messages)), copy.deepcopy(message))
    elif kind == 2:
        message[rng.choice(("role", "content", "tool_calls", "tool_call_id", "reasoning_content", "prefix"))] = rng.choice(ODD)
    elif kind == 3:
        message.pop(rng.choice(sorted(message)))
    elif kind == 4:
        messages[rng.choice((place, -1))]["prefix"] = True
    elif kind == 5 and message.get("tool_calls"):
        call = rng.choice(message["tool_calls"])
        call[rng.choice(sorted(call))] = rng.choice((*ODD, "c00"))
    elif kind == 6:
        message["tools"] = [TOOL]


def body(rng: Random) -> dict[str, Any]:
    messages = [message for number in range(rng.randint(1, 4)) for message in turn(rng, number)]
    if rng.random() < 0.5:
        messages.append({"role": "assistant", "content": "so", "prefix": True})
    if rng.random() < 0.5:
        spoilt(rng, messages)
    options = {name: rng.choice(values[: rng.choice((3, len(values)))]) for name, values in OPTIONS.items() if rng.random() < 0.4}
    return {"messages": messages, **options}


def by_recipe(given: dict[str, Any], version: chat.VersionName) -> str | None:
    """The text, or None for a body that is refused."""
    r = recipe()
    encoding = r.DeepseekV4Encoding() if version == "v4-0731" else r.DeepseekV41Encoding()
    try:
        request = r.ChatCompletionRequest({"model": MODELS[version], **given}).convert(r.ConversionOptions())
    except (r.ConversionError, ValueError):
        return None
    return str(encoding.render_conversation(request.conversation).prompt)


def by_us(given: dict[str, Any], version: chat.VersionName) -> str | None:
    try:
        request = chat.read_request(given, check=True)
        return chat.render(request.messages, version, **request.arguments).text
    except chat.ChatError:
        return None


@pytest.mark.parametrize("version", sorted(MODELS))
def test_checked_is_deepseek_recipes(version: chat.VersionName) -> None:
    rng, taken = Random(9), 0
    for _ in range(COUNT):
        given = body(rng)
        wanted = by_recipe(copy.deepcopy(given), version)
        assert by_us(given, version) == wanted, given
        taken += wanted is not None
    assert COUNT // 5 < taken < COUNT * 4 // 5


def test_known_differences_of_requests() -> None:
    """Pictures are no text for a tokenizer: deepseek-recipe writes a place holder. It also looks whether a schema is one
    of JSON Schema, in all depths."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    pictured = {"messages": [{"role": "user", "content": [picture]}]}
    assert by_recipe(pictured, "v4-0731") is not None and by_us(pictured, "v4-0731") is None
    odd = {"type": "object", "properties": {"a": {"type": "odd"}}}
    schemed = {"messages": [USER], "tools": [{"type": "function", "function": {"name": "f", "parameters": odd}}]}
    assert by_recipe(schemed, "v4-0731") is None and by_us(schemed, "v4-0731") is not None


@pytest.mark.parametrize(("given", "message"), [
    ({}, "expected an array of messages, or an object with them, found {}"),
    ({"messages": []}, "field messages: expected messages, found none"),
    ({"messages": [{"role": "developer", "content": "x"}]}, "message 0, field role: expected a role, one of system, user"),
    ({"messages": [USER, {"role": "assistant"}]}, "message 1, field content: expected content or tool_calls, found neither"),
    ({"messages": [USER, {"role": "tool", "content": "", "tool_call_id": "x"}]},
     "message 1, field tool_call_id: expected the result of a call, found one of 'x'"),
    ({"messages": [USER], "tools": [TOOL], "tool_choice": "required"},
     "field tool_choice: expected auto or none where the model is to think, found another choice"),
    ({"messages": [USER], "response_format": {"type": "json_object"}},
     'field response_format: expected the word "json" in a message, found it in none'),
    ({"messages": [{"role": "assistant", "content": "x", "prefix": True}, USER]},
     "message 0, field prefix: expected a prefix in the last message alone, found one in another"),
])
def test_what_is_refused_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(chat.ChatError) as caught:
        chat.read_request(given, check=True)
    assert str(caught.value).startswith(message)


def test_a_body_without_checks() -> None:
    """What says nothing, as the API's defaults, is for every version; the rest is for those that have a text for it."""
    given = {"model": "x", "messages": [USER], "temperature": 1, "tool_choice": "auto", "response_format": {"type": "text"},
             "reasoning_effort": None, "tools": None, "chat_template_kwargs": {"thinking": True}}
    request = chat.read_request(given)
    assert (request.messages, request.arguments) == ([USER], {"thinking": True})
    assert chat.render(request.messages, "v3.1", **request.arguments) == chat.render([USER], "v3.1", thinking=True)
    request = chat.read_request({"messages": [USER], "thinking": {"type": "disabled"}, "reasoning_effort": "max"})
    assert request.arguments == {"thinking": False, "reasoning_effort": "max"}


@pytest.mark.parametrize("version", [version.name for version in chat.versions() if "thinking" in version.options])
def test_a_checked_body_asks_only_for_what_it_says(version: chat.VersionName) -> None:
    """Versions that lack an option take a body without it."""
    request = chat.read_request({"messages": [{"role": "user", "content": "Hi"}]}, check=True)
    assert request.arguments == {"thinking": True}
    assert chat.render(request.messages, version, **request.arguments) == chat.render(
        [{"role": "user", "content": "Hi"}], version, thinking=True)
