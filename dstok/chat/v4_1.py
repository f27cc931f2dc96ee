"""V4.1: system messages keep their places, and effort is a number.

In: checked messages, a `RecipeConversation`. Out: the text in a `Writer`.
Invariant: equal to `DeepseekV41Encoding.render_conversation` of deepseek-recipe 0.2.0 (MIT), even where it is odd: of
reminders in a row only the first is written; an answer with `prefix` has no end at any place. No tokenizer.json with
`<｜System｜>` has been published. `dstok.chat.encode` refuses other tokenizers and names that token.
"""

from __future__ import annotations

from dstok.chat.dsml import V4_1, write_calls, write_tools
from dstok.chat.messages import Message
from dstok.chat.recipe import Call, RecipeConversation, parameters_of
from dstok.chat.v3_2 import RESPONSE_FORMAT
from dstok.chat.v4 import PLAIN_ANSWER, REMINDED, Row, is_begun
from dstok.chat.writer import ASSISTANT, BOS, CLOSE, EOS, OPEN, SYSTEM, USER, USER_TURN, Writer, form, opener

__all__ = ["render_v4_1"]

EFFORTS = {"low": 50, None: 75, "high": 75, "xhigh": 75, "max": 100}
EFFORT = "Reasoning Effort: {} (range 1-100, the higher the value, the more thorough the reasoning)\n\n"
JSON_OBJECT = '{"type": "json_object"}'
UPDATED = "\n\n### Updated Tool Schemas\n\n"


def render_v4_1(messages: list[Message], conversation: RecipeConversation, writer: Writer) -> None:
    """Writes the conversation. `messages`: as `recipe_messages` gives them."""
    rows = list(enumerate(messages, writer.first))
    if writer.start is None:
        asks = conversation.has_tools or conversation.json_object or conversation.schema is not None
        if asks and not (rows and messages[0]["role"] == "system"):
            rows.insert(0, (-1, {"role": "system", "content": ""}))
        writer.token(BOS, -1, "begin")
    _Turns(rows, conversation, writer).write()
    if not (rows and is_begun(rows[-1][1])):
        writer.turn(opener(OPEN if conversation.thinking else CLOSE, "prompt"), "", -1)
    if conversation.required:
        writer.form(form("\n\n<｜DSML｜ calls>\n"), -1, "prompt")


class _Turns:
    def __init__(self, rows: list[Row], conversation: RecipeConversation, writer: Writer) -> None:
        self.rows, self.conversation, self.writer = rows, conversation, writer
        # The places of the last calls by their ids; in a turn, the last place of a result before.
        self.order: dict[str, int] = {}
        self.reached: int | None = None
        if writer.start is not None:
            self.order, self.reached = writer.start.state

    def write(self) -> None:
        rows, writer, place = self.rows, self.writer, 0
        while place < len(rows):
            index, message = rows[place]
            role = message["role"]
            is_first = place == 0 and writer.start is None
            if is_first:
                self._begin(index, role)
            elif writer.growing:
                self._checkpoint(index)
            end = place + 1
            if role in ("user", "tool"):
                while end < len(rows) and rows[end][1]["role"] in ("user", "tool"):
                    end += 1
                self._turn(rows[place:end])
                self.reached = None
            elif role == "latest_reminder":
                while end < len(rows) and rows[end][1]["role"] == "latest_reminder":
                    end += 1
                writer.turn(REMINDED, message["content"], index)
            elif role == "system":
                self._system(index, message, is_first)
            else:
                self._answer(index, message, is_first)
            place = end

    def _begin(self, index: int, role: str) -> None:
        is_system = role == "system"
        if self.conversation.thinking or is_system:
            self.writer.token(SYSTEM, index if is_system else -1, "role")
        if self.conversation.thinking:
            self.writer.text(EFFORT.format(EFFORTS[self.conversation.effort]), -1, "effort")

    def _system(self, index: int, message: Message, is_first: bool) -> None:
        if not is_first:
            self.writer.token(SYSTEM, index, "role")
        self.writer.text(message["content"], index, "content")
        if is_first:
            self._about()
        if message.get("tools"):
            self.writer.text(UPDATED + "\n".join(message["tools"]), index, "tools")

    def _about(self) -> None:
        conversation = self.conversation
        if conversation.has_tools:
            self.writer.text("\n\n", -1, "tools")
            write_tools(self.writer, V4_1, conversation.tools, -1)
        schema = JSON_OBJECT if conversation.json_object else conversation.schema
        if schema is not None:
            self.writer.text(f"\n\n{RESPONSE_FORMAT}{schema}", -1, "format")

    def _checkpoint(self, index: int) -> None:
        order, reached = self.order, self.reached
        holds = None if reached is None else lambda _, message: _place((0, message), order, reached) >= reached
        self.writer.checkpoint(index, (order, reached), holds=holds)

    def _turn(self, run: list[Row]) -> None:
        """Writes a run of users' messages and tool results.

        Results with an id take the order of the calls, within the places that they occupy together. An id of no call
        counts as the first call's.
        """
        index, message = run[0]
        goes_on, reached = self.reached is not None, -1 if self.reached is None else self.reached
        if len(run) == 1 and message["role"] == "user" and not goes_on:
            self.writer.turn(USER_TURN, message["content"], index)
            return
        results = [row for row in run if _id(row) is not None]
        ordered = iter(sorted(results, key=lambda row: self.order.get(_id(row) or "", 0)))
        if not goes_on:
            self.writer.token(USER, index, "role")
        in_order = True  # do the results so far stand in the order in which they came?
        for number, row in enumerate(run):
            if number and in_order and self.writer.growing:
                self.reached = reached
                self._checkpoint(row[0])
            index, message = row if _id(row) is None else next(ordered)
            in_order = in_order and index == row[0]
            reached = _place((index, message), self.order, reached)
            is_result = message["role"] == "tool"
            text = f"<tool_result>{message['content']}</tool_result>" if is_result else message["content"]
            kind = "tool_result" if is_result else "content"
            self.writer.text(f"\n\n{text}" if number or goes_on else text, index, kind)

    def _answer(self, index: int, message: Message, is_first: bool) -> None:
        conversation, writer = self.conversation, self.writer
        content, calls, prefix = message["content"], message.get("tool_calls"), message.get("prefix")
        if conversation.thinking and (conversation.has_tools or prefix) and not is_first:
            writer.token(ASSISTANT, index, "role")
            writer.token(OPEN, index, "role")
            writer.text(message.get("reasoning_content") or "", index, "reasoning", True)
            if not (prefix and not content and not calls):
                writer.token(CLOSE, index, "think", True)
        elif not (calls or prefix):
            writer.turn(PLAIN_ANSWER, content, index)  # most answers
            return
        else:
            writer.turn(opener(CLOSE, "role"), "", index)
        writer.text(content, index, "content", True)
        if calls:
            self._calls(calls, index)
        if not prefix:
            writer.token(EOS, index, "end", True)

    def _calls(self, calls: list[Call], index: int) -> None:
        self.order = {}
        for number, (call_id, _, _) in enumerate(calls):
            self.order.setdefault(call_id, number)
        written = ((name, parameters_of(arguments, repr)) for _, name, arguments in calls)
        write_calls(self.writer, V4_1, written, index)


def _place(row: Row, order: dict[str, int], otherwise: int) -> int:
    """The place of a tool result's call, or `otherwise` for any other message."""
    call_id = _id(row)
    return otherwise if call_id is None else order.get(call_id, 0)


def _id(row: Row) -> str | None:
    """The id of a tool result that has one."""
    return row[1].get("tool_call_id") if row[1]["role"] == "tool" else None
