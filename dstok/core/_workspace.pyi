class PieceMemory:
    """A private, writable copy of the three pre-filled piece tables."""

    sizes: tuple[int, ...]
    def __init__(self, tables: object) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def tables(self) -> tuple[memoryview, memoryview, memoryview]:
        """Views of the three tables."""

class Workspace:
    """Everything that one encoding run writes to; `tables` are the three piece tables."""

    def __init__(self, tables: object, writable: bool) -> None: ...
