"""`dstok view` as a process of its own, at its address."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli_process import DSTOK


def started(*words: str) -> tuple[subprocess.Popen[str], str]:
    """The process and the address that it printed."""
    process = subprocess.Popen([*DSTOK, "view", "--no-browser", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"dstok view: (http://127\.0\.0\.1:\d+/[\w-]{22}/) \(Ctrl-C ends it\)\n", line)
    if not found:
        process.kill()
        raise AssertionError(line + process.communicate()[1])
    return process, found[1]


@contextmanager
def served(file: Path | None = None, *words: str) -> Iterator[str]:
    """The address of a view of a file, or of none."""
    process, address = started(*([str(file)] if file else []), *words)
    try:
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        try:
            words = process.communicate(timeout=30)[1]
        finally:
            process.kill()  # where SIGINT is ignored, as in a job of a shell's background, it would stay
        assert (process.returncode, words.strip()) == (0, "")
