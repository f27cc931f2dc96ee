"""Errors of a command, in the words of its user; and whether a terminal should get colours.

In: errors of the library, of the system, of the user. Out: `CommandError`. Its text is the one line on standard error;
a broken pattern adds two lines, which show the place in it. Invariant: the text names its input, and starts in lower
case. Standard error gets characters that can be printed, and not many.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dstok._util.files import visible
from dstok.errors import DstokError, FileError, PatternError, SpecialTokenError, bounded

OPTIONS = {"field": "--field names another", "format": "--format names one", "kind": "--input-format names it",
           "largest": "--max-document allows more", "model": "--model names it",
           "skip": "--on-bad-document skip leaves it out"}  # by a `FileError`'s parameters
PATTERN_SHOWN = 40  # characters of a broken pattern on each side of the error


class CommandError(Exception):
    """Bad usage or bad input: the command ends with exit code 2 and this message."""


def colours_wanted(terminal: bool) -> bool:
    """Whether to write in colour, as no-color.org says; `terminal`: whether the output is a terminal."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def complain(error: str | CommandError | DstokError) -> None:
    """Prints an error on standard error in one line, with the options that help; nothing if that is closed."""
    helps = error.parameter.split(", ") if isinstance(error, FileError) else []
    options = ", ".join(OPTIONS[parameter] for parameter in helps if parameter in OPTIONS)
    message, pointed = f"{error} ({options})" if options else str(error), list[str]()
    if isinstance(error, PatternError):
        from dstok._util.columns import width

        at, pattern = error.position, error.pattern
        message = f"{error.message} at position {at} of the pattern"
        before, after = visible(pattern[max(0, at - PATTERN_SHOWN) : at]), visible(pattern[at : at + PATTERN_SHOWN])
        pointed = [f"  {before}{after}", f"  {' ' * width(before)}^"]
    try:
        if sys.stderr is not None:  # print(file=None) would write to standard output
            print(f"dstok: {visible(bounded(message))}", *pointed, sep="\n", file=sys.stderr)
    except (OSError, ValueError):
        pass


@contextmanager
def interruptible() -> Iterator[None]:
    """Tells after Ctrl-C that the command can be continued."""
    try:
        yield
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on where it stopped")
        raise


@contextmanager
def about_input(name: str) -> Iterator[None]:
    """Errors of the library about the text of input `name` become errors that name it."""
    try:
        yield
    except FileError:  # it names the input itself
        raise
    except SpecialTokenError as error:
        raise CommandError(
            f"{name}: the text holds the added token {error.token!r} at byte offset {error.offset} "
            "(--special all makes it that token, --special none plain text)"
        ) from error
    except DstokError as error:
        raise CommandError(f"{name}: {error}") from error
