# Generated: python release/stubs.py
from dstok.core.split.automaton import Scanner
from dstok.core.split.finder import Finder

class PieceFinder(Finder):
    pass
    def __init__(
        self,
        scanner: Scanner,
        joined: bytes | bytearray | memoryview | None = None,
        rules: int = 0,
        kinds: bytes | None = b"",
        borders: bytes | bytearray | memoryview | None = None,
        windows: bytes | bytearray | memoryview | None = None,
    ) -> None: ...
    def strategy(self) -> str: ...
    def without_cuts(self) -> PieceFinder: ...
    def resync_point(self, text: bytes | bytearray | memoryview, at: int) -> int: ...
