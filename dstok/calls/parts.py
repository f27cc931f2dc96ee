"""A text that comes in parts, for a model with a normalizer: what its streams and growing texts run on.

In: parts of valid UTF-8. Out: after each part, the ids that no later text can change.
Invariant: all ids together are those of one call on the whole text. Memory is bounded by the longest stretch without a
boundary, the longest piece and the longest added token.
Two things are waited for. The raw text is normalized up to its last boundary: a place that no added token with
normalized=false reaches over, and where no later character can change what stands before. Under NFC "e" is not
normalized yet, since U+0301 may follow; once "x" has come after it, it is. What is normalized is then encoded as far as
`Encoder.encode_part` is sure of it. A normalizer that looks farther than one character and its marks is refused.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from dstok.base.copies import Separate
from dstok.base.ids import id_array
from dstok.core.run._encode import CONTEXT, START
from dstok.errors import SpecialTokenError, UnsupportedError

if TYPE_CHECKING:
    from dstok.core.run._encode import Encoder
    from dstok.core.text._normalize import Normalizer
    from dstok.core.text._policy import Policy

__all__ = ["NormalizedParts"]


class NormalizedParts(Separate):
    """Encodes a text part by part. `patient`: text that was not settled is looked at again when it has doubled."""

    def __init__(self, encoder: Encoder, normalizer: Normalizer, policy: Policy, patient: bool) -> None:
        if not normalizer.local:
            raise UnsupportedError("encoding in parts with a normalizer that may look at the whole text: Prepend, "
                                   "Replace or Strip", "normalizer")
        self._encoder, self._normalizer, self._policy, self._patient = encoder, normalizer, policy, patient
        self._raw = _Held()
        self._seen = _Held()  # normalized, of the present stretch
        self._state = START
        self._origins: list[tuple[int, int, bytes]] = []  # of what is in `_seen`: place in it, in the text; raw part

    def advance(self, text: bytes, final: bool) -> array[int]:
        """The ids that are sure after `text`; all that are left, if it is `final`. Raises `SpecialTokenError`."""
        ids, raw = array("I"), self._raw
        if not raw.add(text, self._patient and not final):
            return ids
        at = raw.at
        scan = at + raw.skip
        while True:
            start, end, content, token, safe, scan = self._policy.find_raw(raw.text, at, scan, final)
            stop = start if token >= 0 else safe
            ends = final or token >= 0
            cut = stop if ends else self._normalizer.last_boundary(raw.text, at, stop)
            if cut > at or ends:
                ids += self._stretch(bytes(raw.text[at:cut]), raw.dropped + at, ends)
            if token < 0:
                raw.take(cut, max(scan - cut, 0))
                return ids
            if self._policy.refuses:
                raise SpecialTokenError(self._policy.contents[0][token], raw.dropped + content)
            ids.append(self._policy.raw_id(token))
            at = scan = end

    def _stretch(self, text: bytes, origin: int, ends: bool) -> array[int]:
        """The ids that are sure after a part of a stretch, which begins at `origin` of the text."""
        seen = self._seen
        self._origins.append((seen.dropped + len(seen.text), origin, text))
        if not seen.add(self._normalizer.normalize(text), self._patient and not ends):
            return array("I")
        ids: array[int]
        try:
            ids, end, self._state = self._encoder.encode_part(
                seen.text, seen.at, self._policy.inner, self._state, ends, id_array)
        except SpecialTokenError as error:
            raise SpecialTokenError(error.token, self._offset(seen.dropped + error.offset)) from None
        if ends:
            self._seen, self._state, self._origins = _Held(), START, []
            return ids
        seen.take(end, 0)
        while len(self._origins) > 1 and self._origins[1][0] <= seen.dropped:
            del self._origins[0]
        return ids

    def _offset(self, place: int) -> int:
        """Where in the text the character comes from that lies at `place` of the normalized stretch."""
        begin, origin, text = next(part for part in reversed(self._origins) if part[0] <= place)
        normalized, sources = self._normalizer.align(text)
        return origin + len(text.decode()[: sources[len(normalized[: place - begin].decode())]].encode())


class _Held(Separate):
    """Text that is held: `text`, of which what is before `at` is settled, and only context."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.at = self.skip = 0  # `skip`: bytes ahead where no added token may begin
        self.dropped = 0  # bytes before `text`
        self.wait = 0

    def add(self, text: bytes, wait: bool) -> bool:
        """Adds text; whether it is time to look at it."""
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
