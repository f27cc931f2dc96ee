from array import array
from collections.abc import Sequence

from dstok.core.find._finder import CharacterFinder
from dstok.core.merge._merge import BPE

Buffer = bytes | bytearray | memoryview

def check_classes(pages: Buffer, page_numbers: Buffer, classes: int) -> None:
    """The class table: every page exists, every class is below `classes`."""

def check_edges(edges: Buffer, ascii: Buffer, symbols: int) -> None:
    """The automaton: edges lead to rows, no piece is empty, and each path knows a piece's end when it dies."""

def check_windows(tables: Buffer) -> None: ...
def check_texts(starts: memoryview, blob: Buffer, byte_ids: set[int]) -> None:
    """The tokens of a model of characters, but for those of bytes, are UTF-8: their spellings and texts rely on it."""

def check_tokens(starts: Buffer, blob: int, byte_ids: list[int]) -> None:
    """The vocabulary: `starts` rise from 0 to the length of the blob, and each of the 256 `byte_ids` has one byte."""

def check_merges(bpe: BPE, merges: array[int]) -> None:
    """The merges: their ids exist, and each merged token is as long as its two sides."""

def check_pairs(bpe: BPE, merges: array[int]) -> None:
    """The pair table: it finds each of the merges that were read from its slots, with its rank."""

def check_atoms(bpe: BPE, atoms: Buffer) -> None:
    """The table of characters: each is the token of its own bytes."""

def check_byte_pairs(bpe: BPE, byte_pairs: Buffer, pair_ids: Buffer) -> None:
    """The pairs of bytes that merging may start from: the token of each is its two bytes."""

def check_matrix_classes(matrix: Buffer) -> None:
    """The matrix of a model of characters: the class table in it."""

def check_matrix(finder: CharacterFinder, bpe: BPE, merges: array[int]) -> None:
    """The matrix of a model of characters: no cut is where a merge joins the two sides.

    With `split` a cut is before each space. The classes of ASCII are those of the core.
    """

def check_direct(bpe: BPE, direct: Buffer) -> None:
    """The bits of the ids that fill the piece tables: each of these ids has bytes."""

def shared_numbers() -> dict[str, int]:
    """The numbers that the Python below the core writes down, too, by their names there. For a test."""


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
