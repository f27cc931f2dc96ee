# Generated: python release/stubs.py
from collections.abc import Sequence
from dstok.core.split.finder import Finder

class TwoSided(Finder):
    pass
    def __init__(
        self,
        pages: bytes | bytearray | memoryview,
        page_numbers: bytes | bytearray | memoryview,
        tables: bytes | bytearray | memoryview,
        dropped: bytes,
        classes: int,
        counts: Sequence[int],
        joined: bytes | bytearray | memoryview | None = None,
        borders: bytes | bytearray | memoryview | None = None,
    ) -> None: ...
    def strategy(self) -> str: ...
    def without_cuts(self) -> TwoSided: ...
    def resync_point(self, text: bytes | bytearray | memoryview, at: int) -> int: ...
    def spans(self, text: bytes | bytearray | memoryview) -> list[tuple[int, int, int]]: ...
