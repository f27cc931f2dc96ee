from dstok.core._bpe import BPE
from dstok.core._scan import Scanner

LEVELS: dict[str, int]

def best_level() -> str:
    """The name of the best level of the mask kernel that this processor can run."""

def emulated() -> bool:
    """Whether the levels above "portable" are emulated, on any processor: a build for tests (see setup.py)."""

def level_shown(name: str) -> str:
    """A level's name, as people are told it: "avx512 (emulated)"."""

class Splitter:
    """What finding pieces needs: scanner, merge loops, and `joined`, the safe cuts' bitmap (None: no cuts).

    `borders` are characters at whose borders there are no cuts either, `windows` the tables of pattern/windows.py;
    `rules` say which automaton the mask kernel is to stand for (kernels.py).
    """

    def __init__(
        self, scanner: Scanner, bpe: BPE, joined: object, level: str = "automaton", rules: int = 0,
        borders: object = None, windows: object = None,
    ) -> None: ...
    def way(self) -> str:
        """How pieces are found: "mask kernel, avx512" (or another level), "windows", or "automaton"."""
