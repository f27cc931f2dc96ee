"""Texts as they come in: `str` or UTF-8 bytes -> valid UTF-8.

Invariant: what comes out is valid UTF-8, or `TextError` was raised; with `replace`, each lone surrogate, and
each maximal part of an invalid sequence of bytes, is U+FFFD. The encoder does the same in Cython.
"""

from __future__ import annotations

import re

from dstok.errors import TextError

__all__ = ["replaces", "utf8"]

_SURROGATE = re.compile("[\ud800-\udfff]")


def utf8(text: str | bytes, replace: bool) -> bytes:
    r"""`text` as valid UTF-8. Raises `TextError` (with the offset) and `TypeError`.

    >>> utf8("\ud800!", replace=True)
    b'\xef\xbf\xbd!'
    """
    if isinstance(text, bytes):
        return _checked(text, replace)
    if not isinstance(text, str):
        raise TypeError(f"expected str or bytes as text, found {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        if replace:
            return _SURROGATE.sub("\ufffd", text).encode()
        at = error.start
        raise TextError(f"expected text, found the lone surrogate U+{ord(text[at]):04X} at code point {at}",
                        at) from None


def replaces(errors: str) -> bool:
    """Whether `errors`, of an encoding call, asks for U+FFFD in the place of what is no text. Raises `ValueError`."""
    if errors not in ("strict", "replace"):
        raise ValueError(f'expected errors to be "strict" or "replace", found {errors!r}')
    return errors == "replace"


def _checked(text: bytes, replace: bool) -> bytes:
    try:
        text.decode()
        return text
    except UnicodeDecodeError as error:
        if replace:
            return text.decode("utf-8", "replace").encode()
        at = error.start
        raise TextError(f"expected utf-8, found byte 0x{text[at]:02x} at byte offset {at}", at) from None
