# Generated: python release/stubs.py
from array import array
from collections.abc import Callable, Iterable
from typing import Any
import numpy as np
import numpy.typing as npt

class Decoder:
    runs: bool
    strip: bool
    size: int
    def __init__(
        self,
        starts: Any,
        blob: Any,
        size: int,
        added: list[Any] | None,
        byte_ids: Iterable[int] = (),
        strip: bool = False,
    ) -> None: ...
    def __copy__(self) -> Decoder: ...
    def token(self, token: int, index: int = 0) -> bytes: ...
    def has(self, token: int) -> bool: ...
    def decode(self, ids: Any, skip_special: bool) -> bytes: ...
    def marked(self, ids: Any, skip_special: bool) -> bytes: ...
    def text(self, ids: Any, skip_special: bool, strict: bool = False) -> str | bytes: ...
    def texts(
        self,
        batch: Any,
        skip_special: bool,
        repair: Callable[[bytes, int], str],
        offsets: npt.NDArray[np.int64] | None = None,
        strict: bool = False,
    ) -> list[str]: ...
    def decode_lists(
        self,
        ids: Any,
        counts: Any,
        skip_special: bool,
        strict: bool = False,
    ) -> tuple[bytes, array[int], list[int]]: ...
