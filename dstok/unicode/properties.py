"""Scripts, script extensions and binary properties as sets of code points, for a named Unicode version.

In: a property's name and a Unicode version. Out: a `CodePointSet`.
Invariant: the sets equal those of the Unicode Character Database. Upstream matches the same sets by these names
(tests/unicode/test_properties.py sweeps all code points).
Source: the generated tables `_properties_*.py` (see unicode_tables/README.md). The table of the version `BASE` holds
whole sets. The tables of the others hold symmetric differences from it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

from dstok.base.arguments import explained
from dstok.errors import UnsupportedError
from dstok.unicode.code_point_set import CodePointSet
from dstok.unicode.sets import DEFAULT_VERSION, UnknownPropertyError, alphabetic, loose, versions, white_space

__all__ = ["binary_properties", "binary_property", "further_names", "script", "script_extensions", "scripts"]


@explained
def scripts(version: str = DEFAULT_VERSION) -> tuple[str, ...]:
    """The names of the scripts.

    >>> "Han" in scripts(), len(scripts("16.0"))
    (True, 171)
    """
    return _names("SCRIPTS", version)


@explained
def script(name: str, version: str = DEFAULT_VERSION) -> CodePointSet:
    """The characters of a script, by its name or four-letter code; case, spaces, `-` and `_` do not count.

    Raises `UnknownPropertyError` for another name, `UnsupportedError` for another version.

    >>> "中" in script("Han"), script("hani") == script("Han")
    (True, True)
    """
    return _members("SCRIPTS", _script_name(name, version), version)


@explained
def script_extensions(name: str, version: str = DEFAULT_VERSION) -> CodePointSet:
    """The characters that are used with a script (Script_Extensions). Names and errors as `script`.

    >>> "。" in script_extensions("Han"), "。" in script("Han")
    (True, False)
    """
    return _members("SCRIPT_EXTENSIONS", _script_name(name, version), version)


@explained
def binary_properties(version: str = DEFAULT_VERSION) -> tuple[str, ...]:
    """The names that `binary_property` knows.

    >>> binary_properties()[:3]
    ('ASCII_Hex_Digit', 'Alphabetic', 'Bidi_Control')
    """
    return tuple(sorted([*_names("BINARY", version), "Alphabetic", "White_Space"]))


@explained
def binary_property(name: str, version: str = DEFAULT_VERSION) -> CodePointSet:
    """The characters with a binary property, by its long name. Names and errors as `script`.

    >>> "a" in binary_property("Lowercase"), "ª" in binary_property("lowercase")
    (True, True)
    """
    known = {loose(known): known for known in binary_properties(version)}
    if loose(name) not in known:
        raise UnknownPropertyError(f"expected a binary property, such as {', '.join(list(known.values())[:3])}, "
                                   f"found {name!r}")
    own = {"Alphabetic": alphabetic, "White_Space": white_space}.get(known[loose(name)])
    return own(version) if own else _members("BINARY", known[loose(name)], version)


@explained
def further_names(version: str = DEFAULT_VERSION) -> dict[str, str]:
    """By script, its other names, with spaces between them."""
    own = _table(version)
    every: dict[str, str] = _table(own.BASE).ALIASES | own.ALIASES
    return {name: every[name] for name in scripts(version) if name in every}


def _script_name(name: str, version: str) -> str:
    known = _script_names(version).get(loose(name))
    if known is None:
        raise UnknownPropertyError(f"expected a script of Unicode {version}, such as Han or Grek, found {name!r}")
    return known


@cache
def _script_names(version: str) -> dict[str, str]:
    names = {loose(name): name for name in scripts(version)}
    for name, further in further_names(version).items():
        names |= {loose(one): name for one in further.split()}
    return names


@cache
def _names(table: str, version: str) -> tuple[str, ...]:
    own = _table(version)
    if version == own.BASE:
        return tuple(getattr(own, table))
    return tuple(sorted({*_names(table, own.BASE), *getattr(own, table)} - {*own.ABSENT[table].split()}))


@cache
def _members(table: str, name: str, version: str) -> CodePointSet:
    own = _table(version)
    spans = (span.split("-") for span in getattr(own, table).get(name, "").split())
    members = CodePointSet.from_ranges((int(span[0], 16), int(span[-1], 16)) for span in spans)
    return members if version == own.BASE else members ^ _members(table, name, own.BASE)


def _table(version: str) -> ModuleType:
    if version not in versions():
        raise UnsupportedError(f"expected a Unicode version out of {', '.join(versions())}, found {version!r}")
    return import_module(f"dstok.unicode._properties_{version.replace('.', '_')}")
