from collections.abc import Iterable, Sequence

from dstok.core._bpe import BPE

A_SETS_LOG2: int
B_SETS_LOG2: int
C_ENTRIES_LOG2: int
JOINED_BYTES: int

def table_sizes() -> tuple[int, int, int]:
    """The sizes of the three piece tables, in bytes."""

def prefill(bpe: BPE, tokens: Sequence[int]) -> tuple[bytearray, bytearray, bytearray]:
    """The three piece tables, holding `tokens` (ids), of which earlier ones win."""

def joined_pairs(tokens: Iterable[bytes]) -> bytes:
    """The bitmap of the pairs of cuttable characters that one of `tokens` may span."""
