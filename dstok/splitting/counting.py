"""The frequency of each piece in a corpus.

In: a `Cascade` and texts, one by one. Out: a dict from piece to frequency, the most frequent first.
Invariant: the pieces are those that `Splitter.split` gives for each text. The longest text bounds memory,
and `memory` bounds the table of distinct pieces. The dict at the end comes on top.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from dstok.base.texts import Errors, Text, checked_texts, replaces_faults
from dstok.core.find._tally import Tally
from dstok.errors import DstokError
from dstok.splitting.finders import make_finder
from dstok.splitting.texts import numbered

if TYPE_CHECKING:
    from dstok.pattern.cascade import Cascade

__all__ = ["count_pieces"]


def count_pieces(cascade: Cascade, texts: Iterable[Text], memory: int, errors: Errors) -> dict[str, int]:
    """As `Splitter.count_pieces`."""
    tally = Tally(make_finder(cascade))
    tally.limit(memory)
    replaces_faults(errors)
    for number, text in enumerate(checked_texts(texts)):
        plain = isinstance(text, str) and text.isascii()  # most lines are ASCII, and need no further check
        if not tally.add(cast(str, text) if plain else numbered(text, errors, number)):
            raise DstokError(f"expected distinct pieces that fit in {memory} bytes, found {tally.distinct()} of them "
                             f"in {number + 1} texts, and more")
    return tally.counted()
