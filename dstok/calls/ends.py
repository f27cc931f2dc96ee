"""The places of the first and the last ids of a text, in code points: for texts that must fit a number of ids.

In: a text, a policy. Out: the number of ids, and a function that gives the place of each.
Invariant: a place is a border of characters. An end inside a character moves before it, a start moves after it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from dstok.calls.sure_starts import start_before
from dstok.core.run._offsets import char_spans
from dstok.errors import SpecialTokenError, TextError
from dstok.text.normalizers import NormalizedText, normalized_text

if TYPE_CHECKING:
    from dstok.core.run._encode import Encoder
    from dstok.core.text._normalize import Normalizer
    from dstok.core.text._policy import Policy

__all__ = ["Ends"]

Places: TypeAlias = "tuple[int, Callable[[int], int]]"  # the number of ids; index -> place

_LIKELY = 6  # code points per id in the first part that is encoded: more than most texts have
_SAMPLES, _SAMPLE = 8, 512  # parts, and the code points of each: they tell how many code points an id has
_LEAST = 1024  # code points in the first part at least


class Ends:
    """The places of the ids that one model gives under one policy."""

    def __init__(self, encoder: Encoder, normalizer: Normalizer | None, policy: Policy) -> None:
        self._encoder, self._normalizer, self._policy = encoder, normalizer, policy

    def first(self, text: str, limit: int) -> Places:
        """The ends of the first ids of `text`: at least `limit` ids, or all."""
        chars, normalized = self._spans(text, max(limit, 0))
        if normalized is not None:
            ends = normalized.cuts(chars[:, 1], len(text))
            return len(ends), lambda index: int(ends[index])

        def end(index: int) -> int:
            place = int(chars[index, 1])
            return place - (index + 1 < len(chars) and place > int(chars[index + 1, 0]))  # it ends inside a character

        return len(chars), end

    def last(self, text: str, count: int) -> Places:
        """The starts of the last ids of `text`: more than `count` ids, or all.

        Time depends on `count` alone, unless the normalizer looks far.
        """
        size = self._likely(text, count)
        while size < len(text):
            start = start_before(self._encoder, self._normalizer, self._policy, text, len(text) - size)
            if start == 0:
                break
            try:
                number, starts = self._starts(text, start)
            except (TextError, SpecialTokenError):
                break  # the pass over the whole text raises the error with its place
            if number > count:
                return number, starts
            size = size * 5 // 4 + size * (count - number) // max(number, 1)
        return self._starts(text)

    def _likely(self, text: str, count: int) -> int:
        """The number of code points at the end of `text` that likely have more than `count` ids."""
        size = min(_LIKELY * count + _LEAST, len(text))
        if min(count, size) < _SAMPLES * _SAMPLE:  # counting the samples would take longer than encoding too much
            return size
        starts = range(len(text) - size, len(text), size // _SAMPLES)
        sample = "".join(text[start : start + _SAMPLE] for start in starts)
        try:
            ids = self._encoder.count_to(sample, self._policy, False, sys.maxsize)
        except (TextError, SpecialTokenError):
            return len(text)
        return count * len(sample) * 5 // (4 * max(ids, 1)) + _LEAST

    def all(self, text: str, start: int, end: int) -> npt.NDArray[np.int64] | None:
        """The end of each id of `text[start:end]`, in code points, int64[n]; None if the core cannot count them."""
        return self._encoder.char_ends(text, start, end, self._policy)

    def _starts(self, text: str, origin: int = 0) -> Places:
        """The starts of all ids of `text` from a sure start on."""
        chars, normalized = self._spans(text[origin:], inside=origin > 0)
        if normalized is not None:
            chars = normalized.char_spans(chars)

        def start(index: int) -> int:
            place = int(chars[index, 0])
            return origin + place + (index > 0 and place < int(chars[index - 1, 1]))  # it begins inside a character

        return len(chars), start

    def _spans(
        self, text: str, limit: int = sys.maxsize, inside: bool = False,
    ) -> tuple[npt.NDArray[np.int64], NormalizedText | None]:
        """The spans of ids in the normalized text, in code points, and that text; None if it is `text` itself.

        `inside`: the text is the rest of another one from a sure start on.
        """
        _, spans, chars, _, end = self._encoder.encode_spans(text, self._policy, False, limit, inside, True)
        if chars is not None:
            return chars, None
        data, normalized = text.encode("utf-8", "surrogatepass"), None  # no surrogate before `end`
        if self._normalizer is not None and not self._normalizer.is_normalized(text):
            normalized = normalized_text(self._normalizer, data, self._policy)
        return char_spans((data if normalized is None else normalized.text)[:end], spans), normalized
