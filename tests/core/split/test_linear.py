"""The scan is linear: what one piece has read in vain, the next does not read again; and the pieces stay the same.

Work is counted, not timed: `passed` is how many borders, 64 bytes apart or more, runs of the automaton have passed
after a place where their piece may end. Without a memo it grows with the square of the text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kept import kept
from pattern_strategies import Fragment, fragments
from reference import examples
from shares import seeds
from small_models import both, model_json, upstream_ids

import dstok
from dstok.conformance.naive import Cascade, alternatives_of
from dstok.core.check.proofs import check_edges
from dstok.core.encode.encoder import Encoder
from dstok.core.split.automaton import Scanner, pack_edges
from dstok.errors import UnsupportedError
from dstok.regex import Split
from dstok.regex.alphabet import Alphabet, build_alphabet
from dstok.regex.cascade import compile_splits
from dstok.regex.dfa import DEAD, DFA, KEEP, MOVE, MOVE_SET_1, NO_TAG, OPERATION, SET_0, SET_1
from dstok.unicode.properties import CodePointSet

BORDER = 64  # bytes between two borders, of automata with no more states
HOSTILE = {
    "one run": "a*b|a", "two kinds of starts": "(?:aa)*b|a", "77 kinds of starts": "(?:a{7})*b|(?:a{11})*b|a",
    "two ends": "a*b|(?:aaa)*c|a", "at the end": "a+$|a", "wide": "[é漢]*b|[é漢]", "tags": "<[^>]*>|[^>]",
    "two tags": "[ab]*c|a|b", "words": r"(?:[a-z]+ )+!|[a-z]+| ",
}
RUNS = {"two tags": "ab", "wide": "é漢", "tags": "<", "words": "ab c "}


def naive_spans(alphabet: Alphabet, dfa: DFA, text: str) -> list[tuple[int, int, int]]:
    """(start, end, tag) of the pieces in bytes, each found from its start alone."""
    symbols = [alphabet.class_of(char) for char in text]
    places = [0]
    for char in text:
        places.append(places[-1] + len(char.encode()))
    found, at = [], 0
    while at < len(text):
        match = dfa.longest(symbols, at)
        assert match is not None and match[0] > at
        found.append((places[at], places[match[0]], match[1]))
        at = match[0]
    return found


def check(alphabet: Alphabet, dfa: DFA, text: str) -> None:
    """The pieces are the naive scan's, and the work is within what states and pieces allow, however far the borders."""
    pages, page_numbers = alphabet.pages()
    edges, data = pack_edges(dfa.edges, pages[:128]), text.encode()
    expected = naive_spans(alphabet, dfa, text)
    for shift in (0, 2, 4, -1):
        scanner = Scanner(pages, page_numbers, edges, dfa.symbols, shift)
        assert scanner.spans(data) == expected
        rows = len(data) // (1 << shift if shift >= 0 else max(BORDER, len(dfa.edges))) + 1
        assert scanner.scan(data)[1] <= len(expected) + (len(dfa.edges) + 1) * rows


# Automata made at random: of one place, and of two.

CHARS = "abé漢"
ALPHABET = build_alphabet([CodePointSet.from_chars(char) for char in CHARS])


def operations(source: int, target: int) -> list[int]:
    """What an edge may do: odd states keep two places, even ones one, and 2 none yet."""
    if source == 2:
        return [SET_0]
    if source % 2 == 0:
        return [SET_1] if target % 2 else [*[NO_TAG] * (2 if target == DEAD else 8), SET_0, KEEP]
    if target == DEAD:
        return [NO_TAG, MOVE, SET_0, KEEP]
    return [*[NO_TAG] * 8, MOVE_SET_1, SET_1, KEEP] if target % 2 else [NO_TAG, MOVE]


@st.composite
def automata(draw: st.DrawFn) -> DFA:
    """Automata that seldom die, so that pieces read far."""
    states, symbols = draw(st.integers(4, 12)), len(ALPHABET.classes) + 1
    life = draw(st.sampled_from([10, 40, 1000]))

    def edge(source: int, target: int) -> tuple[int, int]:
        operation = draw(st.sampled_from(operations(source, target)))
        return target, NO_TAG if operation == NO_TAG else operation * OPERATION + draw(st.integers(0, 1))

    def row(source: int) -> tuple[tuple[int, int], ...]:
        targets = st.integers(1, (states - 1) // 2).map(lambda half: 2 * half) if source == 2 else st.integers(3, states)
        found = [draw(targets) if draw(st.integers(0, life)) or source == 2 else DEAD for _ in range(symbols - 1)]
        return tuple(edge(source, target) for target in [*found, DEAD])

    start = tuple((2, NO_TAG) for _ in range(symbols - 1))
    return DFA((((DEAD, NO_TAG),) * symbols, (*start, (DEAD, NO_TAG)), *(row(state) for state in range(2, states + 1))))


units = st.text(st.sampled_from(CHARS), min_size=1, max_size=4)
texts = st.lists(st.tuples(units, st.integers(1, 120)), min_size=1, max_size=4).map(
    lambda runs: "".join(unit * count for unit, count in runs)[:500])


@examples(300)
@given(automata(), texts)
def test_automata(dfa: DFA, text: str) -> None:
    pages, _ = ALPHABET.pages()
    check_edges(pack_edges(dfa.edges, pages[:128]), pages[:128], dfa.symbols)
    check(ALPHABET, dfa, text)


# Patterns.

CHARACTERS = ["a", "b", "é", " "]
SETS = ["[ab]", "[^a]", r"\s", "."]


@examples(200)
@given(st.lists(fragments(CHARACTERS, SETS, ["(?=a)", "(?!b)", "$", r"(?!\S)"]), min_size=1, max_size=2),
       st.sampled_from(["", "|a", "|[ab]", r"|\s", "|."]), texts)
def test_patterns(steps: list[Fragment], single: str, text: str) -> None:
    """Steps of all kinds, with an alternative of one character after them."""
    try:
        program = compile_splits([Split(step.text + single) for step in steps])
    except UnsupportedError:
        assume(False)
    for dfa in (program.boundaries, program.dfa):
        check(program.alphabet, dfa, text.replace("漢", " "))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_patterns(name: str) -> None:
    program, run = compile_splits([Split(HOSTILE[name])]), RUNS.get(name, "a")
    for end in ("", "b", "c", "a", "!", "é"):
        for dfa in (program.boundaries, program.dfa):
            check(program.alphabet, dfa, (run * 600)[:600] + end + (run * 200)[:200])


# All ways in.


@kept()
def tokenizer(name: str) -> dstok.Tokenizer:
    """Of one of the hostile patterns, without merges."""
    return dstok.Tokenizer.from_str(model_json(pattern=HOSTILE[name]))


@pytest.mark.parametrize("name", HOSTILE)
def test_ids_are_upstreams(name: str) -> None:
    ours, judge = both(model_json([(b"a", b"a")], pattern=HOSTILE[name]))
    run = RUNS.get(name, "a")
    for text in (run * 1500, run * 800 + "b" + run * 700, "é" + run * 500 + "c" + run * 500):
        assert ours.encode(text) == upstream_ids(judge, text)


def allowed(tok: dstok.Tokenizer, size: int) -> int:
    """How many borders a call may pass over a text of `size` bytes: as in `check`, and twice for portions that grow."""
    states = len(tok.inspect().automaton.boundaries.edges)
    return size + 2 * (states + 1) * (size // max(BORDER, states) + 1)


@pytest.mark.parametrize("name", [[*HOSTILE][number] for number in seeds(len(HOSTILE), 4)])
def test_every_call(name: str) -> None:
    """Over a run in each width of storage, in place and in portions."""
    tok, run = tokenizer(name), RUNS.get(name, "a")
    calls: list[Callable[[Any], Iterable[int]]] = [
        tok.encode, tok.encode_array, lambda text: tok.encode_batch([text])[0],
        lambda text: tok.encode_with_offsets(text).ids if isinstance(text, str) else tok.encode(text)]
    for text in (run * (70_000 // len(run)), "漢" + run * (70_000 // len(run))):
        data = text.encode()
        for call, form in product(calls, (text, data)):
            before = tok._encoder.pool.passed()
            assert list(call(form)) == list(data)
            assert 0 < tok._encoder.pool.passed() - before <= allowed(tok, len(data))


def test_a_megabyte() -> None:
    """It would have taken hours, without the GIL, deaf to signals."""
    tok = dstok.Tokenizer.from_str(model_json(pattern="a*b|a"))
    assert tok.count("a" * 1_000_000) == 1_000_000
    assert tok._encoder.pool.passed() <= allowed(tok, 1_000_000)


def test_a_text_that_is_normalized() -> None:
    """It is encoded in portions of its own."""
    file = json.loads(model_json(pattern="a*b|a")) | {"normalizer": {"type": "NFC"}}
    tok = dstok.Tokenizer.from_str(json.dumps(file))
    for text in ("e\u0301" + "a" * 100_000, "a" * 100_000 + "e\u0301" + "a" * 100_000):
        before = tok._encoder.pool.passed()
        assert tok.encode(text) == list(text.replace("e\u0301", "é").encode())
        assert 0 < tok._encoder.pool.passed() - before <= allowed(tok, len(text))


class Counting:
    """An encoder that counts the bytes that it is given to encode in parts."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.bytes = encoder, 0

    def encode_part(self, text: bytearray, at: int, *others: Any) -> Any:
        self.bytes += len(text) - at
        return self.encoder.encode_part(text, at, *others)


@pytest.mark.parametrize("size", [(1, 13, 1000, 30_000)[number] for number in seeds(4, 2)])
@pytest.mark.parametrize("name", HOSTILE)
def test_streams(name: str, size: int) -> None:
    """Text that is not sure is looked at again, but seldom; and each look is linear."""
    tok, run = tokenizer(name), RUNS.get(name, "a")
    for text in (run * (40_000 // len(run)), "c".join(run * count for count in range(200)), (run * 300 + "cb") * 60):
        data, stream, before = text.encode(), tok.encode_stream(), tok._encoder.pool.passed()
        stream._encoder._encoder = counting = Counting(tok._encoder)  # type: ignore[assignment]
        found = [id for at in range(0, len(data), size) for id in stream.feed_list(data[at : at + size])]
        assert found + stream.finish_list() == list(data)
        assert len(data) <= counting.bytes <= 4 * len(data) + 2 * size
        assert tok._encoder.pool.passed() - before <= allowed(tok, counting.bytes)


# The slow pieces of the conformance kit.


class CountedRows(tuple[Any, ...]):
    """The rows of an automaton, which count how often one is looked at."""

    looks = 0

    def __getitem__(self, state: Any) -> Any:
        self.looks += 1
        return super().__getitem__(state)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_cascade_of_the_conformance_kit(name: str) -> None:
    """Its pieces are the automaton's, and it looks at each character of a text a bounded number of times."""
    splits, run = [Split(HOSTILE[name])], RUNS.get(name, "a")
    program, looks = compile_splits(splits), []
    for size in (500, 1000, 2000):
        text = (run * size)[:size]
        cascade = Cascade(alternatives_of(splits, "16.0"))
        (step,) = cascade.steps
        rows = [CountedRows(dfa.edges) for dfa in step]
        cascade.steps = [[DFA(counted) for counted in rows]]
        assert cascade.pieces(text) == [piece for piece, _ in program.pieces(text)]
        looks.append(sum(counted.looks for counted in rows))
    assert looks[1] <= 2.5 * looks[0]
    assert looks[2] <= 2.5 * looks[1]
