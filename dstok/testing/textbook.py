"""The textbook's loop of BPE over all tokens of a model, with all of its merges, dead ones included.

In: the tables of a model, and its merges by rank. Out: the ids of each token's bytes, and the merges that are the last
step of some token: the live ones. Invariant: the loop takes the pair of the least rank, the leftmost of equals, and
looks at all pairs before each step. It shares no code with the core.
Source: Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword units", 2016.
Example: with the merges a b and ab c the token "abc" has the last step ab c.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise

from dstok.base.lazy import lazy
from dstok.core.merge._bpe import CharacterTable
from dstok.tables.flat import Tables

__all__ = ["LONGEST", "Textbook"]

LONGEST = 512  # bytes of a token: the loop takes quadratic time
Merge = tuple[int, int, int]


class Textbook:
    """The tokens of one model, merged plainly. `characters` is the core's table for `live_merges`; None of bytes."""

    def __init__(self, tables: Tables, merges: Sequence[int]) -> None:
        starts, blob = array("I", bytes(tables.sections["starts"])), bytes(tables.sections["blob"])
        self.tokens = [blob[first:end] for first, end in pairwise(starts)]
        self.byte_ids: list[int] = tables.description["byte_ids"]
        lost, self.unknown = tables.description.get("lost", ([], -1))
        self.lost, self.fuses = frozenset(lost), tables.unknown is not None and tables.unknown[1]
        self.ranks = {pair: rank for rank, pair in enumerate(zip(merges[::3], merges[1::3]))}
        self.merged = merges[2::3]
        self.raw = frozenset(tables.description["raw_ids"])
        self.by_character: dict[str, int] | None = None
        self.characters: CharacterTable | None = None
        if tables.characters is not None:
            self.characters = CharacterTable(tables.sections["starts"], tables.sections["blob"])
            self.by_character = {text: number for number, token in enumerate(self.tokens)
                                 if 2 <= len(token) <= 4 and len(text := _text(token)) == 1}

    @property
    def size(self) -> int:
        """The number of tokens that are merged."""
        return len(self._results)

    def some(self, count: int) -> bytes:
        """The bytes of `count` tokens from all parts of the vocabulary, one after the other."""
        return b"".join(self.tokens[:: max(len(self.tokens) // count, 1)])

    def ids(self) -> Iterator[tuple[bytes, list[int]]]:
        """The bytes of each token, and the ids that merging makes of them."""
        for token, ids, _ in self._results:
            yield token, ids

    def live(self) -> set[Merge]:
        """The merges that are the last step of their token."""
        return {last for _, ids, last in self._results if last is not None and len(ids) == 1}

    @lazy
    def _results(self) -> list[tuple[bytes, list[int], Merge | None]]:
        return [(token, *self.merge(token)) for number, token in enumerate(self.tokens)
                if number not in self.raw and 0 < len(token) <= LONGEST]

    def merge(self, token: bytes) -> tuple[list[int], Merge | None]:
        """The ids of these bytes, and the last merge."""
        ids, last = self._symbols(token), None
        ranks, none = self.ranks, len(self.ranks)
        while len(ids) > 1:
            known = [ranks.get(pair, none) for pair in pairwise(ids)]
            rank = min(known)
            if rank == none:
                break
            at = known.index(rank)
            last = ids[at], ids[at + 1], self.merged[rank]
            ids[at : at + 2] = [self.merged[rank]]
        return ids, last

    def _symbols(self, token: bytes) -> list[int]:
        """The ids that merging starts from."""
        if self.lost:
            ids = [self.unknown if byte in self.lost else self.byte_ids[byte] for byte in token]
            kept = [at for at, byte in enumerate(token) if byte not in self.lost or (
                self.unknown >= 0 and not (self.fuses and at and token[at - 1] in self.lost))]
            return [ids[at] for at in kept]
        if self.by_character is None or not _text(token):
            return [self.byte_ids[byte] for byte in token]
        found = []
        for char in _text(token):
            number = self.by_character.get(char)
            found += [number] if number is not None else [self.byte_ids[byte] for byte in char.encode()]
        return found


def _text(token: bytes) -> str:
    """The text of a token; "" if its bytes are not text."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return ""
