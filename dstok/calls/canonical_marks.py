"""Ids that grow at their end, beside the ids that encoding their text gives: whether each is canonical.

In: ids, more and more, and how many of them stay. Out: a mark for each id.
Invariant: an id's mark is set if encoding the text of all ids gives the same id for the same bytes. So all marks are
set if and only if `is_canonical` is true, and the first one that is not is at `first_noncanonical`. Only new ids cost
work.
Example: the ids of "He", "llo" and "!" have the text "Hello!". Encoding it gives "Hello" and "!", so only the last mark
is set. Bytes that are not UTF-8 count as U+FFFD, as decoding writes them.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dstok.base.copies import Separate
from dstok.errors import UnsupportedError

if TYPE_CHECKING:
    from dstok.calls.parts import NormalizedParts, PlainParts
    from dstok.core.run._decode import Decoder

    Places = npt.NDArray[np.int64]

__all__ = ["CanonicalMarks"]

_PART_OF_CHARACTER = range(0x80, 0xC0)  # bytes that begin no character


class CanonicalMarks(Separate):
    """The marks of ids that grow. `parts`: a text in parts that is empty."""

    def __init__(self, decoder: Decoder, parts: PlainParts | NormalizedParts) -> None:
        self._tokens, self._parts = decoder, parts
        self._chars = codecs.getincrementaldecoder("utf-8")("replace")
        self._end = 0  # bytes of the text, without those of a last character that is not whole
        self._canonical_end = 0  # bytes of the canonical ids that stay
        self._seen = 0  # ids
        self._open = np.empty((0, 3), np.int64)  # id, start and end of each id whose mark may change
        self.settled = bytearray()  # of the ids before them

    def of(self, ids: list[int], stay: int) -> npt.NDArray[np.bool_]:
        """The marks of `ids`, bool[n]. The first `stay` ids are the same in all later calls.

        Raises `UnsupportedError` where encoding changes the text itself.
        """
        self.add(ids[self._seen : stay])
        whole = self.copy()
        whole.add(ids[stay:], final=True)
        return np.frombuffer(whole.settled, np.bool_)

    def add(self, ids: list[int], final: bool = False) -> None:
        """Adds ids that stay. After the `final` ones all marks are settled."""
        text, rows = self._read(np.array(ids, np.uint32))
        if final:
            text += self._chars.decode(b"", True).encode()
        self._seen += len(ids)
        canonical, sure = self._parts.grow(text)
        found = _with_places(canonical, self._canonical_end, self._sizes(np.array(canonical, np.uint32)))
        self._check(len(text), found)
        if sure:
            self._canonical_end = int(found[sure - 1, 2])
        rows = np.concatenate([self._open, rows])
        done = len(rows) if final else int(np.searchsorted(rows[:, 2], self._canonical_end, "right"))
        self.settled += _same(rows[:done], found).tobytes()
        self._open = rows[done:]

    def _read(self, ids: npt.NDArray[np.uint32]) -> tuple[bytes, Places]:
        """The text that `ids` complete, as UTF-8, and the ids with their places."""
        data, sizes, _ = self._tokens.decode_lists(ids, np.ones(len(ids), np.int64), False)
        before = self._chars.getstate()
        text = self._chars.decode(data).encode()
        if text == data:
            return text, _with_places(ids, self._end, np.asarray(sizes))
        self._chars.setstate(before)
        return self._read_each(ids.tolist())

    def _read_each(self, ids: list[int]) -> tuple[bytes, Places]:
        """Does what `_read` does, id by id: characters are cut, or bytes are no characters."""
        text, rows = bytearray(), np.empty((len(ids), 3), np.int64)
        for at, id in enumerate(ids):
            token = self._tokens.token(id)
            if self._waiting() and token[0] not in _PART_OF_CHARACTER:
                text += self._chars.decode(b"", True).encode()
            start = self._end + len(text) + self._waiting()
            text += self._chars.decode(token).encode()
            rows[at] = id, start, self._end + len(text) + self._waiting()
        return bytes(text), rows

    def _waiting(self) -> int:
        """The bytes of a character that is not whole."""
        return len(self._chars.getstate()[0])

    def _sizes(self, ids: npt.NDArray[np.uint32]) -> Places:
        return np.asarray(self._tokens.decode_lists(ids, np.ones(len(ids), np.int64), False)[1])

    def _check(self, added: int, found: Places) -> None:
        """Counts the new text. Refuses it if its canonical ids do not have all its bytes."""
        self._end += added
        end = int(found[-1, 2]) if len(found) else self._canonical_end
        if end != self._end:
            raise UnsupportedError("marks of ids whose text is encoded with a change, by a normalizer or by an added "
                                   "token with lstrip or rstrip: `first_noncanonical` checks such ids", "ids")


def _with_places(ids: Any, start: int, sizes: Places) -> Places:
    ends = start + np.cumsum(sizes)
    return np.stack([np.asarray(ids, np.int64), ends - sizes, ends], axis=1)


def _same(rows: Places, found: Places) -> npt.NDArray[np.bool_]:
    """Which of `rows` are in `found`, too."""
    if not len(found):
        return np.zeros(len(rows), np.bool_)
    at = np.minimum(np.searchsorted(found[:, 2], rows[:, 2]), len(found) - 1)
    same: npt.NDArray[np.bool_] = (rows == found[at]).all(axis=1)
    return same
