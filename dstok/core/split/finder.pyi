# Generated: python release/stubs.py
from typing import Any

RULES: tuple[int, ...]
FLAGS: tuple[int, int, int, int, int, int, int, int, int]

class Sink:
    pass

class Finder:
    pass
    def strategy(self) -> str: ...

class LeftFinder(Finder):
    pass
    def __init__(self) -> None: ...
    def strategy(self) -> str: ...
    def without_cuts(self) -> LeftFinder: ...
    def resync_point(self, text: bytes | bytearray | memoryview, at: int) -> int: ...

class PieceFinder(LeftFinder):
    pass
    def __init__(
        self,
        scanner: Scanner,
        joined: Any = None,
        rules: int = 0,
        kinds: bytes | None = b"",
        borders: Any = None,
        windows: Any = None,
    ) -> None: ...
    def without_cuts(self) -> PieceFinder: ...

class CharacterFinder(LeftFinder):
    pass
    def __init__(self, matrix: Any, joined: Any = None, split: bool = False) -> None: ...
    def without_cuts(self) -> CharacterFinder: ...

class TwoSided(Finder):
    pass
    def __init__(
        self,
        pages: bytes,
        page_numbers: bytes,
        forward: bytes,
        backward: bytes,
        marks: bytes,
        dropped: bytes,
        classes: int,
    ) -> None: ...
    def way(self) -> str: ...
    def spans(self, text: bytes | bytearray | memoryview) -> list[tuple[int, int, int]]: ...
def sure_start(finder: LeftFinder, text: bytes | bytearray | memoryview, at: int) -> int: ...
