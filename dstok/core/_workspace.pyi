class Workspace:
    """Everything that one encoding run writes to; `tables` are the three piece tables."""

    def __init__(self, tables: object, writable: bool) -> None: ...
