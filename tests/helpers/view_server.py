"""`dstok view` as a process of its own, at its address."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli_process import DSTOK


def started(*words: str) -> tuple[subprocess.Popen[str], str]:
    """The process and the address that it printed."""
    restore = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - as in a shell's foreground
    process = subprocess.Popen([*DSTOK, "view", "--no-browser", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=None if sys.platform == "win32" else restore)
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
            complaint = process.communicate(timeout=30)[1]
        finally:
            process.kill()
        assert (process.returncode, complaint.strip()) == (0, "")
