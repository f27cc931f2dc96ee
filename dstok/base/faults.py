"""Parts of error messages: the operating system's words, and texts of users.

In: an error of the system, or of a library; a text. Out: words such as "no such file or directory"; the text in
characters that can all be printed. Invariant: an error's words start in lower case.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dstok.errors import FileError

__all__ = ["file_faults", "reason", "visible"]


def reason(error: BaseException) -> str:
    """The system's words for an error, without its number and path, in lower case.

    >>> reason(FileNotFoundError(2, "No such file or directory", "x.txt"))
    'no such file or directory'
    """
    text = str(getattr(error, "strerror", None) or error or type(error).__name__)
    return text[:1].lower() + text[1:]


@contextmanager
def file_faults(path: str) -> Iterator[None]:
    """An error of the system becomes a `FileError` that names its file, or else `path`."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{error.filename or path}: {reason(error)}") from error


def visible(text: str) -> str:
    r"""`text` with an escape for each character that cannot be printed.

    >>> print(visible("a|\n\u202e"))
    a|\n\u202e
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
