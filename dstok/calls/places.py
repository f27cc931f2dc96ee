"""A text -> its ids and its pieces, with their places.

In: a text, a policy. Out: `Encoding`, `Piece`s, and for budgets the ends of the first ids.
Invariant: the core finds ids and spans in one pass. A second pass, without cuts, gives the numbers of pieces. Another
automaton tells which alternative of which step made a piece: it alone knows that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dstok.calls.spans import Encoding, Piece, original_pieces
from dstok.calls.trimming import Trimmer
from dstok.core.run._encode import Encoder
from dstok.core.run._offsets import char_spans, piece_numbers
from dstok.core.run._span_pass import SpanPass
from dstok.core.split._scan import Scanner
from dstok.core.text._normalize import Normalizer
from dstok.core.text._policy import Policy
from dstok.pattern.cascade import Tag
from dstok.text.normalizers import NormalizedText, normalized_text

__all__ = ["Places"]

Ids: TypeAlias = "npt.NDArray[np.uint32]"
Spans: TypeAlias = "npt.NDArray[np.int64]"
Found: TypeAlias = "tuple[int, int, int, int | None]"


class Places:
    """Where the ids of one model lie.

    `scanner` tells alternatives apart, by their number in `tags`.
    """

    def __init__(
        self, encoder: Encoder, normalizer: Normalizer | None, scanner: Scanner, tags: Sequence[Tag],
        trimmer: Trimmer | None,
    ) -> None:
        self._encoder, self._normalizer = encoder, normalizer
        self._scanner, self._tags, self._trimmer = scanner, tags, trimmer
        self._span_pass = SpanPass(encoder.finder.without_cuts())

    def encoding(self, text: bytes, policy: Policy, trim: bool = False) -> Encoding:
        """The ids of valid UTF-8, and where they lie; with `trim` as the model's post-processor leaves the spans."""
        ids, own, notes, _ = self._found(text, policy)
        view = self._view(text, policy)
        seen = text if view is None else view.text
        spans, chars, pieces = own, char_spans(seen, own), piece_numbers(own, self._piece_ends(seen, notes))
        flags = np.zeros(len(ids), np.bool_)
        flags[[index for index, _, _ in notes]] = True
        if view is not None:
            spans, chars = view.byte_spans(spans, chars), view.char_spans(chars)
        if trim and self._trimmer is not None:
            spans, chars = self._trimmer.trimmed(spans, chars, own, seen, flags)
        return Encoding(ids, spans, chars, pieces, flags)

    def char_spans(self, text: bytes, policy: Policy) -> Spans:
        """The code point spans alone, int64[n, 2], as `encoding` has them."""
        _, own, _, _ = self._found(text, policy)
        view = self._view(text, policy)
        return char_spans(text, own) if view is None else view.char_spans(char_spans(view.text, own))

    def pieces(self, text: bytes, policy: Policy) -> list[Piece]:
        """The pieces of valid UTF-8, added tokens among them."""
        ids, _, notes, _ = self._found(text, policy)
        view = self._view(text, policy)
        seen = text if view is None else view.text
        found, at, chars = [], 0, 0
        for start, end, tag, index in self._pieces(seen, notes):
            chars += len(seen[at:start].decode())
            shown = seen[start:end].decode()
            why = self._tags[tag]
            token_id = None if index is None else int(ids[index])
            found.append(Piece(shown, start, end, chars, chars + len(shown), why.step, why.alternative, token_id))
            at, chars = end, chars + len(shown)
        return found if view is None else original_pieces(view, found)

    def _found(
        self, text: str | bytes, policy: Policy, limit: int = sys.maxsize,
    ) -> tuple[Ids, Spans, list[tuple[int, int, int]], int]:
        """Ids, their byte spans in the text as the model sees it, added tokens, and how many bytes the ids cover."""
        return self._encoder.encode_spans(text, policy, False, limit)

    def _piece_ends(self, seen: bytes, notes: Sequence[tuple[int, int, int]]) -> Spans:
        """Where each piece that is kept ends, and each added token."""
        starts, ends = [0, *(end for _, _, end in notes)], [*(start for _, start, _ in notes), len(seen)]
        stretches: list[str | bytes] = [seen[start:end] for start, end in zip(starts, ends)] if notes else [seen]
        spans, counts = self._span_pass.spans_of(stretches)
        found = spans[:, 1] + np.repeat(starts, counts)
        places = np.cumsum(counts[:-1])  # of the added tokens, among the pieces
        return np.insert(found, places, starts[1:]) if notes else found

    def _view(self, text: str | bytes, policy: Policy) -> NormalizedText | None:
        """The text as the model sees it; None if that is the text itself."""
        if self._normalizer is None or self._normalizer.is_normalized(text):
            return None
        return normalized_text(self._normalizer, text if isinstance(text, bytes) else text.encode(), policy)

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

