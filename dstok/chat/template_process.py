"""Untrusted templates, rendered in a process with limits of memory, processor time and stack.

In: the arguments of `sandbox.rendered`. Out: `Traced`, or a `ChatError` that names the limit.
Invariant: no template can change this process or its memory; at worst the other process ends. Its answers are
untrusted too: their length is limited, and they are read as JSON of one shape.
A process that answered is kept for the next render. There are at most `MOST`, as many as threads that render at the
same time; they end with this process. After a fork the new process starts its own.
"""

from __future__ import annotations

import atexit
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, NamedTuple

import jinja2
import markupsafe

from dstok.chat.template_values import answer_of, nonsense, request_of, text_of
from dstok.chat.traced import Traced
from dstok.errors import ChatError

__all__ = ["rendered"]

PROGRAM = Path(__file__).with_name("template_child.py")
MEMORY = 256  # MB for a render, beside the interpreter
SECONDS = 5  # of the processor
WALL = 4  # times as many seconds on the clock: another program may have the processor
TEXT = 16 << 20  # bytes of an answer
PER_BYTE = 24  # extra bytes of memory for each byte of a request: several texts of it, four bytes a character
STARTING = 60.0  # seconds for a process to start
MOST = 4  # processes
LOOK = 0.05  # seconds between looks at a process's memory where the system does not limit it
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ", "TZDIR")  # for Python's start, and the time zone


class _Limits(NamedTuple):
    """The limits of one render: higher for a longer request."""

    memory: int  # MB
    seconds: int
    answer: int  # bytes

    @classmethod
    def of(cls, request: bytes) -> _Limits:
        size = len(request)
        return cls(MEMORY + (size * PER_BYTE >> 20), SECONDS + (size >> 20), TEXT + 8 * size)


def rendered(text: str, messages: list[Any] | None, literals: dict[str, str], variables: dict[str, Any]) -> Traced:
    """Renders a template. Without messages it is only compiled, and the text is empty.

    Raises `ChatError` for errors of the template, for limits, for values outside JSON, and if no process can be
    started.
    """
    request = request_of({"text": text, "messages": messages, "literals": literals, "variables": variables})
    result = _children.ask(request, len(messages or ()))
    if isinstance(result, ChatError):
        raise result
    return result


class _Children:
    """The processes: the idle ones, and all of them."""

    def __init__(self) -> None:
        self.idle: list[_Child] = []
        self.all: set[_Child] = set()
        self.places = BoundedSemaphore(MOST)

    def ask(self, request: bytes, messages: int) -> Traced | ChatError:
        """The answer of a process. Raises `ChatError` for a limit; the process has then ended."""
        with self.places:
            child = self._take()
            keep = False
            try:
                answer = child.ask(request, _Limits.of(request))
                result = text_of(answer, messages)
                keep = answer.get("spent") is False
            finally:  # after a limit or Ctrl-C the process's state is unknown
                if keep:
                    self.idle.append(child)
                else:
                    self.all.discard(child)
                    child.end()
            return result

    def _take(self) -> _Child:
        """Takes an idle process, or starts one. Skips a process that something else has ended."""
        with suppress(IndexError):
            while (child := self.idle.pop()).process.poll() is not None:
                self.all.discard(child)
                child.end()
            return child
        child = _Child()
        self.all.add(child)
        return child

    def end(self) -> None:
        """Ends all processes when this process ends."""
        while self.all:
            self.all.pop().end()


class _Child:
    """A process, and the socket to it."""

    is_limited = True

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise ChatError("templates of strangers are not rendered on Windows, which cannot limit them: trust the "
                            "template (trusted=True) or render it elsewhere", field="template")
        self.socket, theirs = socket.socketpair()
        try:
            self.process = _started(theirs)
        finally:
            theirs.close()
        try:
            self._greet()
        except BaseException:
            self.end()
            raise

    def _greet(self) -> None:
        hello = self._received(time.monotonic() + STARTING, _Limits(MEMORY, SECONDS, TEXT))
        if hello is None or hello.get("python") != sys.version:
            raise _cannot_start()
        self.is_limited = hello.get("limited") is True

    def ask(self, request: bytes, limits: _Limits) -> dict[str, Any]:
        """Its answer to a request. Raises `ChatError` for a limit."""
        from dstok.chat.template_child import REQUEST  # Windows cannot import it

        time_left = limits.seconds * WALL
        until = time.monotonic() + time_left
        try:
            self.socket.settimeout(time_left)
            self.socket.sendall(REQUEST.pack(len(request), limits.answer, limits.memory, limits.seconds) + request)
            answer = self._received(until, limits)
        except TimeoutError:
            raise _needed(f"{time_left} seconds") from None
        except OSError:  # it ended before it read the whole request
            answer = None
        if answer is None:
            raise self._ended(limits)
        if "limit" in answer:
            raise _needed(f"{limits.memory} MB" if answer["limit"] == "memory" else f"{limits.answer:,} bytes of text")
        return answer

    def _received(self, until: float, limits: _Limits) -> dict[str, Any] | None:
        """The next answer; None if the process has ended. Raises `TimeoutError` and `ChatError`."""
        from dstok.chat.template_child import ANSWER

        header = self._bytes(ANSWER.size, until, limits)
        if len(header) < ANSWER.size:
            return None
        size = ANSWER.unpack(header)[0]
        if size > limits.answer:
            raise _needed(f"{limits.answer:,} bytes of text")
        data = self._bytes(size, until, limits)
        return None if len(data) < size else answer_of(data)

    def _bytes(self, size: int, until: float, limits: _Limits) -> bytes:
        """Reads `size` bytes, or fewer if the process has ended."""
        parts = []
        while size and (part := self._part(size, until, limits)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _part(self, size: int, until: float, limits: _Limits) -> bytes:
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left if self.is_limited else min(left, LOOK))
            try:
                return self.socket.recv(min(size, 1 << 20))
            except TimeoutError:
                if not self.is_limited and _resident(self.process.pid) > limits.memory << 20:
                    raise _needed(f"{limits.memory} MB") from None
        raise TimeoutError

    def _ended(self, limits: _Limits) -> ChatError:
        """The reason why there is no answer."""
        try:
            code = self.process.wait(1)
        except subprocess.TimeoutExpired:
            return nonsense()
        if code == -signal.SIGXCPU:
            return _needed(f"{limits.seconds} seconds")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ChatError(f"the template ended the process that it was rendered in ({how})", field="template")

    def end(self) -> None:
        """Ends the process and waits for its end."""
        self.socket.close()
        self.process.kill()
        self.process.wait()

    def forget(self) -> None:
        """After a fork: leaves the process to the parent, which still uses it."""
        self.socket.close()
        self.process.returncode = 0  # so that nothing waits for it


def _started(theirs: socket.socket) -> subprocess.Popen[bytes]:
    folders = dict.fromkeys(str(Path(module.__file__ or "").parents[1]) for module in (jinja2, markupsafe))
    command = [sys.executable, "-I", "-S", "-B", str(PROGRAM), str(MEMORY << 20), *folders]
    variables = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    try:
        return subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env=variables)
    except (OSError, TypeError, ValueError):  # there is no `sys.executable`, or no process can be started
        raise _cannot_start() from None


def _resident(pid: int) -> int:
    """The memory of a process in bytes, for systems without a limit: macOS, say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * mmap.PAGESIZE
    except OSError:
        size = subprocess.run(["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=False).stdout
        return int(size or 0) << 10


def _needed(what: str) -> ChatError:
    return ChatError(f"the template needed more than {what}: trusted=True renders it without limits", field="template")


def _cannot_start() -> ChatError:
    return ChatError(f"templates of strangers are rendered in a process of their own, and {sys.executable!r} does not "
                     "start one: trust the template (trusted=True)", field="template")


_children = _Children()


def _forget() -> None:
    global _children
    for child in _children.all:
        child.forget()
    _children = _Children()


def _end() -> None:
    _children.end()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
