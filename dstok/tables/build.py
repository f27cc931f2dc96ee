"""Model description -> the flat tables that the core runs on.

In: `ModelDescription` (from a file format) or an image. Out: `Tables`, and from them the core's objects.
Invariant: tables built from a description and tables mapped from an image written from them are the same
bytes. They hold the vocabulary, merges and splits; added tokens are per tokenizer and lie beside them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dstok.core._bpe import BPE
from dstok.core._encode import Encoder
from dstok.core._pairs import MAX_IDS, MAX_MERGES, build_pairs
from dstok.core._pass import Pass
from dstok.core._pieces import BORDER_BYTES, joined_pairs
from dstok.core._scan import Scanner, pack_edges
from dstok.errors import ImageError, PatternError, UnsupportedError
from dstok.formats.description import NOT_IN_UTF_8, AddedToken, ModelDescription, NormalizerStep
from dstok.formats.image import Image
from dstok.pattern.split import Split
from dstok.tables.byte_pairs import byte_pairs, settled_tokens
from dstok.tables.characters import torn_borders, whole_characters
from dstok.tables.kernels import V3, find_kernel

if TYPE_CHECKING:
    from dstok.core._normalize import Normalizer
    from dstok.pattern.collapse import Program

__all__ = [
    "Tables",
    "bare_bpe",
    "build_tables",
    "check_program",
    "compile_program",
    "describe_tables",
    "make_bpe",
    "make_encoder",
    "tables_from_image",
]

Buffer = bytes | bytearray | memoryview
FORMAT = 5  # of the sections' meaning: raised when the core reads one of them differently


@dataclass(frozen=True)
class Tables:
    """`description` (JSON-able) and `sections` (name -> bytes); `image` if they are mapped from one.

    Sections: pages, page_numbers, edges (the scanner); starts, blob (token bytes by id); merges (left, right
    by rank), merged (id by rank; empty if it is the rank plus the description's `first`), pairs and seeds (their
    hash table); atoms, byte_pairs and pair_ids (what merging may start from); direct (ids
    that merging makes of their own bytes, which fill the piece tables); joined (the safe cuts' bitmap, empty if
    there are none); borders (characters that are not to be cut at, empty if there are none); windows (what a few
    characters tell of a place between them: pattern/windows.py; empty for V3).
    """

    description: dict[str, Any]
    sections: Mapping[str, Buffer]
    image: Image | None = None

    @property
    def splits(self) -> tuple[Split, ...]:
        """The pre-tokenizer's steps."""
        return tuple(Split(**split) for split in self.description["splits"])

    @property
    def normalizer(self) -> tuple[NormalizerStep, ...]:
        """The normalizer's steps."""
        return tuple(NormalizerStep(**step) for step in self.description.get("normalizer", ()))

    @property
    def merged(self) -> bytes:
        """The id (uint32) by rank."""
        count, first = len(self.sections["merges"]) // 8, self.description["first"]
        return bytes(self.sections["merged"]) or array("I", range(first, first + count)).tobytes()


def compile_program(splits: tuple[Split, ...], unicode_version: str) -> Program:
    """The automaton of the splits; a pattern's error also names its JSON path."""
    from dstok.pattern.collapse import compile_splits  # not needed to load a built-in model

    try:
        return compile_splits(splits, unicode_version)
    except PatternError as error:
        where = next((s.where for s in splits if s.pattern == error.pattern), "$.pre_tokenizer")
        raise PatternError(f"{where}: {error.message}", error.pattern, error.position) from None


def build_tables(model: ModelDescription) -> Tables:
    """All tables of a model. Raises `UnsupportedError` if it is larger than the core's number formats."""
    from hashlib import sha256  # not needed to load a built-in model

    if len(model.tokens) > MAX_IDS or len(model.merges) // 3 > MAX_MERGES:
        raise UnsupportedError(f"more than {MAX_IDS} ids or {MAX_MERGES} merges", "$.model")
    program = compile_program(model.splits, model.unicode_version)
    pages, page_numbers = program.alphabet.pages()
    starts, blob = _pack_tokens(model)
    byte_ids = _byte_ids(model)
    merges = array("I", [x for rule in model.merge_rules() for x in rule[:2]])
    edges = pack_edges(program.boundaries.edges, pages[:128])
    kernel = find_kernel(program)
    description = {
        "format": FORMAT,
        "splits": [vars(split) for split in model.splits],
        "unicode_version": model.unicode_version,
        "symbols": program.boundaries.symbols,
        "kernel": {**kernel._asdict(), "edges": sha256(edges).hexdigest()},
        "byte_ids": byte_ids,
        "monotone": _monotone(model),
        "ignore_merges": model.ignore_merges,
        "raw_ids": sorted(model.raw_ids),
        "first": model.merges[2] if model.merges else 0,
    }
    if model.normalizer:  # images of models without one are as they were
        description["normalizer"] = [vars(step) for step in model.normalizer]
    pairs, seeds = _pair_table(model)
    sections: dict[str, Buffer] = {
        "pages": pages, "page_numbers": page_numbers, "edges": edges,
        "starts": starts, "blob": blob,
        "merges": merges.tobytes(), "merged": _merged(model.merges[2::3]), "pairs": pairs, "seeds": seeds,
    }
    bpe = make_bpe(Tables(description, sections))
    rules = list(model.merge_rules())
    settled = settled_tokens(rules, model.tokens)
    sections["atoms"] = whole_characters(model.tokens, bpe, settled)
    sections["byte_pairs"], sections["pair_ids"] = byte_pairs(
        rules, model.tokens, byte_ids, torn_borders(model.tokens), settled)
    bpe = make_bpe(Tables(description, sections))
    direct = [i for i in _reachable(model) if bpe.encodes_to_itself(i)]
    sections["direct"] = array("I", direct).tobytes()
    v3 = kernel.rules == V3  # whose kernel knows no borders
    spoilers = set(_reachable(model)).difference(direct) if model.ignore_merges else set()
    borders = _borders(model.tokens[i] or b"" for i in spoilers)
    made = [t for t in model.tokens if t]
    sections["joined"] = b"" if v3 and spoilers else joined_pairs(made, None if v3 else borders)
    sections["borders"] = b"" if v3 or not any(borders) else bytes(borders)
    sections["windows"] = b"" if kernel.rules else program.windows
    return Tables(description, sections)


def _borders(spoilers: Iterable[bytes]) -> bytearray:
    """Two bitmaps of the BMP: characters not to cut behind for the first time, and not to cut before.

    A token that merging never makes, but ignore_merges does, would spoil a cut piece of which it is a part. No
    part behind a cut is one if nothing is cut before the first character of such a token; nor is the part before
    a piece's first cut, if that is not behind the last character of one.
    """
    bits = bytearray(BORDER_BYTES)
    for token in spoilers:
        text = token.decode("utf-8", "replace")  # a token that is no text is no part of one
        for c, base in ((ord(text[-1]), 0), (ord(text[0]), BORDER_BYTES // 2)):
            if c < 0x10000:
                bits[base + (c >> 3)] |= 1 << (c & 7)
    return bits


def describe_tables(
    tables: Tables, added: tuple[AddedToken, ...], bos_id: int | None, eos_id: int | None,
) -> ModelDescription:
    """The description that `build_tables` made `tables` of, with the added tokens of one tokenizer."""
    d, raw_ids = tables.description, frozenset(tables.description["raw_ids"])
    starts, pairs, merged = (array("I", bytes(data)) for data in (
        tables.sections["starts"], tables.sections["merges"], tables.merged))
    blob = bytes(tables.sections["blob"])
    tokens = [blob[start:end] if start < end or i in raw_ids else None
              for i, (start, end) in enumerate(pairwise(starts))]
    merges = array("I", [x for rule in zip(pairs[::2], pairs[1::2], merged) for x in rule])
    return ModelDescription(tables.splits, tuple(tokens), raw_ids, merges, added, d["ignore_merges"], bos_id, eos_id,
                            d["unicode_version"], tables.normalizer)


def tables_from_image(image: Image) -> Tables:
    """The tables that lie in a mapped image."""
    return Tables(image.description, {name: image.section(name) for name in image.places}, image)


def check_program(tables: Tables, program: Program) -> None:
    """Raises `ImageError` if mapped tables hold another automaton than `program`, which their splits compile to."""
    if tables.image is None:
        return
    pages, page_numbers = program.alphabet.pages()
    compiled = (pages, page_numbers, pack_edges(program.boundaries.edges, pages[:128]))
    if any(tables.sections[name] != data for name, data in zip(("pages", "page_numbers", "edges"), compiled)):
        raise ImageError(f"{tables.image.path}: expected the automaton of the image's splits, found another: "
                         "the image is damaged")


def bare_bpe(tables: Tables) -> BPE:
    """As `make_bpe`, without the index that `ignore_merges` needs."""
    s, d = tables.sections, tables.description
    return BPE(s["pairs"], s["seeds"], s["merged"], d["first"], d["byte_ids"], s["starts"], s["blob"], d["monotone"],
               d["ignore_merges"], s.get("atoms", b""), s.get("byte_pairs", b""), s.get("pair_ids", b""))


def make_bpe(tables: Tables) -> BPE:
    """The merge loops' object."""
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
    run = Pass(scanner, bpe, s["joined"] or None, kernel["rules"], bytes(kernel["kinds"]), s["borders"] or None,
               s["windows"] or None)
    return Encoder(run, bpe, memoryview(s["direct"]).cast("B").cast("I"), size, normalizer)


def _pair_table(model: ModelDescription) -> tuple[bytes, bytes]:
    found = build_pairs(model.merges)
    if found is None:
        raise UnsupportedError("merges whose pairs collide in the pair table under each of its salts, as none do by "
                               "chance", "$.model.merges")
    return found


def _pack_tokens(model: ModelDescription) -> tuple[bytes, bytes]:
    starts, at = array("I", [0]), 0
    for token in model.tokens:
        at += len(token or b"")
        starts.append(at)
    return starts.tobytes(), b"".join(token or b"" for token in model.tokens) or b"\0"


def _merged(ids: array[int]) -> bytes:
    """The id by rank; nothing if it is the rank plus a constant, as in V3: arithmetic is faster than a look-up."""
    return b"" if ids and ids == array("I", range(ids[0], ids[0] + len(ids))) else ids.tobytes()


def _byte_ids(model: ModelDescription) -> list[int]:
    """The id of each byte; of one that no text holds, if it has none, that of the byte 0."""
    single = {t: i for i, t in enumerate(model.tokens) if t and len(t) == 1 and i not in model.raw_ids}
    return [single[bytes([0 if b in NOT_IN_UTF_8 and bytes([b]) not in single else b])] for b in range(256)]


def _reachable(model: ModelDescription) -> list[int]:
    """The ids that a piece can have: those spelled in the byte-level alphabet."""
    return [i for i, token in enumerate(model.tokens) if token and i not in model.raw_ids]


def _monotone(model: ModelDescription) -> bool:
    """Is each merge's rank above the ranks of the merges that make its sides? (See core/_bpe.pyx.)"""
    made: dict[int, int] = {}
    for rank, (_, _, merged) in enumerate(model.merge_rules()):
        made[merged] = rank  # the last of the merges that make it, to be on the safe side
    return all(made.get(left, -1) < rank and made.get(right, -1) < rank
               for rank, (left, right, _) in enumerate(model.merge_rules()))
