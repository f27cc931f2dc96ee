import numpy as np
import numpy.typing as npt

from dstok._util.arguments import Text
from dstok.core.run._encoder import Encoder
from dstok.core.text._added_tokens import Policy
from dstok.core.text._utf8 import Rows

class Batch:
    """Texts to encode, with `encoder` under `policy`, by up to `threads` threads. A list then belongs to the batch.

    Raises `TextError` for a row that does not lie in its buffer.
    """

    def __init__(
        self, encoder: Encoder, texts: list[Text] | Rows, policy: Policy, replace: bool, threads: int
    ) -> None: ...
    def lists(self) -> list[list[int]]:
        """The ids of each text, as lists."""
    def arrays(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """All ids in one array, and the number of ids of each text."""
    def lengths(self) -> list[int]:
        """The number of ids of each text."""
    def length_array(self) -> npt.NDArray[np.int64]:
        """The number of ids of each text, as an array."""
