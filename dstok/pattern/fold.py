r"""Case folding inside `(?i:...)`, as upstream (Oniguruma) does it.

In: sets and the tree under `(?i:...)`. Out: nodes that match in either case.
Invariant: the result matches exactly as upstream does. Upstream folds characters and the outermost class of brackets,
after its `&&` and before its `^`; it does not fold `\p{...}`, `\w` and the like. A class that is not negated also
matches the full folds of its members: `(?i:[ß])` matches "ss", after all else was tried. In a text upstream matches
one character for several, too, from the left: `(?i:ss)` matches "ß". Such texts are refused, and so are characters
that fold to several.
Source: Unicode's CaseFolding.txt, and upstream itself, measured (tests/patterns, tests/unicode/test_folding.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from dstok.pattern.ast import Alternate, Chars, Concat, Node, Repeat, children
from dstok.unicode.folding import case_closure, full_folds
from dstok.unicode.sets import CodePointSet

__all__ = ["folded_class", "text_of_one_character"]


def folded_class(members: CodePointSet, version: str, start: int) -> Node:
    """A class that is not negated, given closed: one of its members, or the full fold of one.

    Folds with the same characters after the first share an alternative. Upstream tries a fold before longer ones that
    begin with it; the order of all others does not matter.
    """
    firsts: dict[str, str] = {}
    for char, fold in full_folds(version).items():
        if char in members:
            firsts[fold[1:]] = firsts.get(fold[1:], "") + fold[0]
    sets = [[case_closure(CodePointSet.from_chars(chars), version) for chars in (first, *rest)]
            for rest, first in sorted(firsts.items(), key=lambda item: len(item[0]))]
    texts = [Concat(tuple(Chars(each, start) for each in text)) for text in sets]
    return Alternate((Chars(members, start), *texts)) if texts else Chars(members, start)


def text_of_one_character(node: Node, characters: Mapping[int, str], version: str) -> str | None:
    """A text in a folded tree that one character matches, too; None if there is none.

    `characters` gives the folded character at each position of the pattern that has one.
    """
    text = _text(node, characters)
    return next((fold for fold in full_folds(version).values() if fold in text), None)


_BREAK = "\0"  # no fold has it


def _text(node: Node, characters: Mapping[int, str]) -> str:
    """The characters of a tree, with breaks where upstream sees no text."""
    if isinstance(node, Chars):
        return characters.get(node.position, _BREAK)
    inner = [_text(item, characters) for item in children(node)]
    if isinstance(node, Concat) or (isinstance(node, Repeat) and node.low == node.high == 1):
        return "".join(inner)
    return _BREAK + "".join(text + _BREAK for text in inner)
