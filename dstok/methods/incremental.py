"""Text that comes in parts, and its ids: what streams and growing texts (methods/growing.py) stand on.

In: parts of a text. Out: after each part, the ids that no later text can change; for a growing text also the ids of
the open end, as if no text came after it.
Invariant: all ids together are those of one call on the whole text. Memory is bounded by the longest stretch without a
boundary, the longest piece and the longest added token; time is linear. A growing text does not change if a token in
the new part is refused. A stream keeps that part, and refuses it again.

A model with a normalizer works in two steps. First the raw text is normalized up to its last boundary. Example: under
NFC "e" must wait, since U+0301 may follow; after "x" has come, "e" is normalized. No raw added token reaches over a
boundary, and no later character changes the text before it. Then the normalized text is encoded as far as
`Encoder.encode_part` is sure of it. A normalizer that looks farther than one character and its combining marks is
refused.
"""

from __future__ import annotations

import codecs
import re
from _thread import allocate_lock
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.arguments import (
    Errors,
    Special,
    Text,
    checked_text,
    id_array,
    lone_surrogate,
    not_utf8,
    replaces_faults,
    utf8,
)
from dstok._util.objects import Separate
from dstok.core.encode.encoder import CONTEXT, INSIDE, LATER, START
from dstok.core.text.utf8 import CUT_LENGTHS
from dstok.errors import SpecialTokenError, StreamError, TextError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.core.encode.encoder import Encoder
    from dstok.core.text.added_tokens import Policy
    from dstok.core.text.normalize import Normalizer
    from dstok.protocols import Parts


class Alone:
    """Refuses a second thread while one is at work: `with self._alone:`."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = allocate_lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(False):
            raise StreamError("expected one thread at a time, found another one at work on this text: give each thread "
                              "its own, or use a lock")

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __copy__(self) -> Alone:
        return Alone()


class Lengths(NamedTuple):
    """Characters so far, and those of the last run, which is blank or not: of a text that must not need a cut."""

    characters: int
    run: int
    blank: bool

    def after(self, text: bytes) -> Lengths:
        """The lengths after more text. Raises `UnsupportedError` where the model's own code would cut it."""
        chars, run, blank = text.decode(), self.run, self.blank
        for match in re.finditer(r"\s+|\S+", chars):
            now = match[0][0].isspace()
            run = len(match[0]) + (run if match.start() == 0 and now == blank else 0)
            blank = now
            if run > CUT_LENGTHS[1]:
                break
        if self.characters + len(chars) > CUT_LENGTHS[0] or run > CUT_LENGTHS[1]:
            raise UnsupportedError(f"a text in parts that the model's own code cuts: longer than {CUT_LENGTHS[0]:,} "
                                   f"characters, or with a run of {CUT_LENGTHS[1]:,} with or without white space")
        return Lengths(self.characters + len(chars), run, blank)


class HeldText(Separate):
    """The open end of a text. In `text`, the bytes before `at` are settled and serve as context."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.at = self.skip = 0  # `skip`: no added token begins in so many bytes from `at` on
        self.dropped = 0  # bytes before `text`
        self.wait = 0

    def add(self, text: bytes, wait: bool) -> bool:
        """Adds text; returns whether to encode it now: an open end that did not settle waits until it has doubled."""
        self.text += text
        return not wait or len(self.text) - self.at >= self.wait

    def take(self, end: int, skip: int = 0) -> None:
        """Settles the text up to `end`."""
        taken = end > self.at
        keep = min(end, CONTEXT)
        del self.text[: end - keep]
        self.dropped += end - keep
        self.at, self.skip = keep, skip
        self.wait = 0 if taken else 2 * (len(self.text) - keep)


class PlainParts(Separate):
    """A text in parts without a normalizer. `form` of ids: `list`, `id_array`, or None for their number."""

    def __init__(self, encoder: Encoder, policy: Policy) -> None:
        self._encoder, self._policy = encoder, policy
        self._held, self._state = HeldText(), START
        self._lengths = Lengths(0, 0, False) if encoder.cuts_texts else None

    def feed(self, text: bytes, final: bool, form: Any) -> Any:
        """The ids that are sure after `text`; all remaining ids if it is `final`. Raises `SpecialTokenError`."""
        held = self._held
        if self._lengths is not None:
            self._lengths = self._lengths.after(text)
        if not held.add(text, not final):
            return formed(array("I"), form)
        try:
            ids, _, end, self._state = self._encoder.encode_part(
                held.text, held.at, self._policy, self._state, final, form)
        except SpecialTokenError as error:
            raise SpecialTokenError(error.token, held.dropped + error.offset) from None
        held.take(end)
        return ids

    def grow(self, text: bytes, keep: bool = True) -> tuple[list[int], int]:
        """The ids after those that were sure, and the number of those that `text` makes sure.

        Raises `SpecialTokenError`. Without `keep` the object does not change.
        """
        held = self._held
        lengths = None if self._lengths is None else self._lengths.after(text)
        whole = held.text + text
        try:
            ids, sure, end, state = self._encoder.encode_part(
                whole, held.at, self._policy, self._state, False, list, True)
        except SpecialTokenError as error:
            raise SpecialTokenError(error.token, held.dropped + error.offset) from None
        if keep:
            self._lengths, self._state, held.text = lengths, state, whole
            held.take(end)
        return ids, sure


class NormalizedParts(Separate):
    """A text in parts for a model with a normalizer. `form` as for `PlainParts`."""

    def __init__(self, encoder: Encoder, normalizer: Normalizer, policy: Policy) -> None:
        if not normalizer.local:
            raise UnsupportedError("encoding in parts with a normalizer that may look at the whole text: Prepend, "
                                   "Replace or Strip", "normalizer")
        if normalizer.prefix and policy.contents[1]:
            raise UnsupportedError("encoding in parts with a space put before the text, and added tokens that are "
                                   "found after it", "normalizer")
        self._encoder, self._normalizer, self._policy = encoder, normalizer.bare(), policy  # the encoder puts the space
        self._raw = HeldText()
        self._seen = HeldText()  # the normalized text of the present stretch
        self._state = START
        # For each part of `_seen`: its place there, its place in the text, and its raw bytes.
        self._origins: list[tuple[int, int, bytes]] = []

    def follow(self, token: bool) -> None:
        """Makes an empty text one after an added token (`token`), or inside a stretch, where no space is put."""
        self._state = LATER if token else INSIDE

    def feed(self, text: bytes, final: bool, form: Any) -> Any:
        """Does what `PlainParts.feed` does."""
        return formed(self._advance(text, final, True), form)

    def grow(self, text: bytes, keep: bool = True) -> tuple[list[int], int]:
        """Does what `PlainParts.grow` does."""
        grown = self.copy()  # a refused token leaves this object as it is
        sure = grown._advance(text, False, False)
        tail = grown.copy()._advance(b"", True, False)
        if keep:
            vars(self).update(vars(grown))
        return (sure + tail).tolist(), len(sure)

    def _advance(self, text: bytes, final: bool, patient: bool) -> array[int]:
        """The ids that are sure after `text`. `patient`: unsettled text is encoded again only when it has doubled."""
        ids, raw = array("I"), self._raw
        if not raw.add(text, patient and not final):
            return ids
        at = raw.at
        scan = at + raw.skip
        while True:
            start, end, content, token, safe, scan = self._policy.find_raw(raw.text, at, scan, final)
            stop = start if token >= 0 else safe
            ends = final or token >= 0
            cut = stop if ends else self._normalizer.last_boundary(raw.text, at, stop)
            if cut > at or ends:
                ids += self._stretch(bytes(raw.text[at:cut]), raw.dropped + at, ends, patient)
            if token < 0:
                raw.take(cut, max(scan - cut, 0))
                return ids
            if self._policy.refuses:
                raise SpecialTokenError(self._policy.contents[0][token], raw.dropped + content)
            ids.append(self._policy.raw_id(token))
            at = scan = end

    def _stretch(self, text: bytes, origin: int, ends: bool, patient: bool) -> array[int]:
        """The ids that are sure after a part of a stretch, which begins at `origin` of the text."""
        seen = self._seen
        self._origins.append((seen.dropped + len(seen.text), origin, text))
        if not seen.add(self._normalizer.normalize(text), patient and not ends):
            return array("I")
        ids: array[int]
        try:
            ids, _, end, self._state = self._encoder.encode_part(
                seen.text, seen.at, self._policy.inner, self._state, ends, id_array)
        except SpecialTokenError as error:
            raise SpecialTokenError(error.token, self._offset(seen.dropped + error.offset)) from None
        if ends:
            self._seen, self._state, self._origins = HeldText(), LATER, []
            return ids
        seen.take(end)
        while len(self._origins) > 1 and self._origins[1][0] <= seen.dropped:
            del self._origins[0]
        return ids

    def _offset(self, place: int) -> int:
        """The offset in the text of the character that gives the one at `place` of the normalized stretch."""
        begin, origin, text = next(part for part in reversed(self._origins) if part[0] <= place)
        normalized, sources = self._normalizer.align(text)
        return origin + len(text.decode()[: sources[len(normalized[: place - begin].decode())]].encode())


TextParts = PlainParts | NormalizedParts


def text_in_parts(self: Parts, policy: Policy) -> TextParts:
    """A text in parts, for a model with or without a normalizer. Raises `UnsupportedError` as `encode_stream`."""
    if self._normalizer is None:
        return PlainParts(self._encoder, policy)
    return NormalizedParts(self._encoder, self._normalizer, policy)


def formed(ids: array[int], form: Any) -> Any:
    """The ids in a form as for `PlainParts`."""
    return len(ids) if form is None else ids.tolist() if form is list else ids


def encode_stream(
    self: Parts, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> EncodeStream:
    """A stream that encodes a text that comes in parts. Keywords as `encode`.

    Raises `UnsupportedError` for a model whose normalizer may look at the whole text (Prepend, Replace, Strip).
    """
    replaces_faults(errors)
    policy, edges = self._added.policy(special), (self._ends.before(add_bos), self._ends.after(add_eos))
    return EncodeStream(text_in_parts(self, policy), errors, *edges)


class Incoming(Separate):
    """Text that comes in parts, as UTF-8; errors have their offset in the whole."""

    def __init__(self, errors: Errors) -> None:
        self._errors = errors
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)
        self._offset = self._chars = 0  # bytes and code points fed before this part, for errors

    def _utf8(self, text: Text, final: bool) -> bytes:
        """`text` as valid UTF-8; a character cut at the end is held back by the incremental decoder."""
        text, pending = checked_text(text), self._decoder.getstate()[0]
        if isinstance(text, bytes):
            try:
                chars = self._decoder.decode(text, final)
            except UnicodeDecodeError as error:
                raise not_utf8(error.object[error.start], self._offset - len(pending) + error.start) from None
            self._offset += len(text)
            self._chars += len(chars)
            return chars.encode()
        if pending and text and self._errors == "strict":
            at = self._offset - len(pending)
            raise TextError(f"expected the rest of the character at byte offset {at}, found str", at)
        try:
            encoded = utf8(text, self._errors == "replace")
        except TextError as error:
            raise lone_surrogate(text[error.offset], self._chars + error.offset) from None
        self._offset += len(encoded)
        self._chars += len(text)
        if pending and text:
            self._chars += 1
            return self._decoder.decode(b"", True).encode() + encoded
        return encoded


class EncodeStream(Incoming):
    """Encodes a text that comes in parts; made by `Tokenizer.encode_stream`.

    `feed` takes `str` or bytes of any kind, and returns the ids that no later text can change. A character may be cut
    between two parts of bytes. `finish` returns the rest. With `add_bos` the first call also returns BOS; with
    `add_eos` `finish` also returns EOS. One thread at a time may use the stream: a second one gets a `StreamError`.

    `copy` (`copy.copy`, `copy.deepcopy`) gives a second stream that goes on by itself. Pickling raises
    `PickleError`.

    >>> import dstok
    >>> stream = dstok.load("deepseek-v3").encode_stream()
    >>> stream.feed_list("Hello wor") + stream.feed_list("ld") + stream.finish_list()
    [19923, 2058]
    """

    def __init__(
        self, parts: TextParts, errors: Errors, begin: Sequence[int] = (), end: Sequence[int] = (),
    ) -> None:
        super().__init__(errors)
        self._parts, self._alone = parts, Alone()
        self._begin, self._end = begin, end  # ids around those of the text; `begin` goes out only once
        self._finished = False

    def feed(self, text: Text) -> npt.NDArray[np.uint32]:
        """The ids that are sure after `text`, as uint32[n]. Raises `TextError` with the offset in the stream."""
        return self._array(text, False)

    def finish(self) -> npt.NDArray[np.uint32]:
        """The remaining ids; the stream is then at its end."""
        return self._array(b"", True)

    def feed_list(self, text: Text) -> list[int]:
        """Does what `feed` does, but returns a list."""
        return self._framed(text, False, list)  # type: ignore[no-any-return]

    def finish_list(self) -> list[int]:
        """Does what `finish` does, but returns a list."""
        return self._framed(b"", True, list)  # type: ignore[no-any-return]

    def feed_count(self, text: Text) -> int:
        """Does what `feed` does, but returns only the number of ids."""
        return int(self._framed(text, False, None))

    def finish_count(self) -> int:
        """Does what `finish` does, but returns only the number of ids."""
        return int(self._framed(b"", True, None))

    def _array(self, text: Text, final: bool) -> npt.NDArray[np.uint32]:
        import numpy as np

        ids = self._framed(text, final, id_array)
        return np.frombuffer(ids, np.uint32) if len(ids) else np.empty(0, np.uint32)

    def _framed(self, text: Text, final: bool, form: Any) -> Any:
        """The ids that are sure, in a form as for `PlainParts`, with BOS at the text's start and EOS at its end."""
        with self._alone:
            if self._finished:
                raise StreamError("the stream is finished")
            data = self._utf8(text, final)
            self._finished = final
            found = self._parts.feed(data, final, form)
            before, self._begin = self._begin, ()
        after = self._end if final else ()
        if not before and not after:
            return found
        if form is None:
            return len(before) + found + len(after)
        return [*before, *found, *after] if form is list else array("I", before) + found + array("I", after)
