"""The tokens of a vocabulary in the order of their bytes: those that begin with the same bytes are neighbours.

In: a decoder. Out: for bytes, the ids of the tokens that begin with them, and of those that they begin with.
Invariant: a search takes a number of steps that does not grow with the vocabulary by more than its logarithm.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

from dstok.core.run._decode import Decoder

__all__ = ["SortedTokens"]


class SortedTokens:
    """The tokens of a vocabulary in the order of their bytes: all that begin with the same bytes are neighbours."""

    def __init__(self, decoder: Decoder) -> None:
        ids = [id for id in range(decoder.size) if decoder.has(id) and decoder.token(id)]
        self._token, self._order = decoder.token, array("I", sorted(ids, key=decoder.token))

    def around(self, tail: bytes) -> array[int]:
        """The ids of the tokens that begin with `tail`, and of those that `tail` begins with.

        >>> import dstok
        >>> v3 = dstok.load("deepseek-v3")
        >>> [v3.decode_bytes([id]) for id in SortedTokens(v3._decoder).around(b"://")]
        [b':', b':/', b'://']
        """
        first, last, found = 0, len(self._order), array("I")  # the tokens that begin with no byte: all
        for end in range(1, len(tail) + 1):
            first, last = self._beginning_with(tail[:end], first, last)
            if first == last:
                return found
            if end < len(tail):
                found += self._order[first : bisect_right(self._order, tail[:end], first, last, key=self._token)]
        return found + self._order[first:last]

    def _beginning_with(self, start: bytes, first: int, last: int) -> tuple[int, int]:
        """The part of `first:last` whose tokens begin with these bytes."""
        size = len(start)

        def key(id: int) -> bytes:
            return self._token(id)[:size]

        first = bisect_left(self._order, start, first, last, key=key)
        return first, bisect_right(self._order, start, first, last, key=key)
