"""Unicode properties as sets of code points, for a named Unicode version; also by the names in upstream's patterns.

In: a property name as a pattern spells it, or as Unicode does, and a Unicode version. Out: a `CodePointSet`.
Invariant: each set is the one that upstream's regex engine (Oniguruma in the tokenizers wheel) matches, for every code
point but surrogates (tests/unicode/test_properties.py sweeps all of them). Upstream never sees a surrogate, so sets
hold the surrogates where Unicode puts them. Scripts and binary properties equal those of Unicode's database.
Source: the generated tables (see unicode_tables/README.md), of which that of the version `BASE` holds whole sets, the
others symmetric differences from it; Unicode Standard Annex #44, section 5.7.1, for the groups of categories; Unicode
Technical Standard #18, annex C, for `word` and `digit`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import accumulate
from types import ModuleType

from dstok._util.arguments import explained
from dstok.errors import ArgumentError, DstokError, UnsupportedError
from dstok.unicode.code_point_set import MAX_CODE_POINT
from dstok.unicode.code_point_set import CodePointSet as CodePointSet

DEFAULT_VERSION = "16.0"
_VERSIONS = ("14.0", "15.0", "16.0", "17.0")

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

    Raises `ArgumentError` for a number outside 0..0x10FFFF, `UnsupportedError` for a version without a table.

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

    Raises `UnsupportedError` if there is no table of this Unicode version.

    >>> len(general_categories()), general_categories()[:3]
    (30, ('Cc', 'Cf', 'Cn'))
    """
    return tuple(sorted(name for name in _general_categories(version) if len(name) == 2 and name != "LC"))


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
    try:
        return _general_categories(version)[name]
    except KeyError:
        raise UnknownPropertyError(f"expected a general category such as L or Lu, found {name!r}") from None


@explained
def white_space(version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The binary property White_Space, which upstream's `\s` matches.

    Raises `UnsupportedError` if there is no table of this Unicode version.

    >>> len(white_space())
    25
    """
    return _binary_property("WHITE_SPACE", version)


@explained
def alphabetic(version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The binary property Alphabetic: letters, letter numbers and Other_Alphabetic.

    Raises `UnsupportedError` if there is no table of this Unicode version.

    >>> "\u24b6" in alphabetic(), "\u24b6" in general_category("L")  # circled latin capital letter A
    (True, False)
    """
    return _binary_property("ALPHABETIC", version)


@explained
def digit(version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""The set that upstream's `\d` matches, inside and outside brackets: the category Nd.

    Raises `UnsupportedError` if there is no table of this Unicode version.

    >>> "\u0663" in digit(), "\u00bd" in digit()
    (True, False)
    """
    return general_category("Nd", version)


@explained
def word(version: str = DEFAULT_VERSION, *, in_class: bool = False) -> CodePointSet:
    r"""The set that upstream's `\w` matches: Alphabetic, M, Nd and Pc, and six code points of Latin-1.

    Oniguruma counts the six (superscript digits and vulgar fractions) outside brackets only. So `word(in_class=True)`
    is the set of `\w` inside a bracketed class, and `[\W]` is its complement. `\W` is the complement of `word()`.

    Raises `UnsupportedError` if there is no table of this Unicode version.

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

    Raises `UnsupportedError` if there is no table of this Unicode version.

    >>> checksum("16.0")[:16]
    '984e7b98c95aa8dc'
    """
    import hashlib  # costs more than loading the table, and only checks of the table need it

    digest = hashlib.sha256()
    for first, last, category in _category_ranges(version):
        digest.update(category.encode() * (last - first + 1))
    return digest.hexdigest()


def _table(kind: str, version: str) -> ModuleType:
    if version not in _VERSIONS:
        raise UnsupportedError(f"expected a Unicode version out of {', '.join(_VERSIONS)}, found {version!r}")
    return import_module(f"dstok.unicode._{kind}_{version.replace('.', '_')}")


@cache
def _runs(version: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Decodes the run-length coded categories: the start of each run, and its category."""
    runs = _RUN.findall(_table("ucd", version).GENERAL_CATEGORY)
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
        for name in (category, category[0], *(("LC",) if category in ("Ll", "Lt", "Lu") else ())):
            members.setdefault(name, []).append((first, last))
    return {name: CodePointSet.from_ranges(ranges) for name, ranges in members.items()}


@cache
def _binary_property(attribute: str, version: str) -> CodePointSet:
    return _decoded(getattr(_table("ucd", version), attribute))


def _decoded(spans: str) -> CodePointSet:
    """The set of a table's text, such as "41-5A AA"."""
    pairs = (span.partition("-") for span in spans.split())
    return CodePointSet.from_ranges((int(first, 16), int(last or first, 16)) for first, _, last in pairs)


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
    for names in _table("ucd", version).GENERAL_CATEGORY_NAMES:
        properties |= dict.fromkeys(map(loose, names), general_category(names[0], version))
    return properties


def loose(name: str) -> str:
    """The name in Oniguruma's comparison; only ASCII folds, so U+212A KELVIN SIGN is no `k`."""
    return re.sub("[ _-]", "", name).lower() if name.isascii() else name


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
    if known[loose(name)] in ("Alphabetic", "White_Space"):
        return _binary_property(known[loose(name)].upper(), version)
    return _members("BINARY", known[loose(name)], version)


@explained
def further_names(version: str = DEFAULT_VERSION) -> dict[str, str]:
    """By script, its other names, with spaces between them."""
    own = _table("properties", version)
    every: dict[str, str] = _table("properties", own.BASE).ALIASES | own.ALIASES
    return {name: every[name] for name in scripts(version) if name in every}


def _script_name(name: str, version: str) -> str:
    """The name of a script, given by any of its names. Raises `UnknownPropertyError`."""
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
    own = _table("properties", version)
    if version == own.BASE:
        return tuple(getattr(own, table))
    return tuple(sorted({*_names(table, own.BASE), *getattr(own, table)} - {*own.ABSENT[table].split()}))


@cache
def _members(table: str, name: str, version: str) -> CodePointSet:
    own = _table("properties", version)
    members = _decoded(getattr(own, table).get(name, ""))
    return members if version == own.BASE else members ^ _members(table, name, own.BASE)


@explained
def posix_set(name: str, version: str = DEFAULT_VERSION) -> CodePointSet | None:
    r"""The set of upstream's `[:name:]`, or None if there is no such class.

    Inside `\p{...}` the names mean the same, except `punct`: there it is the category P.

    Raises `UnsupportedError` if there is no table of this Unicode version.

    >>> "$" in posix_set("punct"), posix_set("vowel")
    (True, None)
    """
    return _posix(version).get(name)


@cache
def _posix(version: str) -> dict[str, CodePointSet]:
    category = _general_categories(version).__getitem__
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

    Raises `UnknownPropertyError` for any other name, also one that upstream knows, such as a block, and
    `UnsupportedError` if there is no table of this Unicode version.

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
