r"""A model's description <-> the flat tables that the core runs on.

In: `ModelDescription`, from a file format. Out: `Tables`. Also the way back to the description.
Invariant: the same description gives the same bytes. Merging gives the same ids from the pairs of bytes and the
characters that it may take as one symbol as from single bytes: core/bpe/merge.pyx has the proof.
Examples: of the merges a b, b c, ab c, in this order, "ab" comes first. So merging may take the bytes "ab" as one
symbol anywhere; "bc" only where no "a" is before it. It may take 中 (E4 B8 AD) whole, if merging its bytes gives its
token. But not after a space if " \xe4" is a token: it could take the first byte.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence, Set
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import Any

from dstok._util.json_value import shown
from dstok.compiled.character_matrix import character_matrix
from dstok.compiled.kernel_selection import NONE, Kernel, find_kernel, knows_borders
from dstok.compiled.tables import TABLES_FORMAT, Buffer, Tables, make_bpe
from dstok.core.bpe.merge import BPE, CharacterTable
from dstok.core.bpe.tables import (
    BORDER_BYTES,
    MAX_IDS,
    MAX_MERGES,
    build_pairs,
    joined_bits,
    joined_characters,
    joined_pairs,
    live_merges,
)
from dstok.core.split.automaton import pack_edges
from dstok.errors import UnsupportedError
from dstok.formats.byte_alphabet import decoded_bytes, is_spelling
from dstok.formats.description import AddedToken, ModelDescription, TokenizerConfig
from dstok.regex.cascade import compile_splits

NO_PAIR = 0xFFFF
TORN_BYTES = 8192
LONGEST = 256  # bytes of a token of a run: a file must not make `greedy_runs` take long
Rule = tuple[int, int, int]
Tokens = Sequence[bytes | None]
def byte_pairs(
    rules: Sequence[Rule], tokens: Tokens, byte_ids: Sequence[int], torn: bytes, settled: Set[int],
) -> tuple[bytes, bytes]:
    """The table of `BytePair`s by left << 8 | right, and the ids (uint32) of the merges of two bytes, in rank order.

    `rules` are (left, right, merged) ids by rank, `torn` is the bitmap of `torn_borders`, `settled` is the
    result of `settled_tokens`. The table holds the first 65,535 merges of two bytes. For the others merging starts from
    single bytes.

    >>> tokens = [bytes([byte]) for byte in range(256)] + [b"ab", b"bc", b"abc"]
    >>> rules = [(97, 98, 256), (98, 99, 257), (256, 99, 258)]
    >>> pairs, ids = byte_pairs(rules, tokens, range(256), bytes(8192), settled_tokens(rules, tokens))
    >>> memoryview(ids).cast("I").tolist()
    [256, 257]
    >>> ab, bc = (4 * (left << 8 | right) for left, right in (b"ab", b"bc"))
    >>> memoryview(pairs).cast("H")[ab:ab + 4].tolist(), memoryview(pairs).cast("H")[bc:bc + 4].tolist()
    ([0, 0, 0, 0], [1, 1, 1, 0])
    """
    own = {id: byte for byte, id in enumerate(byte_ids) if tokens[id] == bytes([byte])}  # others have no token
    rank, before, after = _least_ranks(rules, tokens, own)
    made = sorted((r, pair) for pair, r in rank.items() if rules[r][2] in settled)[:NO_PAIR]
    ranks = [r for r, _ in made]
    table = array("H", [NO_PAIR, len(ranks), len(ranks), 0]) * 0x10000
    for number, (_, pair) in enumerate(made):
        table[4 * pair] = number
    for column, least in ((1, before), (2, after)):
        for pair, r in least.items():
            table[4 * pair + column] = bisect_left(ranks, r)
    for pair in range(0x10000):
        table[4 * pair + 3] = torn[pair >> 3] >> (pair & 7) & 1
    return table.tobytes(), array("I", [rules[r][2] for r in ranks]).tobytes()


def _least_ranks(
    rules: Sequence[Rule], tokens: Tokens, bytes_by_id: dict[int, int],
) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
    """By pair of bytes: the rank of its merge; and the two other ranks of `BytePair`, where there are such merges."""
    rank: dict[int, int] = {}
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    for r, (left, right, _) in enumerate(rules):
        left_byte, right_byte = bytes_by_id.get(left), bytes_by_id.get(right)
        if left_byte is not None and right_byte is not None:
            rank.setdefault(left_byte << 8 | right_byte, r)
        if right_byte is not None:
            before.setdefault((tokens[left] or b"")[-1] << 8 | right_byte, r)
        if left_byte is not None:
            after.setdefault(left_byte << 8 | (tokens[right] or b"")[0], r)
    return rank, before, after


def settled_tokens(rules: Sequence[Rule], tokens: Tokens) -> set[int]:
    """The tokens of two or three bytes that no merge takes as a side at a rank below the ranks that make them.

    With monotone ranks all tokens are settled. If several merges make a token, all of them count.

    >>> tokens = [b"a", b"b", b"ab", b"aba"]
    >>> settled_tokens([(0, 1, 2), (2, 0, 3)], tokens), settled_tokens([(2, 0, 3), (0, 1, 2)], tokens)
    ({2, 3}, {3})
    """
    if not rules:
        return set()
    lefts, rights, merged = zip(*rules)
    size = [len(token or b"") for token in tokens]
    made = sorted((size[token], rank) for rank, token in enumerate(merged) if size[token] in (2, 3))
    needs: dict[int, int] = {}  # the last rank that making a token needs
    for _, rank in made:
        needs[merged[rank]] = max(rank, *(needs.get(token, -1) for token in rules[rank]))
    ranks = range(len(rules))
    left, right = (dict(zip(reversed(side), reversed(ranks))) for side in (lefts, rights))  # the first rank of each
    taken = {token: min(left.get(token, len(rules)), right.get(token, len(rules))) for token in needs}
    return {token for token, rank in needs.items() if rank < taken[token]}


def whole_characters(tokens: Tokens, bpe: BPE, settled: Set[int]) -> bytes:
    """The table of BMP characters that are tokens: uint32[0x10000], id + 1 or 0, as bytes.

    `tokens` are all tokens by id; only those in `settled` (`settled_tokens`) count.
    """
    table = array("I", bytes(4 * 0x10000))
    for i in settled:
        token = tokens[i] or b""
        if _is_character(token) and bpe.encodes_to_itself(i):
            table[ord(token.decode())] = i + 1
    return table.tobytes()


def torn_borders(tokens: Tokens) -> bytes:
    r"""The bitmap, 65,536 bits, of pairs of bytes (left << 8 | right) that stand at a torn border inside a token.

    A border between characters is torn if on one side of it the token holds only a part of a character.

    >>> bits = torn_borders([b" \xe4", "中文".encode()])
    >>> [pair for pair in range(65536) if bits[pair >> 3] >> (pair & 7) & 1] == [0x20E4]
    True
    """
    bits = bytearray(TORN_BYTES)
    for token in tokens:
        if token is None or token.isascii():
            continue
        for border in range(1, len(token)):
            if token[border] & 0xC0 == 0x80:
                continue
            start, end = border - 1, border + 1
            while start > 0 and token[start] & 0xC0 == 0x80:
                start -= 1
            while end < len(token) and token[end] & 0xC0 == 0x80:
                end += 1
            if not (_is_character(token[start:border]) and _is_character(token[border:end])):
                pair = token[border - 1] << 8 | token[border]
                bits[pair >> 3] |= 1 << (pair & 7)
    return bytes(bits)


def _is_character(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False


def greedy_runs(pairs: array[int], tokens: Tokens, bpe: BPE) -> dict[str, list[int]]:
    """The characters whose runs merging takes apart as a search for the longest tokens does, with their ids by length.

    Merging gives a run of such a character, wherever it stands, the longest token as often as it fits, and then the
    token of the rest. So added tokens with these texts need no search: Gemma has those of 1 to 31 newlines. `pairs` are
    those of `joined_characters` (core/bpe/tables.pyx). ASCII but the space.

    No merge joins the character with another one, so a run is merged as a text of its own. Let n be the longest token's
    length. The runs of up to 2n characters are merged here. So merging keeps two of the longest tokens apart, and the
    longest one and each rest. Then it keeps them apart in longer runs, too: core/bpe/merge.pyx has the proof.
    """
    sides = [(pair >> 32, pair & 0xFFFFFFFF) for pair in pairs]
    alone = {left for left, right in sides if left == right < 128} - {ord(" ")}
    alone -= {code for left, right in sides if left != right for code in (left, right)}
    found = {char: _ids_by_length(char.encode(), tokens, bpe) for char in map(chr, sorted(alone))}
    return {char: ids for char, ids in found.items() if ids}


def _ids_by_length(char: bytes, tokens: Tokens, bpe: BPE) -> list[int]:
    """The ids of the runs of a character that are tokens; none if merging takes a run apart in another way."""
    longest = max(len(token) for token in tokens if token and token == char * len(token))
    if longest > LONGEST:
        return []
    ids = [bpe.merge(char * length)[0] for length in range(1, longest + 1)]
    for length in range(1, 2 * longest + 1):
        whole, rest = divmod(length, longest)
        if bpe.merge(char * length) != [ids[-1]] * whole + ([ids[rest - 1]] if rest else []):
            return []
    return ids


def build_tables(model: ModelDescription) -> Tables:
    """All tables of a model. Raises `UnsupportedError` if it is larger than the core's number formats."""
    if len(model.tokens) > MAX_IDS or len(model.merges) // 3 > MAX_MERGES:
        raise UnsupportedError(f"more than {MAX_IDS} ids or {MAX_MERGES} merges", "vocab")
    program = compile_splits(model.splits, model.unicode_version)
    pages, page_numbers = program.alphabet.pages()
    starts, blob = _pack_tokens(model.tokens)
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
    table = build_pairs(live)
    if table is None:
        raise UnsupportedError("merges whose pairs collide in the pair table under each of its salts, as none do by "
                               "chance", "merges")
    ids = live[2::3]  # by rank; none if each is the rank plus a constant, as in V3: arithmetic is faster
    merged = b"" if ids and ids == array("I", range(ids[0], ids[0] + len(ids))) else ids.tobytes()
    sections: dict[str, Buffer] = {
        "pages": pages, "page_numbers": page_numbers, "edges": edges,
        "starts": starts, "blob": blob,
        "merged": merged, "pairs": table[0], "seeds": table[1],
    }
    bpe = make_bpe(Tables(description, sections))
    settled = settled_tokens(rules, model.tokens)
    sections["atoms"] = whole_characters(model.tokens, bpe, settled) if shape is None else b""
    torn = torn_borders(model.tokens) if shape is None else bytes(TORN_BYTES)
    sections["byte_pairs"], sections["pair_ids"] = byte_pairs(rules, model.tokens, byte_ids, torn, settled)
    bpe = make_bpe(Tables(description, sections))
    reachable = [i for i, token in enumerate(model.tokens) if token and i not in model.raw_ids]  # by a piece
    direct, bits = [i for i in reachable if bpe.encodes_to_itself(i)], bytearray((len(model.tokens) + 7) // 8)
    for i in direct:
        bits[i >> 3] |= 1 << (i & 7)
    sections["direct"] = bytes(bits)
    spoilers = set(reachable).difference(direct) if model.ignore_merges else set()
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


def _pack_tokens(tokens: Tokens) -> tuple[bytes, bytes]:
    starts = array("I", [0, *accumulate(len(token or b"") for token in tokens)])
    return starts.tobytes(), b"".join(token or b"" for token in tokens) or b"\0"


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


def _monotone(rules: list[tuple[int, int, int]]) -> bool:
    """Is each merge's rank above the ranks of the merges that make its sides? core/bpe/merge.pyx relies on it."""
    if rules and [rule[2] for rule in rules] == list(range(rules[0][2], rules[0][2] + len(rules))):
        return all(left < merged > right for left, right, merged in rules)  # most have ids in the order of ranks
    made = {merged: rank for rank, (_, _, merged) in enumerate(rules)}
    return all(made.get(left, -1) < rank and made.get(right, -1) < rank for rank, (left, right, _) in enumerate(rules))
