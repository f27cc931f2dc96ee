# Generated: python release/stubs.py
from dstok.core.bpe.merge import BPE

class Sink:
    pass

class SpanSink(Sink):
    pass

class CountSink(Sink):
    pass

class NoteSink(Sink):
    pass

class IdSink(Sink):
    pass
    def __init__(self, bpe: BPE) -> None: ...

class IdSpanSink(IdSink):
    pass
    def __init__(self, bpe: BPE) -> None: ...
