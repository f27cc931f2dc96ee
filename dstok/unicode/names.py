r"""Sets by the names in upstream's patterns: `[:name:]`, and `\p{name}` of categories, scripts and properties.

In: a name and a Unicode version. Out: a `CodePointSet`.
Invariant: upstream matches the same set by the name (tests/unicode/test_properties.py sweeps all code points).
"""

from __future__ import annotations

from functools import cache

from dstok.base.arguments import explained
from dstok.unicode.code_point_set import CodePointSet
from dstok.unicode.properties import binary_property, script
from dstok.unicode.sets import (
    DEFAULT_VERSION,
    UnknownPropertyError,
    alphabetic,
    general_category,
    loose,
    named_properties,
    property_set,
    white_space,
    word,
)

__all__ = ["named_set", "posix_set"]


@explained
def posix_set(name: str, version: str = DEFAULT_VERSION) -> CodePointSet | None:
    r"""The set of upstream's `[:name:]`, or None if there is no such class.

    Inside `\p{...}` the names mean the same, except `punct`: there it is the category P.

    Raises:
        UnsupportedError: there is no table of this Unicode version.

    >>> "$" in posix_set("punct"), posix_set("vowel")
    (True, None)
    """
    return _posix(version).get(name)


@cache
def _posix(version: str) -> dict[str, CodePointSet]:
    def category(name: str) -> CodePointSet:
        return general_category(name, version)

    letters, spaces = alphabetic(version), white_space(version)
    graph = ~(spaces | category("Cc") | category("Cn") | category("Cs"))
    return {
        "alnum": letters | category("Nd"), "alpha": letters, "ascii": CodePointSet(((0, 0x7F),)),
        "blank": category("Zs") | CodePointSet.from_chars("\t"), "cntrl": category("Cc"), "digit": category("Nd"),
        "graph": graph, "lower": binary_property("Lowercase", version), "print": graph | category("Zs"),
        "punct": category("P") | category("S"), "space": spaces, "upper": binary_property("Uppercase", version),
        "word": word(version, in_class=True), "xdigit": CodePointSet.from_chars("0123456789abcdefABCDEF"),
    }


@explained
def named_set(name: str, version: str = DEFAULT_VERSION, *, in_class: bool = False) -> CodePointSet:
    r"""The set that upstream's `\p{name}` matches.

    The names are those of `property_set`, of `[:name:]`, of scripts and of binary properties.

    Raises:
        UnknownPropertyError: any other name, also one that upstream knows, such as a block.
        UnsupportedError: there is no table of this Unicode version.

    >>> len(named_set("Greek")) == len(named_set("grek")), "b" in named_set("Lowercase")
    (True, True)
    """
    if loose(name) == "word":
        return word(version, in_class=in_class)
    if loose(name) in named_properties(version):
        return property_set(name, version)
    posix = posix_set(loose(name), version)
    if posix is not None:
        return posix
    for known in (script, binary_property):
        try:
            return known(name, version)
        except UnknownPropertyError:
            pass
    raise UnknownPropertyError(f"expected a category, script, or property of Unicode {version}, found {name!r}")
