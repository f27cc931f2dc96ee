"""The piece table: what it remembers is what merging gives, whatever was asked before.

The judge is `BPE.merge` on each piece, which knows no table. Pieces here are runs of letters after a digit, or of
control characters, which V3's pattern leaves whole, NULs at their ends included.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from array import array
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_texts import KERNELS, NO_ADDED, encoder_at, fresh_encoder
from real_models import V3 as TOK
from reference import DEEP
from shares import share
from small_models import both, model_json, upstream_ids

from dstok.compiled.tables import make_bpe
from dstok.core.encode.encoder import START, Encoder
from dstok.core.encode.memory import MAX_WORKSPACES

BPE = make_bpe(TOK._tables)
PROBES = KERNELS
RING = 1 << 20  # ids
TABLE_PIECES = 1 << 18  # that tables a and b hold


def merged(pieces: list[bytes]) -> list[int]:
    """The ids of pieces without a table."""
    return merged_all([pieces])[0]


def merged_all(texts: list[list[bytes]]) -> list[list[int]]:
    """The same for many texts that have pieces in common."""
    known = {piece: BPE.merge(piece) for piece in {piece for pieces in texts for piece in pieces}}
    return [[id for piece in pieces for id in known[piece]] for pieces in texts]


def joined(pieces: list[bytes]) -> tuple[bytes, list[bytes]]:
    """A text of letters-only pieces with a digit between any two, and all its pieces."""
    return b"7".join(pieces), [part for piece in pieces for part in (piece, b"7")][:-1]


def check(encoder: Encoder, pieces: list[bytes]) -> None:
    text, parts = joined(pieces)
    expected = merged(parts)
    assert encoder.encode(text, NO_ADDED, False) == expected
    assert encoder.count(text, NO_ADDED, False) == len(expected)


def check_all(texts: list[list[bytes]]) -> None:
    """Texts of pieces, one after the other, at each level; what is merged slowly is merged once for all levels."""
    parts = [joined(pieces) for pieces in texts]
    expected = merged_all([pieces for _, pieces in parts])
    for level in PROBES:
        encoder = fresh_encoder(level)
        for (text, _), ids in zip(parts, expected):
            assert encoder.encode(text, NO_ADDED, False) == ids, level
            assert encoder.count(text, NO_ADDED, False) == len(ids), level


def odd_words(chance: random.Random, count: int, length: int = 0) -> list[bytes]:
    """Words that no vocabulary holds, each of more than three ids, as a rule."""
    return [bytes(chance.choices(b"qxzjvkwQXZJVKW", k=length or chance.randint(7, 24))) for _ in range(count)]


def test_old_places_in_the_ring() -> None:
    """A piece is still in its table when its ids in the ring have been overwritten: it is merged again."""
    chance = random.Random(4)
    old, new = odd_words(chance, 3000), odd_words(chance, 85_000, 24)
    assert len(merged(new)) > RING and len(new) < TABLE_PIECES
    check_all([old, old, new, old, new[:2000] + old + new[-2000:]])


def test_places_about_to_be_overwritten() -> None:
    """Pieces asked for when they are just about as old as the ring is long, among new ones."""
    chance = random.Random(5)
    words = odd_words(chance, 95_000, 24)
    ids = [len(BPE.merge(word)) for word in words[:1000]]
    lap = RING * 1000 // sum(ids)  # words until the ring is written once
    pieces = []
    for at, word in enumerate(words):
        pieces.append(word)
        back = lap - chance.randint(-200, 3500)
        if at >= back:
            pieces.append(words[at - back])
    text, parts = joined(pieces)
    expected = merged(parts)
    for level in PROBES:
        assert fresh_encoder(level).encode(text, NO_ADDED, False) == expected, level


def test_pieces_pushed_out() -> None:
    """More short pieces than the table holds, asked for in another order again and again."""
    chance = random.Random(6)
    words = [bytes(chance.choices(b"qxzjvk", k=chance.randint(5, 12))) for _ in range(320_000 if DEEP else 60_000)]
    check_all([chance.sample(words, len(words)) for _ in range(3)])


def test_one_piece_many_times_in_a_chunk() -> None:
    """None of the same piece's first occurrences in a chunk is in the table: all are merged and inserted."""
    chance = random.Random(7)
    words = [odd_words(chance, 3, length) for length in range(1, 71)]
    check_all([pieces for few in words for pieces in (chance.choices(few, k=700), few * 2)])


@pytest.mark.parametrize("level", PROBES)
def test_lengths_at_the_end_of_a_text(level: str) -> None:
    """What lies after a text is read, but never part of a key. Of all kinds of storage, after odd neighbours."""
    encoder, chance = fresh_encoder(level), random.Random(8)
    befores = ("", "7", "\u00e97", "\u4e2d7", "\U0001f6007", "b" * 5000 + "7", "\u4e2d7" * 2000)
    for _, length, before in share(product(range(2), range(1, 71), befores), 8):
        text = before + odd_words(chance, 1, length)[0].decode()
        expected = merged([text.encode()[start:end] for start, end in encoder.pieces(text.encode(), NO_ADDED)])
        assert encoder.encode(text, NO_ADDED, False) == expected
        assert encoder.encode(text.encode(), NO_ADDED, False) == expected


@pytest.mark.parametrize("level", PROBES)
def test_keys_that_differ_in_zeros_only(level: str) -> None:
    """A key is filled up with zeros: the length tells pieces apart that end in NULs."""
    encoder = fresh_encoder(level)
    heads = [b"", b"\1", b"\1\2", b"\1" * 7, b"\1" * 8, b"\1" * 9, b"\1" * 16, b"\1" * 17, b"\1" * 23, b"\1" * 24]
    pieces = [head + b"\0" * zeros for head in heads for zeros in range(70 - len(head)) if head or zeros]
    for order in (pieces, pieces[::-1], random.Random(9).sample(pieces, len(pieces))):
        text, parts = joined(order)
        assert [text[start:end] for start, end in encoder.pieces(text, NO_ADDED)] == parts
        check(encoder, order)


def test_keys_that_differ_in_one_part() -> None:
    """So many pieces alike in all but eight of their bytes that in each table different ones meet in a line."""
    chance = random.Random(15)
    around = ((0, 0), (8, 0), (0, 8), (16, 0), (0, 16), (8, 8), (22, 0), (0, 32), (16, 16))
    check_all([[b"Q" * before + end + b"Q" * after for end in odd_words(chance, 5000, 8)] for before, after in around])


@pytest.mark.parametrize("holes", [0, 262_140 - 256, 262_144, 600_000])
def test_ids_that_a_value_cannot_hold(holes: int) -> None:
    """Ids of 18 bits and more, alone and beside small ones, go to the ring: more of them than fit there."""
    merges = [(b"a", b"b"), (b"c", b"d"), (b"ab", b"cd"), (b"x", b"y"), (b"\0", b"a"), (b"a", b"\0")]
    tok, judge = both(model_json(merges, holes=holes))
    chance = random.Random(10)
    words = ["".join(chance.choices("abcdxy\0\x01!", k=chance.randint(1, 30))) for _ in range(3000)]
    text = " ".join(words)
    expected = upstream_ids(judge, text)
    assert tok.encode(text) == expected == tok.encode(text)
    assert tok.count(text) == len(expected)


def test_the_ring_laps_ids_of_the_vocabulary() -> None:
    """A vocabulary above 18 bits stands in the ring, too, and is lapped there like the rest."""
    tok, judge = both(model_json([(b"a", b"b"), (b"ab", b"c"), (b"z", b"z")], holes=300_000))
    chance = random.Random(11)
    words = ["".join(chance.choices("acqxz", k=24)) for _ in range(60_000)]
    text = "ab abc zz " + " ".join(words) + " ab abc zz"
    expected = upstream_ids(judge, text)
    assert len(expected) > RING
    assert tok.encode(text) == expected


def test_both_probes_agree() -> None:
    """The probes in C and in Cython, on the same sequence of texts: with each the ids of merging, and counts."""
    chance = random.Random(12)
    encoders = [fresh_encoder(level) for level in PROBES]
    known = odd_words(chance, 500)
    for _ in range(300 if DEEP else 60):
        known += odd_words(chance, 50)
        pieces = chance.choices(known, k=chance.choice([1, 7, 8, 9, 15, 16, 17, 511, 512, 513, 640, 1500]))
        for encoder in encoders:
            check(encoder, pieces)


def nested(encoder: Encoder, depth: int, pieces: list[bytes]) -> Iterator[list[int]]:
    """The ids of a text, by `depth` workspaces that are all leased at the same time."""
    text, _ = joined(pieces)
    inner: list[list[int]] = []

    def allocate(count: int) -> Any:
        if depth > 1:
            inner.extend(nested(encoder, depth - 1, pieces))
        return array("I", bytes(4 * count))

    yield list(encoder.encode_part(bytearray(text), 0, NO_ADDED, START, True, allocate)[0])
    yield from inner


@pytest.mark.parametrize("level", PROBES)
def test_the_table_that_workspaces_share(level: str) -> None:
    """Workspaces beyond the limit read one table and write to none: pieces that it lacks are merged each time."""
    encoder, chance = fresh_encoder(level), random.Random(13)
    pieces = [*odd_words(chance, 400), b"the", b"Hello", b"a" * 40, *odd_words(chance, 20, 50)] * 3
    expected = merged(joined(pieces)[1])
    for _ in range(2):
        found = list(nested(encoder, MAX_WORKSPACES + 3, pieces))
        assert len(found) == MAX_WORKSPACES + 3 and all(ids == expected for ids in found)


OUT_OF_MEMORY = """
import resource
from pathlib import Path
import dstok
tok = dstok.load("deepseek-v3")
expected = tok.encode("a\ud55c" * 3)
text = b"q" * 3_000_000 + "\ud55c".encode() * 50_000
failed = 0
for more in range(2_000_000, 24_000_000, 1_000_000):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))
    try:
        tok.count(text)
    except MemoryError:
        failed += 1
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert tok.encode("a\ud55c" * 3) == expected
assert failed, "there was more memory than the limit"
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("level", PROBES)
def test_out_of_memory_amid_a_piece(level: str) -> None:
    """No memory for the ids of a part of a piece; after it come more parts than a chunk has room for."""
    subprocess.run([sys.executable, "-c", OUT_OF_MEMORY], check=True, env={**os.environ, "DSTOK_SIMD": level},
                   cwd=os.path.dirname(__file__))  # not the checkout, whose dstok need not be built


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_bounded() -> None:
    """Millions of distinct pieces leave the process as large as a few hundred thousand did."""
    encoder, chance = encoder_at(PROBES[-1]), np.random.default_rng(14)
    letters = np.frombuffer(b"qxzjvkwQXZJVKW", np.uint8)

    def texts(count: int) -> None:
        for _ in range(count):  # 100,000 pieces of 4 to 19 letters each
            words = letters[chance.integers(0, len(letters), (100_000, 20))]
            words[np.arange(100_000), chance.integers(4, 20, 100_000)] = ord("7")
            encoder.count(words.tobytes(), NO_ADDED, False)

    texts(4)
    before = resident()
    texts(40 if DEEP else 12)
    assert resident() - before < 8 << 20
