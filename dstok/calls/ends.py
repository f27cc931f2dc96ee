"""Where the first and the last ids of a text lie, in code points: for texts that must fit a number of ids.

In: a text, a policy. Out: the number of ids that were found, and their places, each computed when it is asked for.
Invariant: a place is a border of characters. An end inside a character is moved to before it, a start to after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from dstok.base.texts import utf8
from dstok.calls.sure_starts import start_before
from dstok.core.run._offsets import char_spans, whole_characters, whole_ends
from dstok.errors import SpecialTokenError, TextError
from dstok.text.normalizers import View, view_of

if TYPE_CHECKING:
    from dstok.core.run._encode import Encoder
    from dstok.core.text._normalize import Normalizer
    from dstok.core.text._policy import Policy

__all__ = ["Ends"]

Places: TypeAlias = "tuple[int, Callable[[int], int]]"  # a number of ids; the place of each, by its index

_LIKELY = 6  # code points looked at per id, first of all: more than most texts have
_LEAST = 1024  # code points looked at in any case


class Ends:
    """The places of ids, of one model under one policy."""

    def __init__(self, encoder: Encoder, normalizer: Normalizer | None, policy: Policy) -> None:
        self._encoder, self._normalizer, self._policy = encoder, normalizer, policy

    def first(self, text: str, limit: int) -> Places:
        """At least `limit` ids of the start of `text`, or all, and where each ends."""
        ids, spans, _, end = self._encoder.encode_spans(text, self._policy, False, max(limit, 0))
        view = self._view(text)
        if view is not None:
            ends = view.cuts(char_spans(view.text[:end], spans)[:, 1], len(text))
            return len(ids), lambda index: int(ends[index])
        data = text.encode("utf-8", "surrogatepass")[:end]  # no surrogate before `end`
        return len(ids), lambda index: whole_characters(data, int(spans[index, 1]))

    def last(self, text: str, count: int) -> Places:
        """More than `count` ids of the end of `text`, or all, and where each begins.

        Without a normalizer that looks far, time depends on `count` alone.
        """
        size = _LIKELY * count + _LEAST
        while size < len(text):
            start = start_before(self._encoder, self._normalizer, self._policy, text, len(text) - size)
            if start == 0:
                break
            try:
                found, starts = self._starts(text[start:])
            except (TextError, SpecialTokenError):
                break  # the pass over the whole text says where
            if found > count:
                return found, lambda index: start + starts(index)
            size *= 4
        return self._starts(text)

    def all(self, text: str) -> npt.NDArray[np.int64] | None:
        """Where each id of `text` ends, int64[n]; None if the normalizer changes the text."""
        if self._normalizer is not None and not self._normalizer.is_normalized(text):
            return None
        _, spans, _, _ = self._encoder.encode_spans(text, self._policy, False)
        return spans[:, 1] if text.isascii() else whole_ends(text.encode(), spans)

    def _starts(self, text: str) -> Places:
        """All ids of `text`, and where each begins."""
        ids, spans, _, _ = self._encoder.encode_spans(text, self._policy, False)
        view, data = self._view(text), utf8(text, False)
        if view is not None:
            chars = view.char_spans(char_spans(view.text, spans))
            inside = np.concatenate([[False], chars[1:, 0] < chars[:-1, 1]])
            return len(ids), lambda index: int(chars[index, 0] + inside[index])

        def start(index: int) -> int:
            place = int(spans[index, 0])
            return whole_characters(data, place) + (data[place : place + 1] in _CONTINUING)

        return len(ids), start

    def _view(self, text: str) -> View | None:
        """The text as the model sees it; None if that is the text itself."""
        if self._normalizer is None or self._normalizer.is_normalized(text):
            return None
        return view_of(self._normalizer, text.encode(), self._policy)


_CONTINUING = frozenset(bytes([byte]) for byte in range(0x80, 0xC0))
