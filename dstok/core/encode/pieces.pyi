# Generated: python release/stubs.py
from array import array
from dstok.core.split.automaton import Scanner
from dstok.core.split.finder import Finder
from dstok.core.text.utf8 import Rows
from typing import Any
import numpy as np
import numpy.typing as npt

class SpanPass:
    finder: Finder
    def __init__(self, finder: Finder) -> None: ...
    def __copy__(self) -> Any: ...
    def spans(self, text: str | bytes) -> npt.NDArray[np.int64]: ...
    def count(self, text: str | bytes) -> int: ...
    def split(self, text: str | bytes) -> list[str]: ...
    def spans_of(self, texts: list[Any]) -> tuple[npt.NDArray[np.int64], list[int]]: ...
    def of_rows(
        self,
        rows: Rows,
        first: int,
        end: int,
        counting: bool,
    ) -> tuple[npt.NDArray[np.int64] | None, array[int]]: ...
    def settled_spans(
        self,
        text: bytes | bytearray | memoryview,
        final: bool,
        left: int = 0,
    ) -> tuple[npt.NDArray[np.int64], int, int]: ...
def in_characters(text: bytes | bytearray | memoryview, offsets: Any) -> None: ...
def char_spans(text: bytes | bytearray | memoryview, spans: Any) -> npt.NDArray[np.int64]: ...
def add_pieces(
    pieces: list[Any],
    cls: type[Any],
    scanner: Scanner,
    reasons: list[Any],
    text: bytes,
    at: int,
    stop: int,
    chars: int,
) -> int: ...
