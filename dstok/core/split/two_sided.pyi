# Generated: python release/stubs.py
from dstok.core.split.finder import Finder

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
        sides: int,
    ) -> None: ...
    def strategy(self) -> str: ...
    def spans(self, text: bytes | bytearray | memoryview) -> list[tuple[int, int, int]]: ...
