"""What to install, where the library of an integration is missing.

In: the extra of dstok that brings the library, around its import. Out: nothing, or a `ModuleNotFoundError` that says
what to install: an `ImportError`, as for any other missing library.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["of_extra"]


@contextmanager
def of_extra(extra: str) -> Iterator[None]:
    """Around the import of what an extra brings.

    >>> with of_extra("xgrammar"):
    ...     import xgramar
    Traceback (most recent call last):
    ModuleNotFoundError: dstok.integrations.xgrammar needs xgramar, found none: pip install "dstok[xgrammar]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        message = f'dstok.integrations.{extra} needs {error.name}, found none: pip install "dstok[{extra}]"'
        raise ModuleNotFoundError(message, name=error.name, path=error.path) from error
