"""Merges that were chosen so that their pairs collide in the pair table: right ids, or an error; bounded memory."""

from __future__ import annotations

import itertools
import random
from array import array
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from real_models import level, levels
from small_models import both, model_json, upstream_ids

import dstok
from dstok.core.bpe.tables import build_pairs
from dstok.errors import UnsupportedError

SALTS, CROWD, ROOM = 16, 32, 2  # see core/bpe/tables.pyx
WORD = 0xFFFFFFFF
FIRST, SECOND = (0x9E3779B1, 0x85EBCA6B), (0xC2B2AE35, 0x27D4EB2F)
ASCII = [(left, right) for left in range(33, 127) for right in range(33, 127)]
ALL = list(itertools.product(range(256), range(256)))
Pair = tuple[int, int]


def bucket(pair: Pair, salt: int, bits: int) -> int:
    """The first hash of core/bpe/merge_loops.h."""
    return sum(i * (f + 2 * s * salt) for i, f, s in zip(pair, FIRST, SECOND)) % (1 << 32) >> (32 - bits)


def mixed(pair: Pair, salt: int) -> int:
    """What the second hash knows of a pair, whatever the seed."""
    return (pair[0] * SECOND[0] + pair[1] * (SECOND[1] + 2 * salt)) & WORD


def bits_for(count: int) -> int:
    """How many bits number the buckets of `count` pairs."""
    return max(4, ((count + 3) // 4 - 1).bit_length())


def flat(pairs: Iterable[Pair]) -> array[int]:
    return array("I", [x for rank, pair in enumerate(pairs) for x in (*pair, rank)])


def natural(count: int) -> int:
    """The slots that `count` pairs have when none is in the way."""
    return next(1 << bits for bits in range(4, 30) if (1 << bits) * 0.98 >= count)


def file_of(pairs: list[Pair]) -> str:
    return model_json([(bytes([left]), bytes([right])) for left, right in pairs])


def crowd(count: int, pairs: list[Pair], salt: int = 0) -> list[Pair]:
    """`count` pairs of `pairs`, of which as many as there are stand in one bucket."""
    rng = random.Random(count)
    bits = bits_for(count)
    together = [pair for pair in pairs if bucket(pair, salt, bits) == 0][:count]
    rest = rng.sample([pair for pair in pairs if bucket(pair, salt, bits) != 0], count - len(together))
    found = together + rest
    rng.shuffle(found)
    assert len(together) > CROWD and bits_for(len(found)) == bits
    return found


@cache
def against_all_salts() -> tuple[Pair, ...]:
    """Pairs of bytes of which under each salt more than `CROWD` share a bucket."""
    count = SALTS * (CROWD + 1)
    bits = bits_for(count)
    found = dict.fromkeys(pair for salt in range(SALTS)
                          for pair in [p for p in ALL if bucket(p, salt, bits) == 0][: CROWD + 1])
    found.update(dict.fromkeys(pair for pair in ALL[: count] if len(found) < count))
    listed = tuple(found)[:count]
    assert bits_for(len(listed)) == bits
    return listed


@pytest.mark.parametrize("count", [200, 512, 1000, 4000])
def test_a_crowd_in_a_bucket(count: int) -> None:
    """The table is as large as it would be without, and holds every pair."""
    merges = flat(crowd(count, ALL))
    found = build_pairs(merges)
    assert found is not None
    slots = memoryview(found[0]).cast("Q")
    assert len(slots) <= natural(count) << ROOM
    assert sorted(slot & 0xFFFFFF for slot in slots if slot != 2**64 - 1) == list(range(count))
    assert len(found[1]) == 2 * ((1 << bits_for(count)) + 2) and array("H", found[1])[-1] > 0


def test_a_crowd_of_any_ids() -> None:
    """Fifteen hundred pairs in a bucket: the table had had to double seven times to take them in."""
    rng, bits = random.Random(6), bits_for(1500)
    pairs = [pair for pair in itertools.product(range(1100), range(1100)) if bucket(pair, 0, bits) == 0]
    found = build_pairs(flat(rng.sample(pairs, 1500)))
    assert found is not None and len(found[0]) // 8 <= natural(1500) << ROOM


def test_no_crowd_no_salt() -> None:
    """The tables of real models, which no salt is needed for, are as they were: one salt, 0, after the seeds."""
    for name in ("deepseek-v3", "deepseek-r1-distill-qwen"):
        seeds = array("H", bytes(dstok.load(name)._tables.sections["seeds"]))
        assert (len(seeds) - 1).bit_count() == 1 and seeds[-1] == 0


def two_of_one_slot(salts: range) -> list[Pair]:
    """Pairs of ids of which two share bucket and slot under each of these salts of the second hash, and no crowd."""
    found: dict[int, tuple[Pair, Pair]] = {}
    inverse = pow(SECOND[0], -1, 1 << 32)
    for salt in salts:
        # left' = left - (right' - right) * factor / SECOND[0]: small for some step of the right id
        factor = SECOND[1] + 2 * salt
        for step in range(1, 1 << 20):
            change = -step * factor * inverse & WORD
            if change < 1 << 20:
                pairs = [((left, right), (left + change, right + step))
                         for left in range(0, (1 << 20) - change, 997) for right in range(0, (1 << 20) - step, 99991)]
                same = next((p for p in pairs if bucket(p[0], 0, 4) == bucket(p[1], 0, 4)), None)
                if same is not None and mixed(same[0], salt) == mixed(same[1], salt):
                    found[salt] = same
                    break
    assert len(found) == len(salts)
    return list(dict.fromkeys(pair for same in found.values() for pair in same))


def test_two_pairs_of_one_slot() -> None:
    """Two pairs of one bucket that no seed tells apart are told apart by a salt; under all salts it is given up."""
    pairs = two_of_one_slot(range(1))
    found = build_pairs(flat(pairs))
    assert found is not None and array("H", found[1])[-1] == 1
    pairs = two_of_one_slot(range(SALTS))
    assert len(pairs) <= 4 << 4
    assert build_pairs(flat(pairs)) is None


def test_crowds_under_all_salts() -> None:
    """A file that was made to have them is refused by the place of its merges."""
    assert build_pairs(flat(against_all_salts())) is None
    with pytest.raises(UnsupportedError, match="under each of its salts") as caught:
        dstok.Tokenizer.from_str(file_of(list(against_all_salts())))
    assert caught.value.where == "$.model.merges"


@pytest.mark.parametrize("name", levels())
def test_ids_with_a_salt(name: str, tmp_path: Path) -> None:
    """They are upstream's at every level; and those of the image."""
    pairs = crowd(300, ASCII)
    with level(name):
        tok, judge = both(file_of(pairs))
        tok.to_image(tmp_path / "image")
        opened = dstok.load(tmp_path / "image")
        rng = random.Random(5)
        for size in (1, 7, 20, 100, 3000):
            for _ in range(20):
                text = "".join(chr(rng.choice(rng.choice(pairs))) for _ in range(size))
                assert tok.encode(text) == opened.encode(text) == upstream_ids(judge, text)


@pytest.mark.parametrize("size", [0, 2, 6, 8])
def test_an_image_with_other_salts(size: int, tmp_path: Path) -> None:
    """One or two words stand after the seeds, nothing else; and not those of another table."""
    from images import Parts

    dstok.Tokenizer.from_str(file_of(crowd(300, ASCII))).to_image(tmp_path / "image")
    parts = Parts(tmp_path / "image")
    seeds = parts.sections["seeds"]
    parts.sections["seeds"] = seeds[:-4] + bytes(size)
    parts.write(tmp_path / "image")
    with pytest.raises(dstok.errors.ImageError, match="section seeds|expected the pair table to hold merge"):
        dstok.load(tmp_path / "image")
