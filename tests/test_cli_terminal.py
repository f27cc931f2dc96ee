"""The command at a terminal: what is typed, what is shown. A pseudo-terminal stands for it."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cli_process import DSTOK, ok

pty = pytest.importorskip("pty")
HINT = b"dstok: waiting for input from the terminal; Ctrl-D on a line of its own ends it\r\n"
CTRL_D = b"\x04"


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """(our end, the command's end)."""
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def typed(words: list[str], keys: bytes, *, stderr_too: bool = True) -> tuple[bytes, bytes]:
    """What a command writes for what is typed once it has said that it waits; and what the terminal shows before."""
    with terminal() as (ours, theirs):
        with subprocess.Popen([*DSTOK, *words], stdin=theirs, stdout=subprocess.PIPE,
                              stderr=theirs if stderr_too else subprocess.PIPE) as process:
            shown = b""
            try:
                while stderr_too and not shown.endswith(b"\n"):
                    assert select.select([ours], [], [], 60)[0], "it waits without a word"
                    shown += os.read(ours, 1000)
                os.write(ours, keys)
                out, error = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 0
        return out, shown if stderr_too else error


@pytest.mark.parametrize("words", [["count"], ["encode"], ["dump"], ["pieces", "-"], ["count", "--jsonl"]])
def test_one_end_ends_what_is_typed(words: list[str]) -> None:
    text = b'{"text": "Hello world"}\n' if "--jsonl" in words else b"Hello\nworld\n"
    assert typed(words, text + CTRL_D) == (ok(*words, stdin=text), HINT)


def test_ids_can_be_typed() -> None:
    assert typed(["decode"], b"19923 2058\n" + CTRL_D) == (b"Hello world", HINT)


def test_nothing_typed_is_the_empty_text() -> None:
    assert typed(["count"], CTRL_D) == (b"0\n", HINT)


def test_standard_error_in_a_file_holds_no_hint() -> None:
    assert typed(["count"], b"Hello\n" + CTRL_D, stderr_too=False) == (b"2\n", b"")


def test_a_terminal_named_twice_is_read_twice() -> None:
    with terminal() as (ours, theirs):
        os.write(ours, b"Hello\n" + CTRL_D + b"Hello world\n" + CTRL_D)
        done = subprocess.run([*DSTOK, "count", "-", "-"], stdin=theirs, capture_output=True, timeout=60)
    assert done.stdout == b"2\t-\n3\t-\n5\ttotal\n"
