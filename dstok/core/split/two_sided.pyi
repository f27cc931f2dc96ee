# Generated: python release/stubs.py
from dstok.core.split.finder import Finder

class TwoSided(Finder):
    pass
    def __init__(
        self,
        pages: bytes | bytearray | memoryview,
        page_numbers: bytes | bytearray | memoryview,
        section: bytes | bytearray | memoryview,
        dropped: bytes | None = b"\0\1",
        joined: bytes | bytearray | memoryview | None = None,
        borders: bytes | bytearray | memoryview | None = None,
    ) -> None: ...
    def strategy(self) -> str: ...
    def without_cuts(self) -> TwoSided: ...
    def resync_point(self, text: bytes | bytearray | memoryview, at: int) -> int: ...
    def spans(self, text: bytes | bytearray | memoryview) -> list[tuple[int, int, int]]: ...
