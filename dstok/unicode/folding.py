r"""Case folding: the characters that differ only in case, and those that fold to several.

In: sets of code points, and a Unicode version. Out: sets that are closed under simple folding; texts of full folding.
Invariant: two characters are forms of one another exactly when their simple folds (CaseFolding.txt, status C or S) are
equal. A version has the forms that are assigned in it: later ones add forms, and change none.
Source: Unicode Standard, section 5.18; the generated table `_ucd_17_0_folding.py`.
"""

from __future__ import annotations

import re
from functools import cache

from dstok.unicode.code_point_set import CodePointSet
from dstok.unicode.sets import DEFAULT_VERSION, general_category

__all__ = ["case_closure", "full_folds", "simple_fold"]

_RUN = re.compile(r"([0-9A-F]+)(?:-([0-9A-F]+))?(/2)?([+-][0-9A-F]+)")


def simple_fold(char: str) -> str:
    """The simple fold of a character.

    >>> simple_fold("K"), simple_fold("\u212a"), simple_fold("ẞ")
    ('k', 'k', 'ß')
    """
    code = ord(char)
    return chr(_simple().get(code, code))


def case_closure(members: CodePointSet, version: str = DEFAULT_VERSION) -> CodePointSet:
    r"""`members` with all their forms.

    >>> case_closure(CodePointSet.from_chars("ks")) == CodePointSet.from_chars("kK\u212asS\u017f")
    True
    """
    forms = _forms(version)
    if len(members) == 1:
        return forms.get(members.ranges[0][0], members)
    found = {each for code, each in forms.items() if code in members}
    return members | CodePointSet.from_ranges(pair for each in found for pair in each.ranges)


@cache
def full_folds(version: str = DEFAULT_VERSION) -> dict[str, str]:
    """The characters that fold to several, with their folds.

    >>> full_folds()["ß"]
    'ss'
    """
    from dstok.unicode._ucd_17_0_folding import FULL

    pairs = (word.split("=") for word in FULL.split())
    unassigned = general_category("Cn", version)
    return {chr(int(code, 16)): "".join(chr(int(each, 16)) for each in fold.split(","))
            for code, fold in pairs if int(code, 16) not in unassigned}


@cache
def _simple() -> dict[int, int]:
    from dstok.unicode._ucd_17_0_folding import SIMPLE

    folds: dict[int, int] = {}
    for first, last, step, distance in _RUN.findall(SIMPLE):
        for code in range(int(first, 16), int(last or first, 16) + 1, 2 if step else 1):
            folds[code] = code + int(distance, 16)
    return folds


@cache
def _forms(version: str) -> dict[int, CodePointSet]:
    """Each character with other forms -> all its forms."""
    unassigned, forms = general_category("Cn", version), dict[int, set[int]]()
    for code, fold in _simple().items():
        forms.setdefault(fold, {fold}).add(code)
    sets = [CodePointSet.from_ranges((code, code) for code in each) - unassigned for each in forms.values()]
    return {code: each for each in sets if len(each) > 1 for code in each}
