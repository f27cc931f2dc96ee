"""What the tests of a group make once and share. It is let go when the group ends.

In: a function that makes something large, as upstream's tokenizer of a file. Out: the same function, which remembers
what it gave, as `functools.lru_cache` does, until the group of tests ends (groups.py says which tests are a group).
Without this, a process that has run many groups would hold all that any of them has used, a hundred megabytes a model.

>>> made = []
>>> @kept()
... def make(name):
...     made.append(name)
>>> make("a"), make("a"), made
(None, None, ['a'])
>>> let_go()
>>> make("a"), made
(None, ['a', 'a'])
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")
Maker = Callable[Arguments, Made]
_forget: list[Callable[[], None]] = []


def kept(most: int | None = None) -> Callable[[Maker[Arguments, Made]], Maker[Arguments, Made]]:
    """A decorator that gives a function a memory until the group ends; of `most` results, the last ones asked for."""
    def decorate(make: Maker[Arguments, Made]) -> Maker[Arguments, Made]:
        remembering = lru_cache(most)(make)
        _forget.append(remembering.cache_clear)
        return cast("Maker[Arguments, Made]", remembering)

    return decorate


def let_go() -> None:
    """Forgets what all such functions gave. What is left, modules most of all, is not looked through for garbage again."""
    for forget in _forget:
        forget()
    gc.collect()  # a tokenizer's parts may refer to each other
    gc.freeze()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; it gives freed memory back to the system
        if trim is not None:
            trim(0)
