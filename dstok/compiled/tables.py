"""The flat tables of a model: arrays by name, made from a description or mapped from a file; and the core's objects.

In: a header and sections (build.py), or an open image. Out: `Tables`; the BPE merger, the encoder, the finder.
Invariant: tables built from a description have the same bytes as in an image of them. They hold the vocabulary, merges
and splits. Added tokens belong to one tokenizer and lie beside the tables. The core's objects copy no table.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.files import StrPath
from dstok.core.bpe.merge import BPE, CharacterTable, LostBytes
from dstok.core.encode.encoder import Encoder
from dstok.core.split.automaton import Scanner
from dstok.core.split.finder import Finder
from dstok.core.split.piece_finder import PieceFinder
from dstok.errors import ImageError

if TYPE_CHECKING:
    from dstok.core.text.normalize import Normalizer
    from dstok.formats.description import CharacterShape, NormalizerStep
    from dstok.regex import Split


Buffer = bytes | bytearray | memoryview
MATRIX_HEAD = 16  # bytes of a matrix before its page numbers
TABLES_FORMAT = 2  # the version of the sections' meaning: raised when the core reads one differently


class Kernel(NamedTuple):
    """The number of a set of rules; for each class one of its kinds; the SHA-256 of the edges that it stands for."""

    rules: int
    kinds: Sequence[int]
    edges: str = ""


class Header(NamedTuple):
    """The facts beside the sections, in the form of JSON. Images have those with a default only if they differ from it.

    splits, normalizer: the fields of each `Split` and `NormalizerStep`; characters: those of the `CharacterShape`.
    symbols: of the automaton, with the end of the text. byte_ids: the id of each byte. monotone: do ranks rise with the
    merges that merges need? merges: the number of live ones; first: the id of the first. unknown: `unk_token`,
    `fuse_unk`. lost: the bytes without a token, and the id that stands for them or -1. runs: ids of the runs of
    characters, by length.
    """

    splits: list[dict[str, Any]]
    unicode_version: str
    symbols: int
    kernel: Kernel
    byte_ids: list[int]
    monotone: bool
    ignore_merges: bool
    raw_ids: list[int]
    merges: int
    first: int
    format: int
    normalizer: Sequence[dict[str, Any]] = ()
    trim_offsets: str = ""
    characters: dict[str, Any] | None = None
    cuts_texts: bool = False
    unknown: Sequence[Any] | None = None
    lost: Sequence[Any] = ((), -1)
    runs: Mapping[str, list[int]] = {}  # nobody changes it
    cuts_bytes: bool = False
    word_end: str = ""

    @classmethod
    def read(cls, stored: dict[str, Any]) -> Header:
        """The header that `stored` gave. It is not checked."""
        return cls(**{**stored, "kernel": Kernel(**stored["kernel"])})

    def stored(self) -> dict[str, Any]:
        """The header as an image has it."""
        found = {name: value for name, value in self._asdict().items()
                 if name not in self._field_defaults or (value and value != self._field_defaults[name])}
        return {**found, "kernel": self.kernel._asdict()}


class Image(NamedTuple):
    """An open image. `path` is only a name for an image in memory; `tokenizer` is None where there are only tables."""

    path: StrPath
    header: dict[str, Any]
    tokenizer: dict[str, Any] | None
    places: Mapping[str, tuple[int, int]]
    view: memoryview

    def section(self, name: str) -> memoryview:
        """The bytes of a section, read-only."""
        offset, length = self.places[name]
        return self.view[offset : offset + length]


class Tables(NamedTuple):
    """A header and sections (name -> bytes); `image`, if they are mapped from one; `bpe`, if it was made with them.

    pages, page_numbers, edges: the scanner's tables; no edges if texts are read from both sides.
    starts, blob: the bytes of each token.
    merged: id by rank among the live merges; empty if it is the rank plus the header's `first`.
    pairs, seeds: the hash table of the live merges (core/bpe/live.h).
    atoms, byte_pairs, pair_ids: the symbols that merging may start from. A model of characters has no `atoms`.
    direct: a bit for each id: does merging make it of its own bytes? Such tokens fill the piece tables.
    joined: the safe cuts' bitmap, empty if there are none.
    borders: the characters at which no cut may be, empty if there are none.
    shuffles: the bimachine of regex/bimachine.py; empty if there are rules, or in a model of characters.
    matrix: that of build.py. Only a model of characters has it.
    dead: the other merges, which no text needs: rank, left, right and merged id of each. Not there if there are none.
    """

    header: Header
    sections: Mapping[str, Buffer]
    image: Image | None = None
    bpe: BPE | None = None

    @property
    def splits(self) -> tuple[Split, ...]:
        """The pre-tokenizer's steps."""
        from dstok.regex import Split  # not needed to encode

        return tuple(Split(**split) for split in self.header.splits)

    @property
    def normalizer(self) -> tuple[NormalizerStep, ...]:
        """The normalizer's steps."""
        if not self.header.normalizer:
            return ()  # most built-in models have none, and save the import
        from dstok.formats.description import NormalizerStep

        return tuple(NormalizerStep(**step) for step in self.header.normalizer)

    @property
    def characters(self) -> CharacterShape | None:
        """The shape of a model of characters; None of a byte-level one."""
        shape = self.header.characters
        if shape is None:
            return None
        from dstok.formats.description import CharacterShape

        return CharacterShape(**{**shape, "byte_ids": tuple(shape["byte_ids"])})

    @property
    def merges(self) -> array[int]:
        """All merges of the model: left, right and merged id (uint32 each) by rank. Encoding does not need them.

        The live ones are read out of the pair table. Raises `ImageError` if the tables are mapped and damaged.
        """
        from dstok.core.bpe.tables import all_merges
        from dstok.core.check.proofs import check_merges

        try:
            return all_merges(check_merges(bare_bpe(self), self.sections["pairs"], self.header.merges), self.dead)
        except ValueError as error:
            raise ImageError(f"{self.image.path if self.image else 'tables'}: {error}: the image is damaged") from None

    @property
    def dead(self) -> array[int]:
        """The merges that no text needs: rank, left, right and merged id (uint32 each), by rank."""
        return array("I", bytes(self.sections.get("dead", b"")))


def tables_from_image(image: Image) -> Tables:
    """The tables that lie in a mapped image."""
    return Tables(Header.read(image.header), {name: image.section(name) for name in image.places}, image)


def bare_bpe(tables: Tables) -> BPE:
    """As `make_bpe`, but a new one without the index for `ignore_merges`."""
    s, header = tables.sections, tables.header
    characters = CharacterTable(s["starts"], s["blob"]) if header.characters else None
    values, unknown = header.lost
    lost = LostBytes(values, unknown, header.unknown is not None and header.unknown[1]) if values else None
    return BPE(s["pairs"], s["seeds"], s["merged"], header.first, header.byte_ids, s["starts"], s["blob"],
               header.monotone, header.ignore_merges, s["atoms"], s["byte_pairs"], s["pair_ids"], characters, lost,
               header.word_end != "")


def make_bpe(tables: Tables) -> BPE:
    """The BPE merger of compiled tables."""
    if tables.bpe is not None:
        return tables.bpe
    bpe = bare_bpe(tables)
    if bpe.ignore_merges:
        bpe.index_vocabulary(bpe.reachable(tables.header.raw_ids))
    return bpe


def make_encoder(tables: Tables, bpe: BPE, size: int, normalizer: Normalizer | None = None) -> Encoder:
    """The encoder; `size` is one more than the largest id, added tokens included."""
    encoder = Encoder(make_finder(tables), bpe, tables.sections["direct"], size, normalizer)
    if tables.header.cuts_texts:
        encoder.cut_texts()
    return encoder


def make_finder(tables: Tables) -> Finder:
    """The finder of the model's pieces. It cuts long ones where no token crosses, unless `without_cuts` is called."""
    s, header = tables.sections, tables.header
    if header.characters is not None:
        from dstok.core.split.character_finder import CharacterFinder  # few models need it

        return CharacterFinder(s["matrix"], s["joined"], header.characters["split"])
    return program_finder(s, header.symbols, header.kernel)


def program_finder(sections: Mapping[str, Buffer], symbols: int, kernel: Kernel) -> Finder:
    """The finder of the pieces that an automaton or a bimachine cuts; without these sections it makes no safe cuts."""
    pages, page_numbers, shuffles = sections["pages"], sections["page_numbers"], sections["shuffles"]
    joined, borders = sections.get("joined") or None, sections.get("borders") or None
    if not len(sections["edges"]):
        from dstok.core.split.two_sided import TwoSided  # few models need it

        return TwoSided(pages, page_numbers, shuffles, b"\0\1", joined, borders)
    scanner = Scanner(pages, page_numbers, sections["edges"], symbols)
    return PieceFinder(scanner, joined, kernel.rules, bytes(kernel.kinds), borders, shuffles or None)
