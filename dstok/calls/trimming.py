"""Spans without the white space at the ends of their tokens, for models whose post-processor has `trim_offsets`.

In: the spans of a text's ids; the places of their tokens in the normalized text. Out: shorter spans.
Invariant: code point spans are upstream's with `trim_offsets`. Byte spans lose the same characters. Example: in
"Hi all" the span of the token " all" is 2:6; trimmed, it is 3:6.
Source: upstream 0.23.3, measured; tests/calls/test_trimmed_offsets.py compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dstok.formats.post_processors import BUT_FIRST
from dstok.formats.tokens import BYTE_TO_CHAR

if TYPE_CHECKING:
    import numpy.typing as npt

    Spans = npt.NDArray[np.int64]

__all__ = ["Trimmer", "make_trimmer"]

SPACE = ord(" ")


class Trimmer:
    """Trims the spans of one model. `trimming` is one of `TRIMMINGS`, not ""."""

    def __init__(self, trimming: str, unicode_version: str) -> None:
        from dstok.unicode.sets import white_space  # needed by few models

        self._keeps_first = trimming == BUT_FIRST
        white = "".join(chr(c) for first, last in white_space(unicode_version).ranges for c in range(first, last + 1))
        self._white = white + BYTE_TO_CHAR[SPACE]  # in an added token upstream takes this letter for a space, too

    def trimmed(
        self, spans: Spans, chars: Spans, own: Spans, seen: bytes, added: npt.NDArray[np.bool_],
    ) -> tuple[Spans, Spans]:
        """Trimmed byte and code point spans, int64[n, 2]. `own`: the byte spans in `seen`, the normalized text."""
        spans, chars = spans.copy(), chars.copy()
        data = np.frombuffer(seen, np.uint8)
        full = own[:, 0] < own[:, 1]
        ends = np.where(full, own[:, 0], 0), np.where(full, own[:, 1] - 1, 0)
        likely = added | (full & ((data[ends[0]] == SPACE) | (data[ends[1]] == SPACE))) if len(data) else added
        for at in np.flatnonzero(likely).tolist():
            self._trim(at, spans, chars, seen[own[at, 0] : own[at, 1]], bool(added[at]))
        return spans, chars

    def _trim(self, at: int, spans: Spans, chars: Spans, token: bytes, is_added: bool) -> None:
        before, after = self._around(token, is_added)
        if before[0] == 1 and self._keeps_first and (at == 0 or chars[at, 0] == 0):  # a space that upstream added
            before = 0, 0
        for ends, lead, trail in ((chars, before[0], after[0]), (spans, before[1], after[1])):
            start, end = ends[at].tolist()
            start = min(start + lead, end)
            ends[at] = start, max(end - trail, start) if end >= trail else end

    def _around(self, token: bytes, is_added: bool) -> tuple[tuple[int, int], tuple[int, int]]:
        """The white space at the start of a token and at its end, each in characters and in bytes."""
        if not is_added:
            lead, trail = len(token) - len(token.lstrip(b" ")), len(token) - len(token.rstrip(b" "))
            return (lead, lead), (trail, trail)
        text = token.decode()
        left, right = text[: len(text) - len(text.lstrip(self._white))], text[len(text.rstrip(self._white)) :]
        return (len(left), len(left.encode())), (len(right), len(right.encode()))


def make_trimmer(trimming: str, unicode_version: str) -> Trimmer | None:
    """The trimmer for a model's `trim_offsets`, one of `TRIMMINGS`. None for "", which most models have."""
    return Trimmer(trimming, unicode_version) if trimming else None
