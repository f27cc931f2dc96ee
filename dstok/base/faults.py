"""The operating system's words for an error -> the words that end a message of dstok's.

In: an error of the system, or of a library. Out: words such as "no such file or directory".
Invariant: they start in lower case.
"""

from __future__ import annotations

__all__ = ["reason"]


def reason(error: BaseException) -> str:
    """The system's words for an error, without its number and path, in lower case.

    >>> reason(FileNotFoundError(2, "No such file or directory", "x.txt"))
    'no such file or directory'
    """
    text = str(getattr(error, "strerror", None) or error or type(error).__name__)
    return text[:1].lower() + text[1:]
