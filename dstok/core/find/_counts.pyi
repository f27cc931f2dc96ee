from array import array
from collections.abc import Iterator

class Merge:
    """Merges `sources`: iterators of blocks.

    by_count: the most frequent pieces come first, and no two sources share one.
    weights: whole numbers above 0, one a source.
    """

    def __init__(self, sources: list[Iterator[bytes]], weights: list[int], by_count: bool) -> None: ...
    def block(self, size: int) -> bytes:
        """The next block, of about `size` bytes; b"" after the last one. Raises `ValueError`, and `OverflowError`."""
    def totals(self) -> tuple[int, int, int, int]:
        """(distinct pieces, their bytes, the sum of their counts, bytes of the longest) of the blocks so far."""

def rows_of(block: bytes) -> tuple[bytes, array[int], array[int]]:
    """(pieces, offsets, counts) of a block: piece i is `pieces[offsets[i]:offsets[i + 1]]`.

    The arrays have the typecode "q". Raises `ValueError`.
    """
