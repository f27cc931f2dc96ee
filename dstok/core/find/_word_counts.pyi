from array import array
from collections.abc import Callable, Iterator

from dstok.core.find._finder import Finder

class Tally:
    """Counts the pieces that `finder` finds in the texts that `add` gets. One thread at a time."""

    def __init__(self, finder: Finder) -> None: ...
    def limit(self, memory: int, spill: Callable[[Tally], None] | None = None) -> None:
        """Sets how many bytes the table may take, and the function that gets the tally if that is not enough.

        `spill(tally)` calls `sort` and `block`. It comes from a thread that counts. Its exceptions end the call of
        `add`, `add_block` or `merge`.
        """
    def add(self, texts: list[str | bytes]) -> bool:
        """Counts the pieces of valid texts (ASCII `str` or UTF-8 bytes); false if there was no room for all."""
    def add_block(self, block: bytes) -> bool:
        """Adds the counts of a block; false if there was no room for all. Raises `ValueError` for broken bytes."""
    def merge(self, other: Tally) -> bool:
        """Adds the counts of another tally; false if there was no room for all."""
    def sort(self, by_count: bool) -> None:
        """Sorts the pieces: by their bytes, or the most frequent first and then by bytes.

        `block` comes next, or `clear`. It takes no memory: the table's places become the order.
        """
    def block(self, size: int) -> bytes:
        """The next of the sorted pieces, as a block of about `size` bytes; b"" after the last one."""
    def clear(self, release: bool = False) -> None:
        """Empties the table. Its memory stays, unless it is to `release` it."""
    def totals(self) -> tuple[int, int, int, int]:
        """(distinct pieces, their bytes, the sum of their counts, bytes of the longest) of the blocks since `clear`."""
    def counted(self) -> tuple[bytes, array[int], array[int]]:
        """(pieces, offsets, counts), the most frequent first, and equally frequent ones by their bytes.

        Piece i is `pieces[offsets[i]:offsets[i + 1]]`. The arrays have the typecode "q". The table is empty then.
        """
    def passed(self) -> int:
        """The number of places with other pieces that look-ups have passed. For tests."""
    def distinct(self) -> int:
        """The number of distinct pieces."""

def dict_of(pieces: bytes, offsets: array[int], counts: array[int]) -> dict[str, int]:
    """What `counted` gives, as a dict."""


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
