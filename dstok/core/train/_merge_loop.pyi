from array import array

from dstok.core.merge._merge import BPE

class MergeLoop:
    """Merges the most frequent pair of ids, over and over.

    Token i of those to begin with is `blob[starts[i]:starts[i + 1]]`; a merge that spells one of the ids in `taken`,
    which are ordered by length and bytes, takes its id. Other settings as of `dstok.BpeTrainer`. `divisor`: pairs below
    this part of the highest count wait for the next count. `longest_short`: longer words have the long form.
    `threads` share lists of `shared` places or more. `pairs_room`: bytes for pairs and their lists. None of these
    changes a merge.
    """

    def __init__(
        self, starts: object, blob: bytes, taken: object, vocab_size: int, min_frequency: int, longest: int,
        divisor: int = 16, longest_short: int = 1024, threads: int = 1, shared: int = 4096,
        pairs_room: int = 1 << 62,
    ) -> None: ...
    def reserve(self, cells: int, tokens: int, longs: int) -> None:
        """Makes room for words: for `cells` and `tokens` of 4 bytes, and for `longs` words in the long form."""
    def add(
        self, pieces: object, offsets: object, counts: object, ids_of_bytes: list[int], bpe: BPE | None = None,
        drop_below: int = 0,
    ) -> None:
        """Adds pieces: piece i is `pieces[offsets[i]:offsets[i + 1]]`, with its count, as `PieceCounts` has them.

        `ids_of_bytes` is the id of each byte, -1 for a byte that is left out. With `bpe`, a word begins as the ids by
        which it encodes the piece. Pieces with a count below `drop_below` are left out. Raises `DstokError` for too
        large counts.
        """
    def run(self, visits: int) -> bool:
        """Makes merges until about `visits` words were visited; whether there may be more merges."""
    def __len__(self) -> int:
        """The number of merges."""
    def ids(self) -> int:
        """The next new id: the number of tokens."""
    def merges(self, first: int = 0) -> tuple[array[int], array[int]]:
        """(merges, counts) from merge `first` on: left, right and merged id of each as "I", its count as "q"."""
    def work(self) -> tuple[int, int]:
        """(visits, counts of all pairs): for tests and benchmarks."""

class Survey:
    """The contents of pieces, before a training. Pieces with a count below `drop_below` are dropped.

    pieces, occurrences, length: of all pieces: their number, the sum of their counts, and that of their bytes as often
    as they occur. dropped_...: of those that are dropped. highest: of all counts. Sums end at 2**63 - 1.

    Of the pieces that are kept, each once: cells, tokens, longs: what their words take, as `MergeLoop.reserve` has it.
    windows: the pairs of neighbouring bytes. most_windows: of one pair of bytes.
    """

    drop_below: int
    highest: int
    pieces: int
    occurrences: int
    length: int
    dropped_pieces: int
    dropped_occurrences: int
    dropped_length: int
    cells: int
    tokens: int
    longs: int
    windows: int

    @property
    def most_windows(self) -> int: ...
    def __init__(self, drop_below: int = 0) -> None: ...
    def add(self, pieces: object, offsets: object, counts: object) -> None:
        """Adds pieces, in the form that `MergeLoop.add` takes."""
    def bytes(self) -> array[int]:
        """How often each byte occurs in the pieces that are kept, as "q"."""

def id_counts(bpe: BPE, size: int, pieces: object, offsets: object, counts: object) -> array[int]:
    """How often each id below `size` occurs in the pieces as `bpe` encodes them, as "q", at most 2**63 - 1."""
