from dstok.core.find._finder import LeftFinder

def sure_start(finder: LeftFinder, text: bytes, at: int) -> int:
    """The first sure start of a piece that is found in `text` from `at` on, or -1. `at` is a border of characters."""
