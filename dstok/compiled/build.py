r"""A model's description <-> the flat tables that the core runs on.

In: `ModelDescription`, from a file format. Out: `Tables`. Also the way back to the description.
Invariant: the same description gives the same bytes. Merging gives the same ids from the pairs of bytes and the
characters that it may take as one symbol as from single bytes: core/bpe/merge.pyx has the proof. The matrix of a model
of characters has the bit of each pair that a merge joins, so no cut is where a merge joins: core/split/matrix.h.
Examples: of the merges a b, b c, ab c, in this order, "ab" comes first. So merging may take the bytes "ab" as one
symbol anywhere; "bc" only where no "a" is before it. It may take 中 (E4 B8 AD) whole, if merging its bytes gives its
token. But not after a space if " \xe4" is a token: it could take the first byte.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence, Set
from itertools import pairwise
from typing import TypeAlias

from dstok._util.json_value import shown
from dstok.compiled.kernel_selection import NONE, knows_borders
from dstok.compiled.programs import program_tables
from dstok.compiled.tables import MATRIX_HEAD, TABLES_FORMAT, Buffer, Header, Kernel, Tables, make_bpe
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
from dstok.core.split.character_finder import ASCII_CLASSES, WIDE_CLASSES
from dstok.core.text.model_json import TokenTable
from dstok.errors import UnsupportedError
from dstok.formats.byte_alphabet import decoded_bytes, is_spelling
from dstok.formats.description import AddedToken, ModelDescription, TokenizerConfig

NO_PAIR = 0xFFFF
TORN_BYTES = 8192
LONGEST = 256  # bytes of a token of a run: a file must not make `greedy_runs` take long
CLASSES = 8  # of a matrix
SPACE, NO_JOINER = 0x20, 0xFF
_PARTS = re.compile(rb"[^\x80-\xbf][\x80-\xbf]*|[\x80-\xbf]+", re.DOTALL)  # characters of UTF-8, and parts of them
Rule = tuple[int, int, int]
Tokens: TypeAlias = "Sequence[bytes | None] | TokenTable"


def build_tables(model: ModelDescription) -> Tables:
    """All tables of a model. Raises `UnsupportedError` if it is larger than the core's number formats."""
    if len(model.tokens) > MAX_IDS or len(model.merges) // 3 > MAX_MERGES:
        raise UnsupportedError(f"more than {MAX_IDS} ids or {MAX_MERGES} merges", "vocab")
    program, shape, lost = program_tables(model.splits, model.unicode_version), model.characters, model.lost_bytes()
    starts, blob, byte_ids = model.tokens.starts.tobytes(), model.tokens.blob or b"\0", _byte_ids(model)
    live, dead = live_merges(model.merges, starts, blob, byte_ids, CharacterTable(starts, blob) if shape else None)
    rules, ids = list(zip(live[::3], live[1::3], live[2::3])), live[2::3]
    table = build_pairs(live)
    if table is None:
        raise UnsupportedError("merges whose pairs collide in the pair table under each of its salts, as none do by "
                               "chance", "merges")
    # The ids by rank; none if each is the rank plus a constant, as in V3: arithmetic is faster.
    merged = b"" if ids and ids == array("I", range(ids[0], ids[0] + len(ids))) else ids.tobytes()
    kernel = program.kernel if shape is None else Kernel(NONE, (), program.kernel.edges)
    header = Header(
        [split._asdict() for split in model.splits], model.unicode_version, program.symbols, kernel, byte_ids,
        _is_monotone(rules), model.ignore_merges,
        sorted(model.raw_ids), len(rules), ids[0] if ids else 0, TABLES_FORMAT,
        [step.stored() for step in model.normalizer], model.trim_offsets, None if shape is None else vars(shape),
        model.cuts_texts, model.unknown, [[*lost], unknown_id(model)] if lost else ((), -1))
    sections: dict[str, Buffer] = {
        "pages": program.pages, "page_numbers": program.page_numbers, "edges": program.edges, "starts": starts,
        "blob": blob, "merged": merged, "pairs": table[0], "seeds": table[1],
    }
    bpe = make_bpe(Tables(header, sections))
    settled = settled_tokens(rules, model.tokens)
    sections["atoms"] = whole_characters(model.tokens, bpe, settled) if shape is None else b""
    torn = torn_borders(model.tokens) if shape is None else bytes(TORN_BYTES)
    sections["byte_pairs"], sections["pair_ids"] = byte_pairs(rules, model.tokens, byte_ids, torn, settled)
    bpe.open_start(sections["atoms"], sections["byte_pairs"], sections["pair_ids"])
    reachable = [i for i, token in enumerate(model.tokens) if token and i not in model.raw_ids]  # by a piece
    direct = [i for i in reachable if bpe.encodes_to_itself(i)]
    sections["direct"] = bytes(_bits((len(model.tokens) + 7) // 8, direct))
    if shape is not None:
        joined = joined_characters(live, starts, blob)
        sections |= {"joined": joined_bits(joined), "borders": b"", "windows": b"",
                     "matrix": character_matrix(joined, shape.split)}
        header = header._replace(runs=greedy_runs(joined, model.tokens, bpe))
    else:
        spoilers = set(reachable).difference(direct) if model.ignore_merges else set()
        bordered, borders = knows_borders(kernel.rules), _borders(model.tokens[i] or b"" for i in spoilers)
        # Merging joins the bytes on both sides of lost ones: no place is a safe cut.
        no_cuts = lost or (spoilers and not bordered)
        sections |= {"joined": b"" if no_cuts else joined_pairs([token for token in model.tokens if token],
                                                                borders if bordered else None),
                     "borders": bytes(borders) if bordered and any(borders) else b"",
                     "windows": program.windows}
    if dead:  # images of models without dead merges have no such section
        sections["dead"] = dead.tobytes()
    return Tables(header, sections, None, bpe)


def describe_tables(
    tables: Tables, added: tuple[AddedToken, ...], config: TokenizerConfig,
) -> ModelDescription:
    """The description that `build_tables` made `tables` from, with the parts that belong to one tokenizer."""
    header, raw_ids = tables.header, frozenset(tables.header.raw_ids)
    starts, blob = array("I", bytes(tables.sections["starts"])), bytes(tables.sections["blob"])
    tokens = TokenTable(starts, blob, [i for i in raw_ids if starts[i] == starts[i + 1]])
    unknown = None if header.unknown is None else (header.unknown[0], header.unknown[1])
    return ModelDescription(tables.splits, tokens, raw_ids, tables.merges, added, header.ignore_merges,
                            header.unicode_version, tables.normalizer, config, header.trim_offsets,
                            tables.characters, header.cuts_texts, unknown)


def _bits(size: int, members: Iterable[int]) -> bytearray:
    """A bitmap of `size` bytes."""
    bits = bytearray(size)
    for i in members:
        bits[i >> 3] |= 1 << (i & 7)
    return bits


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
    merged: dict[int, int] = {}  # by pair of bytes: the rank of its merge
    before: dict[int, int] = {}  # and the two other ranks of `BytePair`, where there are such merges
    after: dict[int, int] = {}
    for rank, (left, right, made) in enumerate(rules):
        if right in own:
            before.setdefault((tokens[left] or b"")[-1] << 8 | own[right], rank)
        if left in own:
            after.setdefault(own[left] << 8 | (tokens[right] or b"")[0], rank)
            if right in own and made in settled:
                merged.setdefault(own[left] << 8 | own[right], rank)
    ranks = sorted(merged.values())[:NO_PAIR]
    table = array("H", [NO_PAIR, len(ranks), len(ranks), 0]) * 0x10000
    for column, found in enumerate((merged, before, after)):
        for pair, rank in found.items():
            number = bisect_left(ranks, rank)
            table[4 * pair + column] = number if column or number < len(ranks) else NO_PAIR
    table[3::4] = array("H", [bits >> i & 1 for bits in torn for i in range(8)])
    return table.tobytes(), array("I", [rules[rank][2] for rank in ranks]).tobytes()


def settled_tokens(rules: Sequence[Rule], tokens: Tokens) -> set[int]:
    """The tokens of two or three bytes that no merge takes as a side at a rank below the ranks that make them.

    With monotone ranks all tokens are settled. If several merges make a token, all of them count.

    >>> tokens = [b"a", b"b", b"ab", b"aba"]
    >>> settled_tokens([(0, 1, 2), (2, 0, 3)], tokens), settled_tokens([(2, 0, 3), (0, 1, 2)], tokens)
    ({2, 3}, {3})
    """
    size = [len(token or b"") for token in tokens]
    needs: dict[int, int] = {}  # the last rank that making a token needs
    made = sorted((size[made], rank) for rank, (_, _, made) in enumerate(rules) if size[made] in (2, 3))
    for _, rank in made:
        needs[rules[rank][2]] = max(rank, *(needs.get(token, -1) for token in rules[rank]))
    taken: dict[int, int] = {}  # the first rank that takes a token
    for rank in reversed(range(len(rules))):
        taken[rules[rank][0]] = taken[rules[rank][1]] = rank
    return {token for token, rank in needs.items() if rank < taken.get(token, len(rules))}


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
    found = set()
    for token in tokens:
        if token is not None and not token.isascii():
            for left, right in pairwise(_PARTS.findall(token)):
                if not (_is_character(left) and _is_character(right)):
                    found.add(left[-1] << 8 | right[0])
    return bytes(_bits(TORN_BYTES, found))


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
    alone = {left for left, right in sides if left == right < 128} - {SPACE}
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
        times, rest = divmod(length, longest)
        if bpe.merge(char * length) != [ids[-1]] * times + ([ids[rest - 1]] if rest else []):
            return []
    return ids


def character_matrix(pairs: Iterable[int], split: bool = False) -> bytes:
    """The smallest matrix of all pairs, left << 32 | right; `split`: none joins a space with the character before it.

    8 rows of 8 bits, the joiner (core/split/matrix.h), then the class of each code point as a table of two stages, page
    numbers and pages. The classes may be any; these make few bits, because the trainers of such models split their
    texts by script, digits and white space. With the merges (" ", "t"), (" t", "he") and ("h", "e") the pairs are " t",
    "th" and "he". So "the cat" may be cut before the space only, and "!?" before the question mark:

    >>> rows = character_matrix(ord(left) << 32 | ord(right) for left, right in [" t", "th", "he"])[:CLASSES]
    >>> [rows[ASCII_CLASSES[ord(char)]] == 1 << ASCII_CLASSES[ord("a")] for char in " a!"]
    [True, True, False]
    """
    from dstok.regex.alphabet import pages_of  # few models need them
    from dstok.unicode import MAX_CODE_POINT, CodePointSet, general_category

    letters, others = WIDE_CLASSES  # ASCII has its classes in the core; beyond it are letters and marks, and others
    classes = [CodePointSet.from_chars("".join(chr(c) for c in range(128) if ASCII_CLASSES[c] == number))
               for number in range(CLASSES)]
    wide = CodePointSet.from_ranges([(0x80, MAX_CODE_POINT)])
    classes[letters] = (general_category("L") | general_category("M")) & wide
    classes[others] |= wide - classes[letters]
    pages, page_numbers = pages_of(classes)
    numbers = memoryview(page_numbers).cast("H")
    kept = [(pair >> 32, pair & 0xFFFFFFFF) for pair in pairs if not (split and pair & 0xFFFFFFFF == SPACE)]
    # The joiner is the one character but the space that is joined with a space after it, if it is ASCII.
    before_space = {left for left, right in kept if right == SPACE} - {SPACE}
    joiner = max(before_space) if len(before_space) == 1 and max(before_space) < 0x80 else NO_JOINER
    rows = bytearray(CLASSES)
    for left, right in kept:
        if (left, right) != (joiner, SPACE):
            one, other = (pages[numbers[c >> 8] << 8 | c & 0xFF] for c in (left, right))
            rows[one] |= 1 << other
    return bytes(rows) + bytes([joiner]).ljust(MATRIX_HEAD - CLASSES, b"\0") + page_numbers + pages


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
    texts = [token.decode("utf-8", "replace") for token in spoilers]  # a part of a text is a text: others do no harm
    ends = ((ord(text[end]), base) for text in texts for end, base in ((-1, 0), (0, 4 * BORDER_BYTES)))
    return _bits(BORDER_BYTES, {base + code for code, base in ends if code < 0x10000})


def _byte_ids(model: ModelDescription) -> list[int]:
    """The id of each byte; of characters that of the ASCII character, if it has one.

    A byte without an id is in no text, or is lost; it gets the id of the byte 0, or else of the first byte with one.
    """
    own = model.characters.byte_ids if model.characters is not None else (-1,) * 256
    single = {byte: i for byte, i in enumerate(own) if i >= 0}
    single.update((t[0], i) for i, t in enumerate(model.tokens)
                  if t and len(t) == 1 and i != own[t[0]] and i not in model.raw_ids)
    other = single.get(0, single[min(single)] if single else 0)
    return [single.get(byte, other) for byte in range(256)]


def _is_monotone(rules: list[Rule]) -> bool:
    """Is each merge's rank above the ranks of the merges that make its sides? core/bpe/merge.pyx relies on it."""
    made = {merged: rank for rank, (_, _, merged) in enumerate(rules)}
    return all(made.get(left, -1) < rank > made.get(right, -1) for rank, (left, right, _) in enumerate(rules))
