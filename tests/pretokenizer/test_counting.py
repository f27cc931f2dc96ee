"""`dstok.training.count_pieces`: the counts of `split`, in order, whatever the pieces, the texts and the number of threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_models import level, levels
from reference import examples

import dstok
from dstok import Splitter
from dstok.errors import ArgumentError
from dstok.training.piece_counts import PieceCounts

WORDS = Splitter(r"[^ ]+")
BOTH_SIDES = Splitter([r"\s+", r"\w+(?!\w)x?"])
DEEPSEEK = Splitter.preset("deepseek-v3")
# Zero bytes, which keys have at their ends; lengths around those of keys; equal beginnings.
PIECES = st.text("a\0é中", max_size=5) | st.sampled_from(
    [letter * length + end for letter in ("a", "é") for length in (3, 4, 7, 8, 9, 12, 16, 23, 24, 25, 40) for end in ("", "b", "\0")])
TEXTS = st.lists(st.lists(PIECES, max_size=12).map(" ".join), max_size=6)


def expected(splitter: Splitter, texts: list[str]) -> list[tuple[str, int]]:
    counts = Counter(piece for text in texts for piece in splitter.split(text))
    return sorted(counts.items(), key=lambda row: (-row[1], row[0].encode()))


def rows(found: PieceCounts) -> list[tuple[str, int]]:
    """The pieces and counts of the arrays, which are those of the dict."""
    data, ends = found.pieces.tobytes(), found.offsets.tolist()
    pieces = [data[start:end].decode() for start, end in zip(ends, ends[1:])]
    made = list(zip(pieces, found.counts.tolist(), strict=True))
    assert list(found.to_dict().items()) == made and len(found) == len(made) and ends[0] == 0 and ends[-1] == len(data)
    return made


@pytest.mark.parametrize("splitter", [WORDS, BOTH_SIDES, DEEPSEEK], ids=["words", "both sides", "deepseek"])
@pytest.mark.parametrize("name", levels())
@given(texts=TEXTS)
@examples(60)
def test_counts_are_those_of_split(name: str, splitter: Splitter, texts: list[str]) -> None:
    with level(name):
        here = Splitter(splitter.splits)
        for threads in (1, 2, 3):
            assert rows(dstok.training.count_pieces(here, iter(texts), num_threads=threads)) == expected(splitter, texts)


@pytest.mark.parametrize("threads", [1, 2])
def test_more_pieces_than_values_have_numbers(threads: int) -> None:
    """The pieces above 2**18 are counted without the probe, as are those of more than 24 bytes."""
    numbers = [*range(300_000), *range(150_000, 270_000), *range(299_000, 300_000)]
    texts = [" ".join(f"{i}" if i % 7 else f"{i:030}" for i in numbers[at : at + 5000]) for at in range(0, len(numbers), 5000)]
    found = dstok.training.count_pieces(WORDS, texts, num_threads=threads)
    assert len(found) == 300_001 and rows(found) == expected(WORDS, texts)


def test_texts_are_taken_as_they_come() -> None:
    texts = (f"w{i} " for i in range(100_000))
    with pytest.raises(dstok.DstokError, match="distinct pieces that fit in 1000000 bytes for each thread, found [0-9]+ of them, and more"):
        dstok.training.count_pieces(Splitter(r"\w+"), texts, memory=1_000_000)
    assert next(texts).startswith("w")  # it stopped early
    few = dstok.training.count_pieces(Splitter(r"\w+"), (f"w{i % 5000} " for i in range(20_000)), memory=1_000_000)
    assert few.to_dict()["w7"] == 4


def test_memory_is_for_all_threads() -> None:
    texts = [" ".join(f"w{i}" for i in range(at, at + 1000)) for at in range(0, 20_000, 1000)]
    assert len(dstok.training.count_pieces(WORDS, texts, num_threads=1, memory=2_000_000)) == 20_001
    with pytest.raises(dstok.DstokError, match="fit in 250000 bytes"):
        dstok.training.count_pieces(WORDS, texts, num_threads=8, memory=2_000_000)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_first_faulty_text_is_named(threads: int) -> None:
    texts: list[str | bytes] = ["a b " * 20_000] * 12
    texts[7], texts[5], texts[11] = b"\xff", "\udc80", b"\xfe"
    with pytest.raises(dstok.TextError) as caught:
        dstok.training.count_pieces(WORDS, texts, num_threads=threads)
    assert caught.value.batch_index == 5
    found = dstok.training.count_pieces(WORDS, texts, num_threads=threads, errors="replace").to_dict()
    assert (found["a"], found["\ufffd"]) == (180_000, 3)


@pytest.mark.parametrize("threads", [1, 3])
def test_errors_of_the_iterator_come_through(threads: int) -> None:
    def texts() -> Iterator[str]:
        yield from ["a b"] * 5
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        dstok.training.count_pieces(WORDS, texts(), num_threads=threads)


def test_no_text_has_no_pieces() -> None:
    none: list[list[str | bytes]] = [[], ["", b""]]
    for texts in none:
        assert rows(dstok.training.count_pieces(WORDS, texts)) == []
    with pytest.raises(ArgumentError, match="threads to be at least 1"):
        dstok.training.count_pieces(WORDS, [], num_threads=0)
