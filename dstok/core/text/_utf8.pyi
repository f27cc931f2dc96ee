"""UTF-8: validation; the rest is for other extension modules."""

import numpy as np
import numpy.typing as npt

CUT_LENGTHS: tuple[int, int]

def first_invalid(text: bytes) -> int:
    """The offset of the first byte that is not part of well-formed UTF-8, or -1."""
def cuts(text: str | bytes) -> list[int]:
    """The ends of the parts of a `str` or bytes, in its units, as `Encoder.cut_texts` cuts it."""
def is_text(value: object) -> bool:
    """Whether it is a `str` without a lone surrogate."""


class Rows:
    """Row i is `buffers[owners[i]][starts[i]:starts[i] + lengths[i]]`, valid or not.

    Raises `TextError`, which names the row, for one that lies outside of its buffer.
    """

    def __init__(
        self, buffers: list[object], owners: npt.NDArray[np.int32], starts: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, row: int) -> bytes:
        """A copy of a row. Raises `IndexError`."""
    def joined(self) -> bytes:
        """The bytes of all rows, one after the other."""
    def views(self, window_log2: int) -> tuple[bytes, list[tuple[int, int]]]:
        """(16 bytes a row: Arrow's views; (number of a buffer, its first byte) of each buffer that the views name).

        Places in a view have 32 bits. So a large buffer counts as several, which begin 2**`window_log2` bytes apart.
        Raises `OverflowError` for a row of 2**31 bytes or more.
        """
