"""The tokens of tool calls of V2.5 to V3.2-Exp, and how a call is written with them.

In: a tool call of a message. Out: its tokens and text in a `Writer`. Invariant: name and arguments are text, whatever
they hold.
"""

from __future__ import annotations

from typing import Any

from dstok.chat.jinja_values import call_text
from dstok.chat.writer import EOS, Writer

__all__ = ["CALLS_BEGIN", "CALLS_END", "CALL_BEGIN", "CALL_END", "OUTPUTS_BEGIN", "OUTPUTS_END", "OUTPUT_BEGIN",
           "OUTPUT_END", "SEP", "TOOL_TOKENS", "end_calls", "write_call", "write_named_call",
           "write_output"]

CALLS_BEGIN, CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
CALL_BEGIN, CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"
OUTPUTS_BEGIN, OUTPUTS_END = "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"
OUTPUT_BEGIN, OUTPUT_END = "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"
SEP = "<｜tool▁sep｜>"
TOOL_TOKENS = frozenset([CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, OUTPUTS_BEGIN, OUTPUTS_END, OUTPUT_BEGIN,
                         OUTPUT_END, SEP])


def write_call(writer: Writer, call: Any, index: int, number: int) -> None:
    """Writes a call up to V3-0324: its type, its name, and the arguments as a block of JSON."""
    kind, name, arguments = (call_text(call, index, number, key) for key in ("type", "name", "arguments"))
    writer.token(CALL_BEGIN, index, "tool_call", True)
    writer.text(kind, index, "tool_call", True)
    writer.token(SEP, index, "tool_call", True)
    writer.text(f"{name}\n```json\n{arguments}\n```", index, "tool_call", True)
    writer.token(CALL_END, index, "tool_call", True)


def write_named_call(writer: Writer, call: Any, index: int, number: int) -> None:
    """Writes a call since V3.1: its name and its arguments."""
    name, arguments = (call_text(call, index, number, key) for key in ("name", "arguments"))
    writer.token(CALL_BEGIN, index, "tool_call", True)
    writer.text(name, index, "tool_call", True)
    writer.token(SEP, index, "tool_call", True)
    writer.text(arguments, index, "tool_call", True)
    writer.token(CALL_END, index, "tool_call", True)


def write_output(writer: Writer, text: str, index: int, first: bool, between: str) -> None:
    """Writes a tool's output up to V3-0324. `between` stands before each output except the first."""
    if first:
        writer.token(OUTPUTS_BEGIN, index, "tool_result")
    else:
        writer.text(between, index, "tool_result")
    writer.token(OUTPUT_BEGIN, index, "tool_result")
    writer.text(text, index, "tool_result")
    writer.token(OUTPUT_END, index, "tool_result")


def end_calls(writer: Writer, index: int) -> None:
    """Ends all calls, and the message."""
    writer.token(CALLS_END, index, "tool_call", True)
    writer.token(EOS, index, "end", True)
