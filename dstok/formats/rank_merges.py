r"""Ranks of tokens (tiktoken) -> merges of pairs, in order of rank.

In: a mapping from the bytes of a token to its rank. Out: for each token the pair that makes it, if any does.
Invariant: with these merges, merging gives for every text tiktoken's result.

tiktoken joins two neighbours if their bytes together are a token: first those of the least rank, and of equals the
leftmost. So several pairs of one rank could make a token: "ab" and "c", or "a" and "bc", make "abc". But only one of
them is ever joined. Merging the bytes of the token alone shows which one. The proof:

Say that somewhere in a text the neighbours a, b are joined to the token t. Until then nothing was joined across the
outer edges of a and b. Merging t alone makes the same joins inside of them, in the same order: each was the least and
leftmost of the whole text, so also of its own part; and the least and leftmost of a part does not depend on the text
outside. So merging t alone comes to a, b, too, and (a, b) is its last join. There is one last join, or none, if merging
t alone ends in several tokens. Any other pair that adds up to t is never joined, and may be left out: the next pair,
the one with the least rank and of equals the leftmost, is the same without it.

The ranks are distinct, and each belongs to one pair. So the merges, in order of rank, say everything that the ranks
say. The proof assumes nothing about the ranks: they need not come from training, and a token may rank before its parts.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["MAX_TOKEN", "last_join", "ranked_merges"]

MAX_TOKEN = 1024  # bytes; `last_join` is quadratic in it. The longest token of o200k has 128


def ranked_merges(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The pair that makes each token of two bytes or more, in order of the tokens' ranks.

    Tokens that no pair makes are left out.

    >>> ranked_merges({b"a": 0, b"b": 1, b"ab": 2, b"ba": 3, b"aba": 4, b"bb": 5, b"abb": 6})
    [(b'a', b'b'), (b'b', b'a'), (b'ab', b'a'), (b'b', b'b'), (b'ab', b'b')]
    """
    in_order = sorted((token for token in ranks if len(token) > 1), key=ranks.__getitem__)
    return [pair for pair in (last_join(token, ranks) for token in in_order) if pair is not None]


def last_join(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes] | None:
    """The last two parts in merging `token`, which has a rank; None if more than two remain.

    >>> last_join(b"aab", {b"a": 0, b"b": 1, b"aa": 7, b"ab": 5, b"aab": 6})
    (b'a', b'ab')
    """
    none = 1 << 62
    starts = list(range(len(token) + 1))
    costs = [ranks.get(token[i : i + 2], none) for i in range(len(token) - 1)]  # of the join of parts i and i + 1
    while len(costs) > 1:
        least = min(costs)
        if least == none:
            return None
        at = costs.index(least)
        del starts[at + 1], costs[at]
        if at < len(costs):
            costs[at] = ranks.get(token[starts[at] : starts[at + 2]], none)
        if at:
            costs[at - 1] = ranks.get(token[starts[at - 1] : starts[at + 1]], none)
    return token[: starts[1]], token[starts[1] :]
