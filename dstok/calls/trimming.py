"""Spans without the white space at the ends of their tokens, for models whose post-processor has `trim_offsets`.

In: ids, with the spans of each; the text of each added token, as it was found. Out: shorter spans.
Invariant: code point spans are upstream's with `trim_offsets`. Byte spans lose the same characters. Example: in
"Hi all" the span of the token " all" is 2:6; trimmed, it is 3:6.
Upstream looks at the token as the file spells it. It trims White_Space, and "Ġ", which stands for a space in byte-level
tokens. So a model of characters keeps its spaces, which are spelled "▁", and a line feed that is the token "<0x0A>".
Source: upstream 0.23.3, measured; tests/calls/test_trimmed_offsets.py compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from dstok.core.merge._bpe import BPE
from dstok.formats.added_token import AddedToken
from dstok.formats.character_shape import BLANK, CharacterShape, spelled
from dstok.formats.post_processors import BUT_FIRST
from dstok.formats.tokens import BYTE_TO_CHAR

if TYPE_CHECKING:
    import numpy.typing as npt

    Spans = npt.NDArray[np.int64]

__all__ = ["Trimmer"]

SPACE = ord(" ")
White = tuple[int, int, int, int]  # characters and bytes of white space at the start of a token, and at its end


class Trimmer:
    """Trims the spans of one model.

    `trimming` is one of `TRIMMINGS`, not "". `shape` is that of a model of characters, `added` are the added tokens.
    """

    def __init__(
        self, trimming: str, unicode_version: str, bpe: BPE, shape: CharacterShape | None, added: Iterable[AddedToken],
    ) -> None:
        from dstok.unicode.sets import white_space  # needed by few models

        self._keeps_first, self._bpe, self._shape = trimming == BUT_FIRST, bpe, shape
        white = "".join(chr(c) for first, last in white_space(unicode_version).ranges for c in range(first, last + 1))
        self._white = white + BYTE_TO_CHAR[SPACE]
        self._blanked = frozenset(token.id for token in added if token.normalized and shape is not None)  # " " is "▁"
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
