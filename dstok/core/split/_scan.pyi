from collections.abc import Sequence

MAX_SYMBOLS: int
MAX_STATES: int
MAX_TAGS: int

def pack_edges(edges: Sequence[Sequence[tuple[int, int]]], classes: bytes) -> bytes:
    """The bytes of the scanner's `edges` table, from rows of (next state, tag or -1)."""

class Scanner:
    """The tables of one automaton, kept alive.

    Borders are `1 << shift` bytes apart. By default this is the number of states, or 64 if that is more.
    """

    def __init__(
        self, pages: object, page_numbers: object, edges: object, symbols: int, shift: int = -1
    ) -> None: ...
    def spans(self, text: bytes) -> list[tuple[int, int, int]]:
        """(start, end, tag) of the pieces of valid UTF-8 `text`, in bytes."""
    def passed(self, text: bytes) -> int:
        """The number of borders that the runs over `text` have passed far beyond a possible end. For tests."""
