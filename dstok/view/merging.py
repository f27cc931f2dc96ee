"""The merges that make a piece's tokens, step by step.

In: a tokenizer's inspection, and the bytes of a piece. Out: `Step`s in their order: the stretch of the piece, its new
token, and the rank of the merge.
Invariant: the ids left after the last step equal those of the tokenizer's own merging; `MergeSteps.of` compares.
Source: Sennrich's algorithm as core/merge/_bpe.pyx states it: the pair of the lowest rank, the leftmost of equals.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dstok.inspection.inspection import Inspection

__all__ = ["MergeSteps", "MergeTable", "Step", "merge_table"]

MergeTable = dict[tuple[int, int], tuple[int, int]]


class Step(NamedTuple):
    """Merges the bytes `start` to `end` of a piece at `middle` to the token `id`, by the merge of rank `rank`."""

    start: int
    middle: int
    end: int
    id: int
    rank: int


def merge_table(model: Inspection) -> MergeTable:
    """By the ids of two tokens: the rank of their merge, and its product."""
    return {(left, right): (rank, made) for rank, (left, right, made) in enumerate(model.merges.tolist())}


class MergeSteps:
    """The merges of one model; `table` is its `merge_table`.

    >>> import dstok
    >>> steps = MergeSteps(dstok.load("deepseek-v3").inspect())
    >>> [(step.start, step.middle, step.end) for step in steps.of(b" the")]
    [(0, 1, 2), (2, 3, 4), (0, 2, 4)]
    """

    def __init__(self, model: Inspection, table: MergeTable | None = None) -> None:
        self.model, self._merges = model, merge_table(model) if table is None else table

    def of(self, piece: bytes) -> list[Step]:
        """The steps of a whole piece; none if the model takes it whole (`takes_whole_tokens`) or loses bytes of it."""
        ids = self.model.merge(piece)
        if (self.model.takes_whole_tokens and len(ids) == 1) or {*self.model.lost_bytes} & {*piece}:
            return []
        steps, left = self._steps(piece)
        assert left == ids, "the steps are those of the tokenizer"
        return steps

    def _steps(self, piece: bytes) -> tuple[list[Step], list[int]]:
        """The steps, and the ids left after them."""
        size, places = len(piece), self._places(piece)
        ids: list[int | None] = [None] * size
        ends, befores = [0] * size, [-1] * size  # of the token that starts at each byte
        for before, at, end in zip([-1, *places], places, [*places[1:], size]):
            (ids[at],), ends[at], befores[at] = self.model.merge(piece[at:end]), end, before
        waiting = [pair for at in places if ends[at] < size and (pair := self._pair(ids[at], ids[ends[at]], at))]
        heapify(waiting)
        steps = []
        while waiting:
            rank, start, left, right, made = heappop(waiting)
            middle = ends[start]
            if ids[start] != left or middle >= size or ids[middle] != right:
                continue  # one of the two has been merged since
            end = ends[middle]
            ids[start], ids[middle], ends[start] = made, None, end
            steps.append(Step(start, middle, end, made, rank))
            if end < size:
                befores[end] = start
            for at in (befores[start], start):
                if at >= 0 and ends[at] < size and (pair := self._pair(ids[at], ids[ends[at]], at)):
                    heappush(waiting, pair)
        return steps, [id for id in ids if id is not None]

    def _places(self, piece: bytes) -> list[int]:
        """The places of the symbols that merging starts from: bytes, or characters that have a token."""
        if not self.model.merges_characters:
            return list(range(len(piece)))
        places, at = list[int](), 0
        for char in piece.decode():
            size = len(char.encode())
            places += range(at, at + size, size if len(self.model.merge(char.encode())) == 1 else 1)
            at += size
        return places

    def _pair(self, left: int | None, right: int | None, at: int) -> tuple[int, int, int, int, int] | None:
        """(rank, place, left, right, product) of two neighbours; None if no merge joins them."""
        if left is None or right is None or (merge := self._merges.get((left, right))) is None:
            return None
        return merge[0], at, left, right, merge[1]
