"""A text -> its ids and its pieces, with their places.

In: a text, a policy. Out: `Encoding`, `Piece`s.
Invariant: the core finds ids and spans in one pass. A second pass, without cuts, gives the numbers of pieces when a
caller asks for them. Another automaton tells which alternative of which step made a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dstok.base.texts import utf8
from dstok.calls.spans import Encoding, Piece, original_pieces
from dstok.calls.trimming import Trimmer
from dstok.core.merge._bpe import BPE
from dstok.core.run._encode import Encoder
from dstok.core.run._offsets import char_spans, in_characters, piece_numbers
from dstok.core.run._piece_list import add_pieces
from dstok.core.run._span_pass import SpanPass
from dstok.core.split._scan import Scanner
from dstok.core.text._normalize import Normalizer
from dstok.core.text._policy import Policy
from dstok.pattern.cascade import Tag
from dstok.text.normalizers import NormalizedText, normalized_text

__all__ = ["Places"]

Ids: TypeAlias = "npt.NDArray[np.uint32]"
Spans: TypeAlias = "npt.NDArray[np.int64]"


class Places:
    """The places of the ids that one model gives.

    `tagged` gives the automaton that tells alternatives apart, with its tags. It is compiled at its first use.
    """

    def __init__(
        self, encoder: Encoder, normalizer: Normalizer | None, tagged: Callable[[], tuple[Scanner, Sequence[Tag]]],
        trimmer: Trimmer | None, bpe: BPE,
    ) -> None:
        self._encoder, self._normalizer = encoder, normalizer
        self._tagged, self._trimmer, self._bpe = tagged, trimmer, bpe
        self._piece_pass = encoder.piece_pass()
        self._span_pass = SpanPass(encoder.finder.without_cuts())

    def encoding(self, text: str | bytes, policy: Policy, trim: bool = False) -> Encoding:
        """The ids of a text, and their places; with `trim`, the spans as the model's post-processor trims them."""
        own_places = self._trimmer is None  # which looks at the normalized text
        ids, own, chars, notes, _ = self._encoder.encode_spans(text, policy, False, own_places=own_places)
        normalized = None if chars is not None else self._normalized_text(text, policy)
        spans = own
        seen = text if normalized is None else normalized.text
        if chars is None:
            chars = char_spans(utf8(seen, False), own)
        special = np.zeros(len(ids), np.bool_)
        special[[index for index, _, _ in notes]] = True
        if normalized is not None:
            spans, chars = normalized.byte_spans(own, chars), normalized.char_spans(chars)
        if trim and self._trimmer is not None:
            data = utf8(seen, False)
            if self._bpe.lost is not None:  # the text at the places of ids is not that of their tokens
                tokens = [data[start:end] if is_added else self._bpe.token(id)
                          for id, (start, end), is_added in zip(ids.tolist(), own.tolist(), special.tolist())]
                ends = np.cumsum([0, *map(len, tokens)], dtype=np.int64)
                data, own = b"".join(tokens), np.stack([ends[:-1], ends[1:]], axis=1)
            spans, chars = self._trimmer.trimmed(spans, chars, own, data, special)
        return Encoding(ids, spans, chars, partial(self._piece_numbers, text, policy), special)

    def char_spans(self, text: str | bytes, policy: Policy) -> Spans:
        """The spans of `encoding` in code points, int64[n, 2]."""
        return self.encoding(text, policy).char_spans

    def pieces(self, text: str | bytes, policy: Policy) -> list[Piece]:
        """The pieces of a text, added tokens among them."""
        added = self._encoder.added(text, policy)
        normalized = self._normalized_text(text, policy)
        data = utf8(text, False) if normalized is None else normalized.text
        scanner, tags = self._tagged()
        reasons = [None if tag.dropped else (tag.step, tag.alternative) for tag in tags]
        pieces, at, chars = list[Piece](), 0, 0
        for id, start, end in added:
            chars = add_pieces(pieces, Piece, scanner, reasons, data, at, start, chars)
            token = data[start:end].decode()
            pieces.append(Piece(token, start, end, chars, chars + len(token), None, None, id))
            at, chars = end, chars + len(token)
        add_pieces(pieces, Piece, scanner, reasons, data, at, len(data), chars)
        return pieces if normalized is None else original_pieces(normalized, pieces)

    def piece_spans(self, text: bytes, policy: Policy, in_code_points: bool) -> Spans:
        """The spans of the pieces, int64[n, 2], in bytes of valid UTF-8 or in code points."""
        normalized = self._normalized_text(text, policy)
        if normalized is None:
            spans = self._encoder.piece_spans(self._piece_pass, text, policy)
            if in_code_points and not text.isascii():
                in_characters(text, spans.reshape(-1))
            return spans
        own = self._normalized_pieces(normalized.text, self._encoder.added(text, policy))
        chars = char_spans(normalized.text, own)
        return normalized.char_spans(chars) if in_code_points else normalized.byte_spans(own, chars)

    def _piece_numbers(self, text: str | bytes, policy: Policy) -> npt.NDArray[np.int64]:
        """The number of the piece of each id. The spans are computed again: callers may change their array."""
        _, own, chars, _, _ = self._encoder.encode_spans(text, policy, False, own_places=True)
        normalized = None if chars is not None else self._normalized_text(text, policy)
        if normalized is None:
            spans = self._encoder.piece_spans(self._piece_pass, text, policy)
        else:
            spans = self._normalized_pieces(normalized.text, self._encoder.added(text, policy))
        return piece_numbers(own, spans[:, 1].copy())

    def _normalized_pieces(self, seen: bytes, added: list[tuple[int, int, int]]) -> Spans:
        """The spans of pieces and added tokens in normalized text, from the places of these."""
        starts, ends = [0, *(end for _, _, end in added)], [*(start for _, start, _ in added), len(seen)]
        spans, counts = self._span_pass.spans_of([seen[start:end] for start, end in zip(starts, ends)])
        spans = spans + np.repeat(starts, counts)[:, None]
        places = np.cumsum(counts[:-1])  # the index of each added token among the pieces
        return np.insert(spans, places, [(start, end) for _, start, end in added], axis=0) if added else spans

    def _normalized_text(self, text: str | bytes, policy: Policy) -> NormalizedText | None:
        """The normalized text; None if the text is normalized already."""
        if self._normalizer is None or self._normalizer.is_normalized(text):
            return None
        return normalized_text(self._normalizer, text if isinstance(text, bytes) else text.encode(), policy)
