"""The flat tables of a model: arrays by name, made from a description or mapped from a file; and the core's objects.

In: sections (build.py), or an open image. Out: `Tables`, and the `Image` that they lie in if they are mapped; the BPE
merger, the encoder, the finder of pieces.
Invariant: tables built from a description have the same bytes as in an image of them. They hold the vocabulary, merges
and splits. Added tokens belong to one tokenizer and lie beside the tables. The core's objects copy no table.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.files import StrPath
from dstok.core.bpe.merge import BPE, CharacterTable, LostBytes
from dstok.core.encode.encoder import Encoder
from dstok.core.split.automaton import Scanner, pack_edges
from dstok.core.split.finder import CharacterFinder, LeftFinder, PieceFinder
from dstok.errors import ImageError

if TYPE_CHECKING:
    from dstok.core.text.normalize import Normalizer
    from dstok.formats.description import CharacterShape, NormalizerStep
    from dstok.regex.ast import Split
    from dstok.regex.cascade import Program


Buffer = bytes | bytearray | memoryview
TABLES_FORMAT = 1  # the version of the sections' meaning: raised when the core reads one differently


class Image(NamedTuple):
    """An open image. `path` is only a name for an image in memory; `tokenizer` is None where there are only tables."""

    path: StrPath
    description: dict[str, Any]
    tokenizer: dict[str, Any] | None
    places: Mapping[str, tuple[int, int]]
    view: memoryview

    def section(self, name: str) -> memoryview:
        """The bytes of a section, read-only."""
        offset, length = self.places[name]
        return self.view[offset : offset + length]


class Tables(NamedTuple):
    """`description` (JSON-able) and `sections` (name -> bytes); `image`, if they are mapped from one.

    pages, page_numbers, edges: the scanner's tables.
    starts, blob: the bytes of each token.
    merged: id by rank among the live merges; empty if it is the rank plus the description's `first`.
    pairs, seeds: the hash table of the live merges (core/bpe/live.h).
    atoms, byte_pairs, pair_ids: the symbols that merging may start from. A model of characters has no `atoms`.
    direct: a bit for each id: does merging make it of its own bytes? Such tokens fill the piece tables.
    joined: the safe cuts' bitmap, empty if there are none.
    borders: the characters at which no cut may be, empty if there are none.
    windows: the tables of regex/windows.py; empty if there are rules.
    matrix: that of character_matrix.py. Only a model of characters has it.
    dead: the other merges, which no text needs: rank, left, right and merged id of each. Not there if there are none.
    """

    description: dict[str, Any]
    sections: Mapping[str, Buffer]
    image: Image | None = None

    @property
    def splits(self) -> tuple[Split, ...]:
        """The pre-tokenizer's steps."""
        from dstok.regex.ast import Split  # not needed to encode

        return tuple(Split(**split) for split in self.description["splits"])

    @property
    def normalizer(self) -> tuple[NormalizerStep, ...]:
        """The normalizer's steps."""
        steps = self.description.get("normalizer", ())
        if not steps:
            return ()  # most built-in models have none, and save the import
        from dstok.formats.description import NormalizerStep

        return tuple(NormalizerStep(**step) for step in steps)

    @property
    def characters(self) -> CharacterShape | None:
        """The shape of a model of characters; None of a byte-level one."""
        shape = self.description.get("characters")
        if shape is None:
            return None
        from dstok.formats.description import CharacterShape

        return CharacterShape(**{**shape, "byte_ids": tuple(shape["byte_ids"])})

    @property
    def unknown(self) -> tuple[str, bool] | None:
        """The text of `unk_token`, and `fuse_unk`, as `ModelDescription` has them."""
        found = self.description.get("unknown")
        return None if found is None else (found[0], found[1])

    @property
    def merges(self) -> array[int]:
        """All merges of the model: left, right and merged id (uint32 each) by rank. Encoding does not need them.

        The live ones are read out of the pair table. Raises `ImageError` if the tables are mapped and damaged.
        """
        from dstok.core.bpe.tables import all_merges, merges_of

        count, first = self.description["merges"], self.description["first"]
        try:
            pairs = merges_of(self.sections["pairs"])
            live = array("I", bytes(12 * count))
            live[::3], live[1::3] = pairs[::2], pairs[1::2]
            live[2::3] = array("I", bytes(self.sections["merged"]) or range(first, first + count))
            return all_merges(live, self.dead)
        except ValueError as error:
            raise ImageError(f"{self.image.path if self.image else 'tables'}: {error}: the image is damaged") from None

    @property
    def dead(self) -> array[int]:
        """The merges that no text needs: rank, left, right and merged id (uint32 each), by rank."""
        return array("I", bytes(self.sections.get("dead", b"")))


def tables_from_image(image: Image) -> Tables:
    """The tables that lie in a mapped image."""
    return Tables(image.description, {name: image.section(name) for name in image.places}, image)


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
    """Build the BPE merger from compiled tables."""
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
