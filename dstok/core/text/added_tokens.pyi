# Generated: python release/stubs.py
from collections.abc import Sequence
from typing import Any

class Matcher:
    count: int
    def __init__(self, tokens: list[Any] | None, word_bits: bytes | None = b"") -> None: ...

class Policy:
    raw_ids: Any
    normalized_ids: Any
    refuses: bool
    contents: tuple[Any, ...]
    reach: int
    inner: Policy
    quick: Policy
    def __init__(
        self,
        raw: Matcher | None,
        normalized: Matcher | None,
        raw_ids: Sequence[int],
        normalized_ids: Sequence[int],
        contents: tuple[tuple[str, ...], tuple[str, ...]],
        refuses: bool,
        quick: Policy | None = None,
    ) -> None: ...
    def __copy__(self) -> Policy: ...
    def absent(self, text: bytes | bytearray | memoryview) -> bool: ...
    def raw_spans(self, text: bytes | None) -> list[Any]: ...
    def find_raw(
        self,
        text: bytes | bytearray | memoryview,
        at: int,
        scan: int,
        final: bool,
    ) -> tuple[int, int, int, int, int, int]: ...
