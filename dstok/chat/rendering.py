"""Messages and options -> the text of a version.

In: what `render` takes. Out: `Rendered`. Invariant: the text is the reference's, or there is a `ChatError`: an option
that the version does not have is one, too, never ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dstok.chat.messages import Message, as_messages, as_tools, shown
from dstok.chat.v2 import render_v2
from dstok.chat.v3 import BODIES, render_v3
from dstok.chat.v3_0324 import render_v3_0324
from dstok.chat.v3_1 import render_v3_1
from dstok.chat.v3_2 import render_v3_2
from dstok.chat.v4_preview import render_v4_preview
from dstok.chat.versions import Version, find_version
from dstok.chat.writer import Rendered, Writer
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.chat.templates import Template

__all__ = ["render"]

BOOLEANS = ("thinking", "drop_thinking", "add_default_bos_token")
MODES: dict[Any, bool] = {"thinking": True, "chat": False}


def render(
    messages: Any, version: str | Template, *, tools: Any = None, add_generation_prompt: bool | None = None,
    continue_final_message: bool = False, **options: Any,
) -> Rendered:
    """The text of a conversation, as the version's reference writes it.

    `messages`: OpenAI's dictionaries, or objects with the same attributes. `tools`: OpenAI's tool objects, or the
    function objects in them; of versions whose format says nothing of tools they are refused. `add_generation_prompt`:
    does the text end with what opens the answer? None: as the reference does (up to V3.2-Exp it does not, later ones
    do). `continue_final_message`: the last message, an assistant's, is left open. `options`: those that `versions()`
    lists for the version. `version` may also be a `dstok.chat.Template`, a loaded model's own. Raises `ChatError`.

    >>> render([{"role": "user", "content": "Hi"}], "v3.1", add_generation_prompt=True, thinking=True).text
    '<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜><think>'
    """
    if not isinstance(version, str) and hasattr(version, "render"):  # a `Template`, which only then needs jinja2
        return version.render(messages, tools=tools, add_generation_prompt=add_generation_prompt,
                              continue_final_message=continue_final_message, **options)
    found = find_version(str(version))
    said, given = as_messages(messages), as_tools(tools)
    settings = _settings(found, options)
    if given and not found.takes_tools:
        raise ChatError(f"{version} has no text for tools (its reference ignores them): describe them in a system "
                        "message", field="tools")
    if continue_final_message:
        _check_last(said, add_generation_prompt)
    opens = found.opens if add_generation_prompt is None else add_generation_prompt
    writer = Writer()
    _write(found.name, said, given, opens and not continue_final_message, continue_final_message, settings, writer)
    if found.opens and not opens:
        writer.drop_prompt()
    if continue_final_message and "tool_choice" not in settings and not writer.drop_end():
        raise ChatError("expected a message with an end to leave out, found none in this version's text",
                        len(said) - 1, "continue_final_message")
    return writer.rendered()


def _check_last(said: list[Message], add_generation_prompt: bool | None) -> None:
    if add_generation_prompt:
        raise ChatError("expected continue_final_message or add_generation_prompt, found both",
                        field="continue_final_message", reference="ValueError")
    if not said or said[-1].get("role") != "assistant":
        raise ChatError("expected an assistant's message to continue, found another one or none",
                        len(said) - 1 if said else None, "continue_final_message")


def _settings(version: Version, options: dict[str, Any]) -> dict[str, Any]:
    """The version's options with the values given. `thinking_mode` and `enable_thinking` are `thinking`."""
    given = dict(options)
    names = [name for name in ("thinking", "enable_thinking", "thinking_mode") if given.get(name) is not None]
    values = [_mode(name, given[name]) for name in names]
    if len(set(values)) > 1:
        raise ChatError(f"expected one of {', '.join(names)}, found several that differ", field=names[-1])
    for name in ("thinking", "enable_thinking", "thinking_mode"):
        given.pop(name, None)
    if values:
        given["thinking"] = values[0]
    for name in given:
        if name not in version.options:
            known = ", ".join(version.options) or "none"
            raise ChatError(f"{version.name} has no such option: it has {known}", field=name)
    settings = {**version.options, **given}
    for name in BOOLEANS:
        if not isinstance(settings.get(name, False), bool):
            raise ChatError(f"expected True or False, found {shown(settings[name])}", field=name)
    return settings


def _mode(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if name == "thinking_mode" and isinstance(value, str) and value in MODES:
        return MODES[value]
    wanted = '"thinking" or "chat"' if name == "thinking_mode" else "True or False"
    raise ChatError(f"expected {wanted}, found {shown(value)}", field=name)


def _write(
    name: str, said: list[Message], tools: list[Any], opens: bool, goes_on: bool, settings: dict[str, Any],
    writer: Writer,
) -> None:
    if name == "v2":
        render_v2(said, writer, opens)
    elif name in BODIES:
        render_v3(said, writer, opens, BODIES[name])
    elif name in ("v3-0324", "r1-0528"):
        render_v3_0324(said, writer, opens, name == "r1-0528")
    elif name in ("v3.1", "v3.2-exp"):
        render_v3_1(said, writer, opens, settings["thinking"], name == "v3.2-exp")
    elif name in ("v3.2", "v4-preview"):
        _write_script(name, said, tools, settings, writer)
    else:
        _write_recipe(name, said, tools, goes_on, settings, writer)


def _write_script(name: str, said: list[Message], tools: list[Any], settings: dict[str, Any], writer: Writer) -> None:
    context = as_messages(settings["context"], "context") if settings["context"] else []
    said, first = _with_tools(said, tools, context)
    common = (said, writer, context, settings["thinking"], settings["drop_thinking"], settings["add_default_bos_token"])
    if name == "v3.2":
        render_v3_2(*common, first)
        return
    effort = settings["reasoning_effort"]
    if effort not in (None, "high", "max"):
        raise ChatError(f"expected high or max, found {shown(effort)}", field="reasoning_effort",
                        reference="AssertionError")
    render_v4_preview(*common, effort, first)


def _with_tools(said: list[Message], tools: list[Any], context: list[Message]) -> tuple[list[Message], int]:
    """The messages with `tools` in the first system or developer message, or in a new one before all others (lmdeploy's
    rule; the scripts have no argument for tools), and the index of the first message."""
    if not tools:
        return said, 0
    if context:
        raise ChatError("expected the tools in a message of the context, found them as an argument", field="tools")
    for index, message in enumerate(said):
        if message.get("role") in ("system", "developer"):
            if message.get("tools"):
                raise ChatError("expected the tools in this message or as an argument, found both", index, "tools")
            return [*said[:index], {**message, "tools": tools}, *said[index + 1 :]], 0
    return [{"role": "system", "content": "", "tools": tools}, *said], -1


def _write_recipe(
    name: str, said: list[Message], tools: list[Any], goes_on: bool, settings: dict[str, Any], writer: Writer,
) -> None:
    from dstok.chat.recipe import talk_of
    from dstok.chat.v4 import number_v4, render_v4
    from dstok.chat.v4_1 import render_v4_1

    if goes_on:
        said = [*said[:-1], {**said[-1], "prefix": True}]
    talk = talk_of(said, tools, number_v4 if name == "v4-0731" else repr, **settings)
    if name == "v4-0731":
        render_v4(talk, writer)
    else:
        render_v4_1(talk, writer)
