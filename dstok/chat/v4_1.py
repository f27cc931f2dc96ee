"""V4.1: system messages keep their places, and effort is a number.

In: a `RecipeConversation`. Out: the text in a `Writer`.
Invariant: equal to `DeepseekV41Encoding.render_conversation` of deepseek-recipe 0.2.0 (MIT), even where it is odd: of
reminders in a row only the first is written; an answer with `prefix` has no end at any place. No tokenizer.json with
`<｜System｜>` has been published. `dstok.chat.encode` refuses other tokenizers and names that token.
"""

from __future__ import annotations

from dstok.chat.dsml import V4_1, write_calls, write_tools
from dstok.chat.recipe import RecipeConversation, RecipeMessage, parameters_of
from dstok.chat.v3_2 import RESPONSE_FORMAT
from dstok.chat.writer import ASSISTANT, BOS, CLOSE, EOS, OPEN, REMINDER, SYSTEM, USER, Writer, form

__all__ = ["render_v4_1"]

EFFORTS = {"low": 50, None: 75, "high": 75, "xhigh": 75, "max": 100}
EFFORT = "Reasoning Effort: {} (range 1-100, the higher the value, the more thorough the reasoning)\n\n"
JSON_OBJECT = '{"type": "json_object"}'
UPDATED = "\n\n### Updated Tool Schemas\n\n"


def render_v4_1(conversation: RecipeConversation, writer: Writer) -> None:
    """Writes the conversation."""
    messages = list(conversation.messages)
    if writer.start is None:
        asks = conversation.has_tools or conversation.json_object or conversation.schema is not None
        if asks and not (messages and messages[0].role == "system"):
            messages.insert(0, RecipeMessage(-1, "system", ""))
        writer.token(BOS, -1, "begin")
    _Turns(conversation, messages, writer).write()
    if not (messages and messages[-1].prefix):
        writer.token(ASSISTANT, -1, "prompt")
        writer.token(OPEN if conversation.thinking else CLOSE, -1, "prompt")
    if conversation.required:
        writer.form(form("\n\n<｜DSML｜ calls>\n"), -1, "prompt")


class _Turns:
    def __init__(self, conversation: RecipeConversation, messages: list[RecipeMessage], writer: Writer) -> None:
        self.conversation, self.messages, self.writer = conversation, messages, writer
        self.order: dict[str, int] = writer.start.state if writer.start else {}

    def write(self) -> None:
        place = 0
        while place < len(self.messages):
            one = self.messages[place]
            is_first = place == 0 and self.writer.start is None
            if not is_first:
                self.writer.checkpoint(one.index, self.order)
            elif self.conversation.thinking or one.role == "system":
                self._begin(one)
            end = place + 1
            if one.role in ("user", "tool"):
                while end < len(self.messages) and self.messages[end].role in ("user", "tool"):
                    end += 1
                self._turn(self.messages[place:end])
            elif one.role == "latest_reminder":
                while end < len(self.messages) and self.messages[end].role == "latest_reminder":
                    end += 1
                self.writer.token(REMINDER, one.index, "role")
                self.writer.text(one.content, one.index, "content")
            elif one.role == "system":
                self._system(one, is_first)
            else:
                self._answer(one, is_first)
            place = end

    def _begin(self, one: RecipeMessage) -> None:
        self.writer.token(SYSTEM, one.index if one.role == "system" else -1, "role")
        if self.conversation.thinking:
            self.writer.text(EFFORT.format(EFFORTS[self.conversation.effort]), -1, "effort")

    def _system(self, one: RecipeMessage, is_first: bool) -> None:
        if not is_first:
            self.writer.token(SYSTEM, one.index, "role")
        self.writer.text(one.content, one.index, "content")
        if is_first:
            self._about()
        if one.tools:
            self.writer.text(UPDATED + "\n".join(one.tools), one.index, "tools")

    def _about(self) -> None:
        conversation = self.conversation
        if conversation.has_tools:
            self.writer.text("\n\n", -1, "tools")
            write_tools(self.writer, V4_1, conversation.tools, -1)
        schema = JSON_OBJECT if conversation.json_object else conversation.schema
        if schema is not None:
            self.writer.text(f"\n\n{RESPONSE_FORMAT}{schema}", -1, "format")

    def _turn(self, run: list[RecipeMessage]) -> None:
        """Writes a run of users' messages and tool results.

        Results with an id take the order of the calls, within the places that they occupy together. An id of no call
        counts as the first call's.
        """
        results = [one for one in run if _has_id(one)]
        ordered = iter(sorted(results, key=lambda one: self.order.get(one.call_id or "", 0)))
        self.writer.token(USER, run[0].index, "role")
        for number, one in enumerate(run):
            one = next(ordered) if _has_id(one) else one
            is_result = one.role == "tool"
            text = f"<tool_result>{one.content}</tool_result>" if is_result else one.content
            self.writer.text(f"\n\n{text}" if number else text, one.index, "tool_result" if is_result else "content")

    def _answer(self, one: RecipeMessage, is_first: bool) -> None:
        index, conversation = one.index, self.conversation
        self.writer.token(ASSISTANT, index, "role")
        if conversation.thinking and (conversation.has_tools or one.prefix) and not is_first:
            self.writer.token(OPEN, index, "role")
            self.writer.text(one.reasoning or "", index, "reasoning", True)
            if not (one.prefix and not one.content and not one.calls):
                self.writer.token(CLOSE, index, "think", True)
        else:
            self.writer.token(CLOSE, index, "role")
        self.writer.text(one.content, index, "content", True)
        if one.calls:
            self._calls(one)
        if not one.prefix:
            self.writer.token(EOS, index, "end", True)

    def _calls(self, one: RecipeMessage) -> None:
        calls = one.calls or []
        self.order = {}
        for number, (call_id, _, _) in enumerate(calls):
            self.order.setdefault(call_id, number)
        written = ((name, parameters_of(arguments, repr)) for _, name, arguments in calls)
        write_calls(self.writer, V4_1, written, one.index)


def _has_id(one: RecipeMessage) -> bool:
    return one.role == "tool" and one.call_id is not None
