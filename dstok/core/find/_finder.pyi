from dstok.core.split._automaton import Scanner

RULES: tuple[int, ...]
FLAGS: tuple[int, ...]
ASCII_CLASSES: bytes
WIDE_CLASSES: tuple[int, int]

class Finder:
    """The base of all finders."""

    def way(self) -> str:
        """The way it finds pieces."""

class LeftFinder(Finder):
    """The base of the finders that read from the left: by a mask kernel if there is one, else piece by piece."""

    def without_cuts(self) -> LeftFinder:
        """A finder of the model's pieces, without cuts inside them."""

class PieceFinder(LeftFinder):
    """Finds pieces from the left, by an automaton and faster ways that agree with it.

    `joined` is the bitmap of _tables.joined_pairs (None: no cuts). `borders` are characters at whose borders there are
    no cuts either (compiled/build.py). `windows` are the tables of regex/windows.py (None: none). `rules` is the set of
    rules that cuts as the automaton does (0: none). `kinds` gives the kind of each class of characters beyond ASCII
    (compiled/kernel_selection.py). `characters`: None, or, for a model of characters, whether it is cut before spaces.
    """

    def __init__(
        self, scanner: Scanner, joined: object = None, rules: int = 0, kinds: bytes = b"", borders: object = None,
        windows: object = None, characters: bool | None = None,
    ) -> None: ...
    def without_cuts(self) -> PieceFinder:
        """A finder of the automaton's pieces, without cuts inside them."""
    def way(self) -> str:
        """The way it finds pieces: "mask kernel, avx512" (or "avx512 (emulated)"), "windows", or "automaton"."""

class CharacterFinder(LeftFinder):
    """Cuts where no merge of characters joins the two sides (split/_matrix.h). To upstream a text is then one piece.

    `matrix` is that of compiled/character_matrix.py. `joined` is the bitmap of _tables.joined_bits (None: classes alone
    decide). `split`: the model's pre-tokenizer cuts before each space, and so does the matrix.
    """

    def __init__(self, matrix: object, joined: object = None, split: bool = False) -> None: ...
    def without_cuts(self) -> CharacterFinder:
        """A finder of upstream's pieces: the text, cut before each space if the model's pre-tokenizer does that."""
    def way(self) -> str:
        """The way it finds pieces: "mask kernel, avx512" (or "avx512 (emulated)"), or "pairs of characters"."""


class TwoSided(Finder):
    """Finds pieces from both sides. Its tables are those of regex/two_sided.py: see _two_sided.pxd."""

    def __init__(
        self, pages: bytes, page_numbers: bytes, forward: bytes, backward: bytes, marks: bytes, dropped: bytes,
        classes: int,
    ) -> None: ...
    def way(self) -> str:
        """The way it finds pieces: "both sides"."""
    def spans(self, text: bytes) -> list[tuple[int, int, int]]:
        """A list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes, the dropped ones too."""


def sure_start(finder: LeftFinder, text: bytes, at: int) -> int:
    """The first sure start of a piece that is found in `text` from `at` on, or -1. `at` is a border of characters."""
