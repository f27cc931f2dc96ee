"""UTF-8: validation, and places in a text; the rest is for other extension modules."""

import numpy as np
import numpy.typing as npt

def first_invalid(text: bytes) -> int:
    """The offset of the first byte that is not part of well-formed UTF-8, or -1."""

def in_characters(text: bytes, places: npt.NDArray[np.int64]) -> None:
    """Turns ascending offsets in bytes of valid UTF-8, at borders of characters, into code points, in place."""
