from collections.abc import Sequence

MAX_SYMBOLS: int
MAX_STATES: int
MAX_TAGS: int
OPERATION: int

def pack_edges(edges: Sequence[Sequence[tuple[int, int]]], classes: bytes) -> bytes:
    """The bytes of the scanner's `edges` table, of rows of (next state, tag or -1)."""

class Scanner:
    """The tables of one automaton, kept alive."""

    def __init__(
        self, pages: object, page_numbers: object, edges: object, symbols: int
    ) -> None: ...
    def spans(self, text: bytes) -> list[tuple[int, int, int]]:
        """(start, end, tag) of the pieces of valid UTF-8 `text`, in bytes."""
