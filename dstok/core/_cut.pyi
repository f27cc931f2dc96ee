import numpy as np
import numpy.typing as npt

from dstok.core._scan import Scanner
from dstok.core._splitter import Splitter
from dstok.core._two_sided import TwoSided
from dstok.core._written import Written

class Cutter(Splitter):
    """`Splitter(scanner, None, None, rules, kinds, None, windows)`, or, with `read_both_sides`, tables of two sides."""

    def __init__(
        self, scanner: Scanner, bpe: None, joined: None, rules: int = 0, kinds: bytes = b"", borders: object = None,
        windows: object = None,
    ) -> None: ...
    def read_both_sides(self, both: TwoSided) -> None:
        """Uses tables of both sides from now on, in the place of the splitter's own ways."""
    def way(self) -> str:
        """How pieces are found: as `Splitter.way`, or "both sides"."""
    def spans(self, text: str | bytes) -> Written:
        """The spans of valid `text` (ASCII `str` or UTF-8 bytes) in bytes, a buffer of int64 pairs."""
    def count(self, text: str | bytes) -> int:
        """How many pieces are kept."""
    def split(self, text: str | bytes) -> list[str]:
        """The pieces as a list of `str`."""
    def spans_of(self, texts: list[str | bytes]) -> tuple[Written, list[int]]:
        """(spans of all texts, each text's own in bytes; how many each text has, as a list)."""
    def sure_spans(self, text: bytes | bytearray, final: bool) -> tuple[Written, int]:
        """(spans, end): the pieces of `text` that no later text can change, all of them if it is `final`."""

def first_invalid(text: bytes) -> int:
    """The offset of the first byte that is not part of well-formed UTF-8, or -1."""

def in_characters(text: bytes, places: npt.NDArray[np.int64]) -> None:
    """Turns ascending offsets in bytes of valid UTF-8, at borders of characters, into code points, in place."""
