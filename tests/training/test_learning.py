"""Merges from counted pieces: upstream's, whatever the words, settings, thresholds and forms of words."""

from __future__ import annotations

import random
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import trainer_reference
from shares import chance_of_today, seeds
from training_cases import (
    by_dstok,
    by_reference,
    random_settings,
    random_tuning,
    random_words,
    rows_of,
    spelled,
    words_upstream,
)

from dstok import DstokError, UnsupportedError
from dstok.core.counts.merge_loop import MergeLoop, Survey
from dstok.errors import ArgumentError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR
from dstok.training import BpeTrainer
from dstok.training.learn import OVERFLOW, learn

CASES = 12_000


def is_refused(words: dict[str, int], tuning: dict[str, int], settings: dict[str, Any]) -> bool:
    """Whether dstok refuses an alphabet that cuts a tie; the reference has to have a doubt there."""
    doubts = trainer_reference.train(words, **settings).doubts
    if doubts:
        assert {doubt.what for doubt in doubts} == {"alphabet"}
        with pytest.raises(UnsupportedError, match="equally frequent characters"):
            by_dstok(words, tuning, **settings)
    return bool(doubts)


@pytest.mark.parametrize("seed", seeds(CASES // 100, 6))
def test_random_words_by_reference(seed: int) -> None:
    refused = 0
    for number in range(100):
        chance = random.Random(f"{seed} {number}")
        words, settings, tuning = random_words(chance), random_settings(chance), random_tuning(chance)
        if is_refused(words, tuning, settings):
            refused += 1
        else:
            assert by_dstok(words, tuning, **settings) == by_reference(words, **settings), (words, settings, tuning)
    assert refused < 20


@pytest.mark.parametrize("seed", seeds(CASES // 100, 2))
def test_random_words_by_upstream(seed: int) -> None:
    for number in range(50):
        chance = random.Random(f"upstream {seed} {number}")
        words, settings, tuning = random_words(chance, 30), random_settings(chance), random_tuning(chance)
        if not is_refused(words, tuning, settings):
            assert by_dstok(words, tuning, **settings) == words_upstream(words, **settings), (words, settings, tuning)


def test_definition() -> None:
    """Canonical BPE: the most frequent pair, of several the smallest ids."""
    chance = chance_of_today("definition")
    for _ in range(100):
        words = random_words(chance)
        settings: dict[str, Any] = {"vocab_size": chance.randint(5, 60), "min_frequency": chance.randint(0, 4)}
        assert by_dstok(words, **settings) == trainer_reference.definition(words, **settings), words


def test_many_merges() -> None:
    """Enough for lists, tables and the heap to grow, and for several thresholds."""
    chance = chance_of_today("many merges")
    words = {"".join(chance.choices("abcdefghijklmnop", k=chance.randint(1, 30))): chance.randint(1, 10**6) for _ in range(3000)}
    expected = by_reference(words, vocab_size=6000)
    assert len(expected[1]) > 5000
    for tuning in [{}, {"divisor": 2}, {"divisor": 1 << 62}, {"longest_short": 8}, {"num_threads": 2, "shared": 100}, {"num_threads": 64, "shared": 500},
                   {"pairs_room": 1 << 18}, {"pairs_room": 1 << 21}]:
        assert by_dstok(words, tuning, vocab_size=6000) == expected


def test_order_and_blocks_of_words() -> None:
    words = random_words(random.Random(5))
    settings: dict[str, Any] = {"vocab_size": 50}
    turned = dict(reversed(words.items()))
    assert list(turned) != list(words) and by_dstok(turned, **settings) == by_dstok(words, **settings)
    blocks = [rows_of({word: count}) for word, count in words.items()]
    one = learn(lambda: [rows_of(words)], BpeTrainer(**{"initial_alphabet": (), **settings}), strict=False)
    assert learn(lambda: blocks, BpeTrainer(**{"initial_alphabet": (), **settings}), strict=False) == one


def test_counts_beyond_32_bits() -> None:
    """Upstream's wrap there; these are what it means."""
    words = {"ab": 3 << 31, "cd": 2 << 40, "ef": 5}
    assert by_dstok(words, vocab_size=100)[1] == [("c", "d"), ("a", "b"), ("e", "f")]
    for count in (OVERFLOW - 1, OVERFLOW):
        rows = [rows_of({"ab": count})]
        assert learn(lambda: rows, BpeTrainer(initial_alphabet=()), strict=False).highest == count  # noqa: B023 (it is called at once)
    assert by_dstok({"ab": (1 << 63) - 1}) == by_dstok({"ab": 1})


@pytest.mark.parametrize("words", [{"ab": (1 << 63) - 1, "cd": 1}, {"abc": 1 << 62}, {"ab" * 2000: 1 << 52}])
def test_counts_beyond_63_bits(words: dict[str, int]) -> None:
    with pytest.raises(DstokError, match=r"together below 2\*\*63, found more"):
        by_dstok(words)


def test_what_pieces_hold() -> None:
    words = {"aab": 3, "Ġa": 1 << 40, "b": (1 << 63) - 1, "zz": 2, "": 1}
    survey = Survey(3)
    survey.add(*rows_of({"aab": 3, "zz": 2}))
    survey.add(*rows_of({word: count for word, count in words.items() if word not in ("aab", "zz")}))
    assert {byte: count for byte, count in enumerate(survey.bytes()) if count} == {97: 6 + (1 << 40), 98: (1 << 63) - 1, 32: 1 << 40}
    assert (survey.pieces, survey.occurrences, survey.highest) == (5, (1 << 63) - 1, (1 << 63) - 1)
    assert (survey.dropped_pieces, survey.dropped_occurrences, survey.dropped_length) == (2, 3, 4)


@pytest.mark.parametrize("seed", seeds(20, 5))
def test_dropped_pieces(seed: int) -> None:
    """As if the texts had only the others: alphabet, merges and their counts."""
    chance = random.Random(f"dropped {seed}")
    for _ in range(20):
        words, settings, least = random_words(chance, 9), random_settings(chance), chance.randint(0, 6)
        kept = {word: count for word, count in words.items() if count >= least}
        if (words and not kept) or is_refused(kept, {}, settings):
            continue
        found = learn(lambda: [rows_of(words)], BpeTrainer(**{"initial_alphabet": (), "drop_below": least, **settings}), strict=False)  # noqa: B023
        assert spelled(found) == by_dstok(kept, **settings), (words, settings, least)
        assert found.survey.dropped_pieces == len(words) - len(kept)
        assert found.survey.dropped_occurrences == sum(words.values()) - sum(kept.values())


def test_all_pieces_dropped() -> None:
    with pytest.raises(ArgumentError, match="at least 6 times, found none: the most frequent one occurs 5 times"):
        by_dstok({"ab": 5, "cd": 3}, drop_below=6)


def test_a_text_without_cuts() -> None:
    """A word of a million letters: each merge costs as much as the word holds the pair, not its length."""
    chance = random.Random(1)
    word = "".join(chance.choices(BYTE_TO_CHAR, k=1_000_000))
    trainer = BpeTrainer(vocab_size=20_000, initial_alphabet=())
    found = learn(lambda: [rows_of({word: 1})], trainer, strict=False)
    assert len(found.merges) // 3 == 20_000 - 256
    first = trainer_reference.train({word[:3000]: 1}, vocab_size=300)
    assert by_dstok({word[:3000]: 1}, vocab_size=300) == (first.vocab, first.merges)


@pytest.mark.parametrize("length", [1023, 1024, 1025, 5000])
def test_runs_of_one_letter(length: int) -> None:
    words = {"a" * length: 2, "ab" * (length // 2): 1}
    assert by_dstok(words, vocab_size=40) == by_reference(words, vocab_size=40)


def test_runs_are_halved() -> None:
    """Ten million letters make a dozen tokens in no time."""
    found = by_dstok({"a" * 10_000_000: 1}, vocab_size=10)
    assert found[1][:3] == [("a", "a"), ("aa", "aa"), ("aaaa", "aaaa")]


def test_steps() -> None:
    """The loop stops after about as many visits as it is told to, and goes on from there."""
    words = random_words(random.Random(3))
    pieces, offsets, counts = rows_of(words)
    letters = sorted(set("".join(words)))
    ids = [letters.index(char) if char in letters else -1 for char in BYTE_TO_CHAR]
    made = []
    for visits in (1, 1 << 40):
        starts = memoryview(bytes(range(len(letters) + 1))).cast("B")
        loop = MergeLoop(b"".join(i.to_bytes(4, "little") for i in starts), "".join(letters).encode(), b"", 60, 0, 1 << 63)
        loop.add(pieces, offsets, counts, ids)
        rounds = 1
        while loop.run(visits):
            rounds += 1
        made.append((rounds, *loop.merges()))
        assert len(loop) == len(made[-1][2]) and loop.ids() == len(letters) + len(loop)
        assert loop.merges(2) == (made[-1][1][6:], made[-1][2][2:])
    assert made[0][0] > made[1][0] == 1 and made[0][1:] == made[1][1:]


def test_python_keeps_no_words() -> None:
    """The arena is the core's: what Python holds beside it is the vocabulary."""
    words = {f"{number:06d}": 1 for number in range(30_000)}
    rows = rows_of({word: count for word, count in words.items()})
    tracemalloc.start()
    learn(lambda: [rows], BpeTrainer(vocab_size=500, initial_alphabet=()), strict=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_little_memory() -> None:
    """Wherever memory ends, there is a MemoryError; where it does not, the merges are the same."""
    child = Path(__file__).parents[1] / "helpers" / "training_child.py"
    lines = subprocess.run([sys.executable, str(child)], check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[0] == "MemoryError" and lines[-1].startswith("done ") and set(lines) == {"MemoryError", lines[-1]}, lines


@pytest.mark.night
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_forecast_of_memory() -> None:
    """No training takes more than its forecast; with the least memory that is not refused, the merges are the same."""
    child = Path(__file__).parents[1] / "helpers" / "forecast_child.py"
    lines = subprocess.run([sys.executable, str(child)], check=True, capture_output=True, text=True).stdout.splitlines()
    found = {tuple(line.split()[:2]): line.split()[2:] for line in lines}
    assert len(found) == 10, lines
    for (name, kind), (size, result) in found.items():
        assert result == found[name, "good"][1] != "MemoryError", lines
        assert int(size) <= int(found[name, "good"][0]) and kind in ("good", "least")


def test_too_little_memory() -> None:
    words = {f"{number:06d}": 1 for number in range(1000)}
    with pytest.raises(ArgumentError, match=r"expected at least \d MB of memory for the merges of 1,000 distinct pieces, found 0 MB"):
        by_dstok(words, {"memory": 0}, vocab_size=300)
    assert by_dstok(words, {"memory": 10**7}, vocab_size=300) == by_dstok(words, vocab_size=300)
