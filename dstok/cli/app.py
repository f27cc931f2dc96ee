"""From the words of the command line to an exit code.

In: the words. Out: the exit code; data on standard output; at most a line a fault on standard error.
Invariant: no traceback reaches the user, and nothing is left in a buffer for the interpreter to fail on at
its end: standard output is flushed here, or, where that cannot be, pointed at nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from dstok.cli import about, count, decode, dump, encode
from dstok.cli.arguments import Parser
from dstok.cli.errors import CommandError, complain, reason
from dstok.errors import DstokError

__all__ = ["run"]

BAD = 2
FAULT = 70  # sysexits' EX_SOFTWARE: never 1, which a gate reads as "over budget"
READER_GONE = 141  # 128 + SIGPIPE, what a shell shows for `cat` in the same place


def run(argv: Sequence[str]) -> int:
    """Run one command; everything but an interrupt becomes an exit code here."""
    try:
        code = _guarded(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _drop_output()
        return READER_GONE
    except OSError as error:
        _drop_output()
        complain(f"standard output: {reason(error)}")
        return BAD
    except BaseException:
        _drop_output()
        raise


def _guarded(argv: Sequence[str]) -> int:
    try:
        return _command(argv)
    except (CommandError, DstokError) as error:
        complain(str(error))
        return BAD
    except MemoryError:
        complain("out of memory")
        return BAD
    except OSError:
        raise
    except Exception as error:
        if os.environ.get("DSTOK_TRACEBACK"):
            raise
        complain(f"internal error: {type(error).__name__}: {error} (DSTOK_TRACEBACK=1 shows where)")
        return FAULT


def _command(argv: Sequence[str]) -> int:
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as done:  # --help and --version
        return done.code if isinstance(done.code, int) else 0
    code = arguments.run(arguments)
    return code if isinstance(code, int) else 0


def _drop_output() -> None:
    """Point standard output at nothing, so that what its buffer holds cannot fail when the interpreter ends."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, ValueError, AttributeError):
        pass
