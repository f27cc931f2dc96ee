"""The command as a process of its own, and what to feed it: shared by the tests of the command line.

In: words of a command line, and what stands on standard input. Out: what the process wrote, and its exit code.
The process is a fork of command_server.py. It is a new interpreter where a test needs one: with keywords of `subprocess.run`,
another environment than the server's, or a platform without forks.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from dstok.formats.byte_alphabet import BYTE_TO_CHAR

USER = "<｜User｜>"
TEXT = f"Hello wörld, 12345!\r\n\r\n 东京 \U0001f999\u20c1\x00 don't{USER}  x \t\n".encode()
TEXTS = [b"", b"\n", b"no line feed at the end", b"a\r\nb\r\r\n\x00", TEXT * 50]
MANY = TEXT * (1_200_000 // len(TEXT))  # longer than a block
FORMATS = ["ids", "json", "npy", "u32"]
DSTOK = (sys.executable, "-m", "dstok")


SERVER = Path(__file__).with_name("command_server.py")
SECONDS = 120
Done = subprocess.CompletedProcess[bytes]


def run(*words: str, stdin: bytes = b"", **keywords: Any) -> Done:
    if keywords or not hasattr(os, "fork") or surroundings() != server().surroundings:
        return subprocess.run([*DSTOK, *words], input=stdin, capture_output=True, timeout=SECONDS, **keywords)
    return server().run(words, stdin)


def surroundings() -> dict[str, str]:
    """The environment, without the variable that pytest sets for each test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@cache
def server() -> Server:
    """One for all tests of this process."""
    return Server()


class Server:
    """The running command_server.py, and the environment that it has."""

    def __init__(self) -> None:
        self.surroundings = surroundings()
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen([sys.executable, str(SERVER)], stdin=theirs.fileno(), stdout=subprocess.DEVNULL,
                                       start_new_session=True)
        self._group = process.pid
        atexit.register(process.wait)
        atexit.register(self._connection.close)  # this comes first, and ends the process

    def run(self, words: tuple[str, ...], stdin: bytes) -> Done:
        pipes = [os.pipe() for _ in range(3)]
        theirs, (feed, *results) = [pipes[0][0], pipes[1][1], pipes[2][1]], [pipes[0][1], pipes[1][0], pipes[2][0]]
        socket.send_fds(self._connection, [json.dumps({"words": words, "folder": os.getcwd()}).encode()], theirs)
        for stream in theirs:
            os.close(stream)
        with ThreadPoolExecutor(3) as threads:
            threads.submit(_write, feed, stdin)
            out, err = [threads.submit(_read, stream) for stream in results]
            code = self._exit_code()
        return subprocess.CompletedProcess([*DSTOK, *words], code, out.result(), err.result())

    def _exit_code(self) -> int:
        self._connection.settimeout(SECONDS)
        try:
            return int(self._connection.recv(32))
        except TimeoutError:
            os.killpg(self._group, signal.SIGKILL)
            raise


def _write(stream: int, data: bytes) -> None:
    with suppress(BrokenPipeError), open(stream, "wb", buffering=0) as file:
        file.write(data)


def _read(stream: int) -> bytes:
    with open(stream, "rb") as file:
        return file.read()


def ok(*words: str, stdin: bytes = b"") -> bytes:
    """The data of a command that succeeds, in silence."""
    done = run(*words, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def fails(*words: str, stdin: bytes = b"", code: int = 2) -> str:
    """The one line of error of a command that fails."""
    done = run(*words, stdin=stdin)
    error = done.stderr.decode()
    assert done.returncode == code, error
    assert error.startswith("dstok: ") and error.count("\n") == 1 and "Traceback" not in error
    return error


def file(name: str, data: bytes) -> str:
    Path(name).write_bytes(data)
    return name


def json_lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.decode().splitlines()]


def tiny_model(path: Path) -> str:
    """A model of single bytes, and one added token that looks at its neighbours."""
    step = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    added = {"id": 256, "content": "<>", "single_word": True, "lstrip": False, "rstrip": False,
             "normalized": False, "special": False}
    vocab = {c: i for i, c in enumerate(BYTE_TO_CHAR)}
    model = {"version": "1.0", "added_tokens": [added], "pre_tokenizer": step, "decoder": step,
             "model": {"type": "BPE", "vocab": vocab, "merges": []}}
    path.write_text(json.dumps(model))
    return str(path)
