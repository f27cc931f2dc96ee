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
"""

from __future__ import annotations

import json
import marshal
import mmap
import os
import resource
import signal
import struct
import sys
import time
from contextlib import suppress
from types import ModuleType
from typing import Any

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
