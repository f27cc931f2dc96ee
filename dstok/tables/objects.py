"""The flat tables of a model -> the core's objects.

In: `Tables`, made from a description (`build.py`) or mapped from an image. Out: the object of the merge loops, the
encoder. Invariant: no table is copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok.core.find._finder import CharacterFinder, LeftFinder, PieceFinder
from dstok.core.merge._bpe import BPE, CharacterTable, LostBytes
from dstok.core.run._encode import Encoder
from dstok.core.split._scan import Scanner, pack_edges
from dstok.errors import ImageError
from dstok.tables.flat import Tables

if TYPE_CHECKING:
    from dstok.core.text._normalize import Normalizer
    from dstok.pattern.cascade import Program

__all__ = ["bare_bpe", "check_program", "make_bpe", "make_encoder", "make_finder", "make_plain_finder"]


def check_program(tables: Tables, program: Program) -> None:
    """Raises `ImageError` if mapped tables hold another automaton than `program`, compiled from their splits."""
    if tables.image is None:
        return
    pages, page_numbers = program.alphabet.pages()
    compiled = (pages, page_numbers, pack_edges(program.boundaries.edges, pages[:128]))
    if any(tables.sections[name] != data for name, data in zip(("pages", "page_numbers", "edges"), compiled)):
        raise ImageError(f"{tables.image.path}: expected the automaton of the image's splits, found another: "
                         "the image is damaged")


def bare_bpe(tables: Tables) -> BPE:
    """As `make_bpe`, but without the index for `ignore_merges`."""
    s, d = tables.sections, tables.description
    characters = CharacterTable(s["starts"], s["blob"]) if d.get("characters") else None
    values, unknown = d.get("lost", ((), -1))
    lost = LostBytes(values, unknown, tables.unknown is not None and tables.unknown[1]) if values else None
    return BPE(s["pairs"], s["seeds"], s["merged"], d["first"], d["byte_ids"], s["starts"], s["blob"], d["monotone"],
               d["ignore_merges"], s.get("atoms", b""), s.get("byte_pairs", b""), s.get("pair_ids", b""),
               characters, lost)


def make_bpe(tables: Tables) -> BPE:
    """The object of the merge loops."""
    bpe, s, d = bare_bpe(tables), tables.sections, tables.description
    if d["ignore_merges"]:
        starts = memoryview(s["starts"]).cast("B").cast("I")
        raw = set(d["raw_ids"])
        bpe.index_vocabulary([i for i in range(bpe.size) if starts[i] < starts[i + 1] and i not in raw])
    return bpe


def make_encoder(tables: Tables, bpe: BPE, size: int, normalizer: Normalizer | None = None) -> Encoder:
    """The encoder; `size` is one more than the largest id, added tokens included."""
    encoder = Encoder(make_finder(tables), bpe, tables.sections["direct"], size, normalizer)
    if tables.description.get("cuts_texts"):
        encoder.cut_texts()
    return encoder


def make_finder(tables: Tables) -> LeftFinder:
    """The finder of the model's pieces."""
    s, shape = tables.sections, tables.characters
    if shape is not None:
        return CharacterFinder(s["matrix"], s["joined"], shape.split)
    scanner = Scanner(s["pages"], s["page_numbers"], s["edges"], tables.description["symbols"])
    kernel = tables.description["kernel"]
    return PieceFinder(scanner, s["joined"] or None, kernel["rules"], bytes(kernel["kinds"]), s["borders"] or None,
                       s["windows"] or None)


def make_plain_finder(tables: Tables) -> LeftFinder:
    """The finder of whole pieces: an encoder's cuts long ones where no token crosses."""
    return make_finder(tables).without_cuts()
