"""V4 of 0731, as deepseek-recipe writes it.

In: a `RecipeConversation`. Out: the text in a `Writer`.
Invariant: equal to `DeepseekV4Encoding.render_conversation` of deepseek-recipe 0.2.0 (MIT), even where it is odd:

- Without tools the reasoning of earlier answers is never written; with tools it is, even in chat mode.
- Calls and their results are sorted by their ids as text. An empty list of calls is an empty block.
- After a conversation that ends with an answer, the next answer's opener follows.
"""

from __future__ import annotations

from itertools import accumulate

from dstok.chat.dsml import V4, write_calls, write_tools
from dstok.chat.recipe import Call, RecipeConversation, RecipeMessage, parameters_of
from dstok.chat.v3 import HOISTED
from dstok.chat.v3_2 import RESPONSE_FORMAT
from dstok.chat.v4_preview import EFFORT_MAX
from dstok.chat.writer import ASSISTANT, BOS, CLOSE, EOS, OPEN, REMINDER, USER, Writer, form

__all__ = ["number_v4", "render_v4"]

EFFORT_BEYOND = """\
Reasoning Effort: Beyond maximum — exhaustive, relentless, and uncompromising.
You MUST reason with the utmost depth and rigor, leaving absolutely nothing to chance: exhaustively decompose the \
problem into its most fundamental components, trace every causal chain to its root, and resolve the underlying cause \
rather than any surface symptom.
Do not stop reasoning until you have independently verified the solution from multiple angles and are certain that no \
assumption remains unchecked and no error remains undiscovered.

"""
EFFORTS = {"low": "", None: EFFORT_MAX, "high": EFFORT_MAX, "xhigh": EFFORT_MAX, "max": EFFORT_BEYOND}
JSON_OBJECT = ("You are a helpful assistant designed to output JSON.\n## Response Format:\n\n"
               "Reply with JSON object ONLY.")


def number_v4(value: float) -> str:
    """A float as V4 writes it: as in Python, except 1e-7 and 0.00001.

    >>> number_v4(1e-7), number_v4(0.00001), number_v4(1e16)
    ('1e-7', '0.00001', '1e+16')
    """
    text = repr(value)
    if "e-0" not in text:
        return text
    mantissa, _, exponent = text.partition("e-0")
    if exponent != "5":
        return f"{mantissa}e-{exponent}"
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    return f"{sign}0.0000{digits.replace('.', '')}"


def render_v4(conversation: RecipeConversation, writer: Writer) -> None:
    """Writes the conversation."""
    if writer.start is None:
        writer.token(BOS, -1, "begin")
        if conversation.thinking:
            writer.text(EFFORTS[conversation.effort], -1, "effort")
        _write_system(conversation, writer)
    units = _units([one for one in conversation.messages if one.role != "system"])
    free = _free(units)
    _sort(units)
    last = units[-1][-1] if units else None
    place = 0
    for run in _runs(units):
        one = run[0][0]
        if free[place]:
            writer.checkpoint(one.index, None, HOISTED)
        place += len(run)
        if one.role in ("user", "tool"):
            _write_turn(run, writer)
        elif one.role == "latest_reminder":
            writer.token(REMINDER, one.index, "role")
            writer.text(one.content, one.index, "content")
        else:
            _write_answer(one, conversation, one is last, writer)
    _write_end(conversation, last is not None and last.prefix, writer)


def _write_system(conversation: RecipeConversation, writer: Writer) -> None:
    systems = [one for one in conversation.messages if one.role == "system" and one.content]
    for number, one in enumerate(systems):
        writer.text(f"\n\n{one.content}" if number else one.content, one.index, "content")
    if conversation.has_tools:
        writer.text("\n\n", -1, "tools")
        write_tools(writer, V4, conversation.tools, -1)
    if conversation.json_object:
        writer.text(f"\n\n{JSON_OBJECT}", -1, "format")
    elif conversation.schema is not None:
        writer.text(f"\n\n{RESPONSE_FORMAT}{conversation.schema}", -1, "format")


def _units(messages: list[RecipeMessage]) -> list[list[RecipeMessage]]:
    """The messages one by one; users' messages in a row count as one."""
    units: list[list[RecipeMessage]] = []
    for one in messages:
        if one.role == "user" and units and units[-1][-1].role == "user":
            units[-1].append(one)
        else:
            units.append([one])
    return units


def _free(units: list[list[RecipeMessage]]) -> list[bool]:
    """For each unit: whether it is so far after all calls before it that none of them decides its place."""
    reaches = accumulate((place + len(unit[0].calls or ()) for place, unit in enumerate(units)), max, initial=-1)
    return [reach < place for place, reach in enumerate(reaches)]


def _sort(units: list[list[RecipeMessage]]) -> None:
    """Sorts the units after an assistant's calls, as many as there are calls, by the results' ids as text.

    Units that are not results go last. The calls themselves are sorted in the same way.
    """
    for place, unit in enumerate(list(units)):
        count = len(unit[0].calls or ())
        if count and place + count < len(units):
            results = slice(place + 1, place + 1 + count)
            units[results] = sorted(units[results], key=_rank)


def _rank(unit: list[RecipeMessage]) -> tuple[bool, bool, str]:
    return unit[0].role != "tool", unit[0].call_id is not None, unit[0].call_id or ""


def _runs(units: list[list[RecipeMessage]]) -> list[list[list[RecipeMessage]]]:
    """The turns. Tool results and the users' messages after them are one; a result after a user starts another."""
    runs: list[list[list[RecipeMessage]]] = []
    for unit in units:
        role, before = unit[0].role, runs[-1][-1][0].role if runs else ""
        if (role == "user" and before in ("user", "tool")) or role == before == "tool":
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return runs


def _write_turn(run: list[list[RecipeMessage]], writer: Writer) -> None:
    """Writes results and users' messages, divided by blank lines. Of users' messages in a row, empty ones go."""
    writer.token(USER, run[0][0].index, "role")
    for number, unit in enumerate(run):
        index, is_result = unit[0].index, unit[0].role == "tool"
        if number:
            writer.text("\n\n", index, "tool_result" if is_result else "content")
        if is_result:
            writer.text(f"<tool_result>{unit[0].content}</tool_result>", index, "tool_result")
            continue
        for place, one in enumerate([one for one in unit if one.content]):
            writer.text(f"\n\n{one.content}" if place else one.content, one.index, "content")


def _write_answer(one: RecipeMessage, conversation: RecipeConversation, last: bool, writer: Writer) -> None:
    index = one.index
    writer.token(ASSISTANT, index, "role")
    goes_on = one.prefix and conversation.thinking and not one.content
    if (conversation.has_tools or one.prefix) and one.reasoning is not None:
        writer.token(OPEN, index, "role")
        writer.text(one.reasoning, index, "reasoning", True)
        if not goes_on:
            writer.token(CLOSE, index, "think", True)
    elif not goes_on:
        writer.token(CLOSE, index, "role")
    writer.text(one.content, index, "content", True)
    if one.calls is not None:
        _write_calls(one.calls, index, writer)
    if not (last and one.prefix):
        writer.token(EOS, index, "end", True)


def _write_calls(calls: list[Call], index: int, writer: Writer) -> None:
    ordered = sorted(calls, key=lambda call: call[0])
    write_calls(writer, V4, ((name, parameters_of(arguments, number_v4)) for _, name, arguments in ordered), index,
                empty_line=False)


def _write_end(conversation: RecipeConversation, goes_on: bool, writer: Writer) -> None:
    if not goes_on:
        writer.token(ASSISTANT, -1, "prompt")
        writer.token(OPEN if conversation.thinking else CLOSE, -1, "prompt")
    if conversation.required:
        writer.form(form("\n\n<｜DSML｜tool_calls>\n"), -1, "prompt")
