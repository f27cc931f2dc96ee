"""Methods whose modules are imported when one of them is first asked for.

In: a module's name, and from it a function's. Out: the function, as a method of the class that it was assigned in.
Invariant: who asks gets what an import at the top of the file would give, in a forked child, too. Start-up is
why it is there: most programs use few of a class's methods, and to import the modules of all takes longer than to load
a model.

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

# A child that was forked while another thread imported a module would wait for that thread, which it does not have,
# when it imports the module itself. So a fork waits until no thread is at it.
_importing = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release,
                        after_in_child=_importing.release)


class LateModule:
    """Stands for a module of functions. Its attributes are to be assigned in a class, and are methods there.

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
    """A method that puts the function in its own place when it is first asked for.

    Who takes it out of the class's `__dict__`, as unittest.mock does, finds what the function has, and may call it.
    """

    def __init__(self, module: str, function: str) -> None:
        self._module, self._function = module, function
        self.__module__ = module

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        function = self._found()
        if vars(self._owner).get(self._name) is self:  # another may stand there: that of a test, for a while
            setattr(self._owner, self._name, function)
        return function.__get__(instance, owner)

    def _found(self) -> Any:
        with _importing:
            return getattr(import_module(self._module), self._function)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._found()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found(), name)

    # What isinstance looks at, by which mock tells a method from an object.
    __class__ = property(lambda self: FunctionType)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        doc: str | None = self._found().__doc__  # with -OO there is none
        return doc
