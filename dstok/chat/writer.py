"""The rendered conversation, and the writer that formats write it with.

In: from a format, part after part: text, or a token that the format itself writes. Out: `Rendered`.
Invariant: the spans follow each other without a gap from 0 to the end of the text; a special range is exactly one
token that the format wrote, never text of a message, whatever that text holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

__all__ = ["ASSISTANT", "BOS", "CLOSE", "DSML", "EOS", "OPEN", "REMINDER", "SYSTEM", "USER", "Form",
           "Rendered", "Span", "Writer", "form"]

BOS = "<｜begin▁of▁sentence｜>"
EOS = "<｜end▁of▁sentence｜>"
USER = "<｜User｜>"
ASSISTANT = "<｜Assistant｜>"
SYSTEM = "<｜System｜>"
REMINDER = "<｜latest_reminder｜>"
OPEN = "<think>"
CLOSE = "</think>"
DSML = "｜DSML｜"


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


class Writer:
    """Collects a rendered text: each part with the message it is of, its kind, and whether the model would write it.

    `plain`: tokens of the format that the version's tokenizers do not have, so that they are text.
    """

    def __init__(self) -> None:
        self.plain: frozenset[str] = frozenset()
        self.parts: list[str] = []
        self.special: list[bool] = []
        self.owners: list[tuple[int, str, bool]] = []

    def text(self, text: str, message: int, kind: str, sampled: bool = False) -> None:
        """Text of a message or of the format: never a token."""
        self.parts.append(text)
        self.special.append(False)
        self.owners.append((message, kind, sampled))

    def token(self, token: str, message: int, kind: str, sampled: bool = False) -> None:
        """A token that the format writes."""
        self.parts.append(token)
        self.special.append(token not in self.plain)
        self.owners.append((message, kind, sampled))

    def form(self, form: Form, message: int, kind: str, sampled: bool = False) -> None:
        """A text of the format's own, with its tokens."""
        for part, special in form:
            self.parts.append(part)
            self.special.append(special)
            self.owners.append((message, kind, sampled))

    def drop_prompt(self) -> None:
        """Takes back what opens the next message at the end."""
        while self.owners and self.owners[-1][1] == "prompt":
            for parts in (self.parts, self.special, self.owners):
                parts.pop()

    def drop_end(self) -> bool:
        """Takes back the end token of the last message; False if the text does not end with one."""
        if not self.owners or self.owners[-1][1] != "end":
            return False
        for parts in (self.parts, self.special, self.owners):
            parts.pop()
        return True

    def rendered(self) -> Rendered:
        """What was written."""
        ranges, spans = [], []
        at = 0
        start, owner = 0, (self.owners[0] if self.owners else (-1, "", False))
        for part, special, own in zip(self.parts, self.special, self.owners):
            if own != owner:
                if at > start:
                    spans.append(Span(start, at, *owner))
                start, owner = at, own
            end = at + len(part)
            if special:
                ranges.append((at, end))
            at = end
        if at > start:
            spans.append(Span(start, at, *owner))
        return Rendered("".join(self.parts), ranges, spans)
