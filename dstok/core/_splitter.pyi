from dstok.core._bpe import BPE
from dstok.core._scan import Scanner

class Splitter:
    """What finding pieces needs: scanner, merge loops, and `joined`, the safe cuts' bitmap (None: no cuts).

    `borders` are characters at whose borders there are no cuts either, `windows` the tables of pattern/windows.py;
    `rules` are those that stand for the automaton, 0: none do; `kinds` what the characters of each
    class that are not ASCII are to them (tables/kernels.py).
    """

    def __init__(
        self, scanner: Scanner, bpe: BPE, joined: object, rules: int = 0, kinds: bytes = b"",
        borders: object = None, windows: object = None,
    ) -> None: ...
    def way(self) -> str:
        """How pieces are found: "mask kernel, avx512" (or "avx512 (emulated)"), "windows", or "automaton"."""
