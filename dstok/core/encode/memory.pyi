# Generated: python release/stubs.py
from dstok.core.bpe.merge import BPE

MAX_WORKSPACES: int

class Pool:
    pass
    def __init__(self, bpe: BPE | None = None, direct: bytes | bytearray | memoryview | None = None) -> None: ...
    def workspaces(self) -> tuple[int, int]: ...
    def passed(self) -> int: ...
    def work(self) -> int: ...

class OwnedBuffer:
    pass
