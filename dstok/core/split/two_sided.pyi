# Generated: python release/stubs.py
from dstok.core.split.finder import Finder
from typing import Any

class TwoSided(Finder):
    pass
    def __init__(
        self,
        pages: Any,
        page_numbers: Any,
        tables: Any,
        dropped: bytes,
        classes: int,
        sides: int,
        columns: int,
        joined: bytes | bytearray | memoryview | None = None,
        borders: bytes | bytearray | memoryview | None = None,
    ) -> None: ...
    def strategy(self) -> str: ...
    def without_cuts(self) -> TwoSided: ...
    def resync_point(self, text: bytes | bytearray | memoryview, at: int) -> int: ...
    def spans(self, text: bytes | bytearray | memoryview) -> list[tuple[int, int, int]]: ...
