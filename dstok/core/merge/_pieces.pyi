from array import array
from collections.abc import Iterable

from dstok.core.merge._bpe import BPE

JOINED_BYTES: int
TABLE_BYTES: int

class PieceMemory:
    """The memory of a piece table, filled with the tokens whose bits in `direct` are set."""

    def __init__(self, bpe: BPE, direct: bytes | bytearray | memoryview) -> None: ...

BORDER_BYTES: int

def cuttable_ranges() -> tuple[tuple[int, int], ...]:
    """The ranges of cuttable characters, (first, last): the one definition, in `split/_kernel.h`."""

def joined_pairs(tokens: Iterable[bytes], borders: bytearray | None = None) -> bytes:
    """The bitmap of the pairs of cuttable characters that one of `tokens` may span."""

def joined_characters(merges: array[int], starts: object, blob: object) -> array[int]:
    """The pairs of characters that a merge joins, left << 32 | right, rising, as array("Q"): those at its border."""

def joined_bits(pairs: array[int]) -> bytes:
    """The bitmap for the safe cuts of a model of characters, from the pairs of `joined_characters`."""
