import numpy as np
import numpy.typing as npt

from dstok.core._finder import Finder

class SpanPass:
    """Finder -> spans. It never changes."""

    def __init__(self, finder: Finder) -> None: ...
    def way(self) -> str:
        """How pieces are found: see `PieceFinder.way` and `TwoSided.way`."""
    def spans(self, text: str | bytes) -> npt.NDArray[np.int64]:
        """The spans of valid `text` (ASCII `str` or UTF-8 bytes) in bytes, int64[n, 2]."""
    def count(self, text: str | bytes) -> int:
        """How many pieces are kept."""
    def split(self, text: str | bytes) -> list[str]:
        """The pieces as a list of `str`."""
    def spans_of(self, texts: list[str | bytes]) -> tuple[npt.NDArray[np.int64], list[int]]:
        """(spans of all texts, each text's own in bytes, int64[n, 2]; how many each text has, as a list)."""
    def sure_spans(self, text: bytes | bytearray, final: bool) -> tuple[npt.NDArray[np.int64], int]:
        """(spans, end): the pieces of `text` that no later text can change, all of them if it is `final`.

        Raises `TypeError` where pieces are found from both sides: none is sure before the text ends.
        """
