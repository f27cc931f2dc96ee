# Generated: python release/stubs.py
from dstok.core.encode.finder import LeftFinder
from dstok.core.encode.memory import Pool
from dstok.core.encode.sinks import IdSink, Sink
from dstok.core.text.normalize import Normalizer

class Pass:
    pass
    def __init__(self, finder: LeftFinder, sink: Sink) -> None: ...

class ShortPass:
    pass
    def __init__(self, finder: LeftFinder, sink: IdSink, pool: Pool, normalizer: Normalizer | None) -> None: ...
