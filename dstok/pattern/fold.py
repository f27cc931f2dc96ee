"""Case folding inside `(?i:...)`, as far as it is exact.

In: a set of ASCII characters, or a folded AST. Out: the set closed under upstream's simple folds.
Invariant: the result matches exactly as upstream (Oniguruma) does. Upstream may also match one character for several
(`(?i:ss)` and U+00DF); such patterns are refused.
Source: Unicode's CaseFolding.txt for ASCII letters. Only k and s have a third, non-ASCII form (U+212A, U+017F). The
multi-character folds of ASCII letters begin with the pairs below.
"""

from __future__ import annotations

from dstok.pattern.ast import Alternate, Around, Atomic, Chars, Concat, Group, Node, Repeat
from dstok.unicode.sets import CodePointSet

__all__ = ["fold_set", "refuse_multi_character_folds"]

_ASCII = CodePointSet.from_ranges([(0, 0x7F)])
_EXTRA = {"k": "\u212a", "s": "\u017f"}
# ss and st fold from U+00DF, U+FB06; ff, fi, fl and the three-letter ffi, ffl from U+FB00 on. The other
# multi-character folds that begin in ASCII (such as U+1E96, h + U+0331) continue outside ASCII.
_PAIRS = ("ss", "st", "ff", "fi", "fl")


def fold_set(members: CodePointSet) -> CodePointSet | None:
    r"""`members` and all their case variants, or None if a member is not ASCII.

    >>> fold_set(CodePointSet.from_chars("s")) == CodePointSet.from_chars("sS\u017f")
    True
    """
    if not members.issubset(_ASCII):
        return None
    chars = "".join(map(chr, members))
    variants = chars.lower() + chars.upper() + "".join(_EXTRA.get(c, "") for c in chars.lower())
    return CodePointSet.from_chars(variants)


def refuse_multi_character_folds(node: Node) -> str | None:
    """A pair of adjacent letters in a folded AST that upstream may match as one character, or None."""
    follows: set[tuple[str, str]] = set()
    _edges(node, follows)
    return next((pair for pair in _PAIRS if (pair[0], pair[1]) in follows), None)


def _edges(node: Node, follows: set[tuple[str, str]]) -> tuple[frozenset[str], frozenset[str], bool]:
    """First letters, last letters and nullability of `node`; adds its pairs of neighbours to `follows`."""
    if isinstance(node, Chars):
        letters = frozenset(c for c in "sftil" if ord(c) in node.set)
        return letters, letters, False
    if isinstance(node, Alternate):
        parts = [_edges(item, follows) for item in node.items]
        return (frozenset().union(*(p[0] for p in parts)), frozenset().union(*(p[1] for p in parts)),
                any(p[2] for p in parts))
    if isinstance(node, (Atomic, Group)):
        return _edges(node.item, follows)
    if isinstance(node, Around):
        _edges(node.item, follows)
    if isinstance(node, Repeat):
        first, last, nullable = _edges(node.item, follows)
        if node.high is None or node.high > 1:
            follows.update((a, b) for a in last for b in first)
        return first, last, nullable or node.low == 0
    first, last, nullable = frozenset[str](), frozenset[str](), True
    for item in node.items if isinstance(node, Concat) else ():
        f, b, n = _edges(item, follows)
        follows.update((x, y) for x in last for y in f)
        first, last, nullable = first | f if nullable else first, b | last if n else b, nullable and n
    return first, last, nullable
