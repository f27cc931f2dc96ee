"""Ids that grow at their end, beside the ids that encoding their text gives: whether each is canonical.

In: ids, more and more, and how many of them stay. Out: a mark for each id. Invariant: an id's mark is set if encoding
the text of all ids gives the same id for the same bytes. So all marks are set if and only if `is_canonical` is true.
Only new ids cost work. Example: the ids of "He", "llo" and "!" have the text "Hello!", whose encoding gives "Hello" and
"!", so only the last mark is set. Bytes that are not UTF-8 count as U+FFFD; an id with such a byte has no mark.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dstok._util.objects import Separate
from dstok.core.encode.decode import Decoder
from dstok.errors import UnsupportedError

if TYPE_CHECKING:
    from dstok.methods.incremental import IncrementalEncoder

Ints: TypeAlias = "npt.NDArray[np.int64]"
Faults = list[tuple[int, int]]  # stretches of bytes, each of which is one U+FFFD
BYTE_MARK = b"\xfe\xff"  # core/encode/decode.pyx writes it before a byte token
_REPLACED = "\ufffd".encode()
_NO_ID = -1  # in the place of an id with a byte that is not UTF-8
_PART = 4096  # bytes that are decoded at a time: each fault copies them


class CanonicalMarks(Separate):
    """The marks of ids that grow. `encoder`: of a text that is empty."""

    def __init__(self, decoder: Decoder, encoder: IncrementalEncoder) -> None:
        self._tokens, self._encoder = decoder, encoder
        self._strips = decoder.strip  # is a space at the start of the text left out
        self._end = 0  # bytes of the text, without those that wait
        self._waiting = b""  # of a character, or in a model of characters of a run of byte tokens, that is not whole
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
        text = self._read(ids, final)
        self._seen += len(ids)
        added = len(text)
        if self._strips and text:
            self._strips, text = False, text.removeprefix(b" ")
        canonical, sure = self._encoder.grow(text)
        found = _rows(canonical, self._decoded(canonical)[1], self._canonical_end)
        self._end += added
        end = int(found[-1, 2]) if len(found) else self._canonical_end
        # Without text, all there is may be a space that is left out: the ids of the text after it have it.
        if end != self._end and (text or final):
            raise UnsupportedError("marks of ids whose text is encoded with a change, by a normalizer, by a space put "
                                   "before the text, or by an added token with lstrip or rstrip: `first_noncanonical` "
                                   "checks such ids", "ids")
        if sure:
            self._canonical_end = int(found[sure - 1, 2])
        done = len(self._open) if final else int(np.searchsorted(self._open[:, 2], self._canonical_end, "right"))
        rows, self._open = self._open[:done], self._open[done:]
        if len(found):  # a row is canonical if it is in `found`, too
            at = np.minimum(np.searchsorted(found[:, 2], rows[:, 2]), len(found) - 1)
            self.settled += (rows == found[at]).all(axis=1).tobytes()
        else:
            self.settled += bytes(done)

    def _read(self, ids: list[int], final: bool) -> bytes:
        """The text that `ids` complete, as UTF-8. Adds the ids with their spans to the open ones."""
        data, sizes = self._decoded(ids)
        data, rows = self._waiting + data, _rows(ids, sizes, len(self._waiting))
        faults, used = self._run_faults(data, rows, final) if self._tokens.runs else _faults(data, final)
        parts, at = list[bytes](), 0
        for start, end in faults:
            parts += [data[at:start], _REPLACED]
            at = end
        if faults:
            starts, stops = np.array(faults, np.int64).T
            longer = np.concatenate([[0], np.cumsum(len(_REPLACED) - (stops - starts))])
            touched = np.searchsorted(stops, rows[:, 1], "right") < np.searchsorted(starts, rows[:, 2])
            rows[:, 1:] += longer[np.searchsorted(stops, rows[:, 1:], "right")]
            rows[touched, 0] = _NO_ID
            if faults[0][0] < len(self._waiting):
                self._open[self._open[:, 2] > self._end, 0] = _NO_ID
        rows[:, 1:] += self._end
        self._open, self._waiting = np.concatenate([self._open, rows]), data[used:]
        return b"".join([*parts, data[at:used]])

    def _run_faults(self, data: bytes, rows: Ints, final: bool) -> tuple[Faults, int]:
        """As `_faults`, in a model of characters: a run of byte tokens is UTF-8, or each of its bytes is a fault."""
        found, begun, end = list[tuple[int, int]](), 0, len(self._waiting)
        for id, _, stop in [*rows.tolist(), *([(_NO_ID, 0, len(data))] if final else [])]:
            if id == _NO_ID or not self._tokens.marked([id], False).startswith(BYTE_MARK):
                if begun < end and _faults(data[begun:end], True)[0]:
                    found += [(at, at + 1) for at in range(begun, end)]
                begun = stop
            end = stop
        return found, begun

    def _decoded(self, ids: list[int]) -> tuple[bytes, Ints]:
        """The bytes of `ids`, and the number of those of each."""
        if self._tokens.runs:
            tokens = [self._tokens.token(id) for id in ids]
            return b"".join(tokens), np.array([len(token) for token in tokens], np.int64)
        data, sizes, _ = self._tokens.decode_lists(np.array(ids, np.uint32), np.ones(len(ids), np.int64), False)
        return data, np.asarray(sizes)


def _faults(data: bytes, final: bool) -> tuple[Faults, int]:
    """What is not UTF-8, and the end of all that is decided: a last character may not be whole."""
    found, at = list[tuple[int, int]](), 0
    while at < len(data):
        part = data[at : at + _PART]
        try:
            used = codecs.utf_8_decode(part, "strict", final and at + len(part) == len(data))[1]
        except UnicodeDecodeError as error:
            found.append((at + error.start, at + error.end))
            used = error.end
        if not used:
            break
        at += used
    return found, at


def _rows(ids: Any, sizes: Ints, start: int) -> Ints:
    ends = start + np.cumsum(sizes)
    return np.stack([np.asarray(ids, np.int64), ends - sizes, ends], axis=1)
