"""A fork of this process that serves an object, and the control of a process from outside.

In: an object, a mapped file. Out: `Forked`, with the part of Popen that the runner needs. Invariant: only processes
that were started here are ended.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import IO, Any

from dstok.testing.adapters import CandidateError, engine_of
from dstok.testing.child import serve

__all__ = ["Forked", "is_stopped", "kill"]


class Forked:
    """The fork."""

    def __init__(self, thing: Any, control: mmap.mmap, memory: int) -> None:
        if not hasattr(os, "fork"):
            raise CandidateError("this system cannot fork: name the tokenizer by a spec such as MODULE:NAME")
        engine = engine_of(thing)
        request_out, request_in = os.pipe()
        answer_out, answer_in = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(request_in)
            os.close(answer_out)
            self._serve(engine, request_out, answer_in, control, memory)
        os.close(request_out)
        os.close(answer_in)
        self.stdin: IO[bytes] = os.fdopen(request_in, "wb")
        self.stdout: IO[bytes] = os.fdopen(answer_out, "rb")
        self.code: int | None = None

    @staticmethod
    def _serve(engine: Any, requests: int, answers: int, control: mmap.mmap, memory: int) -> None:
        faulthandler.disable()  # the exit code reports a crash; pytest would have it printed
        try:
            with open(os.devnull, "w", encoding="utf-8") as nothing:
                os.dup2(nothing.fileno(), 1)
                os.dup2(nothing.fileno(), 2)
            serve(engine, os.fdopen(requests, "rb"), os.fdopen(answers, "wb"), control, memory, True)
        finally:
            os._exit(0)

    def wait(self, seconds: float) -> int:
        end = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                raise subprocess.TimeoutExpired("fork", seconds)
            else:
                time.sleep(0.005)
        return self.code

    def kill(self) -> None:
        kill(self.pid)


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped a process; False where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False


def kill(pid: int) -> None:
    """Ends a process that this one started; 0 would end all of this one's group."""
    assert pid > 0
    with suppress(OSError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
