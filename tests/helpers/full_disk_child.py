"""One command, on a disk that is full, then with more and more space: each time in a process of its own.

In: "files" (each file has a limit, RLIMIT_FSIZE) or the folder of a tmpfs, then the words of the command. Out: a line of
JSON a run: the space in bytes, the exit code, standard error. It ends with the first run that is not refused.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile

from dstok.cli.app import main

SMALLEST, LARGEST = 1 << 13, 1 << 26


def give(where: str, space: int) -> None:
    if where == "files":
        resource.setrlimit(resource.RLIMIT_FSIZE, (space, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    else:
        subprocess.run(["mount", "-o", f"remount,size={max(space, 1 << 14)}", where], check=True)


def run(where: str, space: int, words: list[str]) -> tuple[int, str]:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            give(where, space)
            os._exit(main(words))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        return code, said.read().decode()


def loop(where: str, words: list[str]) -> None:
    space, code = SMALLEST, 1
    while code and space < LARGEST:
        code, errors = run(where, space, words)
        print(json.dumps([space, code, errors]), flush=True)
        space *= 2


if __name__ == "__main__":
    loop(sys.argv[1], sys.argv[2:])
