"""Everything that the core relies on in an image, broken one by one.

In: nothing. Out: changes of an image's parts, each with the error that has to name it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from images import Parts

from dstok.compiled.kernel_selection import KINDS, NONE, NUMBER, RARE, V3
from dstok.compiled.tables import TABLES_FORMAT
from dstok.formats.description import NormalizerStep

ROW = 256
Change = Callable[[Parts], Any]


def put(key: str, value: Any) -> Change:
    return lambda parts: parts.description.__setitem__(key, value)


def own(key: str, value: Any) -> Change:
    return lambda parts: parts.tokenizer.__setitem__(key, value)


def column(key: str, index: int, value: Any) -> Change:
    return lambda parts: parts.tokenizer["added"][key].__setitem__(index, value)


def words(name: str, at: int, *values: int, kind: str = "I") -> Change:
    return lambda parts: parts.words(name, at, *values, kind=kind)


def resized(name: str, size: int) -> Change:
    return lambda parts: parts.sections.__setitem__(name, bytearray(size))


def merged(*ids: int) -> Change:
    return lambda parts: parts.sections.__setitem__("merged", bytearray(array("I", ids).tobytes()))


def reordered(parts: Parts) -> None:
    parts.sections["pages"] = parts.sections.pop("pages")


def split(key: str, value: Any) -> Change:
    return lambda parts: parts.description["splits"][0].__setitem__(key, value)


def kernel(rules: int = V3, kind: int = RARE, kinds: list[int] | None = None, edges: str = "") -> Change:
    """Rules for the automaton, whatever it is."""
    def change(parts: Parts) -> None:
        each = [kind] * (parts.description["symbols"] - 1) if kinds is None else kinds
        parts.description["kernel"] = {"rules": rules, "kinds": each, "edges": edges}

    return change


EMPTY = 0xFFFFFFFFFFFFFFFF


def strange_pair(slot: int) -> Change:
    """One pair more than there are merges."""
    def change(parts: Parts) -> None:
        slots = memoryview(parts.sections["pairs"]).cast("Q")
        slots[list(slots).index(EMPTY)] = slot

    return change


def in_first_pair(bits: int) -> Change:
    """These bits of the slot of merge 0 changed."""
    def change(parts: Parts) -> None:
        slots = memoryview(parts.sections["pairs"]).cast("Q")
        slots[next(i for i, slot in enumerate(slots) if slot != EMPTY and not slot & 0xFFFFFF)] ^= bits

    return change


def moved(parts: Parts) -> None:
    """Merge 0 in another slot than the one where it is looked for."""
    slots = memoryview(parts.sections["pairs"]).cast("Q")
    at, free = next(i for i, slot in enumerate(slots) if slot != EMPTY and not slot & 0xFFFFFF), list(slots).index(EMPTY)
    slots[at], slots[free] = EMPTY, slots[at]


def twice(parts: Parts) -> None:
    """The pair of merge 0 with the rank 5, too, where there were 0 to 4."""
    slots = memoryview(parts.sections["pairs"]).cast("Q")
    slots[list(slots).index(EMPTY)] = next(slot for slot in slots if slot != EMPTY and not slot & 0xFFFFFF) + 5
    parts.description["merges"] = 6
    merged(256, 257, 258, 259, 260, 256)(parts)


REFUSED: list[tuple[Change, str]] = [
    # the description
    (put("format", 1), f"expected tables of format {TABLES_FORMAT}, found 1: make it again from the tokenizer.json"),
    (put("format", None), "found None"),
    (lambda parts: parts.description.pop("byte_ids"), "expected 'byte_ids', found none"),
    (put("byte_ids", list(range(255))), "byte_ids: expected 256, found 255"),
    (put("byte_ids", [256, *range(1, 256)]), "expected the id of a byte, found 256"),
    (put("byte_ids", [1, 0, *range(2, 256)]), "byte_ids"),
    (put("byte_ids", [1 << 70, *range(1, 256)]), "expected|overflow|large"),
    (put("byte_ids", [-1, *range(1, 256)]), "found -1"),
    (put("byte_ids", [0.0, *range(1, 256)]), "only int, found \\['float', 'int'\\]"),
    (put("monotone", 1), "monotone: expected bool, found 1"),
    (put("ignore_merges", None), "ignore_merges: expected bool"),
    (put("symbols", 1), "symbols: expected 2 to 128"),
    (put("symbols", 129), "symbols: expected 2 to 128"),
    (put("symbols", 2), "expected classes below 1"),
    (put("symbols", True), "symbols: expected int"),
    (put("raw_ids", [5000]), "raw_ids: expected ids below"),
    (put("raw_ids", [-1]), "raw_ids: expected ids below"),
    (put("raw_ids", [200]), "raw_ids: expected tokens that are text"),
    (put("raw_ids", {}), "raw_ids: expected list"),
    (put("unicode_version", 16.0), "unicode_version: expected str"),
    (put("splits", [{}]), "splits: expected '[a-z_]+', found none"),
    (put("normalizer", [{"type": "NFC"}]), "normalizer: expected '[a-z_]+', found none"),
    (put("normalizer", [NormalizerStep("NFC", unicode_version="16.0").stored()]),
     "normalizer unicode_version: expected one of .*, found 16.0"),
    (put("splits", None), "splits: expected list"),
    (split("pattern", 3), "pattern: expected str"),
    (put("kernel", []), "kernel: expected dict"),
    (put("kernel", {"rules": NONE, "kinds": []}), "expected 'edges', found none"),
    (put("kernel", {"rules": max(KINDS) + 1, "kinds": [], "edges": ""}), f"rules: expected one of .*, found {max(KINDS) + 1}"),
    (put("kernel", {"rules": True, "kinds": [], "edges": ""}), "rules: expected int"),
    (kernel(kinds=[1]), "kinds: expected one for each of [0-9]+ classes, found 1"),
    *((kernel(rules=rules, kind=kind), "kinds: expected some of")
      for rules in KINDS for kind in (-1, 0, 16, NUMBER, 128, 1 << 70) if kind not in KINDS[rules]),
    (kernel(edges="0"), "section edges: expected the automaton that the rules stand for, SHA-256 0, found"),
    # the sizes
    (lambda parts: parts.sections.pop("joined"), "sections: expected"),
    (lambda parts: parts.sections.update(x=bytearray()), "sections: expected"),
    (reordered, "sections: expected"),
    *((resized(name, size), f"section {name}: expected") for name, size in (
        ("pages", 0), ("pages", 100), ("page_numbers", 8702), ("edges", 1024), ("edges", 4 * ROW * 3 + 4), ("starts", 4),
        ("starts", 1029), ("pairs", 64), ("pairs", 120), ("pairs", 384), ("seeds", 32), ("seeds", 38), ("seeds", 40), ("pair_ids", 5),
        ("pair_ids", 4 << 16), ("atoms", 0), ("atoms", 4), ("byte_pairs", 8191), ("direct", 5), ("direct", 0), ("direct", 1 << 20), ("joined", 1),
        ("borders", 1))),
    (put("merges", 0), "merges: expected 0 in the pair table, found 5"),
    (put("merges", 6), "merges: expected 6 in the pair table, found 5"),
    (put("merges", -1), "merges: expected 0 to 16777214, found -1"),
    (put("merges", 0xFFFFFF), "merges: expected 0 to 16777214, found 16777215"),
    (put("merges", True), "merges: expected int, found True"),
    (lambda parts: parts.description.pop("merges"), "expected 'merges', found none"),
    (resized("merged", 24), "section merged: expected 20 bytes"),
    (put("first", 5000), "first: expected 5 ids below"),
    (put("first", 255), "expected a token as long as its sides"),
    (put("first", -1), "negative|below"),
    (resized("merged", 3), "section merged: expected"),
    (resized("blob", 5), "expected tokens of 0 to 5 bytes"),
    # the automaton
    (words("page_numbers", 3, 0xFFFF, kind="H"), "expected page numbers below"),
    (words("pages", -1, 255, kind="B"), "expected classes below"),
    (words("edges", ROW, 0x1000000 | 2 * ROW), "expected the edge of its class"),
    (words("edges", ROW, 1), "expected an edge"),
    (words("edges", ROW, 0xFFFF00), "expected an edge"),
    (words("edges", ROW, 0x3000000), "expected an edge"),
    (lambda parts: parts.words("edges", ROW, *[0] * ROW), "expected pieces of at least one character"),
    (lambda parts: parts.words("edges", ROW, *[0x1000000 | 2 * ROW] * ROW), "expected pieces of at least one character"),
    (lambda parts: parts.words("edges", 2 * ROW, *[0] * (len(parts.sections["edges"]) // 4 - 2 * ROW)), "expected the end"),
    (lambda parts: parts.words("edges", ROW, *[ROW] * ROW), "expected the end of a piece, found none in state 1"),
    (resized("shuffles", 1), "expected a bimachine of 1 to 65536 states and 1 to 128 classes, found 1 bytes"),
    (words("shuffles", 0, 1 << 16 | 1), "expected a bimachine of"), (words("shuffles", 3, 0), "expected a bimachine of"),
    (words("shuffles", 16, 31, kind="B"), "expected classes below [0-9]+ in a bimachine, found 31"),
    (words("shuffles", 36, 3 << 16), "expected a mark with one of [0-9]+ states, found 0x00030000"),
    (words("shuffles", -1, 40, kind="H"), "expected the number of a state below [0-9]+, found 40"),
    (words("shuffles", 36, 1 << 16 | 1), "expected a bimachine for shuffles"),
    # the vocabulary
    (words("starts", 0, 1), "expected tokens of 0 to"),
    (words("starts", -1, 1 << 31), "expected tokens of 0 to"),
    (words("starts", 43, 0xFFFFFFFF), "expected starts that rise"),
    (words("starts", 97, 98), "expected the id of a byte"),
    (words("blob", 97, 0, kind="B"), "byte_ids: expected the id of byte"),
    # the merges
    (words("pairs", 0, *[0] * 16, kind="Q"), "expected the ranks below 16 in the pair table, each once, found 0 in slot 1"),
    (words("pairs", 0, *[EMPTY] * 16, kind="Q"), "merges: expected 5 in the pair table, found 0"),
    (resized("pairs", 256), "expected the ranks below 32 in the pair table, each once, found 0 in slot 1"),
    (strange_pair(0), "expected the ranks below 6 in the pair table, each once, found 0"),
    (strange_pair(5), "merges: expected 5 in the pair table, found 6"),
    (strange_pair(0xFFFFFF), "expected the ranks below 6 in the pair table, each once, found 16777215"),
    (twice, "expected the pair table to hold merge 5"),
    (moved, "expected the pair table to hold merge 0 where it is looked for"),
    (in_first_pair(7), "expected the ranks below 5 in the pair table, each once, found"),
    (in_first_pair(1 << 63), "expected ids below [0-9]+, found .* in merge 0"),
    (in_first_pair(1 << 43), "expected ids below [0-9]+, found .* in merge 0"),
    (in_first_pair(1 << 44), "expected the pair table to hold merge 0"),
    (words("seeds", 0, *range(1, 17), kind="H"), "expected the pair table to hold merge"),
    (words("seeds", -1, 7, kind="H"), "expected the pair table to hold merge"),
    (words("byte_pairs", 0, 0, kind="H"), "expected the token of the bytes 0x0000"),
    (words("byte_pairs", 0, 0xFFFE, kind="H"), "expected numbers of pairs below"),
    (words("pair_ids", 0, 5000), "expected ids of tokens of two bytes, found 5000"),
    (words("pair_ids", 0, 65), "expected ids of tokens of two bytes, found 65"),
    (merged(5000, 0, 0, 0, 0), "expected ids below"),
    (merged(3, 0, 0, 0, 0), "expected a token as long as its sides"),
    (words("atoms", 0x41, 66), "expected the token of U"),
    (words("atoms", 0x4E2D, 1 << 31), "expected ids below"),
    (words("atoms", 0xE9, 257), "expected the token of U"),
    (words("direct", -1, 255, kind="B"), "expected ids of tokens, found 26[0-9]"),
    # the tokenizer
    (lambda parts: parts.tokenizer.pop("name"), "expected 'name', found none"),
    (own("name", None), "name: expected str"),
    (own("bos_id", 5000), "bos_id: expected an id below"),
    (own("bos_id", -1), "bos_id: expected an id below"),
    (own("eos_id", "a"), "eos_id: expected int"),
    (own("added", []), "added: expected dict"),
    (own("added", {"id": [], "content": []}), "expected 'flags'"),
    (own("added", {"id": [], "content": [], "flags": [0]}), "added: expected columns of one length"),
    (column("id", 0, 1 << 40), "id: expected 0 to"),
    (column("id", 0, -1), "id: expected 0 to"),
    (column("id", 0, True), "id: expected only int"),
    (column("flags", 0, 64), "flags: expected 0 to 63"),
    (column("content", 0, ""), "content: expected added tokens of at least one character"),
    (column("content", 0, "<l>"), "content: expected each added token once"),
    (column("content", 0, "\ud800"), "content: expected text"),
    (column("content", 3, " x"), "begins with white space"),
]
BOTH_SIDES: list[tuple[Change, str]] = [  # of a model that reads from both sides
    (lambda parts: parts.sections.pop("shuffles"), "sections: expected"),
    (resized("shuffles", 0), "expected a bimachine of"), (resized("shuffles", 1000), "expected a bimachine of"),
    (resized("edges", 4 * ROW), "section edges"), (words("shuffles", 0, 1 << 16), "expected a bimachine of"),
    (words("shuffles", 3, 0), "expected a bimachine of"), (words("shuffles", 4, 0xFF), "expected classes below"),
    (words("shuffles", 36, 0x30001), "expected a mark with one of"), (words("shuffles", 36, 0x1FFFF), "expected a mark with one of"),
    (words("shuffles", 36, 0xFFFFFFFF), "expected a mark with one of [0-9]+ states, found 0xffffffff"),
    (words("shuffles", -1, 0xFFFF, kind="H"), "expected the number of a state below"),
    (kernel(rules=max(KINDS)), "section edges"),
]
