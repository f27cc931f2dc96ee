# Generated: python release/stubs.py
from array import array
from dstok.core.bpe.merge import BPE
from typing import Any

class Pieces:
    pass
    def __init__(self, pieces: Any, offsets: Any, counts: Any) -> None: ...

class Encoding:
    pass
    def __init__(self, ids_of_bytes: Any, bpe: BPE | None, longest: int) -> None: ...

class MergeLoop:
    pass
    def __init__(
        self,
        starts: Any,
        blob: bytes,
        taken: Any,
        vocab_size: int,
        min_frequency: int,
        longest: int,
        divisor: int = 16,
        longest_short: int = ...,
        threads: int = 1,
        shared: int = ...,
        pairs_room: int = ...,
        languages: int = 0,
        dev: bool = False,
        ratios: Any = None,
        together: int = 0,
        window: int = 1,
        share: Any = 1,
        most: int = ...,
    ) -> None: ...
    def reserve(self, cells: int, tokens: int, longs: int) -> None: ...
    def add(
        self,
        pieces: Any,
        offsets: Any,
        counts: Any,
        ids_of_bytes: list[int],
        bpe: BPE | None = None,
        drop_below: int = 0,
        lane: int = 0,
    ) -> None: ...
    def run(self, visits: int) -> bool: ...
    def __len__(self) -> int: ...
    def ids(self) -> int: ...
    def merges(self, first: int = 0) -> tuple[array[int], array[int]]: ...

class Survey:
    drop_below: int
    highest: int
    pieces: int
    occurrences: int
    length: int
    dropped_pieces: int
    dropped_occurrences: int
    dropped_length: int
    cells: int
    tokens: int
    longs: int
    windows: int
    most_windows: int
    def __init__(self, drop_below: int = 0) -> None: ...
    def add(self, pieces: Any, offsets: Any, counts: Any) -> None: ...
    def bytes(self) -> array[int]: ...
def id_counts(bpe: BPE, size: int, pieces: Any, offsets: Any, counts: Any) -> array[int]: ...
