"""The error for a missing package that an extra brings: it says what to install.

In: the extra, and the name of the module that needs the package, around its import. Out: nothing, or a
`ModuleNotFoundError`, as for any other missing package.

Names of a class or of a package that import their module when first used.

In: the name of a module, and the name of a function or class in it. Out: for a class that assigns the function, a
method; for a package, the functions by which Python finds its names (PEP 562).
Invariant: the caller gets the same as from an import at the top of the file, in a forked child, too. The reason is
start-up: most programs use few of a class's methods, and importing all their modules takes longer than loading a model.
A method is in the class's `__dict__` from the beginning: `super()`, runtime-checkable protocols and unittest.mock look
there, and never call `__getattr__`.

>>> from unittest.mock import patch
>>> class Page:
...     wrapped = LateModule("textwrap").wrap
>>> with patch.object(Page, "wrapped", autospec=True) as wrapped:  # which looks into the class's __dict__
...     wrapped("a b", 1) is Page.wrapped.return_value
True

The error for an import of dstok's source without its compiled modules.

In: the name of a module that was not found. Out: an `ImportError` that says what to do.
Invariant: this module uses no compiled module. The usual cause is a clone. Before Python searches the installed
modules, it looks beside the script, or, without a script (`python`, `python -m`, `python -c`), in the folder where it
started. In a clone it finds dstok's source there, without compiled modules unless it was built in place.

Packages that only some corpora need.

In: the name of a module, and of dstok's extra for it. Out: the module, or a `FileError` with the command that
installs it.
"""

from __future__ import annotations

import os
from _thread import RLock
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

from dstok.errors import FileError

__all__ = ["LateModule", "imported", "late_names", "needed", "of_extra", "unbuilt"]

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


# A fork waits until no thread imports a module. A child that is forked during an import lacks the importing thread, but
# would wait for it at its own import.
_importing = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release,
                        after_in_child=_importing.release)


def imported(module: str, name: str) -> Any:
    """The object `name` of a module, or for "" the module itself. Imports the module if needed."""
    with _importing:
        there = import_module(module)
        return getattr(there, name) if name else there


def late_names(
    package: dict[str, Any], modules: Mapping[str, str],
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package. `package`: its `globals()`; `modules`: the module of each late name.

    For a late name that is a module, `modules` has its own path. `dir` of the package shows its `__all__` and the late
    names: what is imported at its top beside them is no part of it.
    """
    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
        return imported(modules[name], "" if modules[name].endswith(f".{name}") else name)

    return find, lambda: sorted({*package["__all__"], *modules})


class LateModule:
    """A stand-in for a module of functions. Attributes that are assigned in a class become its methods.

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

    Code that takes it out of the class's `__dict__`, as unittest.mock does, finds the function's attributes, and may
    call it.
    """

    def __init__(self, module: str, function: str) -> None:
        self._module, self._function = module, function
        self.__module__ = module

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        function = imported(self._module, self._function)
        if vars(self._owner).get(self._name) is self:  # a test may have put another one there meanwhile
            setattr(self._owner, self._name, function)
        return function.__get__(instance, owner)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return imported(self._module, self._function)(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(imported(self._module, self._function), name)

    # isinstance looks at this; mock uses it to tell a method from an object.
    __class__ = property(lambda self: FunctionType)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        doc: str | None = imported(self._module, self._function).__doc__  # None with -OO
        return doc


def unbuilt(name: str) -> ImportError:
    """The error for a compiled module that is missing.

    >>> print(str(unbuilt("dstok.core.run._encoder")).partition(",")[0])
    expected the compiled module dstok.core.run._encoder
    """
    folder = Path(__file__).resolve().parent.parent
    return ImportError(
        f"expected the compiled module {name}, found only dstok's source, in {folder}: Python takes what lies in the "
        "folder that it was started in before what is installed. After `pip install .`, start it in another folder, "
        "with a script's path, or as `python -P` (3.11 or later). To use this source itself, build it in place: "
        "`pip install -e .`", name=name, path=str(folder))


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
