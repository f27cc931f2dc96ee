# Generated: python release/stubs.py
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

class CharacterTable:
    pass
    def __init__(self, starts: Any, blob: Any) -> None: ...

class LostBytes:
    values: bytes
    unknown: int
    def __init__(self, lost: Sequence[int], unknown: int = -1, fuse: bool = False) -> None: ...

class BPE:
    size: int
    monotone: bool
    ignore_merges: bool
    lost: LostBytes
    ends_words: bool
    merges_all: bool
    def __init__(
        self,
        pairs: Any,
        seeds: Any,
        merged: Any,
        first: int,
        byte_ids: Sequence[int],
        starts: Any,
        blob: Any,
        monotone: bool,
        ignore_merges: bool,
        atoms: Any,
        byte_pairs: Any,
        pair_ids: Any,
        characters: CharacterTable | None = None,
        lost: LostBytes | None = None,
        ends_words: bool = False,
    ) -> None: ...
    def reachable(self, raw_ids: Iterable[int]) -> array[int]: ...
    def index_vocabulary(self, reachable: array[int], seeds: Sequence[int] | None = None) -> int: ...
    def merge(self, text: bytes) -> list[int]: ...
    def merge_by_heap(self, text: bytes) -> list[int]: ...
    def merge_in_strips(self, texts: list[Any]) -> list[list[int]] | None: ...
    def merge_with_work(self, text: bytes, by_heap: bool = False) -> tuple[list[int], int]: ...
    def encodes_to_itself(self, token: int) -> bool: ...
    def token(self, token: int) -> bytes: ...
TABLE_BYTES: int

class PieceMemory:
    pass
    def __init__(self, bpe: BPE, direct: bytes | bytearray | memoryview) -> None: ...
