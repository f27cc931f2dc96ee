"""The AST of a pattern: five kinds of node.

What syntax.py makes and nfa.py reads. `position` is the index, in code points, of the construct in its
pattern.
"""

from __future__ import annotations

from dataclasses import dataclass

from dstok.unicode.sets import CodePointSet

__all__ = ["Alternate", "Chars", "Concat", "Look", "Node", "Repeat", "character_sets"]


@dataclass(frozen=True)
class Chars:
    """One character out of a set."""

    set: CodePointSet
    position: int


@dataclass(frozen=True)
class Look:
    """No width: the next character is in `set`, or there is none and `at_end` is true.

    Covers `(?=X)`, `(?!X)` for a single-character X, and `$`.
    """

    set: CodePointSet
    at_end: bool
    position: int


@dataclass(frozen=True)
class Concat:
    """One after the other; the empty concatenation matches the empty text."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Alternate:
    """The first of `items` that lets the whole pattern match (leftmost-first)."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """`item` at least `low` and at most `high` times (None: no limit), as many as possible if greedy."""

    item: Node
    low: int
    high: int | None
    greedy: bool


Node = Chars | Look | Concat | Alternate | Repeat


def character_sets(node: Node) -> list[CodePointSet]:
    """The distinct sets that `node` tests characters with, in order of appearance."""
    found: dict[CodePointSet, None] = {}
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, (Chars, Look)):
            found[top.set] = None
        elif isinstance(top, Repeat):
            stack.append(top.item)
        else:
            stack.extend(reversed(top.items))
    return list(found)
