"""The command at a terminal: what is typed, what is shown. A pseudo-terminal stands for it."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_process import DSTOK, TEXT, ok
from wcwidth import wcswidth

from dstok.cli.output import Bar, Progress, watching
from dstok.io.text_files import open_source

pty = pytest.importorskip("pty")
HINT = b"dstok: waiting for input from the terminal; Ctrl-D on a line of its own ends it\r\n"
CTRL_D = b"\x04"


@contextmanager
def terminal(columns: int = 80) -> Iterator[tuple[int, int]]:
    """(our end, the command's end)."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
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


# Progress


class Watched:
    """A bar on a terminal, with a clock that is set by hand."""

    def __init__(self, columns: int = 80, wanted: bool = True) -> None:
        self.context = terminal(columns)
        self.ours, self.theirs = self.context.__enter__()
        self.now = 0.0
        self.stream = open(self.theirs, "w", encoding="utf-8", closefd=False)
        self.bar = Bar(wanted, self.stream, lambda: self.now)

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        self.stream.close()
        self.context.__exit__(None, None, None)

    def shown(self) -> list[str]:
        """What was written since the last look, line for line: each covers the one before."""
        written = b""
        while select.select([self.ours], [], [], 0)[0]:
            written += os.read(self.ours, 10_000)
        return written.decode().split("\r")


@pytest.mark.parametrize("columns", [200, 80, 40, 20, 10, 3])
@pytest.mark.parametrize("name", ["many.txt", "a/long/way/to/a/file/東京東京東京東京東京東京.txt", "line\nfeed\x1b[2J"])
@pytest.mark.parametrize("total", [4_000_000, None])
def test_a_line_of_progress_never_wraps(columns: int, name: str, total: int | None) -> None:
    with Watched(columns) as screen:
        progress = Progress(total, screen.bar)
        for done in range(10):
            screen.now += 1
            progress.update(name, lambda done=done: done * 400_000)  # type: ignore[misc]
        lines = screen.shown()
        assert len(lines) > 9 and 0 < max(map(wcswidth, lines)) < columns, lines
        assert min(map(wcswidth, lines)) >= 0, "no control characters"


def test_progress_has_a_bar_and_the_time_left() -> None:
    with Watched() as screen:
        progress = Progress(4_000_000, screen.bar)
        progress.update("many", lambda: 500_000)
        assert screen.shown() == [""], "short work is silent"
        screen.now = 3.0
        progress.update("many", lambda: 3_000_000)
        progress.update("many", lambda: 3_000_001)
        [_, line] = screen.shown()
        assert line.startswith(" 75% |███") and "| 00:01 left, 3.00M/4.00MB, " in line and line.endswith("B/s, many")
        progress.done_with(3_500_000)
        screen.now = 4.0
        progress.update("more", lambda: 500_000)
        assert screen.shown()[-1].startswith("100% |█"), "it counts all inputs together"
        screen.bar.close()
        assert not "".join(screen.shown()).strip(), "the line is wiped"
        screen.now = 9.0
        progress.update("more", lambda: 500_000)
        assert screen.shown() == [""]


def test_progress_without_a_known_size_tells_what_was_read() -> None:
    with Watched() as screen:
        progress = Progress(None, screen.bar)
        screen.now = 2.0
        progress.update("standard input", lambda: 2_000_000)
        line = screen.shown()[-1]
        assert line.startswith("2.00MB, ") and line.endswith("B/s, standard input") and "|" not in line


def test_progress_makes_way_for_other_lines() -> None:
    with Watched() as screen:
        progress = Progress(10, screen.bar)
        screen.bar.wipe()
        assert screen.shown() == [""]
        for number in (1, 2):
            screen.now += 2
            progress.update("many", lambda: 5)
            assert " 50% |" in screen.shown()[-1]
            screen.bar.wipe()
            assert screen.shown()[-1] == "", number


def test_nothing_is_shown_where_nobody_watches() -> None:
    with Watched(wanted=False) as screen:
        screen.now = 9.0
        Progress(10, screen.bar).update("many", lambda: 5)
        assert screen.shown() == [""]
    with open(os.devnull, "w") as nothing:
        assert not Bar(True, nothing, lambda: 9.0).due()


def test_all_inputs_together_are_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Watched().stream)
    sizes = {str(tmp_path / name): size for name, size in {"a": 1000, "b": 0, "c": 5000}.items()}
    for name, size in sizes.items():
        Path(name).write_bytes(bytes(size))
    with watching([*sizes, str(tmp_path / "none")]) as progress:
        assert progress.total == 6000
        for name in sizes:
            with open_source(name, progress) as source:
                source.read_all()
        assert progress.passed == 6000
    with watching([*sizes, os.devnull]) as progress:
        assert progress.total is None


def test_a_command_shows_its_progress_and_leaves_nothing_of_it() -> None:
    with terminal() as (ours, theirs), subprocess.Popen(
            [*DSTOK, "count"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs) as process:
        assert process.stdin is not None
        shown = b""
        while b"B/s, standard input" not in shown:
            process.stdin.write(TEXT * (1_100_000 // len(TEXT)))
            process.stdin.flush()
            if select.select([ours], [], [], 0.3)[0]:
                shown += os.read(ours, 10_000)
        out, _ = process.communicate(timeout=60)
        shown += os.read(ours, 10_000)
        assert process.returncode == 0 and out.strip().isdigit()
        assert shown.endswith(b"\r") and not shown.split(b"\r")[-2].strip()


def test_verify_shows_its_progress_in_a_narrow_terminal() -> None:
    with terminal(40) as (ours, theirs), subprocess.Popen(
            [*DSTOK, "verify", "dstok:deepseek-v3", "--seconds", "2", "--allow-incomplete"],
            stdout=subprocess.PIPE, stderr=theirs) as process:
        shown = b""
        while process.poll() is None:
            if select.select([ours], [], [], 0.2)[0]:
                shown += os.read(ours, 10_000)
        lines = shown.decode().split("\r")
        assert process.returncode == 0
        assert any("% |" in line and " s left, " in line for line in lines), lines
        assert max(map(wcswidth, lines)) < 40 and not lines[-1] and not lines[-2].strip()


def test_a_short_command_does_not_load_what_draws() -> None:
    code = "import sys; from dstok.cli.app import main; main(sys.argv[1:]); print({'tqdm', 'wcwidth'} & {*sys.modules})"
    with terminal() as (_, theirs):
        done = subprocess.run([sys.executable, "-c", code, "count", os.devnull], stdout=subprocess.PIPE, stderr=theirs,
                              timeout=60)
    assert done.stdout == b"0\nset()\n"
