from array import array

MAX_IDS: int
MAX_MERGES: int
MAX_SLOTS: int

def build_pairs(merges: array[int]) -> tuple[bytes, bytes] | None:
    """The pair table of flat `merges` (left, right, merged, in rank order): its slots and seeds.

    None if under each of the salts too many of them collide.
    """
