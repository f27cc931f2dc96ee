from array import array

from dstok.core.find._finder import Finder

class Tally:
    """Counts the pieces that `finder` finds in the texts that `add` gets. One thread at a time."""

    def __init__(self, finder: Finder) -> None: ...
    def limit(self, memory: int) -> None:
        """Sets how many bytes the table may take."""
    def add(self, texts: list[str | bytes]) -> int:
        """Counts the pieces of valid texts (ASCII `str` or UTF-8 bytes); the number of texts until it is full."""
    def is_full(self) -> bool:
        """Whether the table has no room for more pieces."""
    def merge(self, other: Tally) -> bool:
        """Adds the counts of another tally; false if the table is full."""
    def counted(self) -> tuple[bytes, array[int], array[int]]:
        """(pieces, offsets, counts), the most frequent first, and equally frequent ones by their bytes.

        Piece i is `pieces[offsets[i]:offsets[i + 1]]`. The arrays have the typecode "q".
        """
    def passed(self) -> int:
        """The number of places with other pieces that look-ups have passed. For tests."""
    def distinct(self) -> int:
        """The number of distinct pieces."""

def dict_of(pieces: bytes, offsets: array[int], counts: array[int]) -> dict[str, int]:
    """What `counted` gives, as a dict."""
