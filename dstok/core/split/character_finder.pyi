# Generated: python release/stubs.py
from dstok.core.split.finder import Finder
from typing import Any

ASCII_CLASSES: bytes
WIDE_LETTERS: int

class CharacterFinder(Finder):
    pass
    def __init__(
        self,
        matrix: Any,
        joined: bytes | bytearray | memoryview | None = None,
        split: bool = False,
    ) -> None: ...
    def strategy(self) -> str: ...
    def without_cuts(self) -> CharacterFinder: ...
    def resync_point(self, text: bytes | bytearray | memoryview, at: int) -> int: ...
