"""V4 of 0731 and V4.1, as deepseek-recipe writes them.

In: checked messages, a `RecipeConversation`. Out: the text in a `Writer`.
Invariant: equal to `render_conversation` of `DeepseekV4Encoding` and `DeepseekV41Encoding` of deepseek-recipe 0.2.0
(MIT), even where it is odd. V4: without tools the reasoning of earlier answers is never written, with tools it is, even
in chat mode; calls and their results are sorted by their ids as text; an empty list of calls is an empty block; after a
conversation that ends with an answer, the next answer's opener follows. V4.1: system messages keep their places, and
effort is a number; of reminders in a row only the first is written; an answer with `prefix` has no end at any place. No
tokenizer.json with `<｜System｜>` has been published: `dstok.chat.encode` refuses other tokenizers.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from dstok.chat.deepseek_recipe import RecipeConversation, parameters_of
from dstok.chat.messages import Message
from dstok.chat.scripts import Block, write_turn
from dstok.chat.v2_v3 import HOISTED
from dstok.chat.writer import ASSISTANT, CLOSE, PLAIN_ANSWER, PROMPTS, REMINDED, USER_TURN, Parameters, Writer

SYSTEM = "<｜System｜>"
EFFORTS = {"low": "", **dict.fromkeys((None, "high", "xhigh"), PROMPTS["v4 maximal effort"]),
           "max": PROMPTS["v4 effort beyond maximum"]}

Row = tuple[int, Message]  # a message and its index


def number_v4(value: float) -> str:
    """A float as V4 writes it: as in Python, except 1e-7 and 0.00001."""
    mantissa, found, exponent = repr(value).partition("e-0")
    if not found or exponent != "5":
        return f"{mantissa}e-{exponent}" if found else mantissa
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    return f"{sign}0.0000{digits.replace('.', '')}"


def _write_about(conversation: RecipeConversation, writer: Writer, json_object: str = "") -> None:
    if conversation.has_tools:
        writer.tools(conversation.tools, -1)
    if conversation.json_object and json_object:
        writer.text(f"\n\n{json_object}", -1, "format")
    elif conversation.json_object or conversation.schema is not None:
        writer.response_format(conversation.schema or '{"type": "json_object"}', -1)


def _write_prompt(rows: list[Row], conversation: RecipeConversation, writer: Writer) -> None:
    """Opens the next answer, unless the last one is begun, and the calls if there must be some."""
    if not (rows and rows[-1][1]["role"] == "assistant" and rows[-1][1].get("prefix")):
        writer.opener(conversation.thinking, -1, "prompt")
    if conversation.required:
        writer.open_calls(-1, "prompt", False)


def render_v4(messages: list[Message], conversation: RecipeConversation, writer: Writer) -> None:
    """Writes the conversation. `messages`: as `recipe_messages` gives them."""
    rows, systems, first = list(enumerate(messages, writer.first)), list[Row](), START
    is_simple = not [1 for message in messages if "tool_calls" in message or message["role"] == "system"]
    if not is_simple:
        systems = [row for row in rows if row[1]["role"] == "system"]
        rows = [row for row in rows if row[1]["role"] != "system"]
    if writer.start is None:
        writer.begin()
        if conversation.thinking:
            writer.text(EFFORTS[conversation.effort], -1, "effort")
        said = ((index, message["content"]) for index, message in systems if message["content"])
        for number, (index, content) in enumerate(said):
            writer.text(f"\n\n{content}" if number else content, index, "content")
        _write_about(conversation, writer, PROMPTS["v4 JSON object"])
    else:
        first = writer.start.state
    order = Order(rows, first) if is_simple else _in_order(rows, first)
    _write_rows(order, conversation, writer)
    _write_prompt(order.rows, conversation, writer)


class State(NamedTuple):
    """The role before, whether it and the users before it have a text, and from where a call may sort again."""

    before: str
    said: bool
    limit: int


START = State("", False, sys.maxsize)


class Order(NamedTuple):
    """The messages in the order in which they are written.

    apart: the places of users' messages that do not join the user's before. held: of messages that were sorted. limits:
    for each message, `State.limit` before it; empty if all are `first.limit`.
    """

    rows: list[Row]
    first: State
    apart: frozenset[int] = frozenset()
    held: frozenset[int] = frozenset()
    limits: list[int] = []


def _in_order(rows: list[Row], first: State) -> Order:
    """Sorts the units after calls, as many as these: results by their ids, as text, then others. Users join."""
    def role_of(unit: list[Row]) -> str:
        return str(unit[0][1]["role"])

    def rank(unit: list[Row]) -> tuple[bool, bool, str]:
        call_id = _id(unit[0][1])
        return role_of(unit) != "tool", call_id is not None, call_id or ""

    units: list[list[Row]] = []
    for row in rows:
        if units and row[1]["role"] == role_of(units[-1]) == "user":
            units[-1].append(row)
        else:
            units.append([row])
    reach, limit, held, limits = -1, first.limit, set(), []
    for place, unit in enumerate(list(units)):
        limits += [limit] * len(unit)
        if place <= reach:
            held.add(place)
        count = len(unit[0][1].get("tool_calls") or ()) if role_of(unit) == "assistant" else 0
        if count and place + count < len(units):
            results = slice(place + 1, place + 1 + count)
            units[results] = sorted(units[results], key=rank)
            reach = max(reach, place + count)
        elif count:
            limit = min(limit, unit[0][0] + count)
    starts = list(accumulate(map(len, units), initial=0))
    apart = (starts[place] for place in range(1, len(units))
             if role_of(units[place]) == role_of(units[place - 1]) == "user")
    return Order([row for unit in units for row in unit], first, frozenset(apart),
                 frozenset(place for unit in held for place in range(starts[unit], starts[unit + 1])), limits)


def _write_rows(order: Order, conversation: RecipeConversation, writer: Writer) -> None:
    """Writes the turns. Results and the users' messages after them are one; a result after a user starts another."""
    before, said, limit = order.first
    last = len(order.rows) - 1
    for place, (index, message) in enumerate(order.rows):
        role, content = message["role"], message["content"]
        goes_on = before == "tool" or (before == role == "user")
        if writer.growing and place not in order.held and place not in order.apart:
            limit = order.limits[place] if order.limits else limit
            writer.checkpoint(index, State(before, said, limit), HOISTED, partial(_is_before, limit))
        if role == "assistant":
            calls, prefix = message.get("tool_calls"), message.get("prefix")
            if not (prefix or conversation.has_tools) and calls is None:
                writer.turn(PLAIN_ANSWER, content, index)  # most answers
            else:
                written = None if calls is None else [(name, parameters_of(arguments, number_v4)) for _, name, arguments
                                                      in sorted(calls, key=lambda call: call[0])]
                reasoning = message.get("reasoning_content") if conversation.has_tools or prefix else None
                goes_on, ends = bool(prefix and conversation.thinking and not content), not (place == last and prefix)
                _write_answer(writer, index, message, reasoning, goes_on, written, ends, False)
        elif role == "user" and not goes_on:
            writer.turn(USER_TURN, content, index)
            said = bool(content)
        elif role == "user":
            if before == "tool" or place in order.apart:
                writer.text("\n\n", index, "content")
                said = False
            if content:
                writer.text(f"\n\n{content}" if said else content, index, "content")
                said = True
        elif role == "tool":
            if before == "tool":
                writer.text("\n\n", index, "tool_result")
            else:
                writer.turn(USER_TURN, "", index)
            writer.text(f"<tool_result>{content}</tool_result>", index, "tool_result")
        else:
            writer.turn(REMINDED, content, index)
        before = role


def _is_before(limit: int, index: int, message: Message) -> bool:
    return index < limit


def _write_answer(
    writer: Writer, index: int, message: Message, reasoning: str | None, goes_on: bool,
    calls: list[tuple[str, Parameters]] | None, ends: bool, empty_line: bool,
) -> None:
    """Writes an answer. goes_on: whether it ends inside the reasoning."""
    if goes_on and reasoning is None:
        writer.token(ASSISTANT, index, "role")
    else:
        writer.opener(reasoning is not None, index, "role")
    if reasoning is not None:
        writer.text(reasoning, index, "reasoning", True)
        if not goes_on:
            writer.token(CLOSE, index, "think", True)
    writer.text(message["content"], index, "content", True)
    if calls is not None:
        writer.calls(calls, index, empty_line)
    if ends:
        writer.end(index)


EFFORTS_V4_1 = {"low": 50, None: 75, "high": 75, "xhigh": 75, "max": 100}
EFFORT = "Reasoning Effort: {} (range 1-100, the higher the value, the more thorough the reasoning)\n\n"
# The roles of messages in a row that are one turn with one of a role.
JOINED = {"user": ("user", "tool"), "tool": ("user", "tool"), "latest_reminder": ("latest_reminder",)}
UPDATED = "\n\n### Updated Tool Schemas\n\n"


def render_v4_1(messages: list[Message], conversation: RecipeConversation, writer: Writer) -> None:
    """Writes the conversation. `messages`: as `recipe_messages` gives them."""
    rows = list(enumerate(messages, writer.first))
    if writer.start is None:
        asks = conversation.has_tools or conversation.json_object or conversation.schema is not None
        if asks and not (rows and messages[0]["role"] == "system"):
            rows.insert(0, (-1, {"role": "system", "content": ""}))
        writer.begin()
    _Turns(rows, conversation, writer).write()
    _write_prompt(rows, conversation, writer)


class _Turns:
    def __init__(self, rows: list[Row], conversation: RecipeConversation, writer: Writer) -> None:
        self.rows, self.conversation, self.writer = rows, conversation, writer
        # The places of the last calls by their ids; in a turn, the last place of a result before.
        start: tuple[dict[str, int], int | None] = ({}, None) if writer.start is None else writer.start.state
        self.order, self.reached = start

    def write(self) -> None:
        rows, writer, place = self.rows, self.writer, 0
        while place < len(rows):
            index, message = rows[place]
            role = message["role"]
            is_first = place == 0 and writer.start is None
            if is_first and (self.conversation.thinking or role == "system"):
                writer.token(SYSTEM, index if role == "system" else -1, "role")
                if self.conversation.thinking:
                    writer.text(EFFORT.format(EFFORTS_V4_1[self.conversation.effort]), -1, "effort")
            elif writer.growing and not is_first and (self.reached is None or role not in ("user", "tool")):
                self._checkpoint(index, self.reached)
            end = place + 1
            while end < len(rows) and rows[end][1]["role"] in JOINED.get(role, ()):
                end += 1
            if role in ("user", "tool"):
                self._turn(rows[place:end])
                self.reached = None
            elif role == "latest_reminder":
                writer.turn(REMINDED, message["content"], index)
            elif role == "system":
                if not is_first:
                    writer.token(SYSTEM, index, "role")
                writer.text(message["content"], index, "content")
                if is_first:
                    _write_about(self.conversation, writer)
                if message.get("tools"):
                    writer.text(UPDATED + "\n".join(message["tools"]), index, "tools")
            else:
                self._answer(index, message, is_first)
            place = end

    def _checkpoint(self, index: int, reached: int | None) -> None:
        """`reached`: in a turn, the last place of a result before."""
        order = self.order
        holds = None if reached is None else lambda _, message: _place(_id(message), order, reached) >= reached
        self.writer.checkpoint(index, (order, reached), holds=holds)

    def _turn(self, run: list[Row]) -> None:
        """Writes users' messages and tool results in a row.

        Results with an id take the order of the calls, within their places. Ids of no call count as the first call's.
        """
        index, message = run[0]
        if len(run) == 1 and message["role"] == "user" and self.reached is None:
            self.writer.turn(USER_TURN, message["content"], index)  # most turns
            return
        arrived = [Block(index, message["content"], message["role"] == "tool", _id(message)) for index, message in run]
        results = (block for block in arrived if block.call_id is not None)
        ordered = iter(sorted(results, key=lambda block: self.order.get(block.call_id, 0)))
        placed = [block if block.call_id is None else next(ordered) for block in arrived]
        write_turn(self.writer, index, placed, arrived, self.reached,
                   lambda block, reached: _place(block.call_id, self.order, reached), self._checkpoint)

    def _answer(self, index: int, message: Message, is_first: bool) -> None:
        conversation, content = self.conversation, message["content"]
        calls, prefix = message.get("tool_calls"), message.get("prefix")
        reasons = conversation.thinking and (conversation.has_tools or prefix) and not is_first
        if not (reasons or calls or prefix):
            self.writer.turn(PLAIN_ANSWER, content, index)  # most answers
            return
        if calls:
            self.order = {}
            for number, (call_id, _, _) in enumerate(calls):
                self.order.setdefault(call_id, number)
        written = [(name, parameters_of(arguments, repr)) for _, name, arguments in calls] if calls else None
        _write_answer(self.writer, index, message, (message.get("reasoning_content") or "") if reasons else None,
                      bool(reasons and prefix and not content and not calls), written, not prefix, True)


def _place(call_id: str | None, order: dict[str, int], otherwise: int) -> int:
    """The place of a tool result's call, or `otherwise` for any other message."""
    return otherwise if call_id is None else order.get(call_id, 0)


def _id(message: Message) -> str | None:
    return message.get("tool_call_id") if message["role"] == "tool" else None
