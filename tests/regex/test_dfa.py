"""Partition refinement: the blocks of a plain loop over all states, however long the chains are."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from shares import seeds

from dstok.regex.compile_budget import stage
from dstok.regex.dfa import equivalence


def moore(rows: Sequence[Sequence[int]], block: list[int]) -> list[int]:
    while True:
        numbers: dict[tuple[int, ...], int] = {}
        refined = [numbers.setdefault((own, *(block[target] for target in row)), len(numbers)) for own, row in zip(block, rows)]
        if len(numbers) == len({*block}):
            return refined
        block = refined


def sets(block: Sequence[int]) -> set[frozenset[int]]:
    return {frozenset(state for state, number in enumerate(block) if number == own) for own in block}


@pytest.mark.parametrize("seed", seeds(400, 60))
def test_random_automata(seed: int) -> None:
    chance = random.Random(seed)
    size, symbols, kinds = chance.randint(1, 40), chance.randint(1, 4), chance.randint(1, 4)
    near = chance.random() < 0.5  # long chains
    rows = [[min(state + 1, size - 1) if near and chance.random() < 0.8 else chance.randrange(size) for _ in range(symbols)]
            for state in range(size)]
    block = [chance.randrange(kinds) for _ in range(size)]
    assert sets(equivalence(rows, block)) == sets(moore(rows, block))


def test_a_chain_takes_few_steps() -> None:
    size = 5000
    rows = [[min(state + 1, size - 1), 0] for state in range(size)]
    with stage("a test") as work:
        assert len({*equivalence(rows, [int(state == size - 1) for state in range(size)])}) == size
    assert work.steps < 20 * size
