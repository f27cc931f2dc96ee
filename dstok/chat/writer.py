"""The rendered conversation, and the writer that formats use.

In: from a format, part after part: text, or a token that the format itself writes. Out: `Rendered`, and checkpoints:
the places where a growing conversation can continue.
Invariant: the spans follow each other without a gap from 0 to the end of the text. A special range is exactly one
token that the format wrote, never text of a message. The text after a checkpoint depends
only on the checkpoint's state and the later messages.
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
_INLINE = (DSML, OPEN, CLOSE)  # tokens inside longer texts of a format


class Span(NamedTuple):
    """A stretch of a rendered text, in code points.

    `message` is the index of its message, -1 for none. `kind` is one of begin, role, content, reasoning, think (the
    end of it), tools, format, effort, tool_call, tool_result, task, end, prompt (the opener of the message that the
    model writes next). `sampled`: whether the model would have written it.
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
    wrote, in order. spans: the origin of each part of the text, without a gap.
    """

    text: str
    special_ranges: list[tuple[int, int]]
    spans: list[Span]


Form = tuple[tuple[str, bool], ...]


@cache
def form(text: str) -> Form:
    """A text of the format, cut into its tokens and the text between them: (part, whether it is a token).

    >>> form("</｜DSML｜invoke>")
    (('</', False), ('｜DSML｜', True), ('invoke>', False))
    """
    return tuple((part, part in _INLINE) for part in re.split(f"({'|'.join(_INLINE)})", text) if part)


class Written(NamedTuple):
    """A part of a rendered text: whether it is a token that the format wrote, and its origin as in `Span`."""

    text: str
    special: bool
    owner: tuple[int, str, bool]


class Checkpoint(NamedTuple):
    """A place in a text where rendering can continue.

    message: the index of the next message. parts: how many parts stand before. at: how many code points. state: the
    format's knowledge of the text before. unless: later messages of these roles make the checkpoint invalid; "tools"
    stands for a message that has tools.
    """

    message: int
    parts: int
    at: int
    state: Any
    unless: frozenset[str]


class Writer:
    """Collects a rendered text: each part with its message, its kind, and whether the model would write it.

    `start`: the checkpoint to continue from; None for the beginning. `first`: the index of the first message written.
    `plain`: tokens of the format that the version's tokenizers lack, so that they are text.
    """

    def __init__(self, start: Checkpoint | None = None) -> None:
        self.start = start
        self.first = 0 if start is None else start.message
        self.plain: frozenset[str] = frozenset()
        self.parts: list[Written] = []
        self.checkpoints: list[Checkpoint] = []

    def text(self, text: str, message: int, kind: str, sampled: bool = False) -> None:
        """Writes text of a message or of the format, never a token."""
        self.parts.append(Written(text, False, (message, kind, sampled)))

    def token(self, token: str, message: int, kind: str, sampled: bool = False) -> None:
        """Writes a token of the format."""
        self.parts.append(Written(token, token not in self.plain, (message, kind, sampled)))

    def form(self, form: Form, message: int, kind: str, sampled: bool = False) -> None:
        """Writes a text of the format, with its tokens."""
        owner = message, kind, sampled
        self.parts += [Written(text, special, owner) for text, special in form]

    def checkpoint(self, index: int, state: Any = None, unless: frozenset[str] = NOTHING) -> None:
        """Marks a place where the text can continue, as `Checkpoint` says; the message `index` is next."""
        last = self.checkpoints[-1] if self.checkpoints else Checkpoint(0, 0, 0, None, unless)
        at = last.at + sum([len(part.text) for part in self.parts[last.parts :]])
        self.checkpoints.append(Checkpoint(index, len(self.parts), at, state, unless))

    def drop_prompt(self) -> None:
        """Takes back the opener at the end."""
        while self.parts and self.parts[-1].owner[1] == "prompt":
            self.parts.pop()

    def drop_end(self) -> bool:
        """Takes back the end token of the last message; False if the text does not end with one."""
        if not self.parts or self.parts[-1].owner[1] != "end":
            return False
        self.parts.pop()
        return True

    def rendered(self) -> Rendered:
        """The text written so far."""
        return rendered_of(self.parts)


def rendered_of(parts: list[Written]) -> Rendered:
    """The text of the parts, with its ranges and spans; neighbours with one owner are one span."""
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
