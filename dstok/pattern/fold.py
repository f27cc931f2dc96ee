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
    """A class that is not negated, given closed: one of its members, or the full fold of one."""
    folds = dict.fromkeys(fold for char, fold in full_folds(version).items() if char in members)
    if not folds:
        return Chars(members, start)
    texts = [Concat(tuple(Chars(case_closure(CodePointSet.from_chars(char), version), start) for char in fold))
             for fold in folds]
    return Alternate((Chars(members, start), *texts))


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
