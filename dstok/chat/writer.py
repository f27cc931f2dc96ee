"""The rendered conversation, and the writer that formats write it with.

In: from a format, part after part: text, or a token that the format itself writes. Out: `Rendered`, and checkpoints:
the places from which a conversation that grows can be written on.
Invariant: the spans follow each other without a gap from 0 to the end of the text. A special range is exactly one token
that the format wrote, never text of a message, whatever that text holds. What a format writes after a checkpoint
depends on nothing but the checkpoint's state and the messages from there on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

__all__ = [
    "ASSISTANT",
    "BOS",
    "CLOSE",
    "DSML",
    "EOS",
    "NOTHING",
    "OPEN",
    "REMINDER",
    "SYSTEM",
    "USER",
    "Checkpoint",
    "Form",
    "Rendered",
    "Span",
    "Writer",
    "Written",
    "form",
    "rendered_of",
]

BOS = "<｜begin▁of▁sentence｜>"
EOS = "<｜end▁of▁sentence｜>"
USER = "<｜User｜>"
ASSISTANT = "<｜Assistant｜>"
SYSTEM = "<｜System｜>"
REMINDER = "<｜latest_reminder｜>"
OPEN = "<think>"
CLOSE = "</think>"
DSML = "｜DSML｜"

NOTHING: frozenset[str] = frozenset()
_INLINE = (DSML, OPEN, CLOSE)  # tokens that a format has inside a longer text of its own


class Span(NamedTuple):
    """A stretch of a rendered text, in code points.

    `message` is the index of the message that it comes from, -1 if from none. `kind` is one of begin, role, content,
    reasoning, think (the end of it), tools, format, effort, tool_call, tool_result, task, end, prompt (what opens the
    message that the model is asked for). `sampled`: would the model have written it?
    """

    start: int
    end: int
    message: int
    kind: str
    sampled: bool


@dataclass(frozen=True)
class Rendered:
    """A conversation as text.

    text: as its reference writes it. special_ranges: (start, end) in code points of each token that the format itself
    wrote, in order. spans: where each part of the text comes from, without a gap.
    """

    text: str
    special_ranges: list[tuple[int, int]]
    spans: list[Span]


Form = tuple[tuple[str, bool], ...]


@cache
def form(text: str) -> Form:
    """A text of the format's own, cut into its tokens and what stands between them: (part, is it a token).

    >>> form("</｜DSML｜invoke>")
    (('</', False), ('｜DSML｜', True), ('invoke>', False))
    """
    return tuple((part, part in _INLINE) for part in re.split(f"({'|'.join(_INLINE)})", text) if part)


class Written(NamedTuple):
    """A part of a rendered text: is it a token that the format wrote, and as in `Span` where it comes from."""

    text: str
    special: bool
    owner: tuple[int, str, bool]


class Checkpoint(NamedTuple):
    """A place in a text that can be written on from there.

    message: the index of the one that is written next. parts: how many parts stand before. at: how many code points.
    state: what the format has to know of what stands before. unless: what changes that if it comes later: a message of
    one of these roles; "tools" stands for a message that has tools.
    """

    message: int
    parts: int
    at: int
    state: Any
    unless: frozenset[str]


class Writer:
    """Collects a rendered text: each part with the message it is of, its kind, and whether the model would write it.

    `start`: where the text goes on; None if at its begin. `first`: the index of the first message that is written.
    `plain`: tokens of the format that the version's tokenizers do not have, so that they are text.
    """

    def __init__(self, start: Checkpoint | None = None) -> None:
        self.start = start
        self.first = 0 if start is None else start.message
        self.plain: frozenset[str] = frozenset()
        self.parts: list[Written] = []
        self.checkpoints: list[Checkpoint] = []

    def text(self, text: str, message: int, kind: str, sampled: bool = False) -> None:
        """Text of a message or of the format: never a token."""
        self.parts.append(Written(text, False, (message, kind, sampled)))

    def token(self, token: str, message: int, kind: str, sampled: bool = False) -> None:
        """A token that the format writes."""
        self.parts.append(Written(token, token not in self.plain, (message, kind, sampled)))

    def form(self, form: Form, message: int, kind: str, sampled: bool = False) -> None:
        """A text of the format's own, with its tokens."""
        owner = message, kind, sampled
        self.parts += [Written(text, special, owner) for text, special in form]

    def checkpoint(self, index: int, state: Any = None, unless: frozenset[str] = NOTHING) -> None:
        """The message `index` is written next: from here the text can be written on, as `Checkpoint` says."""
        last = self.checkpoints[-1] if self.checkpoints else Checkpoint(0, 0, 0, None, unless)
        at = last.at + sum([len(part.text) for part in self.parts[last.parts :]])
        self.checkpoints.append(Checkpoint(index, len(self.parts), at, state, unless))

    def drop_prompt(self) -> None:
        """Takes back what opens the next message at the end."""
        while self.parts and self.parts[-1].owner[1] == "prompt":
            self.parts.pop()

    def drop_end(self) -> bool:
        """Takes back the end token of the last message; False if the text does not end with one."""
        if not self.parts or self.parts[-1].owner[1] != "end":
            return False
        self.parts.pop()
        return True

    def rendered(self) -> Rendered:
        """What was written."""
        return rendered_of(self.parts)


def rendered_of(parts: list[Written]) -> Rendered:
    """The text of the parts, with its ranges and spans; neighbours of one owner are one span."""
    ranges, spans = [], []
    start, at, owner = 0, 0, (-1, "", False)
    for text, special, own in parts:
        if own != owner:
            if at > start:
                spans.append(Span(start, at, *owner))
            start, owner = at, own
        end = at + len(text)
        if special:
            ranges.append((at, end))
        at = end
    if at > start:
        spans.append(Span(start, at, *owner))
    return Rendered("".join([part.text for part in parts]), ranges, spans)
