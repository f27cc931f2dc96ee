from dstok.core.merge._pieces import PieceMemory

class Workspace:
    """The memory that one encoding run writes to; `pieces` is a piece table."""

    def __init__(self, pieces: PieceMemory | None, writable: bool) -> None: ...
