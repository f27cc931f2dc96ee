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
from functools import cache
from os.path import dirname, join
from typing import TYPE_CHECKING, NamedTuple

from dstok.compiled.kernel_selection import KINDS, NONE
from dstok.compiled.tables import Buffer, Kernel
from dstok.core.check.proofs import SOURCES, check_classes, check_edges, check_shuffles
from dstok.core.split.automaton import MAX_SYMBOLS, Scanner, pack_edges
from dstok.core.split.piece_finder import PieceFinder
from dstok.errors import ImageError

if TYPE_CHECKING:
    from dstok.regex import Split
    from dstok.regex.cascade import Program

FILE = join(dirname(__file__), "programs.jsonl")
SECTIONS = ("pages", "page_numbers", "edges", "shuffles")


class ProgramTables(NamedTuple):
    """Compiled steps as the core reads them. `shuffles` are empty if there are rules, or if they would be too large.

    symbols: of the automaton, with the end of the text. kernel: with the SHA-256 of the edges.
    """

    pages: bytes
    page_numbers: bytes
    edges: bytes
    shuffles: bytes
    symbols: int
    kernel: Kernel

    def finder(self) -> PieceFinder:
        """The finder of the pieces."""
        scanner = Scanner(self.pages, self.page_numbers, self.edges, self.symbols)
        return PieceFinder(scanner, None, self.kernel.rules, bytes(self.kernel.kinds), None, self.shuffles or None)


def program_tables(splits: Sequence[Split], unicode_version: str) -> ProgramTables:
    """The tables of the steps. Raises as `compile_splits`, and as `find_stored`."""
    stored = find_stored(splits, unicode_version)
    if stored is not None:
        return stored
    from dstok.regex.cascade import compile_splits  # not needed for stored programs

    return tables_of(compile_splits(splits, unicode_version))


def tables_of(program: Program) -> ProgramTables:
    """The tables of a program, with a proved kernel. Raises `ValueError` for more states than the scanner can have."""
    from hashlib import sha256

    from dstok.compiled.kernel_selection import find_kernel  # not needed for stored programs

    pages, page_numbers = program.alphabet.pages()
    edges = pack_edges(program.boundaries.edges, pages[:128])
    kernel = find_kernel(program)
    return ProgramTables(pages, page_numbers, edges, b"" if kernel.rules else program.shuffles,
                         program.boundaries.symbols, kernel._replace(edges=sha256(edges).hexdigest()))


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
    first = 256 * int.from_bytes(page_numbers[:2], "little")
    check_edges(sections["edges"], pages[first : first + 128], symbols)
    if len(sections["shuffles"]):
        check_shuffles(sections["shuffles"])
