# Generated: python release/stubs.py
RULES: tuple[int, ...]
FLAGS: tuple[int, int, int, int, int, int, int, int, int]

class Sink:
    pass

class Finder:
    pass
    def strategy(self) -> str: ...

class LeftFinder(Finder):
    pass
    def __init__(self) -> None: ...
    def strategy(self) -> str: ...
    def without_cuts(self) -> LeftFinder: ...
    def resync_point(self, text: bytes | bytearray | memoryview, at: int) -> int: ...
