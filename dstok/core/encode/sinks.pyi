# Generated: python release/stubs.py
from dstok.core.bpe.merge import BPE, PieceMemory
from dstok.core.split.finder import Sink

class Run(Sink):
    pass

class SpanSink(Run):
    pass

class IdSink(Run):
    pass
    def __init__(self, bpe: BPE, memory: PieceMemory, writable: bool) -> None: ...
