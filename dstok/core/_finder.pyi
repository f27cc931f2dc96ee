from dstok.core._scan import Scanner

class Finder:
    """The base of all finders."""

    def way(self) -> str:
        """How pieces are found."""

class PieceFinder(Finder):
    """Finds pieces from the left, by an automaton and what is faster than it.

    `joined` is the bitmap of _pieces.joined_pairs (None: no cuts), `borders` are characters at whose borders there are
    no cuts either (tables/build.py), `windows` the tables of pattern/windows.py (None: none). `rules` are those that
    stand for the automaton, 0: none do. `kinds` says what the characters of each class that are not ASCII are to the
    rules (tables/kernels.py).
    """

    def __init__(
        self, scanner: Scanner, joined: object = None, rules: int = 0, kinds: bytes = b"", borders: object = None,
        windows: object = None,
    ) -> None: ...
    def without_cuts(self) -> PieceFinder:
        """A finder of the automaton's pieces as wholes."""
    def way(self) -> str:
        """How pieces are found: "mask kernel, avx512" (or "avx512 (emulated)"), "windows", or "automaton"."""
