"""Unicode properties as sets of code points, for a named Unicode version.

In: a property name as a pattern spells it, and a Unicode version. Out: a `CodePointSet`.

Invariant: each set is the one that upstream's regex engine (Oniguruma in the tokenizers wheel) matches, for every code
point but surrogates; tests sweep all of them. Upstream never sees a surrogate, so sets hold the surrogates where
Unicode puts them.

Source: the generated tables `_ucd_*.py` (see unicode_tables/README.md); Unicode Standard Annex #44, section
5.7.1, for the groups of categories; Unicode Technical Standard #18, annex C, for `word` and `digit`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import accumulate
from types import ModuleType

from dstok.base.arguments import explained
from dstok.errors import ArgumentError, DstokError, UnsupportedError
from dstok.unicode.code_point_set import MAX_CODE_POINT, CodePointSet

__all__ = [
    "DEFAULT_VERSION",
    "CodePointSet",
    "UnknownPropertyError",
    "alphabetic",
    "category_of",
    "checksum",
    "digit",
    "general_categories",
    "general_category",
    "loose",
    "named_properties",
    "property_set",
    "versions",
    "white_space",
    "word",
]

DEFAULT_VERSION = "16.0"
_VERSIONS = ("14.0", "15.0", "16.0", "17.0")

_CASED_LETTER = ("Ll", "Lt", "Lu")
_RUN = re.compile(r"([A-Z][a-z])(\d*)")
# Below U+0100 Oniguruma answers \w outside brackets from an ISO 8859-1 table of its own. That table also counts
# the superscript digits and the vulgar fractions: ² ³ ¹ ¼ ½ ¾.
_LATIN_1_WORD = CodePointSet.from_chars("\u00b2\u00b3\u00b9\u00bc\u00bd\u00be")


class UnknownPropertyError(DstokError, LookupError):
    """A property name that the Unicode tables do not hold."""


def versions() -> tuple[str, ...]:
    """The Unicode versions that have a table, oldest first.

    >>> versions()
    ('14.0', '15.0', '16.0', '17.0')
    """
    return _VERSIONS


@explained
def category_of(code_point: int, version: str = DEFAULT_VERSION) -> str:
    """The two-letter general category of a code point.

    Raises:
        ArgumentError: the code point is outside 0..0x10FFFF.
        UnsupportedError: there is no table of this Unicode version.

    >>> category_of(ord("a")), category_of(0x378)
    ('Ll', 'Cn')
    """
    if not 0 <= code_point <= MAX_CODE_POINT:
        raise ArgumentError(f"expected a code point in 0..0x10FFFF, found {code_point}", "code_point")
    starts, categories = _runs(version)
    return categories[bisect_right(starts, code_point) - 1]


@explained
def general_categories(version: str = DEFAULT_VERSION) -> tuple[str, ...]:
    """The two-letter names of the general categories.

    Raises:
        UnsupportedError: there is no table of this Unicode version.

    >>> len(general_categories()), general_categories()[:3]
    (30, ('Cc', 'Cf', 'Cn'))
    """
    return tuple(sorted(name for name in _general_categories(version) if len(name) == 2 and name != "LC"))


@explained
def general_category(name: str, version: str = DEFAULT_VERSION) -> CodePointSet:
    """A general category by its short name: two letters, one letter for a group, or `LC`.

    Raises:
        UnknownPropertyError: the name is not such a short name, in exactly this case.
        UnsupportedError: there is no table of this Unicode version.

    >>> general_category("Nd")
    CodePointSet(U+0030..U+0039, U+0660..U+0669, U+06F0..U+06F9, U+07C0..U+07C9, 67 more ranges)
    >>> general_category("L") == general_category("LC") | general_category("Lm") | general_category("Lo")
    True
    """
    try:
        return _general_categories(version)[name]
    except KeyError:
        raise UnknownPropertyError(f"expected a general category such as L or Lu, found {name!r}") from None


@explained
def white_space(version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The binary property White_Space, which upstream's `\s` matches.

    Raises:
        UnsupportedError: there is no table of this Unicode version.

    >>> len(white_space())
    25
    """
    return _binary_property("WHITE_SPACE", version)


@explained
def alphabetic(version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The binary property Alphabetic: letters, letter numbers and Other_Alphabetic.

    Raises:
        UnsupportedError: there is no table of this Unicode version.

    >>> "\u24b6" in alphabetic(), "\u24b6" in general_category("L")  # circled latin capital letter A
    (True, False)
    """
    return _binary_property("ALPHABETIC", version)


@explained
def digit(version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The set that upstream's `\d` matches, inside and outside brackets: the category Nd.

    Raises:
        UnsupportedError: there is no table of this Unicode version.

    >>> "\u0663" in digit(), "\u00bd" in digit()
    (True, False)
    """
    return general_category("Nd", version)


@explained
def word(version: str = DEFAULT_VERSION, *, in_class: bool = False) -> CodePointSet:
    r"""The set that upstream's `\w` matches: Alphabetic, M, Nd and Pc, and six code points of Latin-1.

    Oniguruma counts the six (superscript digits and vulgar fractions) outside brackets only. So `word(in_class=True)`
    is the set of `\w` inside a bracketed class, and `[\W]` is its complement. `\W` is the complement of `word()`.

    Raises:
        UnsupportedError: there is no table of this Unicode version.

    >>> word() - word(in_class=True) == CodePointSet.from_chars("\u00b2\u00b3\u00b9\u00bc\u00bd\u00be")
    True
    """
    return _word(version, in_class)


@explained
def property_set(name: str, version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The set that upstream's `\p{name}` matches.

    Known are the general categories by all their names, `Any`, `Assigned`, and White_Space by the names
    `White_Space`, `WSpace` and `Space`. As in Oniguruma, ASCII case, spaces, `-` and `_` do not count. The
    `^` of a negated `\p{^name}` is syntax, not part of the name.

    Raises:
        UnknownPropertyError: any other name, also one that upstream knows, such as a script or a block.
        UnsupportedError: there is no table of this Unicode version.

    >>> property_set("uppercase letter") == property_set("Lu") == general_category("Lu")
    True
    >>> property_set("Greek")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    dstok.unicode.sets.UnknownPropertyError: expected a general category, Any, Assigned or White_Space, ...
    """
    try:
        return named_properties(version)[loose(name)]
    except KeyError:
        raise UnknownPropertyError(
            f"expected a general category, Any, Assigned or White_Space, found {name!r}"
        ) from None


@explained
def checksum(version: str = DEFAULT_VERSION) -> str:
    """The sha256, in hexadecimal, of the two-letter categories of all code points in a row.

    The generated table records the right value as UNICODE_DATA_CHECKSUM.

    Raises:
        UnsupportedError: there is no table of this Unicode version.

    >>> checksum("16.0")[:16]
    '984e7b98c95aa8dc'
    """
    # Importing it costs more than loading the table, and only checks of the table need it.
    import hashlib

    digest = hashlib.sha256()
    for first, last, category in _category_ranges(version):
        digest.update(category.encode() * (last - first + 1))
    return digest.hexdigest()


def _table(version: str) -> ModuleType:
    if version not in _VERSIONS:
        known = ", ".join(_VERSIONS)
        raise UnsupportedError(f"expected a Unicode version out of {known}, found {version!r}")
    return import_module(f"dstok.unicode._ucd_{version.replace('.', '_')}")


@cache
def _runs(version: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Decodes the run-length coded categories: the start of each run, and its category."""
    runs = _RUN.findall(_table(version).GENERAL_CATEGORY)
    starts = accumulate((int(length or 1) for _, length in runs[:-1]), initial=0)
    return tuple(starts), tuple(category for category, _ in runs)


def _category_ranges(version: str) -> Iterator[tuple[int, int, str]]:
    starts, categories = _runs(version)
    lasts = (*(start - 1 for start in starts[1:]), MAX_CODE_POINT)
    return zip(starts, lasts, categories, strict=True)


@cache
def _general_categories(version: str) -> dict[str, CodePointSet]:
    """All general categories and their groups by short name."""
    members: dict[str, list[tuple[int, int]]] = {}
    for first, last, category in _category_ranges(version):
        for name in _names_of_groups(category):
            members.setdefault(name, []).append((first, last))
    return {name: CodePointSet.from_ranges(ranges) for name, ranges in members.items()}


def _names_of_groups(category: str) -> tuple[str, ...]:
    cased = ("LC",) if category in _CASED_LETTER else ()
    return (category, category[0], *cased)


@cache
def _binary_property(attribute: str, version: str) -> CodePointSet:
    spans = (span.split("-") for span in getattr(_table(version), attribute).split())
    return CodePointSet(tuple((int(span[0], 16), int(span[-1], 16)) for span in spans))


@cache
def _word(version: str, in_class: bool) -> CodePointSet:
    letters_and_marks = alphabetic(version) | general_category("M", version)
    standard = letters_and_marks | digit(version) | general_category("Pc", version)
    return standard if in_class else standard | _LATIN_1_WORD


@cache
def named_properties(version: str) -> dict[str, CodePointSet]:
    """Every set that a pattern can name, by its loose name."""
    spaces = dict.fromkeys(("whitespace", "wspace", "space"), white_space(version))
    properties = {"any": CodePointSet.all(), "assigned": ~general_category("Cn", version), **spaces}
    for names in _table(version).GENERAL_CATEGORY_NAMES:
        properties |= dict.fromkeys(map(loose, names), general_category(names[0], version))
    return properties


_IGNORED = str.maketrans("", "", " -_")


def loose(name: str) -> str:
    """The name in Oniguruma's comparison; only ASCII folds, so U+212A KELVIN SIGN is no `k`."""
    return name.translate(_IGNORED).lower() if name.isascii() else name
