from array import array

import numpy as np
import numpy.typing as npt

class Decoder:
    """Token bytes by id, for the vocabulary and for `added` tokens as (id, bytes, whether it may be skipped)."""

    size: int
    def __init__(self, starts: object, blob: object, size: int, added: list[tuple[int, bytes, bool]]) -> None: ...
    def __copy__(self) -> Decoder: ...
    def token(self, token: int, index: int = 0) -> bytes:
        """The bytes of one token. Raises `UnknownIdError`."""
    def has(self, token: int) -> bool:
        """Whether an id has a token."""
    def decode(self, ids: list[int], skip_special: bool) -> bytes:
        """The bytes of `ids`. Raises `UnknownIdError`."""
    def decode_lists(
        self, ids: npt.NDArray[np.uint32], counts: npt.NDArray[np.int64], skip_special: bool
    ) -> tuple[bytes, array[int], list[int]]:
        """(bytes, their number by list, lists that are not UTF-8) of `counts` ids each. Raises `UnknownIdError`."""
