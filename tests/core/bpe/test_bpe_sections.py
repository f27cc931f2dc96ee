"""Merging a long piece section by section, against slow plain BPE and upstream; that it ends, and what it costs.

Merging happens in a child process with a time limit: sections that go round in circles fail a test, they do not hang
it. One child serves all tests; one that has been ended is followed by another.
The cost is counted, not timed: bytes of all sections and borders, for each byte of text.
"""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from reference import DEEP, bpe_by_passes, naive_bpe
from shares import seeds
from small_models import Merge, both, growing_merges, model_json, text_of_tokens, upstream_ids

import dstok

LIMIT = 100  # seconds
SECTION = 2048  # bytes: the largest one, where tokens allow
DEAREST = 8  # bytes of sections and borders for each byte of text: sections are four at most, see core/bpe/merge
DOUBLES: list[Merge] = [(b"a" * 2**i, b"a" * 2**i) for i in range(14)]
Case = tuple[list[Merge], list[bytes]]
Answer = tuple[bool, list[tuple[list[bytes], int]]]


def serve() -> None:
    """The child: answers each list of cases, a pickle, until there is none."""
    while True:
        try:
            cases: list[Case] = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump([answer(*case) for case in cases], sys.stdout.buffer)
        sys.stdout.buffer.flush()


def answer(merges: list[Merge], texts: list[bytes]) -> Answer:
    """Whether the ranks are monotone, and of each text the tokens and the cost."""
    tok = dstok.Tokenizer.from_str(model_json(merges, pattern=None))
    token = [tok.decode_bytes([id]) for id in range(tok.vocab_size)]
    found = [tok._bpe.merge_with_work(text) for text in texts]
    return tok._bpe.monotone, [([token[id] for id in ids], work) for ids, work in found]


class Child:
    """Starts the process when it is asked, and again after it has ended."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        script = "import test_bpe_sections; test_bpe_sections.serve()"
        return subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=Path(__file__).parent)  # not the checkout, whose dstok need not be built

    def ask(self, cases: list[Case]) -> list[Answer]:
        self.process = process = self.process or self.start()
        assert process.stdin and process.stdout
        limit = threading.Timer(LIMIT, process.kill)
        limit.start()
        try:
            pickle.dump(cases, process.stdin)
            process.stdin.flush()
            answers: list[Answer] = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError):
            self.end()
            pytest.fail(f"merging has failed, or took more than {LIMIT} seconds")
        finally:
            limit.cancel()
        return answers

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


CHILD = Child()


@pytest.fixture(scope="module", autouse=True)
def one_child() -> Iterator[None]:
    yield
    CHILD.end()


def test_a_child_that_is_ended_fails_its_test() -> None:
    """And the next one is served by another."""
    case = [(b"a", b"b")], [b"abc"]
    check(case)
    assert CHILD.process
    CHILD.process.kill()
    with pytest.raises(pytest.fail.Exception, match="merging has failed, or took more than 100 seconds"):
        check(case)
    check(case)


def merged(cases: Sequence[Case], any_order: bool = False) -> Iterator[tuple[list[Merge], bytes, list[bytes]]]:
    """(merges, text, tokens) of each text; its cost has been checked. `any_order`: ranks need not be monotone."""
    for (merges, texts), (monotone, found) in zip(cases, CHILD.ask(list(cases)), strict=True):
        assert monotone or any_order, "merged without sweeps"
        for text, (tokens, work) in zip(texts, found, strict=True):
            assert work <= DEAREST * (len(text) + SECTION), (work, len(text))
            yield merges, text, tokens


def check(*cases: Case) -> None:
    for merges, text, tokens in merged(cases):
        assert tokens == bpe_by_passes(text, merges), text


@pytest.mark.parametrize(("before", "run", "after"), [
    (2047, 20_000, 0), (1, 9702, 2384), (3, 4096, 2441), (1182, 5056, 2882), (1, 12_035, 2775), (2, 16_384, 2755)])
def test_windows_that_went_round(before: int, run: int, after: int) -> None:
    """A section of two long tokens is made longer; then it had to give back what the one before had kept, for ever."""
    check((DOUBLES, [b"b" * before + b"a" * run + b"b" * after]))


def test_runs_of_every_length() -> None:
    """Runs between other bytes, their lengths and places anything."""
    rng = random.Random(1)
    runs = [b"a" * rng.randint(1, 20_000) if rng.random() < 0.5 else b"b" * rng.randint(1, 3000) for _ in range(900)]
    runs += [b"a" * 2 ** rng.randint(0, 14) for _ in range(300)] + [b"b"] * 300
    check((DOUBLES, [b"".join(rng.choices(runs, k=rng.randint(2, 7))) for _ in range(3000 if DEEP else 150)]))


def test_tokens_of_every_power_of_two() -> None:
    lengths = [2**power + more for power in range(15) for more in (-1, 0, 1)]
    check((DOUBLES, [b"b" * before + b"a" * length + b"b" * after
                     for length in lengths for before, after in ((0, 0), (47, 1), (SECTION - 1, 1500), (SECTION, 0))]))


def test_one_token_many_windows_long() -> None:
    """Every section within it is one token, and is doubled until the piece ends."""
    check((DOUBLES, [b"a" * 2**14, b"a" * 3 * 2**14, b"b" + b"a" * 2**14, b"a" * 2**14 + b"b"]))


@pytest.mark.parametrize("seed", seeds(400, 3))
def test_random_vocabularies_of_long_tokens(seed: int) -> None:
    rng = random.Random(seed)
    letters = b"abcdefgh"[: rng.randint(1, 8)]
    merges = growing_merges(rng, letters, rng.choice([5, 20, 60]), rng.choice([60, 500, 5000]))
    check((merges, [text_of_tokens(rng, merges, letters, rng.choice([200, 3000, 30_000])) for _ in range(6)]))


@pytest.mark.parametrize("seed", seeds(100, 3))
def test_periodic_texts(seed: int) -> None:
    """Sections that are like the one before, and those that differ in one byte."""
    rng = random.Random(seed)
    merges = growing_merges(rng, b"abc", 25, rng.choice([30, 400, 3000]))
    texts = []
    for _ in range(12):
        period = text_of_tokens(rng, merges, b"abc", rng.choice([1, 2, 3, 5, 16, 48, 49, 700]))
        text = bytearray((period * 20_000)[: rng.randint(1, 20_000)])
        for _ in range(rng.choice([0, 0, 1, 3])):
            text[rng.randrange(len(text))] = rng.choice(b"abc")
        texts.append(bytes(text))
    check((merges, texts))


def test_short_pieces_against_plain_bpe() -> None:
    """The plainest reference there is, for texts of a few sections."""
    rng = random.Random(3)
    cases: list[Case] = []
    for _ in range(200 if DEEP else 20):
        merges = growing_merges(rng, b"ab", 12, 90)
        cases.append((merges, [text_of_tokens(rng, merges, b"ab", rng.randint(145, 500)) for _ in range(3)]))
    for merges, text, tokens in merged(cases):
        assert tokens == naive_bpe(text, merges)


def in_any_order(rng: random.Random, letters: bytes, count: int, longest: int) -> list[Merge]:
    """Merges whose ranks are anything; a token is made in several ways, and some never of its own bytes."""
    merges = growing_merges(rng, letters, count, longest)
    tokens = {*(bytes([letter]) for letter in letters), *(left + right for left, right in merges)}
    others = [(made[:cut], made[cut:]) for made in sorted(tokens) for cut in range(1, min(len(made), 40))
              if made[:cut] in tokens and made[cut:] in tokens]
    merges = list(dict.fromkeys([*merges, *others]))
    rng.shuffle(merges)
    return merges


def test_short_pieces_whose_ranks_are_not_monotone() -> None:
    """Against the plainest reference, for texts of a few sections."""
    rng, odd = random.Random(4), 0
    cases: list[Case] = []
    for _ in range(400 if DEEP else 40):
        merges = in_any_order(rng, b"ab", 12, 60)
        cases.append((merges, [text_of_tokens(rng, merges, b"ab", rng.randint(145, 500)) for _ in range(3)]))
        made = {left + right: rank for rank, (left, right) in enumerate(merges)}
        odd += any(max(made.get(left, -1), made.get(right, -1)) > rank for rank, (left, right) in enumerate(merges))
    assert odd > len(cases) // 2
    for merges, text, tokens in merged(cases, any_order=True):
        assert tokens == naive_bpe(text, merges)


@pytest.mark.parametrize("seed", seeds(200, 3))
def test_long_pieces_whose_ranks_are_not_monotone(seed: int) -> None:
    """Tokens of up to thousands of bytes; upstream is the judge."""
    rng = random.Random(seed)
    letters = b"abcdefgh"[: rng.randint(2, 8)]
    merges = in_any_order(rng, letters, rng.choice([5, 20, 60]), rng.choice([8, 60, 500, 5000]))
    tok, judge = both(model_json(merges, pattern=None))
    texts = [text_of_tokens(rng, merges, letters, rng.choice([200, 3000, 30_000])) for _ in range(6)]
    for _, text, tokens in merged([(merges, texts)], any_order=True):
        assert tokens == [tok.decode_bytes([id]) for id in upstream_ids(judge, text.decode())]


@pytest.mark.parametrize("letters", [8, 60, 300])
def test_chains_from_the_end(letters: int) -> None:
    """Pairs of letters that are joined from the end of the text to its beginning, the ranks not monotone."""
    spelt = [bytes([0x30 + n // 60, 0x40 + n % 60]) for n in range(letters)]
    singles = [(word[:1], word[1:]) for word in spelt]
    merges = [*zip(spelt, spelt[1:])][::-1] + singles
    tok, judge = both(model_json(merges, pattern=None))
    ends = [b"".join(spelt[:end]) * times for end in (letters - 1, letters) for times in (1, 2, 7)]
    for _, text, tokens in merged([(merges, ends)], any_order=True):
        assert tokens == [tok.decode_bytes([id]) for id in upstream_ids(judge, text.decode())]


ONE_LONG_PIECE = """
import resource
import dstok
from small_models import model_json

tok = dstok.Tokenizer.from_str(model_json([(b"ab", b"c"), (b"a", b"b"), (b"b", b"c")], pattern=None))
assert not tok._bpe.monotone
period = b"abcdabdaabcc bcbcab"
size = (1 << 23) // len(period)
expected = tok.count(period * 1000)
assert len(tok.encode_array(period * 2000)) == 2 * expected  # loads numpy
text = period * (size // 1000 * 1000)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 16 * len(text), resource.RLIM_INFINITY))
assert tok.count(text) == size // 1000 * expected
assert len(tok.encode_array(text)) == size // 1000 * expected
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space")
def test_memory_of_one_long_piece() -> None:
    """Ranks that are not monotone: 16 bytes for each byte of the piece are enough (there had to be 59)."""
    subprocess.run([sys.executable, "-c", ONE_LONG_PIECE], check=True, cwd=Path(__file__).parents[2] / "helpers")


def chain(letters: int, power: int) -> Case:
    """Letters of 2 ** power + 2 bytes that merge in pairs, the last two first: so where a text ends says which ones,
    from its end to its beginning, and no border within it holds."""
    body = b"a" * 2**power
    pairs = [(bytes([0x62 + n // 26]), bytes([0x41 + n % 26])) for n in range(letters)]
    merges = DOUBLES[:power] + pairs + [(body, left + right) for left, right in pairs]
    spelt = [body + left + right for left, right in pairs]
    merges += [*zip(spelt, spelt[1:])][::-1]
    return merges, [b"".join(spelt[:end]) for end in (letters - 1, letters)]


@pytest.mark.parametrize("power", [0, 4, 7])
def test_borders_that_never_hold(power: int) -> None:
    check(chain(60, power))


def test_everything_is_taken_back() -> None:
    """340 KB whose first id the last byte decides; upstream is the judge."""
    merges, texts = chain(650, 9)
    tok, judge = both(model_json(merges, pattern=None))
    for _, text, tokens in merged([(merges, texts)]):
        assert tokens == [tok.decode_bytes([id]) for id in upstream_ids(judge, text.decode())]
        assert len(tokens) == 325


def test_the_cost_does_not_grow_with_the_length() -> None:
    """What ends well, then 4, 16, 64 times as much before it: all within the same bound; `merged` checks it."""
    merges, texts = chain(60, 4)
    for times in (1, 4, 16, 64):
        check((merges, [text * times for text in texts]), (DOUBLES, [(b"b" + b"a" * 9702 + b"b" * 2384) * times]))
