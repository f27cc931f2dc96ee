"""The merges of a file are distinct: the one check, for every file format that lists them.

In: the merges as a reader finds them. Out: nothing, or `TokenizerFileError` with the place of the second of two equal
merges. Invariant: a description has no pair twice, since the pair table has one rank for a pair.
"""

from __future__ import annotations

from collections.abc import Sequence

from dstok.errors import TokenizerFileError

__all__ = ["refuse_repeated"]


def refuse_repeated(merges: Sequence[tuple[int, int, int]], place: str) -> None:
    """Refuses a pair that is there twice. `merges`: (index in the file, left id, right id); `place`: that of the list.

    >>> refuse_repeated([(0, 5, 6), (1, 7, 8), (2, 5, 6)], "$.model.merges")
    Traceback (most recent call last):
    ...
    dstok.errors.TokenizerFileError: expected a new merge, found merge 0 again - at $.model.merges[2]
    """
    if len({(left, right) for _, left, right in merges}) == len(merges):
        return
    begun: dict[tuple[int, int], int] = {}
    for index, left, right in merges:
        first = begun.setdefault((left, right), index)
        if first != index:
            raise TokenizerFileError(f"expected a new merge, found merge {first} again", f"{place}[{index}]")
