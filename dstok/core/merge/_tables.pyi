from array import array
from collections.abc import Iterable, Sequence

from dstok.core.merge._merge import CharacterTable

MAX_IDS: int
MAX_MERGES: int
MAX_SLOTS: int

def live_merges(
    merges: array[int], starts: object, blob: object, byte_ids: Sequence[int],
    characters: CharacterTable | None = None,
) -> tuple[array[int], array[int]]:
    """The live ones of flat `merges` (left, right, merged, by rank); the dead ones (rank, left, right, merged).

    Token i is blob[starts[i]:starts[i + 1]]. `characters`: of a model of characters. Raises `ValueError` if a pair is
    there twice.
    """

def all_merges(live: array[int], dead: array[int]) -> array[int]:
    """The flat list of all merges, by rank, from the two lists of `live_merges`.

    Raises `ValueError` if the ranks of the dead ones do not rise, or are too high.
    """

def build_pairs(merges: array[int]) -> tuple[bytes, bytes] | None:
    """The pair table of flat `merges` (left, right, merged, in rank order): its slots and seeds.

    None if too many pairs collide under each of the salts. Raises `TokenizerFileError` if a pair is there twice.
    """

def merges_of(pairs: bytes | bytearray | memoryview) -> array[int]:
    """The merges of a pair table's slots, flat: left, right (uint32), in rank order.

    Raises `ValueError` if its ranks are not 0, 1, 2 and so on, each once.
    """


JOINED_BYTES: int
BORDER_BYTES: int

def cuttable_ranges() -> tuple[tuple[int, int], ...]:
    """The ranges of cuttable characters, (first, last): the one definition, in `split/_kernel.h`."""

def joined_pairs(tokens: Iterable[bytes], borders: bytearray | None = None) -> bytes:
    """The bitmap of the pairs of cuttable characters that one of `tokens` may span."""

def joined_characters(merges: array[int], starts: object, blob: object) -> array[int]:
    """The pairs of characters that a merge joins, left << 32 | right, rising, as array("Q"): those at its border."""

def joined_bits(pairs: array[int]) -> bytes:
    """The bitmap for the safe cuts of a model of characters, from the pairs of `joined_characters`."""
