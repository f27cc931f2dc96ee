"""Long runs that leave the automaton in its state are skipped: the pieces are those of the automaton in Python."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest
from real_models import level, levels
from shares import seeds

import dstok
from dstok.core.split.automaton import Scanner, pack_edges
from dstok.regex.cascade import Program

PATTERNS = [r"[^,\n]+", r"[#@]\w+", r'"(?:[^"\\\n]|\\.)*"', r"https?://\S+", r"\p{Han}+|[a-z]+|[^\p{Han}a-z]", r"[^é]*é", r"[\x00-\x7e]+",
            r"[^\x00-\x7e]+", r"a+b|a", r"(?:[^.!?]|[.!?](?=\S))*+[.!?]+\s*", r"\b(?:aa|zz)\b", r"[^a]*+(?!z)|a"]
RUNS = ["a", "b", " ", "~", "\x7f", "\0", "z9_", "é", "\u07ff", "漢", "\ud7ff", "\u3000", "🦙", "é漢🦙", "a漢", "#", "."]
ENDS = ["", ",", "\n", "é", "漢", "🦙", "#tag", '"', "\\\"", "http://x", "zz", "!", ". ", "b", "z"]


def texts(seed: int) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice(RUNS) * rng.choice((1, 3, 15, 16, 17, 31, 33, 63, 64, 65, 100, 130, 300, 700)) + rng.choice(ENDS)
                   for _ in range(rng.randrange(1, 8)))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", levels())
def test_pieces_are_those_of_the_automaton(name: str, pattern: str) -> None:
    with level(name):
        splitter = dstok.Splitter(pattern)
        program = splitter._cascade
        assert isinstance(program, Program)
        pages, numbers = program.alphabet.pages()
        scanner = Scanner(pages, numbers, pack_edges(program.dfa.edges, pages[:128]), program.dfa.symbols)
        for seed in seeds(100_000, 60):
            text = texts(seed)
            ends = list(accumulate(len(piece.encode()) for piece, _ in program.pieces(text)))
            spans = list(zip([0, *ends], ends))
            assert [(start, end) for start, end, _ in scanner.spans(text.encode())] == spans, text
            assert [tuple(span) for span in splitter.spans(text).tolist()] == spans, text
            stream = splitter.stream()
            cut = seed % (len(text) + 1)
            assert stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.finish() == splitter.split(text), (text, cut)


def test_a_run_is_skipped_to_the_borders() -> None:
    """A run without an end takes linear time from each of its places: the borders that it passes are remembered."""
    splitter = dstok.Splitter("a+b|a")
    text = "a" * 300_000
    assert splitter.count(text) == len(text)
