"""The flat tables of a model -> the core's objects.

In: `Tables`, made from a description (`build.py`) or mapped from an image. Out: the object of the merge loops, the
encoder.
Invariant: tables built from a description have the same bytes as in an image of them. They hold the vocabulary, merges
and splits. Added tokens belong to one tokenizer and lie beside the tables.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok.core.find._finder import PieceFinder
from dstok.core.merge._bpe import BPE
from dstok.core.run._encode import Encoder
from dstok.core.split._scan import Scanner, pack_edges
from dstok.errors import ImageError
from dstok.formats.image import Image

if TYPE_CHECKING:
    from dstok.core.text._normalize import Normalizer
    from dstok.formats.description import NormalizerStep
    from dstok.pattern.cascade import Program
    from dstok.pattern.split import Split

__all__ = ["TABLES_FORMAT", "Tables", "bare_bpe", "check_program", "make_bpe", "make_encoder", "tables_from_image"]

Buffer = bytes | bytearray | memoryview
TABLES_FORMAT = 1  # the version of the sections' meaning: raised when the core reads one differently


class Tables(NamedTuple):
    """`description` (JSON-able) and `sections` (name -> bytes); `image`, if they are mapped from one.

    pages, page_numbers, edges: the scanner's tables.
    starts, blob: the bytes of each token.
    merged: id by rank; empty if it is the rank plus the description's `first`.
    pairs, seeds: the merges' hash table.
    atoms, byte_pairs, pair_ids: the symbols that merging may start from.
    direct: a bit for each id: does merging make it of its own bytes? Such tokens fill the piece tables.
    joined: the safe cuts' bitmap, empty if there are none.
    borders: the characters at which no cut may be, empty if there are none.
    windows: the tables of pattern/windows.py; empty if there are rules.
    """

    description: dict[str, Any]
    sections: Mapping[str, Buffer]
    image: Image | None = None

    @property
    def splits(self) -> tuple[Split, ...]:
        """The pre-tokenizer's steps."""
        from dstok.pattern.split import Split  # not needed to encode

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
    def merges(self) -> array[int]:
        """The left and the right id (uint32 each) by rank, read out of the pair table. Encoding does not need them.

        Raises `ImageError` if the tables are mapped and damaged.
        """
        from dstok.core.merge._pairs import merges_of

        try:
            return merges_of(self.sections["pairs"])
        except ValueError as error:
            raise ImageError(f"{self.image.path if self.image else 'tables'}: {error}: the image is damaged") from None

    @property
    def merged(self) -> array[int]:
        """The id (uint32) by rank."""
        count, first = self.description["merges"], self.description["first"]
        return array("I", bytes(self.sections["merged"]) or range(first, first + count))


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
    return BPE(s["pairs"], s["seeds"], s["merged"], d["first"], d["byte_ids"], s["starts"], s["blob"], d["monotone"],
               d["ignore_merges"], s.get("atoms", b""), s.get("byte_pairs", b""), s.get("pair_ids", b""))


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
    s = tables.sections
    scanner = Scanner(s["pages"], s["page_numbers"], s["edges"], tables.description["symbols"])
    kernel = tables.description["kernel"]
    finder = PieceFinder(scanner, s["joined"] or None, kernel["rules"], bytes(kernel["kinds"]), s["borders"] or None,
                         s["windows"] or None)
    return Encoder(finder, bpe, s["direct"], size, normalizer)
