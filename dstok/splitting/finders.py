"""A compiled cascade -> the core's objects that run it.

In: a `Cascade`. Out: a `Finder`, which finds pieces, and a function that also says why each is a piece.
Invariant: tables and kernels are those of a tokenizer. The finder reads from the left alone where it can, otherwise
from both sides (pattern/bimachine.py).
"""

from __future__ import annotations

from collections.abc import Callable

from dstok.core.find._finder import Finder, PieceFinder
from dstok.core.find._two_sided import TwoSided
from dstok.core.split._scan import Scanner, pack_edges
from dstok.errors import UnsupportedError
from dstok.pattern.bimachine import make_bimachine
from dstok.pattern.cascade import Cascade, Program
from dstok.pattern.costs import explained
from dstok.pattern.marked import Marked
from dstok.pattern.syntax import parse
from dstok.pattern.work import LimitError
from dstok.tables.kernels import find_kernel

__all__ = ["make_finder", "make_tagger"]

Tagger = Callable[[bytes], list[tuple[int, int, int]]]


def make_finder(cascade: Cascade) -> Finder:
    """The finder of the pieces. Raises `UnsupportedError` if the tables would be too large."""
    scanner = _scanner(cascade)
    if scanner is None:
        return _two_sided(cascade, cascade.visible, b"\0\1")
    assert isinstance(cascade, Program)
    kernel = find_kernel(cascade)
    windows = None if kernel.rules else cascade.windows or None
    return PieceFinder(scanner, None, kernel.rules, bytes(kernel.kinds), None, windows)


def make_tagger(cascade: Cascade) -> Tagger:
    """A function that returns (start, end, number of the tag) of all pieces of valid UTF-8, dropped ones included."""
    pages, numbers = cascade.alphabet.pages()
    if isinstance(cascade, Program):
        try:
            edges = pack_edges(cascade.dfa.edges, pages[:128])
            return Scanner(pages, numbers, edges, cascade.dfa.symbols).spans
        except (UnsupportedError, ValueError):
            pass  # tags keep more ends open at once, or need more states: read from both sides
    return _two_sided(cascade, cascade.marked, bytes(tag.dropped for tag in cascade.tags)).spans


def _scanner(cascade: Cascade) -> Scanner | None:
    if not isinstance(cascade, Program):
        return None
    pages, numbers = cascade.alphabet.pages()
    try:
        edges = pack_edges(cascade.boundaries.edges, pages[:128])
    except ValueError:
        return None
    return Scanner(pages, numbers, edges, cascade.boundaries.symbols)


def _two_sided(cascade: Cascade, marked: Marked, dropped: bytes) -> TwoSided:
    try:
        sides = make_bimachine(marked)
    except LimitError as error:
        trees = [parse(split.pattern, split.unicode_version or cascade.unicode_version) for split in cascade.splits]
        raise UnsupportedError(explained(error, *trees)) from None
    pages, numbers = cascade.alphabet.pages()
    return TwoSided(pages, numbers, sides.forward, sides.backward, sides.marks, dropped, marked.end)
