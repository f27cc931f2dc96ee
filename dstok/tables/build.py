"""A model's description <-> the flat tables that the core runs on.

In: `ModelDescription`, from a file format. Out: `Tables` (`objects.py`). Also the way back to the description.
Invariant: the same description gives the same bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from hashlib import sha256
from itertools import pairwise
from typing import Any

from dstok.core.merge._bpe import CharacterTable
from dstok.core.merge._pairs import MAX_IDS, MAX_MERGES, build_pairs, live_merges
from dstok.core.merge._pieces import BORDER_BYTES, joined_bits, joined_characters, joined_pairs
from dstok.core.split._scan import pack_edges
from dstok.errors import UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.description import ModelDescription, TokenizerConfig
from dstok.formats.json_value import shown
from dstok.formats.tokens import decoded_bytes, is_spelling
from dstok.pattern.cascade import compile_splits
from dstok.tables.byte_pairs import byte_pairs, settled_tokens
from dstok.tables.character_matrix import character_matrix
from dstok.tables.characters import TORN_BYTES, torn_borders, whole_characters
from dstok.tables.flat import TABLES_FORMAT, Buffer, Tables
from dstok.tables.kernels import NONE, Kernel, find_kernel, knows_borders
from dstok.tables.objects import make_bpe
from dstok.tables.runs import greedy_runs

__all__ = ["build_tables", "describe_tables", "unknown_id"]


def build_tables(model: ModelDescription) -> Tables:
    """All tables of a model. Raises `UnsupportedError` if it is larger than the core's number formats."""
    if len(model.tokens) > MAX_IDS or len(model.merges) // 3 > MAX_MERGES:
        raise UnsupportedError(f"more than {MAX_IDS} ids or {MAX_MERGES} merges", "vocab")
    program = compile_splits(model.splits, model.unicode_version)
    pages, page_numbers = program.alphabet.pages()
    starts, blob = _pack_tokens(model)
    byte_ids, shape, lost = _byte_ids(model), model.characters, model.lost_bytes()
    live, dead = live_merges(model.merges, starts, blob, byte_ids, CharacterTable(starts, blob) if shape else None)
    rules = list(zip(live[::3], live[1::3], live[2::3]))
    edges = pack_edges(program.boundaries.edges, pages[:128])
    kernel = find_kernel(program) if shape is None else Kernel(NONE, ())
    description = {
        "format": TABLES_FORMAT,
        "splits": [vars(split) for split in model.splits],
        "unicode_version": model.unicode_version,
        "symbols": program.boundaries.symbols,
        "kernel": {**kernel._asdict(), "edges": sha256(edges).hexdigest()},
        "byte_ids": byte_ids,
        "monotone": _monotone(rules),
        "ignore_merges": model.ignore_merges,
        "raw_ids": sorted(model.raw_ids),
        "merges": len(rules),
        "first": rules[0][2] if rules else 0,
        **_unusual(model, lost),
    }
    pairs, seeds = _pair_table(live)
    sections: dict[str, Buffer] = {
        "pages": pages, "page_numbers": page_numbers, "edges": edges,
        "starts": starts, "blob": blob,
        "merged": _merged(live[2::3]), "pairs": pairs, "seeds": seeds,
    }
    bpe = make_bpe(Tables(description, sections))
    settled = settled_tokens(rules, model.tokens)
    sections["atoms"] = whole_characters(model.tokens, bpe, settled) if shape is None else b""
    torn = torn_borders(model.tokens) if shape is None else bytes(TORN_BYTES)
    sections["byte_pairs"], sections["pair_ids"] = byte_pairs(rules, model.tokens, byte_ids, torn, settled)
    bpe = make_bpe(Tables(description, sections))
    direct = [i for i in _reachable(model) if bpe.encodes_to_itself(i)]
    sections["direct"] = _bitmap(direct, len(model.tokens))
    spoilers = set(_reachable(model)).difference(direct) if model.ignore_merges else set()
    borders = _borders(model.tokens[i] or b"" for i in spoilers)
    made = [t for t in model.tokens if t]
    bordered = knows_borders(kernel.rules)
    joined = joined_characters(live, starts, blob) if shape is not None else array("Q")
    if shape is not None:
        sections["joined"], runs = joined_bits(joined), greedy_runs(joined, model.tokens, bpe)
        if runs:
            description["runs"] = runs
    else:
        # Merging joins the bytes on both sides of lost ones: no place is a safe cut.
        no_cuts = lost or (spoilers and not bordered)
        sections["joined"] = b"" if no_cuts else joined_pairs(made, borders if bordered else None)
    sections["borders"] = bytes(borders) if bordered and any(borders) else b""
    sections["windows"] = b"" if kernel.rules or shape is not None else program.windows
    if shape is not None:
        sections["matrix"] = character_matrix(joined, shape.split)
    if dead:  # images of models without dead merges have no such section
        sections["dead"] = dead.tobytes()
    return Tables(description, sections)


def _unusual(model: ModelDescription, lost: bytes) -> dict[str, Any]:
    """The keys that only images of some models have."""
    found = {
        "normalizer": [step.stored() for step in model.normalizer], "trim_offsets": model.trim_offsets,
        "characters": None if model.characters is None else vars(model.characters), "cuts_texts": model.cuts_texts,
        "unknown": None if model.unknown is None else [*model.unknown],
        "lost": [[*lost], unknown_id(model)] if lost else None,
    }
    return {key: value for key, value in found.items() if value}


def unknown_id(model: ModelDescription) -> int:
    """The id of the token that stands for lost bytes; -1: they are left out."""
    if model.unknown is None:
        return -1
    text = model.unknown[0]
    ids = [i for i, token in enumerate(model.tokens) if token == decoded_bytes(text)
           and (i in model.raw_ids) != is_spelling(text)]
    if not ids:
        raise UnsupportedError(f"the unk_token {shown(text)}, which is no token, for bytes without a token", "vocab")
    for rank, (left, right, _) in enumerate(model.merge_rules()):
        if ids[0] in (left, right):
            raise UnsupportedError(f"a merge of the unk_token {shown(text)}, which stands for bytes without a token",
                                   f"merges[{rank}]")
    return ids[0]


def _borders(spoilers: Iterable[bytes]) -> bytearray:
    """Two bitmaps of the BMP: characters not to cut after for the first time, and not to cut before.

    With `ignore_merges` a whole piece may be a token that merging cannot build. A cut must not create such a part. So
    no cut is before the first character of such a token, and no first cut of a piece is after its last character.
    """
    bits = bytearray(BORDER_BYTES)
    for token in spoilers:
        text = token.decode("utf-8", "replace")  # a part of a text is a text: other tokens do no harm
        for c, base in ((ord(text[-1]), 0), (ord(text[0]), BORDER_BYTES // 2)):
            if c < 0x10000:
                bits[base + (c >> 3)] |= 1 << (c & 7)
    return bits


def describe_tables(
    tables: Tables, added: tuple[AddedToken, ...], config: TokenizerConfig,
) -> ModelDescription:
    """The description that `build_tables` made `tables` from, with the parts that belong to one tokenizer."""
    d, raw_ids = tables.description, frozenset(tables.description["raw_ids"])
    starts = array("I", bytes(tables.sections["starts"]))
    blob = bytes(tables.sections["blob"])
    tokens = [blob[start:end] if start < end or i in raw_ids else None
              for i, (start, end) in enumerate(pairwise(starts))]
    return ModelDescription(tables.splits, tuple(tokens), raw_ids, tables.merges, added, d["ignore_merges"],
                            d["unicode_version"], tables.normalizer, config, d.get("trim_offsets", ""),
                            tables.characters, d.get("cuts_texts", False), tables.unknown)


def _pair_table(merges: array[int]) -> tuple[bytes, bytes]:
    table = build_pairs(merges)
    if table is None:
        raise UnsupportedError("merges whose pairs collide in the pair table under each of its salts, as none do by "
                               "chance", "merges")
    return table


def _pack_tokens(model: ModelDescription) -> tuple[bytes, bytes]:
    starts, at = array("I", [0]), 0
    for token in model.tokens:
        at += len(token or b"")
        starts.append(at)
    return starts.tobytes(), b"".join(token or b"" for token in model.tokens) or b"\0"


def _bitmap(ids: Iterable[int], size: int) -> bytes:
    """A bit for each of `size` ids, the low ones first: is the id one of `ids`?"""
    bits = bytearray((size + 7) // 8)
    for i in ids:
        bits[i >> 3] |= 1 << (i & 7)
    return bytes(bits)


def _merged(ids: array[int]) -> bytes:
    """The id by rank. Empty if it is the rank plus a constant, as in V3: arithmetic is faster than a look-up."""
    return b"" if ids and ids == array("I", range(ids[0], ids[0] + len(ids))) else ids.tobytes()


def _byte_ids(model: ModelDescription) -> list[int]:
    """The id of each byte; of characters that of the ASCII character, if it has one.

    A byte without an id is in no text, or is lost; it gets the id of the byte 0, or else of the first byte with one.
    """
    own = model.characters.byte_ids if model.characters is not None else (-1,) * 256
    single = {bytes([byte]): i for byte, i in enumerate(own) if i >= 0}
    single.update((t, i) for i, t in enumerate(model.tokens)
                  if t and len(t) == 1 and i != own[t[0]] and i not in model.raw_ids)
    other = single.get(b"\0", single[min(single)] if single else 0)
    return [single.get(bytes([byte]), other) for byte in range(256)]


def _reachable(model: ModelDescription) -> list[int]:
    """The ids that a piece can have: the tokens that are spelled in the byte-level alphabet."""
    return [i for i, token in enumerate(model.tokens) if token and i not in model.raw_ids]


def _monotone(rules: list[tuple[int, int, int]]) -> bool:
    """Is each merge's rank above the ranks of the merges that make its sides? core/merge/_bpe.pyx relies on it."""
    if rules and [rule[2] for rule in rules] == list(range(rules[0][2], rules[0][2] + len(rules))):
        return all(left < merged > right for left, right, merged in rules)  # most have ids in the order of ranks
    made = {merged: rank for rank, (_, _, merged) in enumerate(rules)}
    return all(made.get(left, -1) < rank and made.get(right, -1) < rank for rank, (left, right, _) in enumerate(rules))
