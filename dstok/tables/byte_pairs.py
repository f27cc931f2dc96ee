"""The pairs of bytes that merging may take as one symbol, instead of starting from single bytes.

In: the merges and tokens of a model. Out: the tables of `StartTable` in core/merge/_merge.h.
Invariant: merging gives the same ids from these pairs as from single bytes. Example: of the merges a b, b c, ab c, in
this order, "ab" comes first. So merging may take the bytes "ab" as one symbol anywhere; "bc" only where no "a" is
before it. core/merge/_bpe.pyx has the proof.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence, Set

__all__ = ["byte_pairs", "settled_tokens"]

NO_PAIR = 0xFFFF
Rule = tuple[int, int, int]


def byte_pairs(
    rules: Sequence[Rule], tokens: Sequence[bytes | None], byte_ids: Sequence[int], torn: bytes, settled: Set[int],
) -> tuple[bytes, bytes]:
    """The table of `BytePair`s by left << 8 | right, and the ids (uint32) of the merges of two bytes, in rank order.

    `rules` are (left, right, merged) ids by rank, `torn` is the bitmap of characters.torn_borders, `settled` is the
    result of `settled_tokens`. The table holds the first 65,535 merges of two bytes. For the others merging starts from
    single bytes.

    >>> tokens = [bytes([byte]) for byte in range(256)] + [b"ab", b"bc", b"abc"]
    >>> rules = [(97, 98, 256), (98, 99, 257), (256, 99, 258)]
    >>> pairs, ids = byte_pairs(rules, tokens, range(256), bytes(8192), settled_tokens(rules, tokens))
    >>> memoryview(ids).cast("I").tolist()
    [256, 257]
    >>> ab, bc = (4 * (left << 8 | right) for left, right in (b"ab", b"bc"))
    >>> memoryview(pairs).cast("H")[ab:ab + 4].tolist(), memoryview(pairs).cast("H")[bc:bc + 4].tolist()
    ([0, 0, 0, 0], [1, 1, 1, 0])
    """
    own = {id: byte for byte, id in enumerate(byte_ids) if tokens[id] == bytes([byte])}  # others have no token
    rank, before, after = _least_ranks(rules, tokens, own)
    made = sorted((r, pair) for pair, r in rank.items() if rules[r][2] in settled)[:NO_PAIR]
    ranks = [r for r, _ in made]
    table = array("H", [NO_PAIR, len(ranks), len(ranks), 0]) * 0x10000
    for number, (_, pair) in enumerate(made):
        table[4 * pair] = number
    for column, least in ((1, before), (2, after)):
        for pair, r in least.items():
            table[4 * pair + column] = bisect_left(ranks, r)
    for pair in range(0x10000):
        table[4 * pair + 3] = torn[pair >> 3] >> (pair & 7) & 1
    return table.tobytes(), array("I", [rules[r][2] for r in ranks]).tobytes()


def _least_ranks(
    rules: Sequence[Rule], tokens: Sequence[bytes | None], bytes_by_id: dict[int, int],
) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
    """By pair of bytes: the rank of its merge; and the two other ranks of `BytePair`, where there are such merges."""
    rank: dict[int, int] = {}
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    for r, (left, right, _) in enumerate(rules):
        left_byte, right_byte = bytes_by_id.get(left), bytes_by_id.get(right)
        if left_byte is not None and right_byte is not None:
            rank.setdefault(left_byte << 8 | right_byte, r)
        if right_byte is not None:
            before.setdefault((tokens[left] or b"")[-1] << 8 | right_byte, r)
        if left_byte is not None:
            after.setdefault(left_byte << 8 | (tokens[right] or b"")[0], r)
    return rank, before, after


def settled_tokens(rules: Sequence[Rule], tokens: Sequence[bytes | None]) -> set[int]:
    """The tokens of two or three bytes that no merge takes as a side at a rank below the ranks that make them.

    With monotone ranks all tokens are settled. If several merges make a token, all of them count.

    >>> tokens = [b"a", b"b", b"ab", b"aba"]
    >>> settled_tokens([(0, 1, 2), (2, 0, 3)], tokens), settled_tokens([(2, 0, 3), (0, 1, 2)], tokens)
    ({2, 3}, {3})
    """
    if not rules:
        return set()
    lefts, rights, merged = zip(*rules)
    size = [len(token or b"") for token in tokens]
    made = sorted((size[token], rank) for rank, token in enumerate(merged) if size[token] in (2, 3))
    needs: dict[int, int] = {}  # the last rank that making a token needs
    for _, rank in made:
        needs[merged[rank]] = max(rank, *(needs.get(token, -1) for token in rules[rank]))
    ranks = range(len(rules))
    left, right = (dict(zip(reversed(side), reversed(ranks))) for side in (lefts, rights))  # the first rank of each
    taken = {token: min(left.get(token, len(rules)), right.get(token, len(rules))) for token in needs}
    return {token for token, rank in needs.items() if rank < taken[token]}
