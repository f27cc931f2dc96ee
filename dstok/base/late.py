"""Methods that import their module when first used.

In: a module's name, and from it a function's. Out: the function, as a method of the class that it was assigned in.
Invariant: the caller gets the same as from an import at the top of the file, in a forked child, too. The reason is
start-up: most programs use few of a class's methods, and importing the modules of all takes longer than loading a
model.

>>> from unittest.mock import patch
>>> class Page:
...     wrapped = LateModule("textwrap").wrap
>>> with patch.object(Page, "wrapped", autospec=True) as wrapped:  # which looks into the class's __dict__
...     wrapped("a b", 1) is Page.wrapped.return_value
True
"""

from __future__ import annotations

import os
from _thread import RLock
from importlib import import_module
from types import FunctionType
from typing import Any

__all__ = ["LateModule"]

# A child forked while another thread imports a module has no such thread, but would wait for it at its own import. So a
# fork waits until no thread imports.
_importing = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release,
                        after_in_child=_importing.release)


class LateModule:
    """Stands for a module of functions. Assign its attributes in a class: they are methods there.

    >>> text = LateModule("textwrap")
    >>> class Page:
    ...     indented = text.indent
    >>> Page.indented("a", "> ")
    '> a'
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> _LateMethod:
        return _LateMethod(self._name, name)


class _LateMethod:
    """A method that puts the function in its own place when first used.

    Code that takes it out of the class's `__dict__`, as unittest.mock does, finds the attributes of the function, and
    may call it.
    """

    def __init__(self, module: str, function: str) -> None:
        self._module, self._function = module, function
        self.__module__ = module

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        function = self._found()
        if vars(self._owner).get(self._name) is self:  # a test may have put another one there, for a while
            setattr(self._owner, self._name, function)
        return function.__get__(instance, owner)

    def _found(self) -> Any:
        with _importing:
            return getattr(import_module(self._module), self._function)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._found()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found(), name)

    # isinstance looks at this; mock uses it to tell a method from an object.
    __class__ = property(lambda self: FunctionType)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        doc: str | None = self._found().__doc__  # None with -OO
        return doc
