"""The places of ids and pieces in a text.

In: a text, a policy. Out: `Encoding`, `Piece`, spans; all are places in the text that the caller gave. Invariant: the
ids are those of `encode`. Byte spans follow one another and cover the text, except where a Removed step drops text. If
a token is a part of a character, its byte span is that part, and its code point span is the whole character, as
upstream has it: V3 reads "a⃁" as "a" and two tokens for "⃁", with byte spans 0:1, 1:3, 3:4. The core finds ids and
spans in one pass; a second one, without cuts, gives the numbers of pieces when a caller asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import Errors, Special, Text, checked_text, explained, first_ids, utf8
from dstok._util.objects import lazy
from dstok.added_tokens import TextOptions
from dstok.core.encode.pieces import SpanPass, add_pieces, char_spans, in_characters
from dstok.core.split.automaton import Scanner
from dstok.core.text.added_tokens import Policy
from dstok.formats.byte_alphabet import BYTE_TO_CHAR
from dstok.formats.components import BUT_FIRST
from dstok.formats.description import BLANK, spelled
from dstok.normalizers import NormalizedText, blanks, normalized_text
from dstok.regex.cascade import Tag

if TYPE_CHECKING:
    from dstok.core.split.two_sided import TwoSided
    from dstok.tokenizer import Tokenizer

Ids: TypeAlias = "npt.NDArray[np.uint32]"
Spans: TypeAlias = "npt.NDArray[np.int64]"
White = tuple[int, int, int, int]  # characters and bytes of white space at the start of a token, and at its end


@dataclass(frozen=True, eq=False, repr=False)
class Encoding:
    """The ids of a text and their places; each array has one row for each id.

    ids: uint32[n]. byte_spans: int64[n, 2], start and end in bytes of the UTF-8 text. char_spans:
    int64[n, 2], in code points. pieces: int64[n], the number of the id's piece; the first use reads the text
    again. special: bool[n], whether the id is an added token's.
    If BOS and EOS are asked for, they have the piece number -1 and empty spans, at the start and at the end of the
    text.
    """

    __slots__ = ("__dict__", "_pieces")  # the array, or a function that makes it

    ids: Ids
    byte_spans: Spans
    char_spans: Spans
    _pieces: npt.NDArray[np.int64] | Callable[[], npt.NDArray[np.int64]]
    special: npt.NDArray[np.bool_]

    @lazy
    def pieces(self) -> npt.NDArray[np.int64]:
        """int64[n], the number of each id's piece; -1 for BOS and EOS."""
        return self._pieces() if callable(self._pieces) else self._pieces

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        """Whether all arrays of both are equal. There is no hash, because arrays can change."""
        if not isinstance(other, Encoding):
            return NotImplemented
        return all(map(np.array_equal, self._columns(), other._columns()))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Encoding({first_ids(self.ids)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Encoding, self._columns()

    def _columns(self) -> tuple[Any, ...]:
        return self.ids, self.byte_spans, self.char_spans, self.pieces, self.special

    def framed(self, options: TextOptions, end: tuple[int, int]) -> Encoding:
        """Adds BOS and EOS. `end` is the text's end, in bytes and in code points."""
        def around(column: Any, first: Any, last: Any) -> Any:
            edges = ((first, len(options.before)), (last, len(options.after)))
            head, tail = (np.full((count, *column.shape[1:]), value, column.dtype) for value, count in edges)
            return np.concatenate([head, column, tail])

        return Encoding(around(self.ids, options.before, options.after), around(self.byte_spans, 0, end[0]),
                        around(self.char_spans, 0, end[1]), lambda: around(self.pieces, -1, -1),
                        around(self.special, True, True))


class Piece(NamedTuple):
    """One piece, or the text of an added token.

    `start` and `end` count bytes of the UTF-8 text, `char_start` and `char_end` code points. Alternative
    `alternative` (from 0, top level of the pattern) of step `step` matched it; both are None for a gap.
    `token_id` is set if the piece is an added token.
    """

    text: str
    start: int
    end: int
    char_start: int
    char_end: int
    step: int | None
    alternative: int | None
    token_id: int | None = None


@explained
def encode_with_offsets(
    self: Tokenizer, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
    errors: Errors = "strict",
) -> Encoding:
    """Ids with their spans in bytes and code points, piece numbers, and which are added tokens.

    Keywords as `encode`. Spans are places in the text that the caller gave; with errors="replace", in that text with
    U+FFFD for its faults. If the model's post-processor has `trim_offsets`, spans leave out the white space at their
    ends, as upstream's do.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_with_offsets("né").char_spans.tolist()
    [[0, 2]]
    """
    options = TextOptions.of(self, special, add_bos, add_eos, errors)
    given = utf8(text, True) if options.replace else checked_text(text)
    encoding = self._places.encoding(given, options.policy, trim=True)
    if not options.extra:
        return encoding
    data = utf8(given, False)
    return encoding.framed(options, (len(data), len(data.decode())))


def encode_char_spans(self: Tokenizer, text: Text, *, special: Special = "all") -> Spans:
    """The code point spans of a text's ids, int64[n, 2], before a post-processor trims them. Keywords as `encode`.

    >>> import dstok
    >>> encode_char_spans(dstok.load("deepseek-v3"), "né").tolist()
    [[0, 2]]
    """
    return self._places.encoding(checked_text(text), self._added.policy(special)).char_spans


class Trimmer:
    """Trims white space off the ends of spans, for one model whose post-processor has `trim_offsets`.

    Code point spans are then upstream's; byte spans lose the same characters. Example: in "Hi all" the span of the
    token " all" is 2:6; trimmed, it is 3:6. Upstream looks at the token as the file spells it. It trims White_Space,
    and "Ġ", which stands for a space in byte-level tokens. So a model of characters keeps its spaces, which are spelled
    "▁", and a line feed that is the token "<0x0A>". Source: upstream 0.23.3, measured.
    """

    def __init__(self, tok: Tokenizer) -> None:
        header, self._bpe, self._shape = tok._tables.header, tok._bpe, tok._tables.characters
        self._keeps_first = header.trim_offsets == BUT_FIRST
        self._white = blanks(header.unicode_version) + BYTE_TO_CHAR[ord(" ")]
        self._blanked = frozenset(token.id for token in tok._added.tokens  # " " is "▁"
                                  if token.normalized and self._shape is not None)
        self._of_token = cache(self._around_token)

    def trimmed(
        self, ids: npt.NDArray[np.uint32], spans: Spans, chars: Spans, texts: dict[int, str],
    ) -> tuple[Spans, Spans]:
        """Trimmed byte and code point spans, int64[n, 2]. `texts`: of each added token, by its index among the ids."""
        found, places = np.unique(ids, return_inverse=True)
        white = np.array([self._of_token(id) for id in found.tolist()], np.int64).reshape(-1, 4)[places]
        for at, text in texts.items():
            white[at] = _around(text.replace(" ", BLANK) if ids[at] in self._blanked else text, self._white)
        if self._keeps_first:  # the one space that upstream may have added
            first = chars[:, 0] == 0
            first[:1] = True
            white[first & (white[:, 0] == 1), :2] = 0
        return _without(spans, white[:, 1], white[:, 3]), _without(chars, white[:, 0], white[:, 2])

    def _around_token(self, id: int) -> White:
        if id >= self._bpe.size:  # an added token's, whose text counts
            return 0, 0, 0, 0
        token = self._bpe.token(id)
        if self._shape is None:  # of the letters for bytes, that of a space alone is white
            return _around(token.decode("latin-1"), " ")
        return _around(spelled(token, id, self._shape), self._white)


def _around(token: str, white: str) -> White:
    left, right = token[: len(token) - len(token.lstrip(white))], token[len(token.rstrip(white)) :]
    return len(left), len(left.encode()), len(right), len(right.encode())


def _without(spans: Spans, lead: npt.NDArray[np.int64], trail: npt.NDArray[np.int64]) -> Spans:
    starts, ends = np.minimum(spans[:, 0] + lead, spans[:, 1]), spans[:, 1]
    return np.stack([starts, np.where(ends >= trail, np.maximum(ends - trail, starts), ends)], axis=1)


def add_tagged(
    pieces: list[Piece], tagger: Scanner | TwoSided, tags: Sequence[Tag], data: bytes, at: int, stop: int, chars: int,
) -> int:
    """Adds the kept pieces of `data[at:stop]`, which begins at character `chars`; returns the character at its end."""
    if isinstance(tagger, Scanner):
        reasons = [None if tag.dropped else (tag.step, tag.alternative) for tag in tags]
        return add_pieces(pieces, Piece, tagger, reasons, data, at, stop, chars)
    for start, end, number in tagger.spans(data[at:stop]):
        shown, tag = data[at + start : at + end].decode(), tags[number]
        if not tag.dropped:
            pieces.append(Piece(
                shown, at + start, at + end, chars, chars + len(shown), tag.step, tag.alternative))
        chars += len(shown)
    return chars


class Places:
    """The places of the ids that one model gives."""

    def __init__(self, tok: Tokenizer) -> None:
        self._tok, self._encoder, self._normalizer = tok, tok._encoder, tok._normalizer
        self._trimmer = Trimmer(tok) if tok._tables.header.trim_offsets else None
        self._finder = self._encoder.finder.without_cuts()
        self._span_pass = SpanPass(self._finder)
        self._runs = lru_cache(8)(self._flags_of_runs)

    def encoding(self, text: str | bytes, policy: Policy, trim: bool = False) -> Encoding:
        """The ids of a text, and their places; with `trim`, the spans as the model's post-processor trims them."""
        for quick in ((self._trimmer is None and policy.quick) or policy, policy):
            ids, own, chars, notes, _ = self._encoder.encode_spans(text, quick, False)
            if chars is not None or quick is policy:  # a normalizer may make the text of such tokens
                break
        normalized = None if chars is not None else self._normalized_text(text, policy)
        spans, seen = own, text if normalized is None else normalized.text
        if chars is None:
            chars = char_spans(utf8(seen, False), own)
        special = np.zeros(len(ids), np.bool_) if quick is policy else self._runs(policy).take(ids, mode="clip")
        special[[index for index, _, _ in notes]] = True
        if normalized is not None:
            spans, chars = normalized.byte_spans(own, chars), normalized.char_spans(chars)
        if trim and self._trimmer is not None:
            data = utf8(seen, False)
            texts = {index: data[start:end].decode() for index, start, end in notes}
            spans, chars = self._trimmer.trimmed(ids, spans, chars, texts)
        return Encoding(ids, spans, chars, partial(self._piece_numbers, text, policy), special)

    def _flags_of_runs(self, policy: Policy) -> npt.NDArray[np.bool_]:
        """Flag the ids of the added tokens that the quick policy leaves to merging. The last flag is False."""
        ids = [self._tok.added_tokens[left] for left in {*policy.contents[0]} - {*policy.quick.contents[0]}]
        return np.bincount(ids, minlength=max(ids) + 2) > 0

    def pieces(self, text: str | bytes, policy: Policy) -> list[Piece]:
        """The pieces of a text, added tokens among them."""
        added = self._encoder.added(text, policy)
        normalized = self._normalized_text(text, policy)
        data = utf8(text, False) if normalized is None else normalized.text
        tagged, pieces, at, chars = (self._tok._tagger, self._tok._program.tags), list[Piece](), 0, 0
        for id, start, end in added:
            chars = add_tagged(pieces, *tagged, data, at, start, chars)
            token = data[start:end].decode()
            pieces.append(Piece(token, start, end, chars, chars + len(token), None, None, id))
            at, chars = end, chars + len(token)
        add_tagged(pieces, *tagged, data, at, len(data), chars)
        if normalized is None or not pieces:
            return pieces
        in_chars = np.array([(piece.char_start, piece.char_end) for piece in pieces], np.int64)
        in_bytes = normalized.byte_spans(np.array([(piece.start, piece.end) for piece in pieces], np.int64), in_chars)
        return [piece._replace(start=start, end=end, char_start=first, char_end=last) for piece, (start, end),
                (first, last) in zip(pieces, in_bytes.tolist(), normalized.char_spans(in_chars).tolist())]

    def piece_spans(self, text: bytes, policy: Policy, in_code_points: bool) -> Spans:
        """The spans of the pieces, int64[n, 2], in bytes of valid UTF-8 or in code points."""
        normalized = self._normalized_text(text, policy)
        spans = self._own_pieces(text, normalized, policy)
        if normalized is not None:
            chars = char_spans(normalized.text, spans)
            return normalized.char_spans(chars) if in_code_points else normalized.byte_spans(spans, chars)
        if in_code_points and not text.isascii():
            in_characters(text, spans.reshape(-1))
        return spans

    def _piece_numbers(self, text: str | bytes, policy: Policy) -> npt.NDArray[np.int64]:
        """The number of the piece of each id. The spans are computed again: callers may change their array."""
        _, own, chars, _, _ = self._encoder.encode_spans(text, policy, False)
        spans = self._own_pieces(text, None if chars is not None else self._normalized_text(text, policy), policy)
        return np.searchsorted(spans[:, 1], own[:, 0], side="right")

    def _own_pieces(self, text: str | bytes, normalized: NormalizedText | None, policy: Policy) -> Spans:
        """The spans of pieces and added tokens in the text as the model sees it."""
        if normalized is None:
            return self._encoder.piece_spans(text, policy, self._finder)
        seen, added = normalized.text, self._encoder.added(text, policy)
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
