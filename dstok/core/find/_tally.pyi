from dstok.core.find._finder import Finder

class Tally:
    """Counts the pieces that `finder` finds in the texts that `add` gets. One thread at a time."""

    def __init__(self, finder: Finder) -> None: ...
    def limit(self, memory: int) -> None:
        """Sets how many bytes the table may take."""
    def add(self, text: str | bytes) -> bool:
        """Counts the pieces of valid `text` (ASCII `str` or UTF-8 bytes); false if the table is full."""
    def counted(self) -> dict[str, int]:
        """{piece: number of occurrences}, the most frequent first, and equally frequent ones by their bytes."""
    def passed(self) -> int:
        """The number of places with other pieces that look-ups have passed. For tests."""
    def distinct(self) -> int:
        """The number of distinct pieces."""
