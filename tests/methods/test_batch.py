"""Batches: what single calls give, whatever the threads, the order of errors, and what happens in the middle."""

from __future__ import annotations

import _thread
import gc
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_models import V3 as TOK
from reference import DEEP, examples
from text_strategies import texts as any_text

import dstok
from dstok._util.threads import map_by_threads
from dstok.core.encode.memory import MAX_WORKSPACES

PART = 1 << 16  # bytes of texts that a thread takes at once: core/encode/batch
THREADS = [1, 2, 3, 8]
CALLS = ["encode_batch", "encode_batch_arrays", "count_batch"]
LONG = "Some words, 中文 and é. <｜User｜> 1234567\r\n" * 1600  # longer than a part
GIANT = LONG * 20


def results(batch: Sequence[str | bytes], threads: int, **options: Any) -> list[list[list[int]]]:
    """What the three calls give, in one form."""
    lists = TOK.encode_batch(batch, num_threads=threads, **options)
    flat, offsets = TOK.encode_batch_arrays(batch, num_threads=threads, **options)
    assert (flat.dtype, offsets.dtype, len(offsets)) == (np.uint32, np.int64, len(batch) + 1)
    rows = [flat[start:end].tolist() for start, end in zip(offsets, offsets[1:])]
    assert offsets[-1] == len(flat)
    assert TOK.count_batch(batch, num_threads=threads, **options) == [len(row) for row in lists]
    return [lists, rows]


def at_rest(tok: dstok.Tokenizer = TOK) -> bool:
    """Whether all workspaces are back."""
    made, resting = tok._encoder.pool.workspaces()
    return made == resting <= MAX_WORKSPACES


def mixture(seed: int, count: int) -> list[str | bytes]:
    """Texts of all lengths, as str and as bytes, and empty ones between them."""
    rng = random.Random(seed)
    sizes = (0, 0, 1, 10, 100, 5000, len(LONG))
    cut = [LONG[(at := rng.randrange(len(LONG))) : at + rng.choice(sizes)] for _ in range(count)]
    return [text.encode() if rng.random() < 0.5 else text for text in cut]


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("batch", [
    [], [""], [b""], ["", b"", ""], ["a"], [LONG], [GIANT, ""], ["", GIANT], [LONG] * 9, ["a b"] * 20_000,
    [""] * 20_000,
    [b"x" * (PART - 17)] * 5, [b"x" * (PART - 16)] * 5, mixture(1, 300), [GIANT, *mixture(2, 50), GIANT.encode()],
], ids=["none", "empty", "empty bytes", "three empty", "one", "long", "giant first", "giant last", "parts", "many",
        "many empty", "below parts", "exact parts", "mixture", "giants and mixture"])
def test_as_single_calls(batch: list[str | bytes], threads: int) -> None:
    expected = [TOK.encode(text) for text in batch]
    for found in results(batch, threads):
        assert found == expected
    assert at_rest()


@examples(100)
@given(st.lists(any_text | any_text.map(str.encode), max_size=12), st.sampled_from(THREADS), st.sampled_from([1, 900]))
def test_any_texts(batch: list[str | bytes], threads: int, times: int) -> None:
    batch = [text * times for text in batch]
    expected = [TOK.encode(text) for text in batch]
    assert results(batch, threads) == [expected, expected]


@pytest.mark.parametrize("threads", THREADS)
def test_options(threads: int) -> None:
    batch: list[str | bytes] = [LONG, b"\xff" + LONG.encode() + b"\xe4", "\ud800" + LONG, *mixture(3, 60)]
    for special in ("all", "none", {"<｜User｜>"}):
        expected = [TOK.encode(text, special=special, errors="replace") for text in batch]
        for found in results(batch, threads, special=special, errors="replace"):
            assert found == expected


@pytest.mark.parametrize("call", CALLS)
def test_iterables(call: str) -> None:
    """A generator is gone through once; a list may change while it is encoded, a single text is none."""
    batch = mixture(4, 40)
    expected = getattr(TOK, call)(batch, num_threads=2)
    for texts in ((text for text in batch), tuple(batch), iter(batch)):
        found = getattr(TOK, call)(texts, num_threads=2)
        assert all(map(np.array_equal, found, expected)) if call == "encode_batch_arrays" else found == expected
    for text in ("text", b"text"):
        with pytest.raises(TypeError, match="expected a list of texts, found one text"):
            getattr(TOK, call)(text)


def broken_generator() -> Iterator[str]:
    yield LONG
    raise LookupError("no more")


@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_batch(call: str) -> None:
    for batch, error, message in (
            ([LONG, None], TypeError, "as text 1, found NoneType"), (["a", float("nan")], TypeError, "as text 1, found float"),
            (broken_generator(), LookupError, "no more"), (7, TypeError, "int")):
        with pytest.raises(error, match=message):
            getattr(TOK, call)(batch, num_threads=2)
    with pytest.raises(ValueError, match="threads to be at least 1, found 0"):
        getattr(TOK, call)(["a"], num_threads=0)
    assert at_rest()


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("places", [(0,), (39,), (0, 39), (10, 30, 39), (13, 14, 15), (38, 39), tuple(range(40))])
def test_the_first_texts_error(call: str, threads: int, places: tuple[int, ...]) -> None:
    """Every text is a part, so that any thread may meet any of the errors, and one several."""
    batch: list[str | bytes] = [LONG] * 40
    for place in places:
        batch[place] = LONG + "\udc00" + LONG if place % 2 else LONG.encode() + b"\xff" + LONG.encode()
    offset = len(LONG) if places[0] % 2 else len(LONG.encode())
    with pytest.raises(dstok.TextError, match=rf"of text {places[0]}$") as caught:
        getattr(TOK, call)(batch, num_threads=threads)
    assert caught.value.offset == offset
    assert at_rest()
    assert TOK.encode_batch([LONG] * 3, num_threads=threads) == [TOK.encode(LONG)] * 3


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("call", CALLS)
def test_the_first_added_token(call: str, threads: int) -> None:
    plain = LONG.replace("<｜User｜>", "")
    batch = [plain, plain, plain + "<｜User｜>", plain, plain, "é<｜Assistant｜>" + plain, plain]
    with pytest.raises(dstok.SpecialTokenError) as caught:
        getattr(TOK, call)(batch, num_threads=threads, special="raise")
    assert (caught.value.token, caught.value.offset) == ("<｜User｜>", len(plain.encode()))
    assert at_rest()


START = _thread.start_new_thread


def interrupting(work: Callable[[int], None], args: tuple[int], *, before: bool) -> int:
    """Starts a thread that sends Ctrl-C to the main one, before its work or after it."""
    def run() -> None:
        if before:
            _thread.interrupt_main()
        work(*args)
        if not before:
            _thread.interrupt_main()

    return START(run, ())


def wait_for_an_interrupt() -> None:
    """In short waits: a wait that has begun goes on to its end when another thread sends the interrupt."""
    for _ in range(2000):
        threading.Event().wait(0.01)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell's background job starts with interrupts ignored.

    Hypothesis is called at each collection of garbage. Python ignores an interrupt that comes up in such a call.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    callbacks, gc.callbacks[:] = gc.callbacks[:], []
    yield
    gc.callbacks[:] = callbacks
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", [False, True])
def test_an_interrupt_in_the_middle(monkeypatch: pytest.MonkeyPatch, call: str, before: bool, fault: bool) -> None:
    """It comes through, also where a text has an error, and workspaces come back as soon as the threads are done."""
    batch = [LONG] * 60 + [LONG + "\ud800"] * fault + [LONG] * 60
    others = _thread._count()
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", partial(interrupting, before=before))
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come up at any place of these
            try:
                getattr(TOK, call)(batch, num_threads=2)
            except dstok.TextError:
                assert fault and not before
            wait_for_an_interrupt()  # one after the work may come a moment after the answer
    while _thread._count() > others:
        threading.Event().wait(0.01)
    assert at_rest()
    assert TOK.encode_batch([LONG] * 3, num_threads=3) == [TOK.encode(LONG)] * 3


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("call", ["split_batch", "count_batch", "spans_batch"])
def test_an_interrupt_of_a_splitter(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Its batches have the threads of a tokenizer's."""
    splitter = dstok.Splitter(r"\w+|\W+")
    others = _thread._count()
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", partial(interrupting, before=True))
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the thread may begin after the call
            getattr(splitter, call)(["a b " * 100_000] * 12, num_threads=2)
            wait_for_an_interrupt()
    while _thread._count() > others:
        threading.Event().wait(0.01)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("end", [_thread.interrupt_main, partial(int, "x")])
@pytest.mark.parametrize("threads", THREADS)
def test_parts_after_an_interrupt_or_an_error(end: Callable[[], object], threads: int) -> None:
    """No thread takes another part, and none still works after the exception."""
    taken: list[int] = []

    def work(part: int) -> None:
        taken.append(part)
        if part == 5:
            end()
        if part > 5:
            threading.Event().wait(0.001)  # all of them would take minutes

    with pytest.raises((KeyboardInterrupt, ValueError)):
        map_by_threads(work, range(100_000), threads)
    count = len(taken)
    assert 5 < count < 100_000
    threading.Event().wait(0.02)
    assert len(taken) == count


@pytest.mark.parametrize("possible", [0, 1])
def test_threads_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, possible: int) -> None:
    """The batch is done by those that there are."""
    batch = mixture(5, 200)
    expected = [TOK.encode(text) for text in batch]
    started: list[tuple[int]] = []

    def may_start(work: Callable[[int], None], args: tuple[int]) -> int:
        started.append(args)
        if len(started) % (possible + 1) == 0:
            raise RuntimeError("can't start new thread")
        return START(work, args)

    monkeypatch.setattr(_thread, "start_new_thread", may_start)
    assert results(batch, 4) == [expected, expected]
    assert len(started) == 3 * (possible + 1)
    assert at_rest()


@pytest.mark.parametrize("call", CALLS)
def test_threads_that_never_begin(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """As when there is no memory for their first Python frame; and those that begin when all is done."""
    batch, late = mixture(6, 200), []
    expected = getattr(TOK, call)(batch, num_threads=1)
    monkeypatch.setattr(_thread, "start_new_thread", lambda work, args: late.append((work, args)))
    found = getattr(TOK, call)(batch, num_threads=4)
    assert all(map(np.array_equal, found, expected)) if call == "encode_batch_arrays" else found == expected
    assert len(late) == 3
    for work, args in late:
        work(*args)
    assert at_rest()


def test_batches_at_once() -> None:
    """Six threads with batches of their own, more than there are workspaces."""
    batches = [mixture(seed, 60) for seed in range(6)]
    expected = [[TOK.encode(text) for text in batch] for batch in batches]
    barrier = threading.Barrier(6)

    def run(number: int) -> bool:
        barrier.wait()
        turns = [((number + step) % 6, step % 3 + 1) for step in range(6)]
        return all(results(batches[turn], threads) == [expected[turn]] * 2 for turn, threads in turns)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(run, range(6)))
    assert at_rest()


def test_batches_inside_a_batch() -> None:
    """Texts whose generator encodes batches itself."""
    def inner() -> Iterator[str]:
        for number in range(5):
            yield TOK.decode(TOK.encode_batch([f"text {number}", LONG], num_threads=2)[0])

    assert TOK.encode_batch(inner(), num_threads=2) == [TOK.encode(f"text {number}") for number in range(5)]


@pytest.mark.parametrize("threads", THREADS)
def test_the_collector_sees_finished_lists(threads: int) -> None:
    """Callers may put a list into itself: then only the garbage collector can free it."""
    lists = TOK.encode_batch(["", "a b", *["c"] * 1000, LONG], num_threads=threads)
    assert gc.is_tracked(lists) and all(map(gc.is_tracked, lists))
    with pytest.raises(dstok.TextError):
        TOK.encode_batch(["a b", b"\xff"], num_threads=threads)


def test_arrays_are_not_written_to_again() -> None:
    """Arrays of batches, some dropped and some kept, while their memory is used again."""
    rng, kept = random.Random(7), []
    for step in range(200 if DEEP else 40):
        batch = mixture(step, 20) + [GIANT] * rng.randint(0, 2)
        flat, offsets = TOK.encode_batch_arrays(batch, num_threads=rng.choice(THREADS))
        kept.append((flat, flat.copy(), offsets, offsets.copy()))
        kept.append((flat[len(flat) // 2 :], flat[len(flat) // 2 :].copy(), offsets, offsets.copy()))
        rng.shuffle(kept)
        del kept[8:]
        del flat
        assert all(np.array_equal(flat, ids) and np.array_equal(ends, lengths) for flat, ids, ends, lengths in kept)


def leaked(call: Callable[[], object], watched: object) -> tuple[int, int]:
    """How many blocks of Python's memory ten calls leave behind, warm, and all calls of references to `watched`.

    A helping thread that has done its work holds the batch until it has ended, a moment after the call: it is waited for.
    """
    references = sys.getrefcount(watched)

    def settled() -> int:
        for _ in range(1000):
            gc.collect()
            if sys.getrefcount(watched) <= references:
                break
            time.sleep(0.01)
        return sys.getallocatedblocks()

    for _ in range(3):
        call()
    blocks = settled()
    for _ in range(10):
        call()
    return settled() - blocks, sys.getrefcount(watched) - references


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("threads", [1, 3])
def test_nothing_stays(call: str, threads: int) -> None:
    """Not of batches that go well, nor of those that fail: each would leave an object a text, thread or part."""
    good, bad = [LONG] * 20, [LONG] * 20 + ["\udc00"] + [LONG] * 20

    def fails() -> None:
        with pytest.raises(dstok.TextError):
            getattr(TOK, call)(bad, num_threads=threads)

    for run in (lambda: getattr(TOK, call)(good, num_threads=threads), fails):
        blocks, references = leaked(run, LONG)
        assert references <= 0
        assert blocks < 20
    assert at_rest()


SHORT_OF_MEMORY = """
import resource, sys
import dstok, numpy
tok, warm = dstok.load("deepseek-v3"), dstok.load("deepseek-v3")
text = "Some words, 12345 and more.\\n" * 20000
batch = [text] * 12
expected = warm.encode(text)
warm.encode_batch(["a"])  # imports what a batch needs
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
fine = short = 0
for more in [*range(1 << 20, 200 << 20, 15 << 20), 1 << 32]:
    for call in ("encode_batch", "encode_batch_arrays", "count_batch"):
        resource.setrlimit(resource.RLIMIT_AS, (size + more, resource.RLIM_INFINITY))
        try:
            found = getattr(tok, call)(batch, num_threads=3)
            fine += 1
        except MemoryError:
            found = None
            short += 1
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        if found is not None:
            lists = found
            if call == "count_batch":
                lists = [expected[:n] for n in found]
            elif call == "encode_batch_arrays":
                lists = [found[0][a:b].tolist() for a, b in zip(found[1], found[1][1:])]
            assert lists == [expected] * 12
            del lists
        made, resting = tok._encoder.pool.workspaces()
        assert made == resting <= 2, (made, resting)
        del found
assert tok.encode_batch(batch, num_threads=3) == [expected] * 12
print(fine, short)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space")
def test_short_of_memory() -> None:
    """Right ids or a MemoryError, and workspaces come back: under limits from much too little to enough."""
    command = [sys.executable, "-c", SHORT_OF_MEMORY]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300, check=True,
                          cwd=Path(__file__).parent)  # not the checkout, whose dstok need not be built
    fine, short = map(int, done.stdout.split())
    assert fine >= 3 and short >= 3
