"""Unicode properties as sets of code points, for a named Unicode version; also by the names in upstream's patterns.

In: a property name as a pattern spells it, or as Unicode does, and a Unicode version. Out: a `CodePointSet`.
Invariant: each set is the one that upstream's regex engine (Oniguruma in the tokenizers wheel) matches, for every code
point but surrogates (tests/unicode/test_properties.py sweeps all of them). Upstream never sees a surrogate, so sets
hold the surrogates where Unicode puts them. Scripts and binary properties equal those of Unicode's database. Of
`ucd.jsonl`, which unicode_tables/generate.py writes and describes, only the sections that are asked for are decoded.
Source: the Unicode Character Database; Unicode Technical Standard #18, annex C, for `word` and `digit`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from itertools import accumulate
from os.path import dirname, join
from typing import Any

from dstok._util.arguments import explained
from dstok.errors import ArgumentError, DstokError, UnsupportedError
from dstok.unicode.code_point_set import MAX_CODE_POINT
from dstok.unicode.code_point_set import CodePointSet as CodePointSet

DEFAULT_VERSION = "16.0"
_VERSIONS = ("14.0", "15.0", "16.0", "17.0")
_BASE = "16.0"  # the data has its whole sets, and of the other versions what differs
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

    Raises `ArgumentError` for a number outside 0..0x10FFFF, `UnsupportedError` for a version without a table.

    >>> category_of(ord("a")), category_of(0x378)
    ('Ll', 'Cn')
    """
    if not 0 <= code_point <= MAX_CODE_POINT:
        raise ArgumentError(f"expected a code point in 0..0x10FFFF, found {code_point}", "code_point")
    runs = _runs(version)
    return runs[bisect_right(runs, (code_point + 1,)) - 1][2]


@explained
def general_categories(version: str = DEFAULT_VERSION) -> tuple[str, ...]:
    """The two-letter names of the general categories. Versions without a table are an `UnsupportedError`.

    >>> len(general_categories()), general_categories()[:3]
    (30, ('Cc', 'Cf', 'Cn'))
    """
    return tuple(name for name in _names("categories", version) if len(name) == 2 and name != "LC")


@explained
def general_category(name: str, version: str = DEFAULT_VERSION) -> CodePointSet:
    """A general category by its short name: two letters, one letter for a group, or `LC`.

    Raises `UnknownPropertyError` for a name that is not such a short name, in exactly this case, and
    `UnsupportedError` if there is no table of this Unicode version.

    >>> general_category("Nd")
    CodePointSet(U+0030..U+0039, U+0660..U+0669, U+06F0..U+06F9, U+07C0..U+07C9, 67 more ranges)
    >>> general_category("L") == general_category("LC") | general_category("Lm") | general_category("Lo")
    True
    """
    if name not in _names("categories", version):
        raise UnknownPropertyError(f"expected a general category such as L or Lu, found {name!r}")
    return _members("categories", name, version)


@explained
def white_space(version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The binary property White_Space, which upstream's `\s` matches. Errors as `general_categories`.

    >>> len(white_space())
    25
    """
    return _members("binary", "White_Space", version)


@explained
def alphabetic(version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The binary property Alphabetic: letters, letter numbers, Other_Alphabetic. Errors as `general_categories`.

    >>> "\u24b6" in alphabetic(), "\u24b6" in general_category("L")  # circled latin capital letter A
    (True, False)
    """
    return _members("binary", "Alphabetic", version)


@explained
def digit(version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The set that upstream's `\d` matches, in brackets, too: the category Nd. Errors as `general_categories`.

    >>> "\u0663" in digit(), "\u00bd" in digit()
    (True, False)
    """
    return general_category("Nd", version)


@explained
def word(version: str = DEFAULT_VERSION, *, in_class: bool = False) -> CodePointSet:
    r"""The set that upstream's `\w` matches: Alphabetic, M, Nd and Pc, and six code points of Latin-1.

    Oniguruma counts the six (superscript digits and vulgar fractions) outside brackets only. So `word(in_class=True)`
    is the set of `\w` inside a bracketed class, and `[\W]` is its complement. `\W` is the complement of `word()`.
    Errors as `general_categories`.

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

    Raises `UnknownPropertyError` for any other name, also one that upstream knows, such as a script or a block, and
    `UnsupportedError` if there is no table of this Unicode version.

    >>> property_set("uppercase letter") == property_set("Lu") == general_category("Lu")
    True
    >>> property_set("Greek")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    dstok.unicode.properties.UnknownPropertyError: expected a general category, Any, Assigned or White_Space, ...
    """
    short = _own_name("categories", name, version, "a general category, Any, Assigned or White_Space")
    if short in ("Any", "Assigned"):
        unassigned = general_category("Cn", version)
        return ~unassigned if short == "Assigned" else CodePointSet.all()
    return white_space(version) if short == "Space" else general_category(short, version)


@explained
def checksum(version: str = DEFAULT_VERSION) -> str:
    """The SHA-256, hexadecimal, of the categories of all code points in a row. Errors as `general_categories`.

    >>> checksum("16.0")[:16]
    '984e7b98c95aa8dc'
    """
    from hashlib import sha256  # costs more than the data, and only its checks need it

    return sha256("".join(name * (last - first + 1) for first, last, name in _runs(version)).encode()).hexdigest()


@cache
def _sets(kind: str, version: str) -> dict[str, Any]:
    if version not in _VERSIONS:
        raise UnsupportedError(f"expected a Unicode version out of {', '.join(_VERSIONS)}, found {version!r}")
    found: dict[str, Any] = read_section(f"{kind} {version}")
    return found


@cache
def _names(kind: str, version: str) -> tuple[str, ...]:
    """The names of the sets of a kind, sorted; the data has None for those that only the base has."""
    changes = _sets(kind, version)
    return tuple(sorted(name for name in {**_sets(kind, _BASE), **changes} if changes.get(name, ()) is not None))


@cache
def _members(kind: str, name: str, version: str) -> CodePointSet:
    own = _sets(kind, version).get(name, ())
    return decode_set(own) if version == _BASE else decode_set(own, _sets(kind, _BASE).get(name, ()))


@cache
def _runs(version: str) -> list[tuple[int, int, str]]:
    """The ranges of all categories: first and last code point, and the category."""
    return sorted((*span, name) for name in general_categories(version)
                  for span in general_category(name, version).ranges)


@cache
def _word(version: str, in_class: bool) -> CodePointSet:
    standard = alphabetic(version) | general_category("M", version) | digit(version) | general_category("Pc", version)
    return standard if in_class else standard | _LATIN_1_WORD


@cache
def _own_names(kind: str, version: str) -> dict[str, str]:
    """The name that the data has of each set of a kind, by all its loose names."""
    if kind == "categories":
        others = {"any": "Any", "assigned": "Assigned", **dict.fromkeys(("whitespace", "wspace", "space"), "Space")}
        return {loose(name): names[0] for names in read_section("category_names") for name in names} | others
    further = further_names(version) if kind == "scripts" else {}
    return {loose(each): name for name in _names(kind, version) for each in (name, *further.get(name, "").split())}


def _own_name(kind: str, name: str, version: str, words: str) -> str:
    own = _own_names(kind, version).get(loose(name))
    if own is None:
        raise UnknownPropertyError(f"expected {words}, found {name!r}")
    return own


def loose(name: str) -> str:
    """The name in Oniguruma's comparison; only ASCII folds, so U+212A KELVIN SIGN is no `k`."""
    return re.sub("[ _-]", "", name).lower() if name.isascii() else name


@explained
def scripts(version: str = DEFAULT_VERSION) -> tuple[str, ...]:
    """The names of the scripts.

    >>> "Han" in scripts(), len(scripts("16.0"))
    (True, 171)
    """
    return _names("scripts", version)


@explained
def script(name: str, version: str = DEFAULT_VERSION) -> CodePointSet:
    """The characters of a script, by its name or four-letter code; case, spaces, `-` and `_` do not count.

    Raises `UnknownPropertyError` for another name, `UnsupportedError` for another version.

    >>> "中" in script("Han"), script("hani") == script("Han")
    (True, True)
    """
    return _members("scripts", _script_name(name, version), version)


@explained
def script_extensions(name: str, version: str = DEFAULT_VERSION) -> CodePointSet:
    """The characters that are used with a script (Script_Extensions). Names and errors as `script`.

    >>> "。" in script_extensions("Han"), "。" in script("Han")
    (True, False)
    """
    return _members("script_extensions", _script_name(name, version), version)


@explained
def binary_properties(version: str = DEFAULT_VERSION) -> tuple[str, ...]:
    """The names that `binary_property` knows.

    >>> "Alphabetic" in binary_properties(), len(binary_properties("16.0"))
    (True, 51)
    """
    return _names("binary", version)


@explained
def binary_property(name: str, version: str = DEFAULT_VERSION) -> CodePointSet:
    """The characters with a binary property, by its long name. Names and errors as `script`.

    >>> "a" in binary_property("Lowercase"), "ª" in binary_property("lowercase")
    (True, True)
    """
    known = f"a binary property, such as {', '.join(binary_properties(version)[:3])}"
    return _members("binary", _own_name("binary", name, version, known), version)


@explained
def further_names(version: str = DEFAULT_VERSION) -> dict[str, str]:
    """By script, its other names, with spaces between them."""
    further: dict[str, str] = read_section("script_names")
    return {name: further[name] for name in scripts(version) if name in further}


def _script_name(name: str, version: str) -> str:
    return _own_name("scripts", name, version, f"a script of Unicode {version}, such as Han or Grek")


@explained
def posix_set(name: str, version: str = DEFAULT_VERSION) -> CodePointSet | None:
    r"""The set of upstream's `[:name:]`, or None if there is no such class. Errors as `general_categories`.

    Inside `\p{...}` the names mean the same, except `punct`: there it is the category P.

    >>> "$" in posix_set("punct"), posix_set("vowel")
    (True, None)
    """
    return _posix(version).get(name)


@cache
def _posix(version: str) -> dict[str, CodePointSet]:
    letters, spaces, digits = alphabetic(version), white_space(version), digit(version)
    controls, separators = general_category("Cc", version), general_category("Zs", version)
    graph = ~(spaces | controls | general_category("Cn", version) | general_category("Cs", version))
    return {
        "alnum": letters | digits, "alpha": letters, "ascii": CodePointSet(((0, 0x7F),)),
        "blank": separators | CodePointSet.from_chars("\t"), "cntrl": controls, "digit": digits, "graph": graph,
        "lower": binary_property("Lowercase", version), "print": graph | separators,
        "punct": general_category("P", version) | general_category("S", version), "space": spaces,
        "upper": binary_property("Uppercase", version), "word": word(version, in_class=True),
        "xdigit": CodePointSet.from_chars("0123456789abcdefABCDEF"),
    }


@explained
def named_set(name: str, version: str = DEFAULT_VERSION, *, in_class: bool = False) -> CodePointSet:
    r"""The set that upstream's `\p{name}` matches.

    The names are those of `property_set`, of `[:name:]`, of scripts and of binary properties.

    Raises `UnknownPropertyError` for any other name, also one that upstream knows, such as a block, and
    `UnsupportedError` if there is no table of this Unicode version.

    >>> len(named_set("Greek")) == len(named_set("grek")), "b" in named_set("Lowercase")
    (True, True)
    """
    if loose(name) == "word":
        return word(version, in_class=in_class)
    if loose(name) not in _own_names("categories", version) and (posix := posix_set(loose(name), version)) is not None:
        return posix
    for known in (property_set, script, binary_property):
        try:
            return known(name, version)
        except UnknownPropertyError:
            pass
    raise UnknownPropertyError(f"expected a category, script, or property of Unicode {version}, found {name!r}")


# The data


def read_section(name: str) -> Any:
    """The content of a section."""
    return json.loads(_lines()[name.encode()])[1]


@cache
def _lines() -> dict[bytes, bytes]:
    with open(join(dirname(__file__), "ucd.jsonl"), "rb") as file:
        return {line[2 : line.index(b'"', 2)]: line for line in file.read().splitlines()}


def decode_set(*sets: Iterable[int]) -> CodePointSet:
    """The code points that an odd number of the sets have: of one set all, of two those that only one of them has.

    >>> decode_set([65, 26, 6, 26]), decode_set([65, 26], [65, 25])
    (CodePointSet(U+0041..U+005A, U+0061..U+007A), CodePointSet(U+005A))
    """
    borders: set[int] = set()
    for distances in sets:
        borders ^= {*accumulate(distances)}
    ends = iter(sorted(borders))
    return CodePointSet(tuple((first, end - 1) for first, end in zip(ends, ends)))


def decode_mapping(mapping: tuple[list[int], list[str]]) -> dict[int, str]:
    """The texts by code point.

    >>> decode_mapping(([223, 1], ["ss"]))
    {223: 'ss'}
    """
    return dict(zip(decode_set(mapping[0]), mapping[1], strict=True))
