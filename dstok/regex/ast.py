"""The tree of a pattern.

In: nothing. Out: a class for each kind of node. regex/parser.py makes the tree, regex/lookaround.py replaces
look-around by nodes that regex/nfa.py reads.
Invariant: `position` is the index, in code points, of the node's construct in its pattern.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dstok.unicode.code_point_set import CodePointSet


@dataclass(frozen=True)
class Chars:
    """One character out of a set."""

    set: CodePointSet
    position: int


@dataclass(frozen=True)
class Look:
    """No width: the next character is in `set`, or there is none and `at_end` is true, as in `$`, `(?=x)`."""

    set: CodePointSet
    at_end: bool
    position: int


@dataclass(frozen=True)
class Before:
    """No width: the character before is in `set`, or there is none and `at_start` is true."""

    set: CodePointSet
    at_start: bool
    position: int


@dataclass(frozen=True)
class SearchStart:
    r"""No width: `\G`. The search for the match began here: at the start of the text, or at the end of a match."""

    position: int


@dataclass(frozen=True)
class Around:
    """No width: a text that `item` matches begins here (`ahead`) or ends here. If `negative`, there is no such text."""

    item: Node
    ahead: bool
    negative: bool
    position: int


@dataclass(frozen=True)
class Atomic:
    """The match that `item` prefers, whatever follows."""

    item: Node
    position: int


@dataclass(frozen=True)
class Test:
    """No width: predicate number `predicate` of regex/lookaround.py has the value `value`."""

    predicate: int
    value: bool


@dataclass(frozen=True)
class OracleLetters:
    """No width: the next oracle letter, of those with the first `level` predicates, is in `letters`."""

    level: int
    letters: frozenset[int]


@dataclass(frozen=True)
class Fixed:
    """The preferred match of automaton number `automaton` of regex/lookaround.py, which makes it from `Atomic`."""

    automaton: int
    nullable: bool


@dataclass(frozen=True)
class Concat:
    """The items one after the other; the empty concatenation matches the empty text."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Alternate:
    """The first of `items` that lets the whole pattern match (leftmost-first)."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Border(Alternate):
    r"""`\b` if `inside` is true, else `\B`: its items say what stands before the place and after it."""

    inside: bool


@dataclass(frozen=True)
class Repeat:
    """`item` at least `low` and at most `high` times (None: no limit), as many as possible if greedy."""

    item: Node
    low: int
    high: int | None
    greedy: bool


@dataclass(frozen=True)
class Group:
    """The text that `item` matches, kept as group `number` (from 1). Only `parse_groups` makes it."""

    item: Node
    number: int
    name: str | None
    position: int


Node = (Chars | Look | Before | SearchStart | Around | Atomic | Concat | Alternate | Repeat | Test | OracleLetters
        | Fixed | Group)


def nodes(node: Node) -> Iterator[Node]:
    """`node` and all nodes in it, in order of appearance."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(children(top)))


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below `node`, in order of appearance."""
    if isinstance(node, (Repeat, Around, Atomic, Group)):
        return (node.item,)
    return node.items if isinstance(node, (Concat, Alternate)) else ()


def character_sets(node: Node) -> list[CodePointSet]:
    """The distinct sets that `node` tests characters against, in order of appearance."""
    return list(dict.fromkeys(each.set for each in nodes(node) if isinstance(each, (Chars, Look, Before))))


def position_of(node: Node) -> str:
    """The first position in `node`, as errors name it; "" if it has none."""
    positions = (each.position for each in nodes(node) if isinstance(each, (Chars, Look, Before, Around, Atomic)))
    return next((f"position {position}" for position in positions), "")


def is_nullable(node: Node) -> bool:
    """Can `node` match no character? Upstream leaves a loop after such a turn."""
    if isinstance(node, (Alternate, Concat)):
        return (any if isinstance(node, Alternate) else all)(map(is_nullable, node.items))
    if isinstance(node, (Repeat, Atomic, Group)):
        return (isinstance(node, Repeat) and node.low == 0) or is_nullable(node.item)
    return node.nullable if isinstance(node, Fixed) else not isinstance(node, Chars)


def at_search_start(node: Node, here: bool) -> Node:
    r"""The node for matches that begin where the search began (`here`), or later: without each `\G` in front."""
    if isinstance(node, SearchStart):
        return Concat(()) if here else Alternate(())
    if isinstance(node, Alternate):
        return replace(node, items=tuple(at_search_start(item, here) for item in node.items))
    if isinstance(node, Concat) and node.items:
        return Concat((at_search_start(node.items[0], here), *node.items[1:]))
    return replace(node, item=at_search_start(node.item, here)) if isinstance(node, Group) else node


def length_of(node: Node) -> int | None:
    """The length of every match of `node`; None if lengths differ."""
    if isinstance(node, (Chars, Alternate)):
        lengths = {1} if isinstance(node, Chars) else {length_of(item) for item in node.items}
        return lengths.pop() if len(lengths) == 1 else None
    if isinstance(node, Concat):
        parts = [length_of(item) for item in node.items]
        return None if None in parts else sum(part or 0 for part in parts)
    if isinstance(node, Repeat):
        length = length_of(node.item)
        return length * node.low if length is not None and (node.low == node.high or not length) else None
    return length_of(node.item) if isinstance(node, (Atomic, Group)) else 0


def has_no_width(node: Node) -> bool:
    """Does `node` contain an anchor or look-around?"""
    if isinstance(node, (Concat, Alternate, Repeat, Atomic, Group)):
        return any(map(has_no_width, children(node)))
    return not isinstance(node, Chars)
