from array import array
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


class PathReader:
    """The tables of one pattern's matches. It never changes."""

    def __init__(
        self, pages: bytes, page_numbers: bytes, end: int, letters: int,
        readings: list[tuple[bool, int, int, bytes, bytes]], match: array[int], full_match: array[int],
        states: array[int], targets: array[int], members: bytes, start: int, groups: int,
    ) -> None: ...
    def letters(self, text: bytes | memoryview) -> array[int]:
        """The oracle letters of a text, array("H") of len(text) + 1: at the offset of each character and at the end.

        Other offsets have the number of letters, which is no letter.
        """
    def end_of(self, text: bytes | memoryview, letters: array[int] | None, full: bool) -> int:
        """The end of the match at the start of a text, or -1; with `full` of one up to the end of the text.

        `letters` are those of the text; None if there are no readings.
        """
    def places(self, text: bytes | memoryview, letters: array[int] | None, start: int, end: int) -> array[int]:
        """The start and the end of each group of the match text[start:end], array("q"); -1 for a group without place.

        Raises `UnsupportedError` for a match that is too long.
        """
