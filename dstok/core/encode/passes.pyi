# Generated: python release/stubs.py
from dstok.core.encode.memory import Pool
from dstok.core.split.finder import LeftFinder
from dstok.core.text.normalize import Normalizer

class ShortPass:
    pass
    def __init__(self, finder: LeftFinder, pool: Pool, normalizer: Normalizer | None) -> None: ...
