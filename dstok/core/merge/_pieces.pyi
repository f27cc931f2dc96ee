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
