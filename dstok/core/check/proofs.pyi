# Generated: python release/stubs.py
from array import array
from collections.abc import Sequence
from dstok.core.bpe.merge import BPE
from typing import Any

def checksum(data: bytes | bytearray | memoryview) -> bytes: ...
def check_classes(
    pages: bytes | bytearray | memoryview,
    page_numbers: bytes | bytearray | memoryview,
    classes: int,
) -> None: ...
def check_edges(edges: bytes | bytearray | memoryview, ascii: bytes | bytearray | memoryview, symbols: int) -> None: ...
def check_bimachine(
    section: bytes | bytearray | memoryview,
    ascii: bytes | bytearray | memoryview | None = None,
) -> None: ...
def check_tokens(starts: bytes | bytearray | memoryview, blob: int, byte_ids: list[Any] | None) -> None: ...
def check_texts(starts: Any, blob: bytes | bytearray | memoryview, byte_ids: set[int]) -> None: ...
def check_merges(bpe: BPE, pairs: bytes | bytearray | memoryview, merges: int) -> array[int]: ...
def check_dead(bpe: BPE, dead: bytes | bytearray | memoryview, live: int) -> None: ...
def check_atoms(bpe: BPE, atoms: bytes | bytearray | memoryview) -> None: ...
def check_byte_pairs(
    bpe: BPE,
    byte_pairs: bytes | bytearray | memoryview,
    pair_ids: bytes | bytearray | memoryview,
) -> None: ...
def check_matrix(
    matrix: bytes | bytearray | memoryview,
    joined: bytes | bytearray | memoryview,
    split: bool,
    pairs: Any,
) -> None: ...
def check_direct(bpe: BPE, direct: bytes | bytearray | memoryview) -> None: ...
def shared_numbers() -> dict[str, int]: ...
SOURCES: bytes

class TooLargeError(Exception):
    pass

class Walk:
    blocks: int
    gave_up: dict[Any, Any]
    def __init__(
        self,
        rules: int,
        symbols: Sequence[tuple[int, int, int, int]],
        rows: Any,
        end: int,
        least: int = 2,
        most: int = 4,
    ) -> None: ...
    @property
    def nodes(self) -> int: ...
    def run(self, limit: int) -> list[int] | None: ...
