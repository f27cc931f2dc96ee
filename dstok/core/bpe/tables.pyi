# Generated: python release/stubs.py
from array import array
from collections.abc import Sequence
from dstok.core.bpe.merge import CharacterTable
from typing import Any

MAX_IDS: int
MAX_MERGES: int
MAX_SLOTS: int
def live_merges(
    merges: Any,
    starts: Any,
    blob: bytes | bytearray | memoryview,
    byte_ids: Sequence[int],
    characters: CharacterTable | None = None,
) -> tuple[array[int], array[int]]: ...
def merged_ids(live: array[int]) -> bytes: ...
def all_merges(live: array[int], dead: array[int]) -> array[int]: ...
def build_pairs(merges: array[int]) -> tuple[bytes, bytes] | None: ...
