"""The pair table against plain Python that takes buckets as lists: the same slots and seeds."""

from __future__ import annotations

import random
from array import array

import pytest
from shares import seeds

from dstok.core.bpe.tables import build_pairs

WORD, EMPTY = 0xFFFFFFFF, 2**64 - 1


def naive_pairs(merges: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Slots and seeds with the first salts, of merges without a crowd."""
    seed_bits, slot_bits = 4, 4
    while 4 << seed_bits < len(merges):
        seed_bits += 1
    while (1 << slot_bits) * 0.98 < len(merges):
        slot_bits += 1
    buckets: dict[int, list[int]] = {}
    for rank, (left, right) in enumerate(merges):
        buckets.setdefault((left * 0x9E3779B1 + right * 0x85EBCA6B & WORD) >> (32 - seed_bits), []).append(rank)
    slots, found = [EMPTY] * (1 << slot_bits), [0] * (1 << seed_bits)
    for bucket, ranks in sorted(buckets.items(), key=lambda item: (-len(item[1]), item[0])):
        for seed in range(1 << 16):
            places = [((merges[rank][0] * 0xC2B2AE35 + merges[rank][1] * 0x27D4EB2F ^ seed * 0x165667B1)
                       * 0xD6E8FEB9 & WORD) >> (32 - slot_bits) for rank in ranks]
            if len({*places}) == len(places) and all(slots[place] == EMPTY for place in places):
                break
        found[bucket] = seed
        for rank, place in zip(ranks, places):
            slots[place] = merges[rank][0] << 44 | merges[rank][1] << 24 | rank
    return slots, [*found, 0]


@pytest.mark.parametrize("seed", seeds(100, 8))
def test_slots_and_seeds(seed: int) -> None:
    rng = random.Random(seed)
    count, ids = rng.choice([0, 1, 16, 60, 64, 65, 500, 1003, 1004]), rng.choice([40, 1 << 20])
    merges = list({(rng.randrange(ids), rng.randrange(ids)): None for _ in range(count)})
    found = build_pairs(array("I", [i for left, right in merges for i in (left, right, 0)]))
    assert found is not None
    assert (memoryview(found[0]).cast("Q").tolist(), memoryview(found[1]).cast("H").tolist()) == naive_pairs(merges)
