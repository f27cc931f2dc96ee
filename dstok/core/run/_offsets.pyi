import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]

def in_characters(text: bytes | memoryview, places: Offsets) -> None:
    """Turns rising offsets in bytes of valid UTF-8, at borders of characters, into offsets in code points, in place."""

def char_spans(text: bytes, spans: Offsets) -> Offsets:
    """Code point spans, int64[n, 2], of rising byte spans of `text`: all characters with a byte in the span."""

def piece_numbers(spans: Offsets, ends: Offsets) -> Offsets:
    """For each span, the number of the piece that it begins in, int64[n]; the pieces end at `ends`. Both rise."""
