from collections.abc import Callable
from typing import Any

from dstok.base.texts import Text
from dstok.core._bpe import BPE
from dstok.core._normalize import Normalizer
from dstok.core._pass import Pass
from dstok.core._policy import Policy

CONTEXT: int
START: tuple[bool, int, int]

class Encoder:
    """The encoder of one model: tables that never change, and a pool of workspaces."""

    size: int
    def __init__(
        self, run: Pass, bpe: BPE, direct: bytes | bytearray | memoryview, size: int,
        normalizer: Normalizer | None = None,
    ) -> None: ...
    def __copy__(self) -> Encoder: ...
    def encode(self, text: Text, policy: Policy, replace: bool) -> list[int]:
        """The ids of `text` as a list."""
    def count(self, text: Text, policy: Policy, replace: bool) -> int:
        """The number of ids of `text`."""
    def encode_noted(
        self, text: Text, policy: Policy, replace: bool, allocate: Callable[[int], Any], limit: int = ...
    ) -> tuple[Any, list[tuple[int, int, int]], int]:
        """(ids, notes, end): notes are (index, start, end) of added tokens, in bytes."""
    def pieces(self, text: bytes, policy: Policy) -> list[tuple[int, int]]:
        """(start, end) of what is looked up or merged as one: pieces, and parts between safe cuts."""
    def encode_part(
        self, text: bytearray, at: int, policy: Policy, state: tuple[bool, int, int], final: bool,
        allocate: Callable[[int], Any] | None,
    ) -> tuple[Any, int, tuple[bool, int, int]]:
        """(ids, end, state) of the part of `text[at:]` that later text cannot change."""
    def way(self) -> str:
        """How this processor finds the model's pieces; see `Splitter.way`."""
    def workspaces(self) -> tuple[int, int]:
        """How many workspaces there are, and how many of them are at rest."""
    def passed(self) -> int:
        """How many borders the runs of the automaton have passed so far; see `Scanner.passed`. For tests."""
