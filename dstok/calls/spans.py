"""The places of ids and pieces in a text: the results, and the functions that compute them.

In: ids, spans in bytes, the text. Out: `Encoding`, `Piece`, spans in code points.
Invariant: byte spans follow one another and cover the text, except where a Removed step drops text. Example: V3 reads
"a⃁" as "a" and two tokens for "⃁" (U+20C1, three bytes). The byte spans are 0:1, 1:3, 3:4; the code point spans are
0:1, 1:2, 1:2. If a token is a part of a character, its byte span is that part, and its code point span is the whole
character, as upstream has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok.base.ids import first_ids
from dstok.base.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.text.normalizers import NormalizedText

    Ids = npt.NDArray[np.uint32]
    Spans = npt.NDArray[np.int64]

__all__ = ["Encoding", "Piece", "original_pieces"]


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
        import numpy as np

        return all(map(np.array_equal, self._columns(), other._columns()))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Encoding({first_ids(self.ids)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Encoding, self._columns()

    def _columns(self) -> tuple[Any, ...]:
        return self.ids, self.byte_spans, self.char_spans, self.pieces, self.special

    def framed(self, before: list[int], after: list[int], end: tuple[int, int]) -> Encoding:
        """Adds ids before and after those of the text. `end` is the text's end, in bytes and in code points."""
        import numpy as np

        def around(column: Any, first: Any, last: Any) -> Any:
            edges = ((first, len(before)), (last, len(after)))
            head, tail = (np.full((count, *column.shape[1:]), value, column.dtype) for value, count in edges)
            return np.concatenate([head, column, tail])

        return Encoding(around(self.ids, before, after), around(self.byte_spans, 0, end[0]),
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


def original_pieces(view: NormalizedText, pieces: list[Piece]) -> list[Piece]:
    """The pieces, which lie in `view.text`, with their places in the original text."""
    import numpy as np

    if not pieces:
        return pieces
    chars = np.array([(piece.char_start, piece.char_end) for piece in pieces], np.int64)
    spans = view.byte_spans(np.array([(piece.start, piece.end) for piece in pieces], np.int64), chars).tolist()
    return [piece._replace(start=start, end=end, char_start=first, char_end=last)
            for piece, (start, end), (first, last) in zip(pieces, spans, view.char_spans(chars).tolist())]
