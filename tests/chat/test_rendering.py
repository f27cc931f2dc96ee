"""What `render` takes, what it refuses, and where its references differ from each other."""

from __future__ import annotations

import copy
import json
import pickle
from types import SimpleNamespace
from typing import Any

import pytest
from chat_models import ours
from chat_references import reference

from dstok import chat
from dstok.chat.v4 import number_v4
from dstok.core.text.utf8 import is_text

VERSIONS = [version.name for version in chat.versions()]
USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Yo"}
BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"


def refused(match: str, messages: Any, version: chat.VersionName, **arguments: Any) -> chat.ChatError:
    with pytest.raises(chat.ChatError, match=match) as caught:
        chat.render(messages, version, **arguments)
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
    return caught.value


def test_unknown_names_are_errors() -> None:
    refused("expected a version, one of v2, v2.5, .*, v4.1, found 'v5'", [USER], "v5")  # type: ignore[arg-type]
    refused("field thinking: v3 has no such option: it has none", [USER], "v3", thinking=True)
    refused("field context: v3.1 has no such option: it has thinking", [USER], "v3.1", context=[])
    refused("field drop_reasoning: v3.2 has no such option", [USER], "v3.2", drop_reasoning=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("messages", ["Hi", b"Hi", None, 7, USER, [None], ["Hi"], [7], [[USER]]])
def test_what_is_no_list_of_messages(version: chat.VersionName, messages: Any) -> None:
    assert refused("expected", messages, version).reference == ""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("calls", ["x", {}, {"a": 1}, 7])
def test_calls_that_are_no_list(version: chat.VersionName, calls: Any) -> None:
    """References go through them as Python does; dstok refuses them, and says where."""
    message = {"role": "assistant", "content": None, "tool_calls": calls, "reasoning_content": "r"}
    if version in ("v2", "r1-0528"):  # v2 has no calls, and content has to be text
        assert refused("found None", [USER, message], version).reference == "TypeError"
    elif version in ("v3.2", "v4-preview") and not calls:
        chat.render([USER, message], version)  # nothing is nothing, whatever its type
    else:
        assert refused("expected a list", [USER, message], version).index == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_deep_and_endless_values(version: chat.VersionName) -> None:
    """A megabyte of nesting and a cycle: an error, or plain text, never a traceback."""
    endless: dict[str, Any] = {}
    endless["self"] = endless
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    call = {"type": "function", "id": "c", "function": {"name": "f", "arguments": "[" * 1_000_000}}
    tool = {"type": "function", "function": {"name": "f", "description": "", "parameters": endless}}
    deeper = {"type": "function", "function": {"name": "f", "description": "", "parameters": {"a": deep}}}
    given: Any
    for messages, given in (
        ([USER, {"role": "assistant", "content": None, "tool_calls": [call]}], {}),
        ([USER], {"tools": [tool]}), ([USER], {"tools": [deeper]}),
        ([{"role": "system", "content": "", "tools": [tool]}], {}),
        ([{"role": "user", "content": endless}], {}), ([{"role": endless, "content": "x"}], {}),
    ):
        try:
            chat.render(messages, version, **given)
        except chat.ChatError as error:
            assert str(error)


def test_objects_are_read_by_their_attributes() -> None:
    """What the openai package gives: objects, of which None is nothing."""
    call = SimpleNamespace(id="c", type="function", function=SimpleNamespace(name="f", arguments="{}"))
    said = SimpleNamespace(role="assistant", content=None, tool_calls=[call], refusal=None, audio=None)
    plain = {"role": "assistant", "content": None, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    for version in VERSIONS:
        if version in ("v2", "r1-0528"):
            continue
        assert chat.render([USER, said], version) == chat.render([USER, plain], version)
    answer = SimpleNamespace(role="assistant", content="Yo", tool_calls=None)
    assert chat.render([USER, answer], "r1") == chat.render([USER, ANSWER], "r1")


def test_tools() -> None:
    function = {"name": "f", "description": "d", "parameters": {"a": 1.0}}
    tool = {"type": "function", "function": function}
    for version in VERSIONS:
        found = next(one for one in chat.versions() if one.name == version)
        assert chat.render([USER], version, tools=[]) == chat.render([USER], version)
        if found.takes_tools:
            text = chat.render([USER], version, tools=[tool]).text
            schema = json.dumps(function["parameters"] if version == "v3.1" else function)
            assert text == chat.render([USER], version, tools=[function]).text and schema in text
            refused("field tools.0.: expected a tool with a function that has a name", [USER], version, tools=[{}])
            refused("expected a list of tools", [USER], version, tools=tool)
        else:
            refused("has no text for tools .its reference ignores them.", [USER], version, tools=[tool])


def test_tools_of_v3_1() -> None:
    """As on its model card: after the system messages, without thinking only; its tokens are tokens."""
    tools = [{"name": name, "description": "Größe", "parameters": {"é": [1, None]}, "strict": True} for name in ("f", EOS)]
    system = {"role": "system", "content": "Be brief."}
    found = chat.render([USER, system], "v3.1", tools=tools, add_generation_prompt=True)
    assert found.text == (
        f"{BOS}Be brief.\n\n## Tools\nYou have access to the following tools:\n\n"
        '### f\nDescription: Größe\n\nParameters: {"é": [1, null]}\n\n'
        f'### {EOS}\nDescription: Größe\n\nParameters: {{"é": [1, null]}}\n\n'
        "IMPORTANT: ALWAYS adhere to this exact format for tool use:\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name"
        "<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>{additional_tool_calls}<｜tool▁calls▁end｜>\n\nWhere:\n"
        "- `tool_call_name` must be an exact match to one of the available tools\n"
        "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n"
        "- For multiple tool calls, chain them directly without separators or spaces<｜User｜>Hi<｜Assistant｜></think>")
    tokens = [found.text[start:end] for start, end in found.special_ranges]
    assert tokens == [BOS, "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>",
                      "<｜tool▁calls▁end｜>", "<｜User｜>", "<｜Assistant｜>", "</think>"]
    about = [span for span in found.spans if span.kind == "tools"]
    assert {(span.message, span.sampled) for span in about} == {(-1, False)}
    assert chat.render([USER], "v3.1", tools=tools).text.startswith(f"{BOS}\n\n## Tools\n")
    talk = chat.Conversation(ours("v3.1"), "v3.1", [USER], tools=tools)
    talk.append(system)  # the format writes it before the tools
    assert talk.ids == chat.encode(ours("v3.1"), [USER, system], "v3.1", tools=tools).ids
    refused("field thinking: expected thinking=False with tools", [USER], "v3.1", tools=tools, thinking=True)
    refused("field tools.0..function.description: expected text, found nothing", [USER], "v3.1", tools=[{"name": "f"}])
    refused("field tools.0..function.parameters: expected a schema, found nothing", [USER], "v3.1",
            tools=[{"name": "f", "description": ""}])
    refused("v3.2-exp has no text for tools", [USER], "v3.2-exp", tools=tools)


def test_tools_of_the_scripts_are_in_one_message() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    for version in ("v3.2", "v4-preview"):
        refused("tools in this message or as an argument, found both",
                [{"role": "system", "content": "", "tools": [tool]}, USER], version, tools=[tool])
        refused("tools in a message of the context", [USER], version, tools=[tool], context=[USER])
        spans = chat.render([USER], version, tools=[tool]).spans
        assert [span.message for span in spans if span.kind == "tools"] == [-1]


@pytest.mark.parametrize("version", VERSIONS)
def test_continue_final_message(version: chat.VersionName) -> None:
    found = chat.render([USER, {**ANSWER, "reasoning_content": "Hm"}], version, continue_final_message=True)
    assert found.text.endswith("Yo") and found.spans[-1].kind == "content"
    refused("expected continue_final_message or add_generation_prompt, found both", [USER, ANSWER], version,
            continue_final_message=True, add_generation_prompt=True)
    refused("expected an assistant's message to continue", [USER], version, continue_final_message=True)
    refused("expected an assistant's message to continue", [], version, continue_final_message=True)


def test_v3_cannot_go_on_after_one_call() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    refused("message 0, field continue_final_message: expected a message with an end",
            [{"role": "assistant", "content": None, "tool_calls": [call]}], "v3", continue_final_message=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_add_generation_prompt(version: chat.VersionName) -> None:
    """It adds nothing but what opens the answer; without it, versions with a switch write none."""
    closed = chat.render([USER], version, add_generation_prompt=False).text
    opened = chat.render([USER], version, add_generation_prompt=True).text
    assert opened.startswith(closed)
    assert chat.render([USER], version).text == (opened if version.startswith(("v3.2", "v4")) and
                                                 version != "v3.2-exp" else closed)
    if version in ("v3-0324", "r1-0528"):
        assert opened == closed  # the user's message itself opens the answer
    else:
        assert opened != closed and "Assistant" in opened[len(closed) :]


def test_the_version_of_a_model() -> None:
    named = {name: version.name for version in chat.versions() for name in version.hub}
    assert len(named) == sum(len(version.hub) for version in chat.versions())
    for name, version in named.items():
        alone = () if "V4" in name else (name, name.lower())
        for spelled in (*alone, f"deepseek-ai/{name}"):
            assert chat.version_of(spelled).name == version
    for name, match in (("deepseek-chat", "2024-12-26 v3, "), ("gpt-4", "expected a model whose format is known"),
                        ("deepseek-v4-flash", "2026-04-24 v4-preview, 2026-07-31 v4-0731")):
        with pytest.raises(chat.ChatError, match=match):
            chat.version_of(name)


def test_thinking_by_each_of_its_names() -> None:
    for version in ("v3.1", "v3.2-exp", "v3.2", "v4-preview", "v4-0731", "v4.1"):
        for thinking in (True, False):
            wanted = chat.render([USER], version, add_generation_prompt=True, thinking=thinking)
            mode = "thinking" if thinking else "chat"
            for given in ({"enable_thinking": thinking}, {"thinking_mode": mode}, {"thinking_mode": thinking}):
                assert chat.render([USER], version, add_generation_prompt=True, **given) == wanted
        refused("expected one of thinking, thinking_mode, found several that differ", [USER], version, thinking=True,
                thinking_mode="chat")
        refused("expected True or False, found 1", [USER], version, thinking=1)
        refused('expected "thinking" or "chat", found', [USER], version, thinking_mode="deep")


@pytest.mark.parametrize("version", [version.name for version in chat.versions()])
def test_parts_of_a_content(version: chat.VersionName) -> None:
    """Blank lines join text parts in every version; other parts are refused by message, place and type."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert chat.render([{**USER, "content": parts}], version) == chat.render([{**USER, "content": "a\n\nb"}], version)
    image = {"type": "image_url", "image_url": {"url": "x"}}
    refused("message 1, field content.1.: expected a part of type 'text', found one of type 'image_url'",
            [USER, {"role": "user", "content": [*parts[:1], image]}], version)
    refused("message 0, field content.0..text: expected text, found nothing", [{**USER, "content": [{"type": "text"}]}],
            version)
    for content in (5, {"type": "text", "text": "a"}):
        refused("message 0, field content: expected text or a list of parts", [{**USER, "content": content}], version)


def test_parts_in_requests_and_contexts() -> None:
    parts: Any = [{"type": "text", "text": "a"}]
    request = chat.read_request({"messages": [{"role": "user", "content": parts}]})
    assert chat.render(request.messages, "v3", **request.arguments).text.endswith("<｜User｜>a")
    context: list[dict[str, Any]] = [{"role": "user", "content": parts}, {"role": "assistant", "content": "b", "reasoning_content": "r"}]
    texts = [chat.render([USER], "v3.2", context=[{**context[0], "content": one}, context[1]]).text
             for one in (parts, "a")]
    assert texts[0] == texts[1]


def test_no_content() -> None:
    """The empty text where the format has a place for it, else an error; never a word of Python."""
    version: chat.VersionName
    for version in ("v3.2", "v4-preview"):
        for message in ({"role": "user"}, {"role": "user", "content": None}):
            assert chat.render([message], version) == chat.render([{**message, "content": ""}], version)
    assert "None" not in chat.render([{"role": "system", "content": None}, USER], "r1-distill").text
    for version in ("v2", "v3", "v3.1", "v4.1"):
        refused("message 0, field content: expected text, found None", [{"role": "user", "content": None}], version)


def test_deepseek_recipes_options() -> None:
    for version in ("v4-0731", "v4.1"):
        schema = {"type": "object"}
        wanted = chat.render([USER], version, response_schema=schema)
        openais = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        assert chat.render([USER], version, response_format=openais) == wanted
        assert (chat.render([USER], version, response_format={"type": "json_object"})
                == chat.render([USER], version, response_format="json_object"))
        assert refused("found several", [USER], version, response_format="json_object",
                       response_schema=schema).reference == "ValueError"
        refused("field tool_choice: expected one of auto, none, required", [USER], version, tool_choice="maybe")
        refused("field reasoning_effort: expected low, high, xhigh or max", [USER], version, reasoning_effort="huge")
        refused("field response_format: expected text", [USER], version, response_format="yaml")
        refused("message 0, field role: expected a role, one of system", [{"role": "developer", "content": "x"}], version)


def test_known_difference_v3_2_of_mlx_lm() -> None:
    """mlx-lm drops `<｜Assistant｜><think>` where no answer is asked for, not `<｜Assistant｜></think>`; dstok both."""
    for thinking in (True, False):
        text = chat.render([USER], "v3.2", thinking=thinking, add_generation_prompt=False).text
        assert text == "<｜begin▁of▁sentence｜><｜User｜>Hi"


def test_known_difference_script_and_recipe_of_v4() -> None:
    """The same conversation in V4's preview and 0731: a reminder stands after the opener, or before it."""
    talk = [USER, {"role": "latest_reminder", "content": "R"}]
    preview = chat.render(talk, "v4-preview", thinking=False).text
    assert preview.endswith("<｜User｜>Hi<｜Assistant｜></think><｜latest_reminder｜>R")
    assert chat.render(talk, "v4-0731", thinking=False).text.endswith(
        "<｜User｜>Hi<｜latest_reminder｜>R<｜Assistant｜></think>")


def test_known_difference_order_of_calls() -> None:
    """V4 0731 sorts calls and results by their ids as text; V4.1 leaves calls as they are, and sorts results by them."""
    def call(name: str) -> dict[str, Any]:
        return {"id": name, "type": "function", "function": {"name": f"f_{name}", "arguments": "{}"}}

    talk: list[Any] = [USER, {"role": "assistant", "content": "", "tool_calls": [call("b"), call("a")]},
                       {"role": "tool", "content": "of a", "tool_call_id": "a"}, {"role": "tool", "content": "of b", "tool_call_id": "b"}]
    version: chat.VersionName
    for version, order in (("v4-0731", "ab"), ("v4.1", "ba")):
        text = chat.render(talk, version).text
        assert text == reference(version)(talk, {})
        places = [text.index(f"{kind}{name}") for kind in ("f_", "of ") for name in order]
        assert places == sorted(places)


@pytest.mark.parametrize(("arguments", "v4", "v4_1"), [
    ("1e-7", "1e-7", "1e-07"), ("0.00001", "0.00001", "1e-05"), ("-1.5e-5", "-0.000015", "-1.5e-05"),
    ("1e16", "1e+16", "1e+16"), ("-0", "-0.0", "-0.0"),
    ("18446744073709551616", "1.8446744073709552e+19", "1.8446744073709552e+19"),
])
def test_numbers_of_arguments(arguments: str, v4: str, v4_1: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": f'{{"n": {arguments}}}'}}
    talk: list[Any] = [USER, {"role": "assistant", "content": "", "tool_calls": [call]}]
    version: chat.VersionName
    for version, wanted in (("v4-0731", v4), ("v4.1", v4_1)):
        text = chat.render(talk, version).text
        assert f'name="n" string="false">{wanted}<' in text and text == reference(version)(talk, {})


def test_depth_of_arguments() -> None:
    """Deeper than 127 is no JSON for deepseek-recipe."""
    for depth in (126, 127, 128):
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"n": ' + "[" * depth + "]" * depth + "}"}}
        talk: list[Any] = [USER, {"role": "assistant", "content": "", "tool_calls": [call]}]
        for version in ("v4-0731", "v4.1"):
            assert chat.render(talk, version).text == reference(version)(talk, {})


def test_r1_0528_looks_into_a_content_that_it_does_not_use() -> None:
    """`'</think>' in content` raises for None."""
    unused: list[Any] = [{"role": "assistant", "content": None, "tool_calls": []}]
    assert refused("found None", unused, "r1-0528").reference == "TypeError"


@pytest.mark.parametrize("plain", ["", "a", "é", "杭州", "\ud7ff\ue000", "🦙"])
def test_lone_surrogates(plain: str) -> None:
    """In storage of every width, at every place of a long text."""
    assert is_text(plain) and is_text(plain * 300) and not is_text(plain.encode()) and not is_text(None)
    for char in "\ud800\udbff\udc00\udfff":
        for before in (0, 1, 63, 300):
            assert not is_text(plain * before + char) and not is_text(char + plain * before)
    for version in ("v4-0731", "v4.1"):
        with pytest.raises(chat.ChatError, match=f"message 0, field content: .* lone surrogate at {len(plain)} .*Unicode"):
            chat.render([{"role": "user", "content": f"{plain}\ud800"}], version)


def test_ranges_and_spans_are_computed_when_they_are_asked_for() -> None:
    one, two = (chat.render([USER], "v3") for _ in range(2))
    assert "spans" not in vars(one) and one == two and "spans" in vars(one) and repr(one) == repr(two)
    again = pickle.loads(pickle.dumps(chat.render([USER], "v3")))
    assert again == one and again.spans is again.spans and copy.copy(again) == one
    with pytest.raises(AttributeError, match="'Rendered' object has no attribute 'ids'"):
        _ = one.ids


def test_numbers_of_v4() -> None:
    assert [number_v4(value) for value in (1e-7, 0.00001, 1e16)] == ["1e-7", "0.00001", "1e+16"]
