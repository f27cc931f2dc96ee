"""Starts the command again and again, each time with Ctrl-C at its next import, until it ends before that.

In: the first word of the process's command line, "-m" or the path of a script; the words of the command. Out: for each
start a line of JSON: its exit code, and what it wrote on standard error.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import tempfile
from typing import NoReturn


class Interrupting:
    """Finds no module, and presses Ctrl-C when dstok has begun and has imported `left` of them."""

    def __init__(self, left: int) -> None:
        self.left = left

    def find_spec(self, *_: object) -> None:
        self.left -= "dstok" in sys.modules
        if self.left == -1:
            self.left = -2
            os.kill(os.getpid(), signal.SIGINT)


def start(left: int) -> NoReturn:
    """Runs the command in this process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = sys.argv[1:]
    sys.meta_path.insert(0, Interrupting(left))
    if sys.argv[0] == "-m":
        runpy.run_module("dstok", run_name="__main__", alter_sys=True)
    from dstok.cli.app import main

    sys.exit(main())


def outcomes() -> list[tuple[int, str]]:
    """Of each start."""
    found: list[tuple[int, str]] = []
    while not found or found[-1][0]:
        with tempfile.TemporaryFile() as errors:
            child = os.fork()
            if not child:
                os.dup2(errors.fileno(), 2)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                start(len(found))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            errors.seek(0)
            found.append((code, errors.read().decode()))
    return found


if __name__ == "__main__":
    print(json.dumps(outcomes()))
