# Generated: python release/stubs.py
from array import array
from collections.abc import Sequence
from typing import Any

MAX_SYMBOLS: int
MAX_STATES: int
MAX_TAGS: int
def pack_edges(edges: Sequence[Sequence[tuple[int, int]]], classes: bytes) -> bytes: ...

class Scanner:
    pass
    def __init__(self, pages: Any, page_numbers: Any, edges: Any, symbols: int, shift: int = -1) -> None: ...
    def spans(self, text: bytes | bytearray | memoryview) -> list[tuple[int, int, int]]: ...
    def scan(self, text: bytes | bytearray | memoryview) -> tuple[list[tuple[int, int, int]], int]: ...

class PathReader:
    pass
    def __init__(
        self,
        pages: bytes,
        page_numbers: bytes,
        end: int,
        letters: int,
        readings: list[Any] | None,
        match: array[int],
        full_match: array[int],
        states: array[int],
        targets: array[int],
        members: bytes,
        start: int,
        groups: int,
    ) -> None: ...
    def letters(self, text: bytes | bytearray | memoryview) -> array[int]: ...
    def end_of(self, text: bytes | bytearray | memoryview, letters: Any, full: bool) -> int: ...
    def places(self, text: bytes | bytearray | memoryview, letters: Any, start: int, end: int) -> array[int]: ...
