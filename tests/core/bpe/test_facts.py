"""The facts about a vocabulary, one pass in C each, against plain Python that says what each fact is."""

from __future__ import annotations

import random
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import examples
from shares import seeds
from small_models import Merge, model_json

import dstok
from dstok.core.bpe import facts
from dstok.core.bpe.tables import live_merges

Rule = tuple[int, int, int]
Tokens = Sequence[bytes]
NO_PAIR, BORDERS = 0xFFFF, 8 * facts.BORDER_BYTES // 2
PARTS = re.compile(rb"[^\x80-\xbf][\x80-\xbf]*|[\x80-\xbf]+", re.DOTALL)  # characters of UTF-8, and parts of them
BYTES = b"ab \xe4\xb8\xad\x96\xe6\xe3\x81\x82\xc3\xa9\xf0\x9f\xed\xa0\xbd\xe0\xbf"
WORDS = ["a", "b", " ", "é", "中", "文", "あ", "가", "\u3040", "𝔞", "\uffff"]


def packed(tokens: Tokens) -> tuple[array[int], bytes]:
    return array("I", [0, *accumulate(map(len, tokens))]), b"".join(tokens) or b"\0"


def bits(size: int, members: Iterable[int]) -> bytes:
    found = bytearray(size)
    for i in members:
        found[i >> 3] |= 1 << (i & 7)
    return bytes(found)


def is_character(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False


def settled_tokens(rules: Sequence[Rule], tokens: Tokens) -> set[int]:
    """The tokens of two or three bytes that no merge takes as a side at a rank below the ranks that make them."""
    needs: dict[int, int] = {}
    for _, rank in sorted((len(tokens[made]), rank) for rank, (_, _, made) in enumerate(rules) if len(tokens[made]) < 4):
        needs[rules[rank][2]] = max(rank, *(needs.get(token, -1) for token in rules[rank]))
    taken: dict[int, int] = {}
    for rank in reversed(range(len(rules))):
        taken[rules[rank][0]] = taken[rules[rank][1]] = rank
    return {token for token, rank in needs.items() if rank < taken.get(token, len(rules))}


def torn_borders(tokens: Tokens) -> set[int]:
    """The pairs of bytes, left << 8 | right, between two characters of a token of which one is only a part."""
    return {left[-1] << 8 | right[0] for token in tokens for left, right in pairwise(PARTS.findall(token))
            if not (is_character(left) and is_character(right))}


def start_tables(rules: Sequence[Rule], tokens: Tokens, byte_ids: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """The atoms, the table of `BytePair`s, and the ids of the merges of two bytes."""
    settled, torn = settled_tokens(rules, tokens), torn_borders(tokens)
    atoms = [0] * 0x10000
    for i in settled:
        if is_character(tokens[i]):
            atoms[ord(tokens[i].decode())] = i + 1
    own = {id: byte for byte, id in enumerate(byte_ids) if tokens[id] == bytes([byte])}
    merged: dict[int, int] = {}
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    for rank, (left, right, made) in enumerate(rules):
        if right in own:
            before.setdefault(tokens[left][-1] << 8 | own[right], rank)
        if left in own:
            after.setdefault(own[left] << 8 | tokens[right][0], rank)
            if right in own and made in settled:
                merged[own[left] << 8 | own[right]] = rank
    ranks = sorted(merged.values())[:NO_PAIR]
    table = []
    for pair in range(0x10000):
        number = bisect_left(ranks, merged[pair]) if pair in merged else NO_PAIR
        table += [number if number < len(ranks) else NO_PAIR,
                  *(bisect_left(ranks, found.get(pair, len(rules))) for found in (before, after)), pair in torn]
    return atoms, table, [rules[rank][2] for rank in ranks]


def cuttable() -> list[int]:
    return [c for low, high in facts.cuttable_ranges() for c in range(low, high + 1)]


def joined_bit(left: int, right: int) -> int:
    return (left * 0x9E3779B1 + right * 0x85EBCA6B & 0xFFFFFFFF) >> 12


def joined_pairs(tokens: Tokens, bordered: bool) -> tuple[bytes, set[int]]:
    """The bits of the pairs around borders inside tokens; the characters that only have a border before them."""
    encoded = {c: chr(c).encode() for c in cuttable()}
    found, after = set[int](), set[int]()
    for left, right in {(token[max(0, at - 3) : at], token[at : at + 3]) for token in tokens for at in range(1, len(token))}:
        lefts = [c for c, data in encoded.items() if data.endswith(left)]
        rights = [c for c, data in encoded.items() if data.startswith(right)] if lefts else []
        if bordered and len(lefts) * len(rights) > facts.MOST_PAIRS:
            after.update(rights)
        else:
            found.update(joined_bit(c, d) for c in lefts for d in rights)
    return bits(facts.JOINED_BYTES, found), after


def random_model(seed: int) -> tuple[list[bytes], array[int], list[int]]:
    """Tokens, live merges in any order of ranks, and the ids of bytes; some bytes have none, and one has two tokens."""
    rng = random.Random(seed)
    letters = [bytes([b]) for b in rng.sample(BYTES, rng.choice([2, 4, len(BYTES)]))]
    tokens = list(dict.fromkeys(letters))
    merges: dict[tuple[int, int], int] = {}
    for _ in range(rng.choice([0, 5, 40, 300])):
        left, right = (rng.randrange(len(tokens)) for _ in range(2))
        made = tokens[left] + tokens[right]
        if len(made) <= 7 and (left, right) not in merges:
            if made not in tokens:
                tokens.append(made)
            merges[left, right] = tokens.index(made)
    rules = [(left, right, made) for (left, right), made in merges.items()]
    if rng.random() < 0.6:
        rng.shuffle(rules)
    first = {token[0]: i for i, token in enumerate(tokens) if len(token) == 1}
    byte_ids = [first.get(byte, 0) for byte in range(256)]
    tokens += [bytes(rng.choices(BYTES, k=rng.randint(0, 9))) for _ in range(rng.randint(0, 5))]
    live, _ = live_merges(array("I", [i for rule in rules for i in rule]), *packed(tokens), byte_ids)
    return tokens, live, byte_ids


@pytest.mark.parametrize("seed", seeds(400, 20))
def test_symbols_to_start_from(seed: int) -> None:
    tokens, live, byte_ids = random_model(seed)
    rules = list(zip(live[::3], live[1::3], live[2::3]))
    made = {merged: rank for rank, (_, _, merged) in enumerate(rules)}
    assert facts.is_monotone(live, len(tokens)) == all(
        made.get(left, -1) < rank > made.get(right, -1) for rank, (left, right, _) in enumerate(rules))
    atoms, table, ids = start_tables(rules, tokens, byte_ids)
    found = facts.start_tables(live, *packed(tokens), byte_ids)
    assert memoryview(found[0]).cast("I").tolist() == atoms
    assert memoryview(found[1]).cast("H").tolist() == table
    assert memoryview(found[2]).cast("I").tolist() == ids
    alone = facts.start_tables(live, *packed(tokens), byte_ids, True)
    table[3::4] = [0] * 0x10000
    assert (alone[0], alone[2]) == (b"", found[2]) and memoryview(alone[1]).cast("H").tolist() == table


def test_settled_tokens() -> None:
    """"ab" is one symbol at once, unless "ab" + "a" comes before the merge that makes it."""
    tokens, byte_ids = [b"a", b"b", b"ab", b"aba"], [0] * 97 + [0, 1] + [0] * 157
    assert settled_tokens([(0, 1, 2), (2, 0, 3)], tokens) == {2, 3}
    assert settled_tokens([(2, 0, 3), (0, 1, 2)], tokens) == {3}
    for live, pairs in (([0, 1, 2, 2, 0, 3], [2]), ([2, 0, 3, 0, 1, 2], [])):
        found = facts.start_tables(array("I", live), *packed(tokens), byte_ids)
        assert memoryview(found[2]).cast("I").tolist() == pairs


def test_more_pairs_of_bytes_than_have_numbers() -> None:
    """All 65,536: the last one has none."""
    tokens = [bytes([byte]) for byte in range(256)] + [bytes(divmod(pair, 256)) for pair in range(0x10000)]
    live = array("I", [i for pair in range(0x10000) for i in (*divmod(pair, 256), 256 + pair)])
    _, table, ids = facts.start_tables(live, *packed(tokens), range(256))
    assert memoryview(table).cast("H")[::4].tolist() == [*range(NO_PAIR), NO_PAIR]
    assert memoryview(ids).cast("I").tolist() == [*range(256, 256 + NO_PAIR)]


@pytest.mark.parametrize("seed", seeds(100, 6))
def test_pairs_that_tokens_span(seed: int) -> None:
    """Of whole characters, of parts of them, and of bytes that are no text."""
    rng = random.Random(seed)
    tokens = [b"", *(b"".join(rng.choice(WORDS).encode() for _ in range(rng.randint(0, 5)))[rng.randint(0, 2) :][: rng.randint(1, 9)]
                     for _ in range(rng.randint(0, 12)))]
    tokens += [bytes(rng.choices(BYTES, k=rng.randint(1, 6))) for _ in range(rng.randint(0, 12))]
    for borders in (None, bytearray(facts.BORDER_BYTES)):
        expected, after = joined_pairs(tokens, borders is not None)
        assert facts.joined_pairs(*packed(tokens), borders) == expected
        assert borders is None or bytes(borders) == bits(facts.BORDER_BYTES, [BORDERS + c for c in after])


def test_parts_that_stand_for_many_characters() -> None:
    """The last byte of a character, then the first of one: 8,192 pairs and more have a border, and no bits."""
    borders = bytearray(facts.BORDER_BYTES)
    assert not any(facts.joined_pairs(*packed([b"\xad\xe4"]), borders))
    assert bytes(borders) == bits(facts.BORDER_BYTES, [BORDERS + c for c in cuttable() if chr(c).encode()[0] == 0xE4])


@examples(200)
@given(st.lists(st.binary(min_size=1, max_size=6) | st.text(st.sampled_from(WORDS), min_size=1).map(str.encode), max_size=8))
def test_borders(tokens: list[bytes]) -> None:
    texts = [token.decode("utf-8", "replace") for token in tokens]
    ends = [(ord(text[end]), base) for text in texts for end, base in ((-1, 0), (0, BORDERS))]
    expected = bits(facts.BORDER_BYTES, [base + code for code, base in ends if code < 0x10000])
    assert bytes(facts.border_bits(array("I", range(len(tokens))), *packed(tokens))) == expected


def random_merges(rng: random.Random, letters: str) -> list[Merge]:
    tokens = [bytes([byte]) for byte in letters.encode()]
    merges: dict[Merge, None] = {}
    for _ in range(rng.randint(1, 30)):
        left, right = rng.choice(tokens), rng.choice(tokens)
        if len(left + right) <= 12:
            merges[left, right] = None
            tokens.append(left + right)
    listed = list(merges)
    rng.shuffle(listed)
    return listed


@pytest.mark.parametrize("seed", seeds(200, 10))
def test_tokens_that_merging_makes(seed: int) -> None:
    """With tokens that merging cannot make, holes, and a token with a spelling that no piece has."""
    rng = random.Random(seed)
    text = model_json(random_merges(rng, rng.choice(["ab", "aé", "中b"])), pattern=None, extra=[b"zz", b"b\xff"], holes=2)
    model = dstok.Tokenizer.from_str(text)._describe()
    raw = rng.choice([i for i in range(256, len(model.tokens)) if model.tokens[i]])
    merges = array("I", [i for rule in model.merge_rules() if raw not in rule for i in rule])
    model = model._replace(merges=merges, raw_ids=frozenset([raw]))
    bpe = dstok.Tokenizer._of_description(model)._bpe
    reachable = [i for i, token in enumerate(model.tokens) if token and i != raw]
    direct = [i for i in reachable if bpe.encodes_to_itself(i)]
    assert bpe.reachable([raw]).tolist() == reachable
    live, _ = live_merges(merges, model.tokens.starts, model.tokens.blob, range(256))
    found, others = facts.direct_tokens(live, bpe, [raw])
    assert found == bits((bpe.size + 7) // 8, direct)
    assert others.tolist() == [i for i in reachable if i not in direct]


@examples(100)
@given(st.lists(st.tuples(st.sampled_from("ab \né中𝔞"), st.sampled_from("ab \né中𝔞")), max_size=20), st.booleans())
def test_pairs_of_characters(pairs: list[tuple[str, str]], split: bool) -> None:
    """Borders of merges, the rows and joiner of the matrix, and characters whose runs merge apart."""
    tokens = ["".join(pair) for pair in pairs] + ["a", "b", " ", "\n", "é", "中", "𝔞", "\n\n\n", "bbbb", "ab"]
    ids = {token: i for i, token in enumerate(tokens)}
    live = array("I", [i for left, right in pairs for i in (ids[left], ids[right], ids[left + right])])
    starts, blob = packed([token.encode() for token in tokens])
    joined = facts.joined_characters(live, starts, blob)
    assert joined.tolist() == [ord(left) << 32 | ord(right) for left, right in pairs]
    assert facts.joined_bits(joined) == bits(facts.JOINED_BYTES, [joined_bit(*map(ord, pair)) for pair in pairs])
    page = bytes(c % 8 for c in range(256))
    numbers = bytes(2 * 0x1100)
    kept = [pair for pair in pairs if not (split and pair[1] == " ")]
    before = {left for left, right in kept if right == " "} - {" "}
    joiner = max(before) if len(before) == 1 and max(before) < "\x80" else None
    rows = [0] * 8
    for left, right in kept:
        if (left, right) != (joiner, " "):
            rows[ord(left) % 256 % 8] |= 1 << ord(right) % 256 % 8
    assert facts.matrix_rows(joined, page, numbers, split) == bytes([*rows, 0xFF if joiner is None else ord(joiner)])
    alone = {left for left, right in pairs if left == right < "\x80"} - {" "}
    alone -= {char for left, right in pairs if left != right for char in left + right}
    longest = {ord(char): max(len(token) for token in tokens if token == char * len(token)) for char in sorted(alone)}
    assert facts.longest_runs(joined, starts, blob) == longest
