class Written:
    """Words that a run has written, as bytes: ids (uint32), or spans (pairs of int64)."""

    def __buffer__(self, flags: int, /) -> memoryview: ...
