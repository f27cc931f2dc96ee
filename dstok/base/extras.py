"""The error for a missing package that an extra brings: it says what to install.

In: the extra, and the name of the module that needs the package, around its import. Out: nothing, or a
`ModuleNotFoundError`, as for any other missing package.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["of_extra"]


@contextmanager
def of_extra(extra: str, what: str) -> Iterator[None]:
    """Around the import of an extra's package; `what` needs it.

    >>> with of_extra("xgrammar", "dstok.integrations.xgrammar"):
    ...     import xgramar
    Traceback (most recent call last):
    ModuleNotFoundError: dstok.integrations.xgrammar needs xgramar, found none: pip install "dstok[xgrammar]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        message = f'{what} needs {error.name}, found none: pip install "dstok[{extra}]"'
        raise ModuleNotFoundError(message, name=error.name, path=error.path) from error
