"""Added tokens as columns: their form in images and built-in models.

In: added tokens. Out: JSON-able columns, and from them the same tokens again. Invariant: nothing is lost.
"""

from __future__ import annotations

from typing import Any

from dstok.formats.added_token import AddedToken

__all__ = ["MAX_FLAGS", "joined", "pack_added", "unpack_added"]

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special", "literal")  # bits 0 to 5 of a token's flags
_BITS = [[bool(flags >> bit & 1) for bit in range(len(_FLAGS))] for flags in range(1 << len(_FLAGS))]
MAX_FLAGS = len(_BITS) - 1


def pack_added(tokens: tuple[AddedToken, ...]) -> dict[str, list[Any]]:
    """The columns: ids, contents, and flags as bits.

    >>> pack_added((AddedToken(7, "<think>", lstrip=True),))
    {'id': [7], 'content': ['<think>'], 'flags': [2]}
    """
    return {
        "id": [t.id for t in tokens],
        "content": [t.content for t in tokens],
        "flags": [sum(getattr(t, flag) << bit for bit, flag in enumerate(_FLAGS)) for t in tokens],
    }


def unpack_added(columns: dict[str, list[Any]]) -> tuple[AddedToken, ...]:
    """The tokens of such columns. The columns are not checked."""
    return tuple(AddedToken(id, content, *_BITS[flags])
                 for id, content, flags in zip(columns["id"], columns["content"], columns["flags"]))


def joined(shared: dict[str, list[Any]], own: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The columns of both, by id; where both have an id, the token is that of `own`.

    >>> joined({"id": [5, 7], "content": ["a", "b"], "flags": [0, 0]}, {"id": [7], "content": ["c"], "flags": [1]})
    {'id': [5, 7], 'content': ['a', 'c'], 'flags': [0, 1]}
    """
    rows = {row[0]: row for columns in (shared, own) for row in zip(*columns.values())}
    return dict(zip(own, map(list, zip(*(rows[id] for id in sorted(rows))))))
