"""Case folding, the normalization forms and lower case.

In: sets of code points, and a Unicode version; the data of Unicode 9.0 (that of upstream's composition), and what 17.0
adds (no later version changes a code point that 9.0 has); lower case and folding of 17.0, as upstream's. Out: sets that
are closed under simple folding; texts of full folding; `FormTables`, which core/text/normalize.pyx runs on; mappings.
Invariant: two characters are forms of one another exactly when their simple folds (CaseFolding.txt, status C or S) are
equal. A version has the forms that are assigned in it: later ones add forms, and change none. A code point in no table
is itself in every normal form. It is `clean`: a text of clean code points alone is normalized, wherever it is cut.
Source: Unicode Standard, section 5.18; Annex #15; section 3.12 for Hangul, which is arithmetic in the core.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

from dstok.errors import UnsupportedError
from dstok.unicode.code_point_set import CodePointSet
from dstok.unicode.properties import DEFAULT_VERSION, decode_mapping, decode_set, general_category, read_section


def simple_fold(char: str) -> str:
    """The simple fold of a character: `k` for U+212A KELVIN SIGN."""
    return _simple().get(ord(char), char)


def case_closure(members: CodePointSet, version: str = DEFAULT_VERSION) -> CodePointSet:
    """The set with all forms of its members."""
    forms = _forms(version)
    if len(members) == 1:
        return forms.get(members.ranges[0][0], members)
    found = {each for code, each in forms.items() if code in members}
    return members | CodePointSet.from_ranges(pair for each in found for pair in each.ranges)


@cache
def full_folds(version: str = DEFAULT_VERSION) -> dict[str, str]:
    """The characters that fold to several, with their folds: ß to ss."""
    unassigned = general_category("Cn", version)
    folds = decode_mapping(read_section("full_folding"))
    return {chr(code): fold for code, fold in folds.items() if code not in unassigned}


@cache
def _simple() -> dict[int, str]:
    return decode_mapping(read_section("simple_folding"))


@cache
def _forms(version: str) -> dict[int, CodePointSet]:
    """Each character with other forms -> all its forms."""
    unassigned, forms = general_category("Cn", version), dict[str, set[int]]()
    for code, fold in _simple().items():
        forms.setdefault(fold, {ord(fold)}).add(code)
    sets = [CodePointSet.from_ranges((code, code) for code in each if code not in unassigned)
            for each in forms.values()]
    return {code: each for each in sets if len(each) > 1 for code in each}


OLDEST = "9.0"
VERSIONS = (OLDEST, "17.0")  # of Unicode, whose normal forms dstok knows
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
# The flags of a code point in a form. BOUNDARY: nothing before it changes with it or changes it. TROUBLED: it
# decomposes, or may compose with the code point before it. HANGUL: a syllable.
BOUNDARY, TROUBLED, HANGUL = 1, 2, 4
_SYLLABLES, _VOWELS, _FINALS = range(0xAC00, 0xD7A4), range(0x1161, 0x1176), range(0x11A8, 0x11C3)
_Record = tuple[int, int, str]  # combining class, flags, decomposition (none: the code point itself)
CLEAN: _Record = (0, BOUNDARY, "")
_BREAK, _MARK = "\0", "\1"  # no text decomposes into these


class FormTables(NamedTuple):
    """The core's tables, little-endian.

    uint16: `pages` of 256 code points, and each 256's page number; a page holds numbers of records. By record:
    `classes` and `flags`, a byte each; `starts` (uint32, one more than records) in `sequences` (uint32), the
    decompositions. `pairs`: uint32, flat: first, second, composite.
    """

    pages: bytes
    page_numbers: bytes
    classes: bytes
    flags: bytes
    starts: bytes
    sequences: bytes
    pairs: bytes


@cache
def form_tables(form: str, version: str = OLDEST) -> FormTables:
    """The tables of one of `FORMS`, in one of `VERSIONS`."""
    classes, mappings, excluded, pairs = combining_classes(version), *decompositions(form.startswith("NFK"), version)
    composed = form.endswith("C")
    seconds = {*map(ord, "".join(pairs)[1::2]), *_VOWELS, *_FINALS} if composed else set()
    # Composing does not restore what holds an excluded code point, at any depth: each begins with a mark.
    marked = {code: _MARK + mappings[code] for code in excluded} if composed else {}
    records: dict[int, _Record] = {} if composed else dict.fromkeys(_SYLLABLES, (0, BOUNDARY | TROUBLED | HANGUL, ""))
    records |= {code: (value, 0, "") for code, value in classes.items()}
    records |= {code: (classes.get(code, 0), TROUBLED, "") for code in seconds}
    steps, joined, further = mappings | marked, "", _BREAK.join((mappings | marked).values())
    while joined != further:  # decomposes the parts of decompositions, too
        joined, further = further, further.translate(steps)
    for code, full in zip(steps, joined.split(_BREAK)):
        text = full.replace(_MARK, "")
        boundary = (first := ord(text[0])) not in classes and first not in seconds
        troubled = not composed or code in seconds or text != full
        records[code] = (classes.get(code, 0), boundary * BOUNDARY | troubled * TROUBLED, text)
    return _packed(records, "".join([pair + chr(made) for pair, made in pairs.items()]) if composed else "")


def check_tables(changing: Iterable[int]) -> FormTables:
    """Tables without a form: they only find the texts with one of the code points `changing`."""
    return _packed(dict.fromkeys(changing, (0, TROUBLED, "")), "")


def replacing_tables(characters: Mapping[int, int]) -> FormTables:
    """Tables that put one code point for another."""
    return _packed({old: (0, BOUNDARY | TROUBLED, chr(new)) for old, new in characters.items()}, "")


def unclean(form: str, version: str = OLDEST) -> list[int]:
    """The code points that are not clean in a form."""
    tables = form_tables(form, version)
    numbers, pages = memoryview(tables.page_numbers).cast("H"), memoryview(tables.pages).cast("H")
    return [page << 8 | low for page in range(0x1100) if numbers[page]
            for low in range(256) if pages[numbers[page] << 8 | low]]


@cache
def marks() -> frozenset[int]:
    """The code points of general category M in Unicode 9.0: StripAccents removes them."""
    return frozenset(decode_set(read_section("marks")))


@cache
def lowercase() -> dict[int, str]:
    """Lower case of the code points that change, in the form that `str.translate` takes."""
    return decode_mapping(read_section("lowercase"))


@cache
def combining_classes(version: str = OLDEST) -> dict[int, int]:
    """The canonical combining classes that are not 0."""
    return {code: int(value) for section in _sections(version) for value, codes in section["classes"].items()
            for code in decode_set(codes)}


@cache
def decompositions(compatible: bool, version: str) -> tuple[dict[int, str], frozenset[int], dict[str, int]]:
    """One step of each decomposition; those that composition never makes; (first and second) -> their composition."""
    found: dict[str, dict[int, str]] = {"composed": {}, "excluded": {}, "compatible": {}}
    for section in _sections(version):
        for kind, steps in found.items():
            steps |= decode_mapping(section[kind]) if compatible or kind != "compatible" else {}
    composed, excluded, others = found.values()
    return composed | excluded | others, frozenset(excluded | others), {text: code for code, text in composed.items()}


@cache
def _sections(version: str) -> list[Any]:
    """The sections that hold a version's data together. Raises `UnsupportedError`."""
    if version not in VERSIONS:
        raise UnsupportedError(f"expected a Unicode version of normal forms out of {', '.join(VERSIONS)}, "
                               f"found {version!r}")
    return [read_section(f"normalization {each}") for each in VERSIONS[: VERSIONS.index(version) + 1]]


def _packed(records: Mapping[int, _Record], pairs: str) -> FormTables:
    numbers = {CLEAN: 0}
    pages = defaultdict[int, "array[int]"](lambda: array("H", bytes(512)))
    for code, record in records.items():
        pages[code >> 8][code & 255] = numbers.setdefault(record, len(numbers))
    shared = {bytes(512): 0}  # page -> its number
    page_numbers = array("H", bytes(2 * 0x1100))
    for page, records_of in pages.items():
        page_numbers[page] = shared.setdefault(records_of.tobytes(), len(shared))
    classes, flags, texts = zip(*numbers)
    starts, sequences = array("I", accumulate(map(len, texts), initial=0)), "".join(texts)
    return FormTables(b"".join(shared), page_numbers.tobytes(), bytes(classes), bytes(flags), starts.tobytes(),
                      sequences.encode("utf-32-le"), pairs.encode("utf-32-le"))
