"""Methods whose modules are imported when one of them is first asked for.

In: a module's name, and from it a function's. Out: the function, as a method of the class that it was assigned in.
Invariant: who asks gets what an import at the top of the file would give. Start-up is why it is there: most programs
use few of a class's methods, and to import the modules of all takes longer than to load a model.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["LateModule"]


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
    """A method that puts the function in its own place when it is first asked for."""

    def __init__(self, module: str, function: str) -> None:
        self._module, self._function = module, function

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        function = getattr(import_module(self._module), self._function)
        setattr(self._owner, self._name, function)
        return function.__get__(instance, owner)
