"""The versions of DeepSeek's chat formats, from `versions.json`; messages and options -> the text of a version.

In: a version's name, or a model's name on the hub; the arguments of `render`. Out: a `Version`; `Rendered`.
Invariant: a name always means the same format. A name that has meant several formats is refused, with the list of them.
Nothing is guessed from the messages. The text equals the reference's, or there is a `ChatError`. An option that the
version does not have is an error too.
Source: of references, docs/chat.md; of dates, the change log of DeepSeek's API, api-docs.deepseek.com/updates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from dstok._util.arguments import explained
from dstok.chat.deepseek_recipe import RecipeConversation, conversation_of, recipe_messages
from dstok.chat.messages import Message, as_tools, check, text_messages, wrong
from dstok.chat.scripts import render_v3_2, render_v4_preview
from dstok.chat.v2_v3 import TURNS, render_v2
from dstok.chat.v4 import number_v4, render_v4, render_v4_1
from dstok.chat.writer import DIALECTS, NOTHING, V4, Rendered, Writer, rendered_of
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.chat.templates import Template

VersionName = Literal["v2", "v2.5", "v3", "v3-0324", "r1", "r1-0528", "r1-distill", "v3.1", "v3.2-exp", "v3.2",
                      "v4-preview", "v4-0731", "v4.1"]


@dataclass(frozen=True)
class Version:
    """A version of the format.

    reference: the text equals this one's. options: those of `render` for it, with their defaults; `thinking` is also
    known as `enable_thinking`, and as `thinking_mode`, "thinking" or "chat". models: the built-in models whose
    tokenizer these conversations have. opens: whether the text ends with the opener of an answer if
    `add_generation_prompt` is not given. takes_tools: whether the format describes `tools` to the model. hub: the
    models on the hub that came with it, without "deepseek-ai/". released: the day of the first, "" if unknown.
    """

    name: VersionName
    reference: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    models: tuple[str, ...] = ()
    opens: bool = False
    takes_tools: bool = False
    hub: tuple[str, ...] = ()
    released: str = ""


_DATA = json.loads(Path(__file__).with_name("versions.json").read_text("utf-8"))
_VERSIONS = tuple(
    Version(row["name"], row["reference"], MappingProxyType(row.get("options", {})), tuple(row.get("models", ())),
            row.get("opens", False), row.get("takes_tools", False), tuple(row.get("hub", ())), row.get("released", ""))
    for row in _DATA["versions"])
_BY_NAME: dict[str, Version] = {version.name: version for version in _VERSIONS}
_BY_HUB = {name.lower(): version for version in _VERSIONS for name in version.hub}
_MOVING = _DATA["moving"]  # names of DeepSeek's API: the formats of the models that each has meant, oldest first


def versions() -> tuple[Version, ...]:
    """All versions, oldest first.

    >>> [version.name for version in versions()][-3:]
    ['v4-preview', 'v4-0731', 'v4.1']
    """
    return _VERSIONS


def find_version(name: str) -> Version:
    """The version of that name. Raises `ChatError`, which lists all names."""
    version = _BY_NAME.get(name) if isinstance(name, str) else None
    if version is None:
        raise ChatError(f"expected a version, one of {', '.join(_BY_NAME)}, found {name!r}", field="version")
    return version


def version_of(model: str) -> Version:
    """The version of a model on the hub, in any case, with "deepseek-ai/" before it or without.

    Raises `ChatError` for a name of DeepSeek's API, which has meant several models, and for an unknown one. A name that
    both have, as V4's, is the hub's with "deepseek-ai/".

    >>> version_of("deepseek-ai/DeepSeek-V3.1").name
    'v3.1'
    >>> version_of("deepseek-v4-pro")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dstok.errors.ChatError: ... a name of DeepSeek's API: since 2026-04-24 v4-preview, 2026-07-31 v4-0731
    """
    name = model.lower() if isinstance(model, str) else ""
    moving = _MOVING.get(name)
    if moving is not None:
        since = ", ".join(f"{_BY_NAME[version].released} {version}" for version in moving)
        raise ChatError(f"expected a model of one format, found {model!r}, a name of DeepSeek's API: since {since}",
                        field="model")
    found = _BY_HUB.get(name.removeprefix("deepseek-ai/"))
    if found is None:
        known = ", ".join(name for version in _VERSIONS for name in version.hub)
        raise ChatError(f"expected a model whose format is known, one of {known}, found {model!r}", field="model")
    return found


def own_version(model: str) -> Version:
    """The first version that has a built-in model's tokenizer. Raises `ChatError` for models that have none."""
    own = next((version for version in _VERSIONS if model in version.models), None)
    if own is None:
        which = f"the model {model}" if model else "a loaded model"
        raise ChatError(f"expected a version, one of {', '.join(_BY_NAME)}, as {which} has no format of its own",
                        field="version")
    return own


HOLDERS = frozenset(["system", "developer"])  # the first of these gets the tools, in the scripts' versions
BOOLEANS = ("thinking", "drop_thinking", "add_default_bos_token")
MODES = {"thinking": True, "chat": False}


@explained
def render(
    messages: Any, version: VersionName | Template, *, tools: Any = None, add_generation_prompt: bool | None = None,
    continue_final_message: bool = False, **options: Any,
) -> Rendered:
    """The text of a conversation, as the version's reference writes it.

    `messages`: OpenAI's dictionaries, or objects with the same attributes. Blank lines join the text parts of a content
    that is a list; other parts are refused. `tools`: OpenAI's tool objects, or the function objects in them; a version
    without a text for tools refuses them. `add_generation_prompt`: whether the text ends with the opener of the answer;
    None does as the reference (V3.2 and later open). `continue_final_message`: leaves the last message, an assistant's,
    open. `options`: those that `versions()` lists for the version, or a `dstok.chat.Template`'s. Raises `ChatError`.

    >>> render([{"role": "user", "content": "Hi"}], "v3.1", add_generation_prompt=True, thinking=True).text
    '<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜><think>'
    """
    if not isinstance(version, str) and hasattr(version, "render"):  # a `Template`; only templates need jinja2
        return version.render(messages, tools=tools, add_generation_prompt=add_generation_prompt,
                              continue_final_message=continue_final_message, **options)
    format = Format(str(version), tools, add_generation_prompt, continue_final_message, **options)
    writer = Writer()
    format.write(format.read(messages), writer)
    return rendered_of(writer.parts)


class Format:
    """A version with its checked arguments. It writes conversations, whole or from a checkpoint on."""

    def __init__(
        self, version: str, tools: Any = None, add_generation_prompt: bool | None = None,
        continue_final_message: bool = False, **options: Any,
    ) -> None:
        self.version = find_version(version)
        self.tools = as_tools(tools)
        self.settings = _settings(self.version, options)
        if self.tools and not self.version.takes_tools:
            raise ChatError(f"{self.version.name} has no text for tools (its reference ignores them): describe them in "
                            "a system message", field="tools")
        if continue_final_message and add_generation_prompt:
            raise ChatError("expected continue_final_message or add_generation_prompt, found both",
                            field="continue_final_message", reference="ValueError")
        self.goes_on = continue_final_message
        self.opens = self.version.opens if add_generation_prompt is None else add_generation_prompt
        self.number = number_v4 if self.version.name == "v4-0731" else repr
        self.conversation: RecipeConversation | None = None  # of deepseek-recipe's versions
        if "tool_choice" in self.settings:
            self.conversation = conversation_of(self.tools, self.number, **self.settings)

    def read(self, messages: Any, first: int = 0) -> list[Message]:
        """Checked messages for `write`; `first` is the index of the first one. Raises `ChatError`."""
        if self.conversation is None:
            return text_messages(messages, first=first)
        return recipe_messages(messages, first, self.number)

    def write(self, messages: list[Message], writer: Writer) -> None:
        """Writes `messages` of `read`, those from the writer's start on. Raises `ChatError`."""
        last = writer.first + len(messages) - 1
        if self.goes_on and (not messages or messages[-1].get("role") != "assistant"):
            raise ChatError("expected an assistant's message to continue, found another one or none",
                            last if messages else None, "continue_final_message")
        writer.dialect = DIALECTS.get(self.version.name, V4)
        self._write(messages, writer)
        if self.version.opens and not self.opens:
            writer.drop_prompt()
        if self.goes_on and self.conversation is None and not writer.drop_end():
            raise ChatError("expected a message with an end to leave out, found none in this version's text", last,
                            "continue_final_message")

    def _write(self, messages: list[Message], writer: Writer) -> None:
        name, opens = self.version.name, self.opens and not self.goes_on
        if name == "v2":
            render_v2(messages, writer, opens)
        elif name in TURNS:
            TURNS[name](writer, self.settings.get("thinking", False), self.tools).write(messages, opens)
        elif self.conversation is None:
            self._write_script(messages, writer)
        else:
            if self.goes_on:
                messages = [*messages[:-1], {**messages[-1], "prefix": True}]
            (render_v4 if name == "v4-0731" else render_v4_1)(messages, self.conversation, writer)

    def _write_script(self, messages: list[Message], writer: Writer) -> None:
        settings, first, holder, unless, context = self.settings, writer.first, -1, NOTHING, list[Message]()
        if writer.start is None:
            context = text_messages(settings["context"], "context") if settings["context"] else []
            messages, first, holder = _with_tools(messages, self.tools, context)
        if first < 0 or (writer.start is not None and "system" in writer.start.unless):
            unless = HOLDERS
        effort = settings.get("reasoning_effort")
        if effort not in (None, "high", "max"):
            raise wrong("high or max", effort, field="reasoning_effort", reference="AssertionError")
        write = render_v3_2 if self.version.name == "v3.2" else render_v4_preview
        write(messages, writer, context, settings, first, unless)
        # Only those after the tools hold: tools are written once.
        writer.checkpoints = [one for one in writer.checkpoints if one.message > holder]


def _settings(version: Version, options: dict[str, Any]) -> dict[str, Any]:
    """The version's options with the values given. `thinking_mode` and `enable_thinking` are `thinking`."""
    if not options:
        return dict(version.options)
    given = dict(options)
    values: dict[str, bool] = {}
    for name in ("thinking", "enable_thinking", "thinking_mode"):
        value = given.pop(name, None)
        if name == "thinking_mode" and isinstance(value, str) and value in MODES:
            value = MODES[value]
        if value is not None:
            wanted = '"thinking" or "chat"' if name == "thinking_mode" else "True or False"
            values[name] = check(value, bool, wanted, field=name)
    if len({*values.values()}) > 1:
        raise ChatError(f"expected one of {', '.join(values)}, found several that differ", field=[*values][-1])
    if values:
        given["thinking"] = next(iter(values.values()))
    for name in given:
        if name not in version.options:
            known = ", ".join(version.options) or "none"
            raise ChatError(f"{version.name} has no such option: it has {known}", field=name)
    settings = {**version.options, **given}
    for name in BOOLEANS:
        check(settings.get(name, False), bool, "True or False", field=name)
    return settings


def _with_tools(messages: list[Message], tools: list[Any], context: list[Message]) -> tuple[list[Message], int, int]:
    """The messages with `tools`, the index of the first message, and the index of the message with the tools.

    That is the first system or developer message, or a new one before all others (lmdeploy's rule).
    """
    if not tools:
        return messages, 0, -1
    if context:
        raise ChatError("expected the tools in a message of the context, found them as an argument", field="tools")
    for index, message in enumerate(messages):
        if message.get("role") in ("system", "developer"):
            if message.get("tools"):
                raise ChatError("expected the tools in this message or as an argument, found both", index, "tools")
            return [*messages[:index], {**message, "tools": tools}, *messages[index + 1 :]], 0, index
    return [{"role": "system", "content": "", "tools": tools}, *messages], -1, -1
