import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]

def in_characters(text: bytes, places: Offsets) -> None:
    """Turns rising offsets in bytes of valid UTF-8, at borders of characters, into code points, in place."""

def char_spans(text: bytes, spans: Offsets) -> Offsets:
    """Code point spans, int64[n, 2], of rising byte spans of `text`: the characters that hold any of the bytes."""

def piece_numbers(spans: Offsets, ends: Offsets) -> Offsets:
    """The number of the piece, of those that end at `ends`, that each span begins in, int64[n]. Both rise."""
