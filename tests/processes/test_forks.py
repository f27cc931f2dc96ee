"""Forks at any time: the child's calls give the same ids, wait for nothing, and learn."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faulty import faulty
from small_models import added_token, model_json

import dstok
from dstok._util.imports import LateModule
from dstok.core.encode.memory import MAX_WORKSPACES

TEXT = "Some words, 12345 中文 and <｜User｜> é.\n" * 20
SMALL = model_json([(b"a", b"b"), (b"ab", b"a")], [added_token("<x>", lstrip=True, normalized=True)])

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")


def in_child(call: Callable[[], bool]) -> bool:
    """Whether the call is true in a forked child; one that waits for something is ended after a minute."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(60)
            code = 0 if call() else 2
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@contextmanager
def busy(tok: dstok.Tokenizer, call: Callable[[], object], threads: int) -> Iterator[None]:
    """Threads that call again and again, without a pause."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            call()

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in running:
            thread.join()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_workspaces_that_a_fork_has_lost(threads: int) -> None:
    """The child makes new ones in their place: as many come to rest there as a tokenizer keeps."""
    tok = dstok.Tokenizer.from_str(SMALL)
    text, small = "ab aba <x> é " * 200_000, "ab aba <x> é " * 10
    expected, lost = tok.encode(small), 0

    def child() -> bool:
        for _ in range(3):
            assert tok.encode(small) == expected
        assert tok.encode_batch([small * 2000] * 4, num_threads=2) == [tok.encode(small * 2000)] * 4
        made, resting = tok._encoder.pool.workspaces()
        return 1 <= made == resting <= MAX_WORKSPACES

    with busy(tok, lambda: tok.count(text), threads):
        for _ in range(200):
            before = tok._encoder.pool.workspaces()
            lost += before[0] - before[1] == min(threads, MAX_WORKSPACES)
            assert in_child(child)
            if lost == 2:
                break
    assert lost, "no fork was amid calls"
    assert tok._encoder.pool.workspaces()[0] == tok._encoder.pool.workspaces()[1] == min(threads, MAX_WORKSPACES)


def test_a_child_learns() -> None:
    """It has a workspace whose table it may write to, though all were lost to it."""
    tok = dstok.load("deepseek-v3")

    def child() -> bool:
        tok.encode("qzxjkvwqzxjkvw")
        made, resting = tok._encoder.pool.workspaces()
        return made == resting >= 1

    with busy(tok, lambda: tok.count(TEXT * 3000), 2):
        while tok._encoder.pool.workspaces() != (2, 0):
            pass
        assert in_child(child)


def test_a_fork_inside_of_a_call() -> None:
    """A thread that forks amid its own call ends it in both processes; its child may call before it has."""
    tok, fault = faulty()
    text = "ABA <x> abÀ" * 40
    expected, parent = tok.encode(text), os.getpid()
    children = []

    def act() -> None:
        fault.act = lambda: None
        children.append(os.fork())
        if not children[-1]:
            signal.alarm(60)
            assert [tok.encode(text) for _ in range(3)] == [expected] * 3

    for _ in range(3):
        fault.act = act
        found = tok.encode(text)
        if os.getpid() != parent:
            made, resting = tok._encoder.pool.workspaces()
            os._exit(0 if found == expected == tok.encode(text) and made == resting == 1 else 1)
        assert found == expected and tok._encoder.pool.workspaces() == (1, 1)
        assert os.waitstatus_to_exitcode(os.waitpid(children.pop(), 0)[1]) == 0


def test_large_buffers_after_a_fork() -> None:
    """Arrays that a child has from its parent, and those it makes, and the buffers that they leave."""
    tok = dstok.load("deepseek-v3")
    text = TEXT * 1000
    array = tok.encode_array(text)

    def child() -> bool:
        held = [tok.encode_array(text) for _ in range(4)]
        same = all((made == array).all() for made in held)
        del held
        return same and bool((tok.encode_array(text) == array).all())

    with busy(tok, lambda: tok.encode_array(text), 3):
        for _ in range(2):
            assert in_child(child)


@pytest.mark.parametrize("name", ["_program", "fingerprint", "ids"])
def test_what_is_made_late(name: str) -> None:
    """A child that was forked while another thread made an attribute makes its own, and does not wait."""
    both = [dstok.Tokenizer.from_str(SMALL) for _ in range(2)]
    tok, other = [each._vocabulary for each in both] if name == "ids" else both
    made = getattr(type(tok), name)._make
    begun, go_on = threading.Event(), threading.Event()

    def slow(self: object) -> object:
        if threading.current_thread() is thread:
            begun.set()
            assert go_on.wait(60)
        return made(self)

    thread = threading.Thread(target=lambda: getattr(tok, name))
    getattr(type(tok), name)._make = slow
    try:
        thread.start()
        assert begun.wait(60)
        assert in_child(lambda: getattr(tok, name) == getattr(other, name))
        assert getattr(other, name) == getattr(tok, name)  # nor does one object wait for another one
    finally:
        go_on.set()
        thread.join()
        getattr(type(tok), name)._make = made
    assert getattr(tok, name) == getattr(other, name)


def test_a_method_that_is_imported_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork waits for a thread that imports a method's module: its child would wait for ever."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "imported_late.py").write_text("import time\ntime.sleep(0.5)\ndef five(self): return 5\n", encoding="utf-8")

    class Page:
        five = LateModule("imported_late").five

    thread = threading.Thread(target=lambda: Page().five())
    thread.start()
    while "imported_late" not in sys.modules:
        time.sleep(0.001)
    try:
        assert in_child(lambda: Page().five() == 5)
    finally:
        thread.join()
        del sys.modules["imported_late"]
