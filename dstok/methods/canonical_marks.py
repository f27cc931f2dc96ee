"""Ids that grow at their end, beside the ids that encoding their text gives: whether each is canonical.

In: ids, more and more, and how many of them stay. Out: a mark for each id.
Invariant: an id's mark is set if encoding the text of all ids gives the same id for the same bytes. So all marks are
set if and only if `is_canonical` is true, and for ids of UTF-8 the first one that is not is at `first_noncanonical`.
Only new ids cost work.
Example: the ids of "He", "llo" and "!" have the text "Hello!". Encoding it gives "Hello" and "!", so only the last mark
is set. Bytes that are not UTF-8 count as U+FFFD, as decoding writes them; an id with such a byte has no mark.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dstok._util.objects import Separate
from dstok.errors import UnsupportedError
from dstok.methods.decoding import BYTE_MARK

if TYPE_CHECKING:
    from dstok.core.encode.decode import Decoder
    from dstok.methods.incremental import TextParts

    Places = npt.NDArray[np.int64]

_PART_OF_CHARACTER = range(0x80, 0xC0)  # bytes that begin no character
_REPLACED = "\ufffd".encode()
_NO_ID = -1  # in the place of an id with a byte that is not UTF-8


class CanonicalMarks(Separate):
    """The marks of ids that grow. `parts`: a text in parts that is empty."""

    def __init__(self, decoder: Decoder, parts: TextParts) -> None:
        self._tokens, self._parts = decoder, parts
        self._chars: _Characters = _Runs() if decoder.runs else _Characters()
        self._strips = decoder.strip  # is a space at the start of the text left out
        self._end = 0  # bytes of the text, without those that wait
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
        canonical, sure = self._parts.grow(text)
        if self._tokens.runs:
            sizes = np.array([len(self._tokens.token(id)) for id in canonical], np.int64)
        else:
            sizes = self._decoded(canonical)[1]
        found = _with_places(canonical, self._canonical_end, sizes)
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
        """The text that `ids` complete, as UTF-8. Adds the ids with their places to the open ones."""
        if not self._tokens.runs and not self._chars.waiting:
            data, sizes = self._decoded(ids)
            if _is_utf8(data):
                self._open = np.concatenate([self._open, _with_places(ids, self._end, sizes)])
                return data
        return self._read_each(ids, final)

    def _read_each(self, ids: list[int], final: bool) -> bytes:
        """Does what `_read` does, id by id: for characters that are cut, bytes that are not UTF-8, and byte tokens."""
        text, rows, chars, lost = bytearray(), np.empty((len(ids), 3), np.int64), self._chars, list[tuple[int, int]]()
        for at, id in enumerate(ids):
            marked, begun = self._tokens.marked([id], False), self._end + len(text)
            is_byte = marked.startswith(BYTE_MARK)
            token = marked[len(BYTE_MARK) :] if is_byte else marked
            more, before, own = chars.add(token, is_byte)
            text += more
            end = self._end + len(text) + len(chars.waiting)
            rows[at] = _NO_ID if own else id, end - len(token), end
            lost += [(begun, at)] if before else []
        if final:
            begun = self._end + len(text)
            more, before = chars.end()
            text += more
            lost += [(begun, len(ids))] if before else []
        first = len(self._open)
        self._open = np.concatenate([self._open, rows])
        for begun, at in lost:  # the ids whose bytes waited from `begun` on
            self._open[np.searchsorted(self._open[: first + at, 2], begun, "right") : first + at, 0] = _NO_ID
        return bytes(text)

    def _decoded(self, ids: list[int]) -> tuple[bytes, Places]:
        """The bytes of `ids`, and the number of those of each."""
        data, sizes, _ = self._tokens.decode_lists(np.array(ids, np.uint32), np.ones(len(ids), np.int64), False)
        return data, np.asarray(sizes)


class _Characters(Separate):
    """The text of tokens that come one by one, with U+FFFD for bytes that are not UTF-8.

    waiting: the bytes of a last character that is not whole.
    """

    def __init__(self) -> None:
        self.waiting: bytes | bytearray = b""

    def add(self, token: bytes, is_byte: bool) -> tuple[bytes, bool, bool]:
        """(text, before, own): the text that is sure after a token; were bytes that waited replaced; any of its own.

        `before` is not told of E0, ED, F0 and F4, which a byte of 80 to BF may break: U+FFFD has none of them, so no
        canonical id has them there.
        """
        text, before = self.end() if self.waiting and token[0] not in _PART_OF_CHARACTER else (b"", False)
        data = bytes(self.waiting) + token
        chars, used = codecs.utf_8_decode(data, "replace", False)
        found = chars.encode()
        self.waiting = data[used:]
        return text + found, before, found != data[:used]

    def end(self) -> tuple[bytes, bool]:
        """(text, before) after the last token, as for `add`."""
        text, self.waiting = _REPLACED if self.waiting else b"", b""
        return text, bool(text)


class _Runs(_Characters):
    """In a model of characters, a run of byte tokens is UTF-8, or each of its bytes is U+FFFD. `waiting`: the run."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def add(self, token: bytes, is_byte: bool) -> tuple[bytes, bool, bool]:
        if is_byte:
            self.waiting += token
            return b"", False, False
        text, before = self.end()
        return text + token, before, False

    def end(self) -> tuple[bytes, bool]:
        run, self.waiting = bytes(self.waiting), bytearray()
        return (run, False) if _is_utf8(run) else (_REPLACED * len(run), True)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _with_places(ids: Any, start: int, sizes: Places) -> Places:
    ends = start + np.cumsum(sizes)
    return np.stack([np.asarray(ids, np.int64), ends - sizes, ends], axis=1)
