"""Texts as callers give them -> texts that the core reads in place.

In: `str` or bytes of any kind. Out: ASCII `str` as it is, every other text as valid UTF-8 bytes.
Invariant: a text that is ASCII or valid UTF-8 is not copied.
"""

from __future__ import annotations

from typing import Literal

from dstok.base.texts import Errors, Text, checked_text, not_utf8, replaces_faults, utf8
from dstok.core.text._utf8 import first_invalid
from dstok.errors import ArgumentError, TextError

__all__ = ["Unit", "checked_unit", "numbered", "readable"]

Unit = Literal["bytes", "characters"]


def checked_unit(unit: str) -> None:
    """Raises `ArgumentError` for what is no unit of spans."""
    if unit not in ("bytes", "characters"):
        raise ArgumentError(f'expected the unit "bytes" or "characters", found {unit!r}', "unit")


def readable(text: Text, errors: Errors, which: str = "text") -> str | bytes:
    r"""One text. Raises `TextError` (with the offset) and `ArgumentError`.

    >>> readable("a", "strict"), readable("é", "strict")
    ('a', b'\xc3\xa9')
    """
    replace = replaces_faults(errors)
    text = checked_text(text, which, "split_batch")
    if isinstance(text, str):
        return text if text.isascii() else utf8(text, replace)
    at = first_invalid(text)
    if at < 0:
        return text
    if replace:
        return text.decode("utf-8", "replace").encode()
    raise not_utf8(text[at], at)


def numbered(text: Text, errors: Errors, number: int) -> str | bytes:
    """One of several texts. An error gives its number."""
    try:
        return readable(text, errors, f"text {number}")
    except TextError as error:
        raise TextError(error.message, error.offset, number) from None
