"""Tokenizers with one fault each, planted on purpose: what the conformance kit must find, shrink and name.

In: nothing. Out: `PLANTED`, by name: a function that makes the tokenizer, and what the kit must say of it.
Faults in patterns and tables go through the real compiler and encoder, which are given another pattern or other Unicode
data. All others wrap a right tokenizer.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from one_pattern import compile_pattern
from real_models import V3 as TOK
from real_models import real_json

from dstok.compiled.kernel_selection import find_kernel
from dstok.compiled.tables import Tables
from dstok.conformance.automaton_guide import moved
from dstok.core.split.automaton import pack_edges
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.regex import Split
from dstok.regex.cascade import compile_splits
from dstok.tokenizer import Tokenizer
from dstok.unicode import category_of
from dstok.unicode import properties as sets

SPLITS = TOK.inspect().automaton.splits


def with_splits(*patterns: str, unicode_version: str = "16.0") -> Tokenizer:
    """V3 with other patterns, or other Unicode data."""
    program = compile_splits([Split(pattern) for pattern in patterns], unicode_version)
    pages, numbers = program.alphabet.pages()
    header = TOK._tables.header._replace(splits=[split._asdict() for split in program.splits], unicode_version=unicode_version,
                                         symbols=program.boundaries.symbols, kernel=find_kernel(program))
    sections = {**TOK._tables.sections, "pages": pages, "page_numbers": numbers,
                "edges": pack_edges(program.boundaries.edges, pages[:128])}
    return Tokenizer._of_tables(Tables(header, sections), TOK._added.tokens, TOK.bos_id, TOK.eos_id)


def rewritten(change: Callable[[str], str]) -> Tokenizer:
    return with_splits(*(change(split.pattern) for split in SPLITS))


@cache
def unicode_tables(version: str) -> str:
    """Make the general categories of another version known to dstok; White_Space is the same since 6.3."""
    if version in sets._VERSIONS:
        return version
    changed = moved(version, "16.0")
    borders: dict[str, set[int]] = {}
    for char, category in changed.items():  # of each set that differs, as dstok/unicode/ucd.jsonl has them
        own, ours = ({c, c[0], *(["LC"] if c in ("Ll", "Lt", "Lu") else [])} for c in (category, category_of(ord(char))))
        for each in own ^ ours:
            borders[each] = borders.get(each, set()) ^ {ord(char), ord(char) + 1}
    changes = {name: [end - first for first, end in pairwise([0, *sorted(each)])] for name, each in borders.items()}
    sets._lines()[f"categories {version}".encode()] = json.dumps([version, changes]).encode()
    sets._lines()[f"binary {version}".encode()] = b'["", {}]'
    sets._VERSIONS += (version,)  # type: ignore[assignment]
    return version


def other_unicode(version: str) -> Tokenizer:
    return with_splits(*(split.pattern for split in SPLITS), unicode_version=unicode_tables(version))


def without_tilde() -> Tokenizer:
    r"""`~` missing from \p{S}: it stands beside the category in one class, as a member, and as a non-member in another."""
    return rewritten(lambda pattern: pattern.replace(r"[^\r\n\p{L}\p{P}\p{S}]".replace(r"\r\n", "\r\n"), "[^\r\n\\p{L}\\p{P}\\x21-\\x2F\\x3A-\\x40\\x5B-\\x60\\x7B-\\x7D\u00a2-\u00a9" + SYMBOLS + "]")
                     .replace(r"[\p{P}\p{S}]", "[\\p{P}$+<=>\\^`|\u00a2-\u00a9" + SYMBOLS + "]"))


def _symbols() -> str:
    r"""The members of \p{S} from U+00A2 on as the inside of a bracketed class."""
    found = sets.general_category("S")
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found.ranges if first > 0xA1)


SYMBOLS = _symbols()


class Wrapped:
    """A right tokenizer, wrapped."""

    def encode(self, text: str) -> list[int]:
        return TOK.encode(text)


class Longest(Wrapped):
    """Of the alternatives the longest match counts."""

    def __init__(self) -> None:
        patterns = [SPLITS[0].pattern, SPLITS[1].pattern, *re.split(r"(?<=\+)\||(?<=\*)\||(?<=\))\|", SPLITS[2].pattern)]
        self.dfas = [compile_pattern(pattern) for pattern in patterns]
        assert len(self.dfas) == 8

    def encode(self, text: str) -> list[int]:
        if "｜" in text or "<" in text:
            return TOK.encode(text)
        ids: list[int] = []
        for piece in self.cut(self.dfas[2:], [part for first in self.cut(self.dfas[:1], [text]) for part in self.cut(self.dfas[1:2], [first])]):
            ids += TOK._bpe.merge(piece.encode())
        return ids

    def cut(self, dfas: Any, texts: list[str]) -> list[str]:
        return [piece for text in texts for piece in self.pieces(dfas, text)]

    def pieces(self, dfas: Any, text: str) -> list[str]:
        rows = [[alphabet.class_of(char) for char in text] for alphabet, _ in dfas]
        found, gap, at = [], "", 0
        while at < len(text):
            ends = [(dfa.longest(row, at) or (at, 0))[0] for (_, dfa), row in zip(dfas, rows)]
            if max(ends) == at:
                gap, at = gap + text[at], at + 1
                continue
            found += [gap] if gap else []
            found.append(text[at : max(ends)])
            gap, at = "", max(ends)
        return [*found, gap] if gap else found


def swapped_merges() -> Tokenizer:
    """Two merges that compete, exchanged in rank."""
    model = read_tokenizer_json(real_json("deepseek-v3"))
    rules, names = model.merge_rules(), model.tokens
    one = next(at for at, (left, right, _) in enumerate(rules) if (names[left], names[right]) == (b"i", b"n"))
    two = next(at for at, (left, right, _) in enumerate(rules) if (names[left], names[right]) == (b"n", b"g"))
    rules[one], rules[two] = rules[two], rules[one]
    merges = type(model.merges)("I", [id for rule in rules for id in rule])
    return Tokenizer._of_description(model._replace(merges=merges))


class Above64(Wrapped):
    """Pieces above 64 bytes lose the merges across byte 64."""

    def encode(self, text: str) -> list[int]:
        pieces = TOK.inspect().pretokenize(text)
        if max((piece.end - piece.start for piece in pieces), default=0) <= 64:
            return TOK.encode(text)
        ids: list[int] = []
        for piece in pieces:
            data = piece.text.encode()
            ids += [piece.token_id] if piece.token_id is not None else \
                [id for part in (data[:64], data[64:]) if part for id in TOK._bpe.merge(part)]
        return ids


class Colliding(Wrapped):
    """A table of pieces by their first eight bytes and their length."""

    def __init__(self) -> None:
        self.table: dict[tuple[bytes, int], list[int]] = {}

    def encode(self, text: str) -> list[int]:
        if "｜" in text or "<" in text or len(text) > 3000:
            return TOK.encode(text)
        data, ids = text.encode(), list[int]()
        for start, end, _ in TOK._tagger.spans(data):
            piece = data[start:end]
            key = piece[:8], len(piece)
            if key not in self.table:
                self.table[key] = TOK._bpe.merge(piece)
            ids += self.table[key]
        return ids


class OnlySpecial(Wrapped):
    """Added tokens with special=false are not matched."""

    special = frozenset(token.content for token in TOK._added.tokens if token.special)

    def encode(self, text: str) -> list[int]:
        return TOK.encode(text, special=self.special)


class LostAtBatchEdge(Wrapped):
    """The last token of text 256 of a batch is lost."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        rows = TOK.encode_batch(texts)
        if len(rows) > 256:
            rows[256] = rows[256][:-1]
        return rows


class Truncated(Wrapped):
    """A text has 300 ids at most."""

    def encode(self, text: str) -> list[int]:
        return TOK.encode(text)[:300]


class Greedy(Wrapped):
    """The longest token at each place of a piece, whatever the merges say."""

    def __init__(self) -> None:
        tokens = {id: TOK._bpe.token(id) for id in range(TOK._bpe.size)}
        self.ids = {token: id for id, token in tokens.items() if id not in TOK._added.by_id}
        self.sizes = sorted({*map(len, self.ids)}, reverse=True)

    def encode(self, text: str) -> list[int]:
        data, ids, at = text.encode(), list[int](), 0
        for id, start, end in [*TOK.inspect().added_in(text), (-1, len(data), len(data))]:
            for first, stop, _ in TOK._tagger.spans(data[at:start]):
                ids += self.merged(data[at + first : at + stop])
            ids += [id] * (id >= 0)
            at = end
        return ids

    def merged(self, piece: bytes) -> list[int]:
        ids, at = list[int](), 0
        while at < len(piece):
            token = next(piece[at : at + size] for size in self.sizes if piece[at : at + size] in self.ids)
            ids.append(self.ids[token])
            at += len(token)
        return ids


class Quadratic(Wrapped):
    """Work that grows with the square of a run of letters."""

    def encode(self, text: str) -> list[int]:
        run = max(map(len, re.findall("[a-z]+", text)), default=0)
        if 500 < run < 50_000:  # beyond that it would take seconds
            for at in range(run):
                text[at:].count("b")
        return TOK.encode(text)


class Crash(Wrapped):
    """24,000 letters overflow its stack."""

    def encode(self, text: str) -> list[int]:
        if re.search("[a-z]{24000}", text):
            os.abort()
        return TOK.encode(text)


@dataclass(frozen=True)
class Planted:
    """make: the tokenizer. cause, title: what the finding must be called (title: a part). longest: characters that
    the counterexample may have. check: the check that finds it first."""

    make: Callable[[], Any]
    cause: str
    title: str
    longest: int
    check: str


SET, UNICODE, ORDER = "character set", "tables of another Unicode version", "alternation order"
PLANTED = {
    "~ missing from \\p{S}": Planted(without_tilde, SET, "U+007E", 4, "code points in contexts"),
    "Unicode 15.1": Planted(lambda: other_unicode("15.1"), UNICODE, "Unicode 15.1", 4, "code points in contexts"),
    "Unicode 17.0": Planted(lambda: other_unicode("17.0"), UNICODE, "Unicode 17.0", 4, "code points in contexts"),
    "one regex": Planted(lambda: with_splits("|".join(split.pattern for split in SPLITS)), "look-ahead at a piece's edge",
                         "joined as one regex", 4, "class cover, k = 3"),
    "\\p{N} as ASCII": Planted(lambda: rewritten(lambda p: p.replace(r"\p{N}", "[0-9]")), SET, "ASCII digits", 4,
                              "code points in contexts"),
    "\\s with U+001C": Planted(lambda: rewritten(lambda p: p.replace(r"\s", r"[\s\x1C-\x1F]").replace(r"\S", r"[^\s\x1C-\x1F]")),
                              SET, "U+001C", 4, "code points in contexts"),
    "CJK from one late": Planted(lambda: rewritten(lambda p: p.replace("一-", "丁-")), SET, "begins one late", 4,
                                 "code points in contexts"),
    "CJK to one early": Planted(lambda: rewritten(lambda p: p.replace("-龥", "-龤")), SET, "ends one early", 4,
                                "code points in contexts"),
    "[A-Za-z] as \\p{L}": Planted(lambda: rewritten(lambda p: p.replace("[A-Za-z]", r"\p{L}")), SET, r"[A-Za-z] taken as \p{L}", 4,
                                 "vocabulary"),
    "longest alternative": Planted(Longest, ORDER, "longest alternative", 4, "class cover, k = 3"),
    "two merges swapped": Planted(swapped_merges, "merge order", "another order", 4, "vocabulary"),
    "merge loop above 64 bytes": Planted(Above64, "merge order of long pieces", "pieces of", 66, "long pieces"),
    "colliding piece table": Planted(Colliding, "what was encoded before", "earlier text", 12, "vocabulary"),
    "special=false not matched": Planted(OnlySpecial, "added-token policy", "special=false", 30, "added tokens"),
    "lost at a batch edge": Planted(LostAtBatchEdge, "batch and single differ", "text 256", 1, "batches"),
    "truncated": Planted(Truncated, "truncation", "only the first 300 ids are given", 400, "some random texts"),
    "greedy": Planted(Greedy, "greedy longest match", "each piece is cut into its longest tokens", 4, "odd texts"),
    "quadratic": Planted(Quadratic, "super-linear time", "", 40_000, "growth"),  # a clock decides which run is first
    "crash at 24k letters": Planted(Crash, "crash", "from 24,000 characters on", 24_000, "growth"),
}
