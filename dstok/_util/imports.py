"""Imports modules and names when they are first used, and makes the errors for missing packages and builds.

In: the name of a module, and of a function or class in it, or of dstok's extra that brings it. Out: a module; a method,
for a class that assigns the function; or for a package the functions by which Python finds its names (PEP 562).
Invariant: the caller gets the same as from an import at the top of the file, in a forked child, too. The reason is
start-up: importing the modules of all methods takes longer than loading a model. A method is in the class's `__dict__`
from the beginning, because `super()`, runtime-checkable protocols and unittest.mock look there alone.
"""

from __future__ import annotations

import os
from _thread import RLock
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import FunctionType
from typing import Any

from dstok.errors import FileError

# A fork waits until no thread imports a module. A child that is forked during an import lacks the importing thread, but
# would wait for it at its own import.
_importing = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release,
                        after_in_child=_importing.release)


def imported(module: str, name: str) -> Any:
    """Return the object `name` of a module, which is imported if needed; for "" the module itself."""
    with _importing:
        there = import_module(module)
        return getattr(there, name) if name else there


def late_names(
    package: dict[str, Any], modules: Mapping[str, str],
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package. `package`: its `globals()`; `modules`: the module of each name.

    If a name is itself that of a module, `modules` has the path of this module. `dir` of the package shows its
    `__all__` and these names, and leaves out what the package imports for its own use.
    """
    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
        return imported(modules[name], "" if modules[name] == f"{package['__name__']}.{name}" else name)

    return find, lambda: sorted({*package["__all__"], *modules})


class LateImport:
    """A stand-in for a module, which is imported when one of its names is first used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        found = vars(self)[name] = imported(self._name, name)
        return found


class LateModule:
    """Stands for a module of functions. A class that assigns its attributes has them as methods."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> _LateMethod:
        return _LateMethod(self._name, name)


class _LateMethod:
    """Stands for a method, and replaces itself by the function when it is first used.

    Code that takes it out of the class's `__dict__`, as unittest.mock does, finds the function's attributes, and can
    call it.
    """

    def __init__(self, module: str, function: str) -> None:
        self.__module__, self._function = module, function

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def _found(self) -> Any:
        return imported(self.__module__, self._function)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        function = self._found()
        if vars(self._owner).get(self._name) is self:  # a test may have put another one there meanwhile
            setattr(self._owner, self._name, function)
        return function.__get__(instance, owner)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._found()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found(), name)

    __class__ = property(lambda self: FunctionType)  # what isinstance looks at, and so mock
    __doc__: Any = property(lambda self: self._found().__doc__)


@contextmanager
def of_extra(extra: str, what: str) -> Iterator[None]:
    """Make the error of an import inside the `with` say which extra has the package; `what` needs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f'{what} needs {error.name}, found none: pip install "dstok[{extra}]"'
        raise ModuleNotFoundError(message, name=error.name, path=error.path) from error


def needed(module: str, extra: str = "corpus") -> Any:
    """Import a module of a package that only some corpora need. Raises `FileError` if it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise FileError(f"expected the package {error.name}, found none: pip install \"dstok[{extra}]\"") from error


def unbuilt(name: str) -> ImportError:
    """Return the error for a missing compiled module. Usually a clone hides the installed package."""
    folder = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    return ImportError(
        f"expected the compiled module {name}, found only dstok's source, in {folder}: Python takes what lies in the "
        "folder that it was started in before what is installed. After `pip install .`, start it in another folder, "
        "with a script's path, or as `python -P`. To use this source itself, build it in place: "
        "`pip install -e .`", name=name, path=folder)
