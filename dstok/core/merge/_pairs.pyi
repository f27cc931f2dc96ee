from array import array

MAX_IDS: int
MAX_MERGES: int
MAX_SLOTS: int

def build_pairs(merges: array[int]) -> tuple[bytes, bytes] | None:
    """The pair table of flat `merges` (left, right, merged, in rank order): its slots and seeds.

    None if too many pairs collide under each of the salts. Raises `TokenizerFileError` if a pair is there twice.
    """

def merges_of(pairs: bytes | bytearray | memoryview) -> array[int]:
    """The merges of a pair table's slots, flat: left, right (uint32), in rank order.

    Raises `ValueError` if its ranks are not 0, 1, 2 and so on, each once.
    """
