# Generated: python release/stubs.py
from array import array
from dstok._util.arguments import Text
from dstok.core.encode.encoder import Encoder
from dstok.core.text.added_tokens import Policy
from dstok.core.text.utf8 import Rows
import numpy as np
import numpy.typing as npt

class Batch:
    pass
    def __init__(
        self,
        encoder: Encoder,
        texts: list[Text] | Rows,
        policy: Policy,
        replace: bool,
        threads: int,
    ) -> None: ...
    def lists(self) -> list[list[int]]: ...
    def arrays(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]: ...
    def lengths(self) -> array[int]: ...
