"""How often each piece occurs in a corpus.

In: a `Cascade` and texts, one by one. Out: a dict from piece to frequency, the most frequent first.
Invariant: the sum of what `Splitter.split` gives of each text. Memory is bounded by `memory` for the table of distinct
pieces, and by the longest text; at the end the dict takes its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from dstok.base.texts import Errors, Text, several
from dstok.core._tally import Tally
from dstok.errors import DstokError
from dstok.splitting.batches import numbered
from dstok.splitting.engine import make_cutter

if TYPE_CHECKING:
    from dstok.pattern.collapse import Cascade

__all__ = ["count_pieces"]


def count_pieces(cascade: Cascade, texts: Iterable[Text], memory: int, errors: Errors) -> dict[str, int]:
    """As `Splitter.count_pieces`."""
    tally = cast(Tally, make_cutter(cascade, Tally))
    tally.limit(memory)
    for number, text in enumerate(several(texts)):
        fits = tally.add(numbered(text, errors, number))
        if not fits:
            raise DstokError(f"expected distinct pieces that fit in {memory} bytes, found {tally.distinct()} of them "
                             f"in {number + 1} texts, and more")
    return {piece.decode(): count for piece, count in sorted(tally.counted(), key=lambda item: (-item[1], item[0]))}
