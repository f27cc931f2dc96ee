"""A text -> its ids and its pieces, with their places.

In: a text, a policy. Out: `Encoding`, `Piece`s, and for budgets the ends of the first ids.
Invariant: the ids are those of `Encoder.encode`. The pieces come from a second automaton, which also tells by which
alternative of which step each piece was made; the encoder's automaton need not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dstok.calls.offsets import Encoding, Piece, char_spans, original_pieces, pieces_of, token_spans
from dstok.calls.trimming import Trimmer
from dstok.core._decode import Decoder
from dstok.core._encode import Encoder
from dstok.core._normalize import Normalizer
from dstok.core._policy import Policy
from dstok.core._scan import Scanner
from dstok.pattern.collapse import Tag
from dstok.text.normalizers import View, view_of

__all__ = ["Places", "empty_ids"]

Ids: TypeAlias = "npt.NDArray[np.uint32]"
Spans: TypeAlias = "npt.NDArray[np.int64]"
Found: TypeAlias = "tuple[int, int, int, int | None]"


class Places:
    """Where the ids of one model lie.

    `scanner` tells alternatives apart, by their number in `tags`. `drops`: whether a step drops text.
    """

    def __init__(
        self, encoder: Encoder, normalizer: Normalizer | None, decoder: Decoder, scanner: Scanner, tags: Sequence[Tag],
        trimmer: Trimmer | None, drops: bool,
    ) -> None:
        self._encoder, self._normalizer, self._decoder = encoder, normalizer, decoder
        self._scanner, self._tags, self._trimmer, self._drops = scanner, tags, trimmer, drops

    def encoding(self, text: bytes, policy: Policy, trim: bool = False) -> Encoding:
        """The ids of valid UTF-8, and where they lie; with `trim` as the model's post-processor leaves the spans."""
        ids, notes, view, seen = self._noted(text, policy)
        runs = self._runs(seen, notes)
        spans = token_spans(ids, notes, runs, self._decoder)
        own, chars, pieces = spans, char_spans(spans, seen), pieces_of(spans, runs)
        flags = np.zeros(len(ids), np.bool_)
        flags[[index for index, _, _ in notes]] = True
        if view is not None:
            spans, chars = view.byte_spans(spans, chars), view.char_spans(chars)
        if trim and self._trimmer is not None:
            spans, chars = self._trimmer.trimmed(spans, chars, own, seen, flags)
        return Encoding(ids, spans, chars, pieces, flags)

    def char_spans(self, text: bytes, policy: Policy) -> Spans:
        """The code point spans alone, int64[n, 2], as `encoding` has them; where no text is dropped, without pieces."""
        ids, notes, view, seen = self._noted(text, policy)
        runs = self._runs(seen, notes) if self._drops else []
        spans = char_spans(token_spans(ids, notes, runs, self._decoder), seen)
        return spans if view is None else view.char_spans(spans)

    def pieces(self, text: bytes, policy: Policy) -> list[Piece]:
        """The pieces of valid UTF-8, added tokens among them."""
        ids, notes, view, seen = self._noted(text, policy)
        found, at, chars = [], 0, 0
        for start, end, tag, index in self._pieces(seen, notes):
            chars += len(seen[at:start].decode())
            shown = seen[start:end].decode()
            why = self._tags[tag]
            token_id = None if index is None else int(ids[index])
            found.append(Piece(shown, start, end, chars, chars + len(shown), why.step, why.alternative, token_id))
            at, chars = end, chars + len(shown)
        return found if view is None else original_pieces(view, found)

    def first_ends(self, text: str, limit: int, policy: Policy) -> tuple[Ids, list[int]]:
        """At least `limit` ids of the start of `text` (or all), and where each ends, in whole code points."""
        ids, notes, end = self._encoder.encode_noted(text, policy, False, empty_ids, max(limit, 0))
        view = self._view(text, policy)
        data = (text.encode("utf-8", "surrogatepass") if view is None else view.text)[:end]  # no surrogate before `end`
        runs = [(piece[0], piece[1]) for piece in self._pieces(data, notes)]
        spans = char_spans(token_spans(ids, notes, runs, self._decoder), data)
        ends = spans[:, 1]
        if view is not None:
            return ids, view.cuts(ends, len(text)).tolist()
        inside = ends[:-1] > spans[1:, 0]  # the next token begins in the same character
        ends[:-1] -= inside
        return ids, ends.tolist()

    def _noted(self, text: bytes, policy: Policy) -> tuple[Ids, list[tuple[int, int, int]], View | None, bytes]:
        """Ids, added tokens, and the text as the model sees it."""
        ids, notes, _ = self._encoder.encode_noted(text, policy, False, empty_ids)
        view = self._view(text, policy)
        return ids, notes, view, text if view is None else view.text

    def _runs(self, seen: bytes, notes: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
        return [(piece[0], piece[1]) for piece in self._pieces(seen, notes)]

    def _view(self, text: str | bytes, policy: Policy) -> View | None:
        """The text as the model sees it; None if that is the text itself."""
        if self._normalizer is None or self._normalizer.is_normalized(text):
            return None
        return view_of(self._normalizer, text if isinstance(text, bytes) else text.encode(), policy)

    def _pieces(self, data: bytes, notes: Sequence[tuple[int, int, int]]) -> Iterator[Found]:
        """(start, end, tag, None) of each piece kept, (start, end, 0, index of the id) of each added token."""
        at = 0
        for index, start, end in [*notes, (-1, len(data), len(data))]:
            for first, last, tag in self._scanner.spans(data[at:start]):
                if not self._tags[tag].dropped:
                    yield at + first, at + last, tag, None
            if index >= 0:
                yield start, end, 0, index
            at = end


def empty_ids(count: int) -> Ids:
    """Room for ids."""
    return np.empty(count, np.uint32)
