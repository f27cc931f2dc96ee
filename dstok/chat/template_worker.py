"""Renders untrusted templates: a program of its own, started by `template_process.py`.

    python -I -S template_child.py MEMORY FOLDER...

In: the bytes of memory that a render may take; the folders that hold jinja2 and its dependencies; requests on
standard input, which is a socket. Out: on the same socket a greeting, then an answer for each request. Requests are
marshalled, because only the starter writes to the socket. Answers are JSON, because a template that takes over this
process could write them.
Invariant: before a template is read, the system limits memory, processor time and stack. A template that exceeds a
limit ends this process or gets `{"limit": "memory"}`. No request affects the next one.
The program imports only the standard library, jinja2 and a few modules of dstok: `dstok` itself would load the
compiled core.

Requests to the process that renders templates, and its answers.

In: a request, made of values that users give; the bytes of an answer. Out: its bytes; `Traced`.
Invariant: a request keeps each value exactly (even lone surrogates, infinities and tuples), or there is a `ChatError`
with the value's place. A template that takes over the process can forge an answer. So an answer is read as JSON, and
one without the shape of an answer is a `ChatError`.

Untrusted templates, rendered in a process with limits of memory, processor time and stack.

In: the arguments of `sandbox.rendered`. Out: `Traced`, or a `ChatError` that names the limit.
Invariant: no template can change this process or its memory; at worst the other process ends. Its answers are
untrusted too: their length is limited, and they are read as JSON of one shape.
A process that answered is kept for the next render. There are at most `MOST`, as many as threads that render at the
same time; they end with this process. After a fork the new process starts its own.
"""

from __future__ import annotations

import atexit
import json
import marshal
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore
from types import ModuleType
from typing import Any, NamedTuple

import jinja2
import markupsafe
import numpy as np

from dstok.chat.messages import shown, too_deep
from dstok.chat.traced import Origin, OriginRun, Traced
from dstok.errors import ChatError

__all__ = ["answer_of", "nonsense", "rendered", "request_of", "text_of"]

SOCKET = 0
STACK = 8 << 20
REQUEST = struct.Struct("=QQII")  # bytes of the request, bytes of an answer at most, bytes of memory in MB, seconds
ANSWER = struct.Struct("=Q")


def main() -> None:
    """Greets, then answers until the other end closes."""
    memory, *folders = sys.argv[1:]
    _stand_alone(folders)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_STACK, STACK)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starter handles Ctrl-C
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # a starter may have blocked SIGXCPU
    from dstok.chat import sandbox  # needs the folders

    taken = _address_space()
    _limit(resource.RLIMIT_AS, taken + int(memory))
    _send({"python": sys.version, "limited": _is_limited(int(memory))})
    while header := _received(REQUEST.size):
        size, most, megabytes, seconds = REQUEST.unpack(header)
        _limit(resource.RLIMIT_AS, taken + (megabytes << 20))
        _limit(resource.RLIMIT_CPU, int(time.process_time()) + 1 + seconds)
        answer = _answer(sandbox, size)
        answer["spent"] = _address_space() - taken > int(memory) // 2  # the rest may be too little for the next one
        _send(answer, most)


def _stand_alone(folders: list[str]) -> None:
    """Finds dstok's modules and jinja2's without running an `__init__.py` of dstok."""
    folder = os.path.dirname(os.path.abspath(__file__))
    for name, path in (("dstok", os.path.dirname(folder)), ("dstok.chat", folder)):
        package = ModuleType(name)
        package.__path__ = [path]
        sys.modules[name] = package
    sys.path += folders


def _limit(kind: int, wanted: int) -> None:
    """Sets a soft limit, unless the process started with a lower one. macOS refuses some."""
    hard = resource.getrlimit(kind)[1]
    with suppress(OSError, ValueError):
        resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _address_space() -> int:
    """The bytes of address space that the interpreter takes; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * mmap.PAGESIZE
    except OSError:
        return 0


def _is_limited(memory: int) -> bool:
    """Whether the system enforces the memory limit. macOS accepts it but does not."""
    try:
        mmap.mmap(-1, 2 * memory).close()
    except (MemoryError, OSError):
        return True
    return False


def _answer(sandbox: Any, size: int) -> dict[str, Any]:
    from dstok.chat.traced import merged, parts_of
    from dstok.errors import ChatError

    try:
        text = sandbox.rendered(**marshal.loads(_received(size)))
        parts = [number for size, origin in merged(parts_of(text)) for number in (size, *map(int, origin))]
        return {"text": text, "parts": parts}
    except ChatError as error:
        return {"error": error.message, "field": error.field, "class": error.reference}
    except MemoryError:
        return {"limit": "memory"}


def _received(size: int) -> bytes:
    """Reads `size` bytes; none if the other end is closed."""
    parts = []
    while size:
        part = os.read(SOCKET, min(size, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _send(answer: dict[str, Any], most: int = 1 << 20) -> None:
    try:
        data = json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except MemoryError:
        data = b'{"limit": "memory"}'
    if len(data) > most:
        data = b'{"limit": "text"}'
    for part in (ANSWER.pack(len(data)), data):
        left = memoryview(part)
        while left:
            left = left[os.write(SOCKET, left):]


if __name__ == "__main__":
    main()


SCALARS = frozenset([str, int, float, bool, type(None)])
EXACT: tuple[tuple[type, Any], ...] = ((str, str.__str__), (int, int.__int__), (float, float.__float__))
MOST_DIGITS = 15  # of a number in an answer
MOST_SAID = 4000  # characters of an error


def request_of(values: dict[str, Any]) -> bytes:
    """The request as bytes. Raises `ChatError` for values other than JSON's, tuples, and numbers of numpy."""
    try:
        return marshal.dumps({name: _at(value, name) for name, value in values.items()})
    except _NotPlain as error:
        where = "".join(reversed(error.place))
        raise ChatError(f"expected what JSON has, found {shown(error.value)} at $.{where}: pass it as text, or trust "
                        "the template (trusted=True)", field="template") from None
    except (RecursionError, ValueError):  # marshal has a limit of its own
        raise too_deep() from None


class _NotPlain(Exception):  # noqa: N818 (`request_of` catches it)
    def __init__(self, value: Any) -> None:
        self.value, self.place = value, list[str]()


def _plain(value: Any) -> Any:
    if type(value) in SCALARS:
        return value
    if isinstance(value, Mapping):
        return {_at(key, f".{key}"): _at(item, f".{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_at(item, f"[{index}]") for index, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, np.generic) and type(value.item()) in SCALARS:
        return value.item()
    for kind, exact in EXACT:
        if isinstance(value, kind):
            return exact(value)
    raise _NotPlain(value)


def _at(value: Any, place: str) -> Any:
    if type(value) in SCALARS:
        return value
    try:
        return _plain(value)
    except _NotPlain as error:
        error.place.append(place)
        raise


def answer_of(data: bytes) -> dict[str, Any]:
    """An answer of any shape."""
    try:
        answer = json.loads(data.decode("utf-8", "surrogatepass"), parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError):
        raise nonsense() from None
    return answer if isinstance(answer, dict) else {}


def _number(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(text)
    return int(text)


def text_of(answer: dict[str, Any], messages: int) -> Traced | ChatError:
    """The text of an answer, or its error. Raises `ChatError` for an answer of another shape."""
    text, numbers = answer.get("text"), answer.get("parts")
    if isinstance(text, str) and isinstance(numbers, list):
        return Traced(text, _parts(text, numbers, messages))
    said, field, reference = answer.get("error"), answer.get("field"), answer.get("class")
    if isinstance(said, str) and isinstance(field, str) and isinstance(reference, str):
        return ChatError(said[:MOST_SAID], field=field[:MOST_SAID], reference=reference[:MOST_SAID])
    raise nonsense()


def _parts(text: str, numbers: list[Any], messages: int) -> Iterator[OriginRun]:
    """The parts of a text, four numbers each: length, is it the template's own, message, is it sampled."""
    if {*map(type, numbers)} - {int} or len(numbers) % 4 or sum(numbers[::4]) != len(text):
        raise nonsense()
    for size, own, message, is_sampled in zip(*[iter(numbers)] * 4):
        if size < 1 or not -1 <= message < messages or {own, is_sampled} - {0, 1}:
            raise nonsense()
        yield size, Origin(own == 1, message, is_sampled == 1)


def nonsense() -> ChatError:
    """The error for an answer without the right shape."""
    return ChatError("the template took over the process that it was rendered in", field="template")


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
