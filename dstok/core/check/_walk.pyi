from collections.abc import Sequence

class TooLargeError(Exception):
    """A walk that would take too long, or that has no room: for an automaton that no rules are made for."""

class Walk:
    """A comparison of rules with an automaton, given as a `Marked`.

    `symbols` are (byte, 1, 0, column) of ASCII characters and (-1, width, F_ flags, column) of others, with column
    -1 if the rules never decide them. `rows` (uint16, two dimensions) are those of a `Marked`, `end` its column for the
    end of the text; the mark has the next column. A block has `least` characters, or `most` if it begins with a quote.
    """

    gave_up: set[tuple[int, tuple[int, ...]]]
    """(state of the `Marked`, the numbers of the symbols seen) where the rules leave a text to the automaton."""
    nodes: int
    blocks: int

    def __init__(
        self, rules: int, symbols: Sequence[tuple[int, int, int, int]], rows: memoryview, end: int, least: int = 2,
        most: int = 4,
    ) -> None: ...
    def run(self, limit: int) -> list[int] | None:
        """A text that the rules mark in another way, as the numbers of its symbols, or None.

        Raises `TooLargeError`, also if it would have to try more than about `limit` blocks.
        """
