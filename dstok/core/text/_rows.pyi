import numpy as np
import numpy.typing as npt

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
