from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dstok.base.texts import Text
from dstok.core.find._finder import PieceFinder
from dstok.core.merge._bpe import BPE
from dstok.core.text._normalize import Normalizer
from dstok.core.text._policy import Policy

CONTEXT: int
START: tuple[bool, int, int]

class Encoder:
    """The encoder of one model: tables that never change, and a pool of workspaces."""

    size: int
    finder: PieceFinder
    def __init__(
        self, finder: PieceFinder, bpe: BPE, direct: bytes | bytearray | memoryview, size: int,
        normalizer: Normalizer | None = None,
    ) -> None: ...
    def __copy__(self) -> Encoder: ...
    def encode(self, text: Text, policy: Policy, replace: bool) -> list[int]:
        """The ids of `text` as a list."""
    def count(self, text: Text, policy: Policy, replace: bool) -> int:
        """The number of ids of `text`."""
    def count_to(self, text: Text, policy: Policy, replace: bool, limit: int) -> int:
        """The number of ids of `text` if it is below `limit`, else some number of at least `limit`; stops early."""
    def encode_spans(
        self, text: Text, policy: Policy, replace: bool, limit: int = ...
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], list[tuple[int, int, int]], int]:
        """(ids, spans, notes, end): each id's span in bytes; notes are (index, start, end) of added tokens.

        `ids` is uint32[n], `spans` int64[n, 2]. With a normalizer, spans and notes lie in the normalized text.
        With a `limit` it stops once there are that many ids; `end` is the number of bytes that they cover.
        """
    def short(self, text: str, policy: Policy) -> list[int] | None:
        """The ids of `text` by the pass over short texts, or None if that leaves the text to the other. For tests."""
    def pieces(self, text: bytes, policy: Policy) -> list[tuple[int, int]]:
        """(start, end) of all that is looked up or merged as one: pieces, and parts between safe cuts."""
    def encode_part(
        self, text: bytes | bytearray, at: int, policy: Policy, state: tuple[bool, int, int], final: bool,
        form: Callable[..., Any] | None,
    ) -> tuple[Any, int, tuple[bool, int, int]]:
        """(ids, end, state) of the part of `text[at:]` that later text cannot change."""
    def way(self) -> str:
        """The way this processor finds the model's pieces; see `PieceFinder.way`."""
    def workspaces(self) -> tuple[int, int]:
        """The number of workspaces, and the number of those at rest."""
    def passed(self) -> int:
        """The number of borders that runs of the automaton have passed so far; see `Scanner.passed`. For tests."""
