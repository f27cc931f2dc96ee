"""A process that has imported dstok and what most commands need, and forks for each command: a third of a new process's time.

In, by a socket on standard input: the words of a command and its folder, with the descriptors of its standard streams.
Out: its exit code, or the negative number of the signal that ended it. Each fork imports its command's own modules. It ends
without the interpreter's last steps; tests/cli/test_cli_rules.py has commands that do not.
"""

from __future__ import annotations

import gc
import importlib.metadata  # noqa: F401
import json
import os
import socket
import sys
import warnings
from typing import NoReturn

import numpy  # noqa: F401

from dstok import chat, inspection  # noqa: F401
from dstok.cli import app

MOST = 1 << 16  # bytes of a request


def serve(connection: socket.socket) -> None:
    """Answers requests until the connection ends."""
    while True:
        request, streams, _, _ = socket.recv_fds(connection, MOST, 3)
        if not request:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of numpy's threads
            child = os.fork()
        if not child:
            command(connection, streams, **json.loads(request))
        for stream in streams:
            os.close(stream)
        connection.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def command(connection: socket.socket, streams: list[int], words: list[str], folder: str) -> NoReturn:
    """Runs a command in this process, whose standard streams become those of the request."""
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    sys.path[0] = folder  # as `python -m` has it
    code = app.main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    gc.freeze()  # looking for garbage would copy memory that a fork shares
    os.fsync = lambda place: None  # type: ignore[assignment]  # as tests/conftest.py has it
    with socket.socket(fileno=os.dup(0)) as connected:
        serve(connected)
