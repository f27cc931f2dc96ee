"""A text that comes in parts, and its ids: the object behind streams and growing texts.

In: parts of valid UTF-8. Out: after each part, the ids that no later text can change; for a growing text also the ids
of the open end, as if no text came after it.
Invariant: all ids together are those of one call on the whole text. Memory is bounded by the longest stretch without a
boundary, the longest piece and the longest added token. A growing text does not change if a token in the new part is
refused. A stream keeps that part, and refuses it again.

A model with a normalizer works in two steps. First the raw text is normalized up to its last boundary. Example: under
NFC "e" must wait, since U+0301 may follow; after "x" has come, "e" is normalized. No raw added token reaches over a
boundary, and no later character changes the text before it. Then the normalized text is encoded as far as
`Encoder.encode_part` is sure of it. A normalizer that looks farther than one character and its combining marks is
refused.
"""

from __future__ import annotations

import re
from _thread import allocate_lock
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.arguments import id_array
from dstok._util.objects import Separate
from dstok.core.run._encoder import CONTEXT, INSIDE, LATER, START
from dstok.core.text._utf8 import CUT_LENGTHS
from dstok.errors import SpecialTokenError, StreamError, UnsupportedError

if TYPE_CHECKING:
    from dstok.core.run._encoder import Encoder
    from dstok.core.text._added_tokens import Policy
    from dstok.core.text._normalize import Normalizer
    from dstok.protocols import Parts

__all__ = ["Alone", "NormalizedParts", "PlainParts", "text_in_parts"]


def text_in_parts(self: Parts, policy: Policy) -> PlainParts | NormalizedParts:
    """A text in parts, for a model with or without a normalizer. Raises `UnsupportedError` as `encode_stream`."""
    if self._normalizer is None:
        return PlainParts(self._encoder, policy)
    return NormalizedParts(self._encoder, self._normalizer, policy)


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


class PlainParts(Separate):
    """A text in parts without a normalizer. `form` of ids: `list`, `id_array`, or None for their number."""

    def __init__(self, encoder: Encoder, policy: Policy) -> None:
        self._encoder, self._policy = encoder, policy
        self._held = b""  # the open end of the text, and the context before it
        self._at = 0  # the place in `_held` at which the open end begins
        self._more: list[bytes] = []  # text after `_held` that has not been encoded yet
        self._size = 0  # bytes of the open end and of `_more`
        self._wait = 0
        self._dropped = 0  # bytes before `_held`
        self._state = START
        self._lengths = Lengths(0, 0, False) if encoder.cuts_texts else None

    def feed(self, text: bytes, final: bool, form: Any) -> Any:
        """The ids that are sure after `text`; all remaining ids if it is `final`. Raises `SpecialTokenError`.

        An open end that did not settle is encoded again when it has doubled, so an endless piece costs linear time.
        """
        if self._lengths is not None:
            self._lengths = self._lengths.after(text)
        self._more.append(text)
        self._size += len(text)
        if self._size < self._wait and not final:
            return formed(array("I"), form)
        text = b"".join([self._held, *self._more])
        try:
            ids, end, state = self._encoder.encode_part(text, self._at, self._policy, self._state, final, form)
        except SpecialTokenError as error:
            raise self._placed(error) from None
        self._wait = 0 if end > self._at else 2 * (len(text) - end)
        self._settle(text, end, state)
        return ids

    def grow(self, text: bytes, keep: bool = True) -> tuple[list[int], int]:
        """The ids after those that were sure, and the number of those that `text` makes sure.

        Raises `SpecialTokenError`. Without `keep` the object does not change.
        """
        lengths = None if self._lengths is None else self._lengths.after(text)
        text = self._held + text
        try:
            ids, sure, end, state = self._encoder.encode_grown(text, self._at, self._policy, self._state)
        except SpecialTokenError as error:
            raise self._placed(error) from None
        if keep:
            self._lengths = lengths
            self._settle(text, end, state)
        return ids, sure

    def _placed(self, error: SpecialTokenError) -> SpecialTokenError:
        """An error with its place in the whole text."""
        return SpecialTokenError(error.token, self._dropped + error.offset)

    def _settle(self, text: bytes, end: int, state: Any) -> None:
        """Keeps the open end of the text, which begins at `end`."""
        self._at, self._state = min(end, CONTEXT), state
        self._held = text[end - self._at :]
        self._dropped += end - self._at
        self._more.clear()
        self._size = len(text) - end


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
        self._raw = _Held()
        self._seen = _Held()  # the normalized text of the present stretch
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
            ids, end, self._state = self._encoder.encode_part(
                seen.text, seen.at, self._policy.inner, self._state, ends, id_array)
        except SpecialTokenError as error:
            raise SpecialTokenError(error.token, self._offset(seen.dropped + error.offset)) from None
        if ends:
            self._seen, self._state, self._origins = _Held(), LATER, []
            return ids
        seen.take(end, 0)
        while len(self._origins) > 1 and self._origins[1][0] <= seen.dropped:
            del self._origins[0]
        return ids

    def _offset(self, place: int) -> int:
        """The offset in the text of the character that gives the one at `place` of the normalized stretch."""
        begin, origin, text = next(part for part in reversed(self._origins) if part[0] <= place)
        normalized, sources = self._normalizer.align(text)
        return origin + len(text.decode()[: sources[len(normalized[: place - begin].decode())]].encode())


class _Held(Separate):
    """Text that is held. In `text`, the bytes before `at` are settled and serve as context."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.at = self.skip = 0  # `skip`: no added token begins in so many bytes from `at` on
        self.dropped = 0  # bytes before `text`
        self.wait = 0

    def add(self, text: bytes, wait: bool) -> bool:
        """Adds text; returns whether to encode it now."""
        self.text += text
        return not wait or len(self.text) - self.at >= self.wait

    def take(self, end: int, skip: int) -> None:
        """Settles the text up to `end`."""
        taken = end > self.at
        keep = min(end, CONTEXT)
        del self.text[: end - keep]
        self.dropped += end - keep
        self.at, self.skip = keep, skip
        self.wait = 0 if taken else 2 * (len(self.text) - keep)


def formed(ids: array[int], form: Any) -> Any:
    """The ids in a form as for `PlainParts`."""
    return len(ids) if form is None else ids.tolist() if form is list else ids
