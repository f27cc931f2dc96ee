"""Packages that only some corpora need.

In: the name of a module, and of dstok's extra for it. Out: the module, or a `FileError` with the command that
installs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dstok.errors import FileError

__all__ = ["needed"]


def needed(module: str, extra: str = "corpus") -> Any:
    """The module. Raises `FileError` if it is not installed.

    >>> needed("pyarow")
    Traceback (most recent call last):
    dstok.errors.FileError: expected the package pyarow, found none: pip install "dstok[corpus]"
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise FileError(f"expected the package {error.name}, found none: pip install \"dstok[{extra}]\"") from error
