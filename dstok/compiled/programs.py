"""Split steps -> the tables of their automaton, with the kernel that stands for it: compiled, or read where stored.

In: the steps of a model, and the Unicode version of their patterns. Out: `ProgramTables`.
Invariant: a stored program is what compiling gives. `programs.jsonl` names the sources that made it, by their hash (the
compiler, the rules, the walk: release/programs.py), and the core knows the hash of those that it was built from: if the
two differ, nothing that is stored counts. So no proof is used for other rules than it was made with.
tests/compiled/test_programs.py makes each program again, and each proof.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from os.path import dirname, join
from typing import TYPE_CHECKING, NamedTuple

from dstok.compiled.kernel_selection import KINDS, NONE
from dstok.compiled.tables import Buffer, Kernel, Tables, program_finder
from dstok.core.check.proofs import SOURCES, check_bimachine, check_classes, check_edges
from dstok.core.split.automaton import MAX_SYMBOLS, Scanner, pack_edges
from dstok.core.split.finder import Finder
from dstok.errors import ImageError, PatternError, UnsupportedError

if TYPE_CHECKING:
    from dstok.core.split.two_sided import TwoSided
    from dstok.regex import Split
    from dstok.regex.bimachine import Bimachine
    from dstok.regex.cascade import Cascade
    from dstok.regex.marked_language import Marked

FILE = join(dirname(__file__), "programs.jsonl")
SECTIONS = ("pages", "page_numbers", "edges", "shuffles")


class ProgramTables(NamedTuple):
    """Compiled steps as the core reads them. Without edges, no automaton can read from the left alone.

    With edges the section of a bimachine is for shuffles: empty if there are rules, or if it would be too large.
    symbols: of the automaton, with the end of the text. kernel: with the SHA-256 of the edges.
    """

    pages: bytes
    page_numbers: bytes
    edges: bytes
    shuffles: bytes
    symbols: int
    kernel: Kernel

    def finder(self) -> Finder:
        """The finder of the pieces."""
        return program_finder(self._asdict(), self.symbols, self.kernel)


def program_tables(splits: Sequence[Split], unicode_version: str) -> ProgramTables:
    """The tables of the steps. Raises as `compile_cascade`, and as `find_stored`; a pattern's error names its place."""
    stored = find_stored(splits, unicode_version)
    if stored is not None:
        return stored
    from dstok.regex.cascade import compile_cascade, placed  # not needed for stored programs

    try:
        return tables_of(compile_cascade(splits, unicode_version))
    except PatternError as error:
        raise placed(error, splits) from None


def tables_of(cascade: Cascade, kernel: bool = True) -> ProgramTables:
    """The tables of compiled steps; with a proved `kernel`, or shuffles, if it is wanted. Raises `UnsupportedError`."""
    from hashlib import sha256

    from dstok.compiled.kernel_selection import find_kernel  # not needed for stored programs
    from dstok.regex.cascade import Program

    pages, page_numbers = cascade.alphabet.pages()
    edges, symbols = b"", cascade.alphabet.end + 1
    if isinstance(cascade, Program):
        with suppress(ValueError):  # more states than it can have
            edges = pack_edges(cascade.boundaries.edges, pages[:128])
    if not edges:
        both = read_from_both(cascade, cascade.visible)
        return ProgramTables(pages, page_numbers, b"", both.section(), symbols, Kernel(NONE, ()))
    assert isinstance(cascade, Program)
    found = find_kernel(cascade) if kernel else Kernel(NONE, ())
    shuffles = cascade.shuffles if kernel and not found.rules else b""
    return ProgramTables(pages, page_numbers, edges, shuffles, symbols,
                         found._replace(edges=sha256(edges).hexdigest()))


def read_from_both(cascade: Cascade, marked: Marked) -> Bimachine:
    """The bimachine of marked texts of these steps. Raises `UnsupportedError`, which names the costly part."""
    from dstok.regex.bimachine import make_bimachine
    from dstok.regex.compile_budget import LimitError, explained
    from dstok.regex.parser import parse

    try:
        return make_bimachine(marked)
    except LimitError as error:
        trees = [parse(split.pattern, split.unicode_version or cascade.unicode_version) for split in cascade.splits]
        raise UnsupportedError(explained(error, *trees)) from None


def make_tagger(cascade: Cascade) -> Scanner | TwoSided:
    """An object whose `spans` lists (start, end, number of the tag) of all pieces, dropped ones included."""
    from dstok.core.split.two_sided import TwoSided
    from dstok.regex.cascade import Program

    pages, numbers = cascade.alphabet.pages()
    if isinstance(cascade, Program):
        with suppress(UnsupportedError, ValueError):  # tags keep more ends open at once, or need more states
            return Scanner(pages, numbers, pack_edges(cascade.dfa.edges, pages[:128]), cascade.dfa.symbols)
    both, dropped = read_from_both(cascade, cascade.marked), bytes(tag.dropped for tag in cascade.tags)
    return TwoSided(pages, numbers, both.section(), dropped)


def check_compiled(tables: Tables, cascade: Cascade) -> None:
    """Raises `ImageError` if mapped tables hold another automaton than `cascade`, compiled from their splits."""
    if tables.image is not None:
        compiled = tables_of(cascade, kernel=False)
        names = SECTIONS if not compiled.edges else SECTIONS[:-1]  # with edges the bimachine may lack
        if any(bytes(tables.sections[name]) != getattr(compiled, name) for name in names):
            raise ImageError(f"{tables.image.path}: expected the automaton of the image's splits, found another: "
                             "the image is damaged")


def key_of(splits: Sequence[Split], unicode_version: str) -> str:
    """Return what decides a program: its line in `programs.jsonl` begins with it."""
    steps = [[s.pattern, s.behavior, s.invert, s.unicode_version or unicode_version] for s in splits]
    return f'{{"splits": {json.dumps(steps)}, '


@cache
def _lines(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def find_stored(splits: Sequence[Split], unicode_version: str) -> ProgramTables | None:
    """The stored tables of the steps, or None. Raises `ImageError` for tables that the core could not run on."""
    import zlib  # not needed for a model whose tables are made
    from binascii import a2b_base64

    lines = _lines(FILE)
    at = lines.find("\n" + key_of(splits, unicode_version))
    if at < 0 or not lines.startswith(f'{{"sources": "{SOURCES.decode()}"}}\n'):
        return None
    try:
        stored = json.loads(lines[at : lines.index("\n", at + 1)])
        rules, kinds, edges = stored["kernel"]
        data, sections, symbols = zlib.decompress(a2b_base64(stored["tables"])), dict[str, bytes](), stored["symbols"]
        for name, size in zip(SECTIONS, stored["sizes"], strict=True):
            sections[name], data = data[:size], data[size:]
        if (data or len(sections["pages"]) % 256 or len(sections["page_numbers"]) != 2 * 0x1100
                or len(sections["edges"]) % (4 * (128 + MAX_SYMBOLS)) or not 2 <= symbols <= MAX_SYMBOLS
                or (rules != NONE and (len(kinds) != symbols - 1 or not {*kinds} <= {*KINDS[rules]}))):
            raise ValueError("expected the tables of a program, found others")
        check_program(sections, symbols)
    except (ValueError, LookupError, TypeError, zlib.error) as error:
        raise ImageError(f"{FILE}: {error}: the file is damaged") from None
    return ProgramTables(**sections, symbols=symbols, kernel=Kernel(rules, tuple(kinds), edges))


def check_program(sections: Mapping[str, Buffer], symbols: int) -> None:
    """Raises `ValueError` if the core could not run on these tables, whose sizes are right."""
    pages, page_numbers = sections["pages"], sections["page_numbers"]
    check_classes(pages, page_numbers, symbols - 1)
    first, edges = 256 * int.from_bytes(page_numbers[:2], "little"), len(sections["edges"])
    ascii_classes = pages[first : first + 128]
    if edges:
        check_edges(sections["edges"], ascii_classes, symbols)
    if len(sections["shuffles"]) or not edges:
        check_bimachine(sections["shuffles"], ascii_classes if edges else None)
