from array import array

MAX_IDS: int
MAX_MERGES: int

def build_pairs(merges: array[int]) -> tuple[bytes, bytes]:
    """The pair table of flat `merges` (left, right, merged, in rank order): its slots and seeds."""
