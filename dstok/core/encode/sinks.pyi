# Generated: python release/stubs.py
from collections.abc import Sequence
from dstok.core.bpe.merge import BPE, PieceMemory
from dstok.core.split.finder import Sink

class Run(Sink):
    pass

class SpanSink(Run):
    pass

class IdSink(Run):
    pass
    def __init__(self, bpe: BPE, memory: PieceMemory, writable: bool) -> None: ...
def borders_of(bpe: BPE, pairs: Sequence[tuple[int, int]]) -> list[list[int]]: ...
