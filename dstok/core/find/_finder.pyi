from dstok.core.split._scan import Scanner

RULES: tuple[int, ...]
FLAGS: tuple[int, ...]

class Finder:
    """The base of all finders."""

    def way(self) -> str:
        """The way it finds pieces."""

class PieceFinder(Finder):
    """Finds pieces from the left, by an automaton and faster ways that agree with it.

    `joined` is the bitmap of _pieces.joined_pairs (None: no cuts). `borders` are characters at whose borders there are
    no cuts either (tables/build.py). `windows` are the tables of pattern/windows.py (None: none). `rules` is the set of
    rules that cuts as the automaton does (0: none). `kinds` gives the kind of each class of characters beyond ASCII
    (tables/kernels.py). `characters`: None, or, for a model of characters, whether text is cut before each space.
    """

    def __init__(
        self, scanner: Scanner, joined: object = None, rules: int = 0, kinds: bytes = b"", borders: object = None,
        windows: object = None, characters: bool | None = None,
    ) -> None: ...
    def without_cuts(self) -> PieceFinder:
        """A finder of the automaton's pieces, without cuts inside them."""
    def way(self) -> str:
        """The way it finds pieces: "mask kernel, avx512" (or "avx512 (emulated)"), "windows", or "automaton"."""
