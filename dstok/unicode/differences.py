"""The changes of a Unicode version: the code points with other properties than in an older version.

In: two versions. Out: `Change`s, each a property, the value before and after, and the code points.
Invariant: for each of General_Category, Script, Script_Extensions and the binary properties, the changes hold all code
points that have another value of it, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dstok.base.keywords import hinting
from dstok.unicode.code_point_set import CodePointSet
from dstok.unicode.properties import binary_properties, binary_property, script, script_extensions, scripts
from dstok.unicode.sets import general_categories, general_category

__all__ = ["Change", "difference"]

Members = Mapping[str, CodePointSet]


@dataclass(frozen=True)
class Change:
    """Code points whose `property` had the value `before` and has the value `after`.

    The values of a binary property are "no" and "yes". The values of Script_Extensions are the same, one script at a
    time, because a code point may have several: `property` is then "Script_Extensions=Han", for example.
    """

    property: str
    before: str
    after: str
    code_points: CodePointSet


@hinting
def difference(one: str, other: str) -> tuple[Change, ...]:
    """The changes between two Unicode versions: categories first, then scripts, extensions, binary properties.

    Raises `UnsupportedError` for a version without a table; `versions()` lists the versions that have one.

    >>> changes = difference("16.0", "17.0")
    >>> changes[0].property, changes[0].before, changes[0].after, changes[0].code_points
    ('General_Category', 'Cn', 'Ll', CodePointSet(U+A7CF, U+16EBB..U+16ED3))
    >>> [(change.property, change.before, change.after) for change in changes if "ʕ" in change.code_points]
    [('General_Category', 'Ll', 'Lo'), ('Cased', 'yes', 'no'), ('Lowercase', 'yes', 'no')]
    >>> difference("16.0", "16.0")
    ()
    """
    return (*_valued("General_Category", _categories(one), _categories(other)),
            *_valued("Script", _scripts(one), _scripts(other)),
            *_held("Script_Extensions=", _extensions(one), _extensions(other)),
            *_held("", _binary(one), _binary(other)))


def _valued(name: str, before: Members, after: Members) -> Iterator[Change]:
    """The changes of a property with one value for each code point."""
    for old, members in before.items():
        moved = members - after.get(old, CodePointSet.empty())
        moves = ((new, moved & after[new]) for new in after if moved)
        yield from (Change(name, old, new, points) for new, points in moves if points)


def _held(prefix: str, before: Members, after: Members) -> Iterator[Change]:
    """The changes of properties that a code point has or does not have."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, CodePointSet.empty()), after.get(name, CodePointSet.empty())
        for values, points in ((("no", "yes"), new - old), (("yes", "no"), old - new)):
            if points:
                yield Change(prefix + name, *values, points)


def _categories(version: str) -> Members:
    return {name: general_category(name, version) for name in general_categories(version)}


def _scripts(version: str) -> Members:
    return {name: script(name, version) for name in scripts(version)}


def _extensions(version: str) -> Members:
    return {name: script_extensions(name, version) for name in scripts(version)}


def _binary(version: str) -> Members:
    return {name: binary_property(name, version) for name in binary_properties(version)}
