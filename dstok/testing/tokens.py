"""Ids as bytes: the ends of tokens, and the missing merge.

In: a guide, ids. Out: bytes, places in them, merges in words. Invariant: an id that the guide's tokenizer lacks stands
for one byte that occurs in no text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from dstok.testing.guide import Guide

__all__ = ["bytes_of", "ends", "spelled", "tokens_of", "violated", "width"]


def width(text: str) -> int:
    """The length of a text in bytes."""
    return len(text.encode())


def _token(guide: Guide, id: int) -> bytes:
    return guide.tokenizer.decode_bytes([id]) if guide.model.has(id) else b"?"


def bytes_of(guide: Guide, ids: Iterable[int]) -> bytes:
    """The bytes of the ids, with `?` for an id that the model does not have."""
    return b"".join(_token(guide, id) for id in ids)


def ends(guide: Guide, ids: Iterable[int]) -> Iterator[int]:
    """The end of each id in `bytes_of`."""
    at = 0
    for id in ids:
        at += len(_token(guide, id))
        yield at


def tokens_of(guide: Guide, ids: list[int], size: int) -> int:
    """How many of the first ids have `size` bytes together."""
    return next((number for number, end in enumerate(ends(guide, ids), 1) if end >= size), len(ids))


def violated(guide: Guide, piece: bytes, theirs: list[int]) -> str:
    """The first merge of the reference that the candidate's tokens show to be missing."""
    cuts = set(ends(guide, theirs))
    merges = guide.merges
    parts = [piece[at : at + 1] for at in range(len(piece))]
    ids = [guide.model.merge(part)[0] for part in parts]
    while True:
        options = [(*merges[pair], at) for at, pair in enumerate(pairwise(ids)) if pair in merges]
        if not options:
            return "one merge too few or too many at the end"
        rank, merged, at = min(options)
        border = sum(map(len, parts[: at + 1]))
        if border in cuts:
            return f"{spelled(parts[at])} + {spelled(parts[at + 1])} (rank {rank})"
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        ids[at : at + 2] = [merged]


def spelled(data: bytes) -> str:
    """The bytes of a token: as a text if they are one."""
    try:
        return repr(data.decode())
    except UnicodeDecodeError:
        return repr(data)
