from dstok.core.merge._merge import BPE, PieceMemory

class Workspace:
    """The memory that one encoding run writes to; `pieces` is a piece table."""

    def __init__(self, pieces: PieceMemory | None, writable: bool) -> None: ...


MAX_WORKSPACES: int

class Pool:
    """Workspaces that merge by `bpe`; their piece tables begin with the ids whose bits in `direct` are set.

    Without `bpe` they have no piece table, and serve runs that make no ids.
    """

    def __init__(self, bpe: BPE | None = None, direct: bytes | bytearray | memoryview | None = None) -> None: ...
    def workspaces(self) -> tuple[int, int]:
        """The number of workspaces, and the number of those at rest."""
    def passed(self) -> int:
        """The number of borders that runs of the automaton have passed so far; see `Scanner.passed`."""

class Contest:
    """A number that only the holder of a slot adds to."""

    sum: int
    def add(self, rounds: int) -> None:
        """Takes the slot, adds one, and gives the slot back, `rounds` times, without the GIL."""


class Written:
    """Words that a run has written, as bytes: ids (uint32), or spans (pairs of int64)."""

    def __buffer__(self, flags: int, /) -> memoryview: ...
