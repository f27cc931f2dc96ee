from array import array
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dstok.core.find._finder import Finder
from dstok.core.split._automaton import Scanner
from dstok.core.text._utf8 import Rows

class SpanPass:
    """Finder -> spans. It never changes."""

    finder: Finder
    def __init__(self, finder: Finder) -> None: ...
    def way(self) -> str:
        """The way it finds pieces: see `PieceFinder.way` and `TwoSided.way`."""
    def spans(self, text: str | bytes) -> npt.NDArray[np.int64]:
        """The spans of valid `text` (ASCII `str` or UTF-8 bytes) in bytes, int64[n, 2]."""
    def count(self, text: str | bytes) -> int:
        """The number of pieces that are kept."""
    def split(self, text: str | bytes) -> list[str]:
        """The pieces as a list of `str`."""
    def spans_of(self, texts: list[str | bytes]) -> tuple[npt.NDArray[np.int64], list[int]]:
        """(spans of all texts, each in bytes of its own text, int64[n, 2]; a list of the number of spans by text)."""
    def of_rows(
        self, rows: Rows, first: int, end: int, counting: bool
    ) -> tuple[npt.NDArray[np.int64] | None, array[int]]:
        """(spans, ends) of the rows from `first` to `end`: row i has the spans from `ends[i]` to `ends[i + 1]`.

        Spans are in bytes of their own row, int64[n, 2]; None if `counting`. `ends` is an array of typecode "q". Raises
        `TextError` for the first row that is not UTF-8.
        """
    def sure_spans(self, text: bytes | bytearray | memoryview, final: bool) -> tuple[npt.NDArray[np.int64], int]:
        """(spans, end): the pieces of `text` that no later text can change, all of them if it is `final`.

        Raises `TypeError` for a finder that reads from both sides: no piece is sure before the text ends.
        """


Offsets = npt.NDArray[np.int64]

def in_characters(text: bytes | memoryview, places: Offsets) -> None:
    """Turns rising offsets in bytes of valid UTF-8, at borders of characters, into offsets in code points, in place."""

def char_spans(text: bytes, spans: Offsets) -> Offsets:
    """Code point spans, int64[n, 2], of rising byte spans of `text`: all characters with a byte in the span."""

def piece_numbers(spans: Offsets, ends: Offsets) -> Offsets:
    """For each span, the number of the piece that it begins in, int64[n]; the pieces end at `ends`. Both rise."""


Reason: TypeAlias = tuple[int | None, int | None]

def add_pieces(
    pieces: list[Any], cls: type[Any], scanner: Scanner, reasons: list[Reason | None], text: bytes, at: int, stop: int,
    chars: int,
) -> int:
    """Adds the pieces of `text[at:stop]`, which begins at character `chars`; returns the character at its end.

    `cls` is a NamedTuple: text, start, end, char_start, char_end, step, alternative, token_id. `reasons` has the step
    and the alternative of each tag, and None for dropped text.
    """
