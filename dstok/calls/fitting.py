"""Parts of a text that fit a number of ids.

In: a text, and `room`, the number of ids. Out: the longest part that is found to fit.
Invariant: each part has at most `room` ids when it is encoded alone. A cut may change the ids beside it, so each
candidate is counted. Time is linear in the text: a part that does not fit is shortened in growing steps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from dstok.base.numbers import MANY
from dstok.base.texts import lone_surrogate
from dstok.calls.ends import Ends
from dstok.errors import ArgumentError, SpecialTokenError, TextError

if TYPE_CHECKING:
    from dstok.core.run._encode import Encoder
    from dstok.core.text._normalize import Normalizer
    from dstok.core.text._policy import Policy

__all__ = ["Fitting"]

_ROOM = 16  # code points per id of `room` in the first attempt: more than ordinary text has
_BLOCK = 1 << 17  # code points that `_Ahead` encodes at once


class Fitting:
    """The parts of a text that fit, for one model under one policy."""

    def __init__(self, encoder: Encoder, normalizer: Normalizer | None, policy: Policy) -> None:
        self._encoder, self._policy = encoder, policy
        self._ends = Ends(encoder, normalizer, policy)

    def chunks(self, text: str, room: int, overlap: int) -> Iterator[tuple[int, int]]:
        """(start, end) of parts that fit. Each begins at most `overlap` ids before the end of the part before."""
        ahead = _Ahead(self._ends, text, room)
        start = covered = 0
        while covered < len(text):
            end = self._end_ahead(ahead, start, room) or self.end(text, start, room)
            if start < covered and end <= covered:
                start = covered  # the overlap leaves no room for the next character: go on without it
                continue
            if end == start:
                needed = self._count(text, start, start + 1, MANY)
                raise ArgumentError(f"expected max_tokens to be at least {needed - room} more, as the character "
                                    f"{text[start]!r} at code point {start} has {needed} ids, found room for {room}",
                                    "max_tokens")
            yield start, end
            covered = end
            start = max(self._start_before(ahead, start, end, overlap), start + 1) if overlap else end

    def end(self, text: str, start: int, room: int) -> int:
        """The end of the longest start of `text[start:]` that is found to fit, in code points."""
        ends = self._first_ends(text, start, room)
        if ends is None:
            return len(text)
        return start + _longest(room, ends, lambda length: self._count(text, start, start + length, room) <= room)

    def last(self, text: str, room: int) -> str:
        """The longest end of `text` that is found to fit. A candidate begins where an id of the whole text begins."""
        count, starts = self._ends.last(text, room)
        if count <= room:
            return text
        length = _longest(room, lambda index: len(text) - starts(count - 1 - index),
                          lambda length: self._count(text, len(text) - length, len(text), room) <= room)
        return text[len(text) - length :]

    def _end_ahead(self, ahead: _Ahead, start: int, room: int) -> int:
        """The end of the part from `start` on that has exactly `room` ids; 0 if the ids ahead do not tell it."""
        end = ahead.after(start, room)
        return end if end and self._count(ahead.text, start, end, room) == room else 0

    def _start_before(self, ahead: _Ahead, start: int, end: int, overlap: int) -> int:
        """The start of the longest end of `text[start:end]` that is found to fit `overlap` ids."""
        place = ahead.before(end, overlap)
        if start < place < end and self._count(ahead.text, place, end, overlap) == overlap:
            return place
        return end - len(self.last(ahead.text[start:end], overlap))

    def _count(self, text: str, start: int, end: int, room: int) -> int:
        """The number of ids of a part of `text`, or some number above `room`."""
        return self._encoder.count_part(text, start, end, self._policy, room + 1)

    def _first_ends(self, text: str, start: int, room: int) -> Callable[[int], int] | None:
        """The ends of the first `room` ids from `start` on, in code points from there; None if no more follow."""
        size = max(_ROOM * room, 256)
        while True:
            part = text[start : start + size]
            try:
                count, ends = self._ends.first(part, room + 1)
            except TextError as error:
                raise lone_surrogate(part[error.offset], start + error.offset) from None
            except SpecialTokenError as error:
                raise SpecialTokenError(error.token, len(text[:start].encode()) + error.offset) from None
            if start + len(part) == len(text) and count <= room:
                return None
            if count > room:
                return ends
            size *= 4  # these characters need few ids: take more


class _Ahead:
    """The ends of a text's ids, found block by block. They tell where a part of so many ids likely ends.

    Each block begins where a part begins. Blocks grow: time is linear, and the first part takes little.
    """

    def __init__(self, ends: Ends, text: str, room: int) -> None:
        self.text = text
        self._ends, self._size, self._most = ends, 8 * room, max(_BLOCK, 8 * room)
        self._start = 0
        self._block = memoryview(b"").cast("q")  # the ends of the ids from `_start` on, in code points from there
        self._known: dict[int, int] = {}  # for places found last: the number of ids that end there or before

    def after(self, start: int, count: int) -> int:
        """The end of the `count`th id from `start` on; 0 if it is not known."""
        index = self._index(start) + count
        if index >= len(self._block):
            self._read(start)
            index = count
        return self._place(index) if index < len(self._block) else 0

    def before(self, end: int, count: int) -> int:
        """The start of the last `count` ids before `end`; 0 if it is not known."""
        index = self._index(end) - count
        return self._place(index) if index > 0 else 0

    def _place(self, index: int) -> int:
        """The end of the first `index` ids."""
        end = self._block[index - 1]
        if end > (self._block[index - 2] if index > 1 else 0):  # else another id ends there, too
            self._known[self._start + end] = index
        return self._start + end

    def _index(self, place: int) -> int:
        """The number of ids that end at a place or before it."""
        index = self._known.get(place)
        if index is None:
            place -= self._start
            index = bisect_left(self._block, place)
            index += place > 0 and index < len(self._block) and self._block[index] == place
        self._known.clear()
        return index

    def _read(self, start: int) -> None:
        """Encodes the block that begins at `start`, if it is valid text that the normalizer does not change."""
        self._start, ends = start, None
        if self._size:
            with suppress(TextError, SpecialTokenError):  # the part that reaches the fault raises the error
                ends = self._ends.all(self.text, start, min(start + self._size, len(self.text)))
        self._size = 0 if ends is None else min(4 * self._size, self._most)
        self._block = memoryview(b"").cast("q") if ends is None else ends.data


def _longest(count: int, length_of: Callable[[int], int], fits: Callable[[int], bool]) -> int:
    """The longest length that is found to fit, or 0. The lengths of 1, 2, ... `count` ids rise.

    The cut itself may cost ids: the piece that is cut merges otherwise, or becomes two pieces. Then the search goes
    back in growing steps, which keeps the time linear. At last it tries parts of the first id.
    """
    least = 0
    while least < count and length_of(least) == 0:
        least += 1  # a part of the first character
    step, at = 1, count - 1
    while at > least:
        if fits(length_of(at)):
            return length_of(at)
        at -= step
        step *= 2
    length = length_of(least) if least < count else 1
    while length and not fits(length):
        length //= 2
    return length
