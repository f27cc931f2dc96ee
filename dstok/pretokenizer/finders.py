"""A compiled cascade -> the core's objects that run it, and texts in the form that they read.

In: a `Cascade`. Out: a `Finder`, which finds pieces, and a function that also says why each is a piece.
Invariant: tables and kernels are those of a tokenizer. The finder reads from the left alone where it can, otherwise
from both sides (regex/two_sided.py). A text that is an ASCII `str` or valid UTF-8 is not copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from dstok._util.arguments import Errors, Text, checked_text, not_utf8, replaces_faults, utf8
from dstok.compiled.kernel_selection import find_kernel
from dstok.core.split.automaton import Scanner, pack_edges
from dstok.core.split.finder import Finder, PieceFinder, TwoSided
from dstok.core.text.utf8 import first_invalid
from dstok.errors import ArgumentError, TextError, UnsupportedError
from dstok.regex.cascade import Cascade, Program
from dstok.regex.compile_budget import LimitError, explained
from dstok.regex.marked_language import Marked
from dstok.regex.parser import parse
from dstok.regex.two_sided import make_bimachine

Tagger = Callable[[bytes], list[tuple[int, int, int]]]
Unit = Literal["bytes", "characters"]


def make_finder(cascade: Cascade) -> Finder:
    """The finder of the pieces. Raises `UnsupportedError` if the tables would be too large."""
    if isinstance(cascade, Program):
        pages, numbers = cascade.alphabet.pages()
        try:
            edges = pack_edges(cascade.boundaries.edges, pages[:128])
        except ValueError:
            pass  # more states than it can have: read from both sides
        else:
            scanner = Scanner(pages, numbers, edges, cascade.boundaries.symbols)
            kernel = find_kernel(cascade)
            windows = None if kernel.rules else cascade.windows or None
            return PieceFinder(scanner, None, kernel.rules, bytes(kernel.kinds), None, windows)
    return _two_sided(cascade, cascade.visible, b"\0\1")


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


def _two_sided(cascade: Cascade, marked: Marked, dropped: bytes) -> TwoSided:
    try:
        sides = make_bimachine(marked)
    except LimitError as error:
        trees = [parse(split.pattern, split.unicode_version or cascade.unicode_version) for split in cascade.splits]
        raise UnsupportedError(explained(error, *trees)) from None
    pages, numbers = cascade.alphabet.pages()
    return TwoSided(pages, numbers, sides.forward, sides.backward, sides.marks, dropped, marked.end)


def checked_unit(unit: str) -> None:
    """Raises `ArgumentError` for what is no unit of spans."""
    if unit not in ("bytes", "characters"):
        raise ArgumentError(f'expected the unit "bytes" or "characters", found {unit!r}', "unit")


def readable(text: Text, errors: Errors, which: str = "text") -> str | bytes:
    """One text. Raises `TextError` (with the offset) and `ArgumentError`."""
    replace = replaces_faults(errors)
    text = checked_text(text, which, "split_batch")
    if isinstance(text, str):
        return text if text.isascii() else utf8(text, replace)
    at = first_invalid(text)
    if at < 0:
        return text
    if replace:
        return text.decode("utf-8", "replace").encode()
    raise not_utf8(text[at], at)


def numbered(text: Text, errors: Errors, number: int) -> str | bytes:
    """One of several texts. An error gives its number."""
    try:
        return readable(text, errors, f"text {number}")
    except TextError as error:
        raise TextError(error.message, error.offset, number) from None
