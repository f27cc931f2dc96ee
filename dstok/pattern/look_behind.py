r"""Look-behind of several lengths, as upstream compiles it.

In: the AST inside a look-behind. Out: whether upstream searches for its start, and its meaning at the start of a text.
Invariant: an answer is upstream's, measured (tests/helpers/random_patterns.py), or None: the pattern is then refused.

Upstream shortens repetitions at the front of a look-behind: only the least number of turns counts. If each alternative
has one length then, it steps back by this length. Else it searches for a start, and hides the text from the place on.
That shows at one place alone: an empty look-behind at the start of a text sees no character. So `\b` fails there.
Example: `(?<=(?:|aa*)\b).` matches no first letter, but `(?<=\b).` does.
"""

from __future__ import annotations

from dataclasses import replace

from dstok.pattern.ast import (
    Alternate,
    Around,
    Atomic,
    Border,
    Chars,
    Concat,
    Group,
    Node,
    Repeat,
    length_of,
    nodes,
)

__all__ = ["is_searched", "vanishes", "without_borders"]

_NOTHING = Concat(())


def vanishes(node: Node) -> bool:
    """Several parts, all optional? At the front of a look-behind upstream drops these, and fails if none remains.

    It keeps an optional part that is neither one character nor one text. dstok refuses that, too.
    """
    return isinstance(node, Concat) and len(node.items) > 1 and all(map(_is_optional, node.items))


def _is_optional(node: Node) -> bool:
    if isinstance(node, Concat):
        return bool(node.items) and all(map(_is_optional, node.items))
    return isinstance(node, Repeat) and (node.low == 0 or _is_optional(node.item))


def is_searched(node: Node) -> bool | None:
    """Does upstream search for the start of a look-behind? None: it may do so or not.

    It may do so for a choice inside a choice, a repeated anchor, and a repeated text at the front: the AST does not
    tell texts from characters in a row.
    """
    one, other = (_have_lengths(_shortest_front(node, texts)) for texts in (False, True))
    return None if one is None or one != other else not one


def _have_lengths(node: Node) -> bool | None:
    """Does each alternative have one length?"""
    items = node.items if isinstance(node, Alternate) and not isinstance(node, Border) else (node,)
    turns = [each for item in items for each in nodes(item) if isinstance(each, Repeat) and each.low != each.high]
    if any(isinstance(item, Alternate) and length_of(item) is None for item in items) or any(
            length_of(each.item) == 0 for each in turns):
        return None
    return not turns and all(length_of(item) is not None for item in items)


def _shortest_front(node: Node, texts: bool) -> Node:
    """The look-behind with shorter repetitions at its front: those of a character, and with `texts` of several ones."""
    if isinstance(node, Repeat) and (isinstance(node.item, Chars) or (texts and _is_text(node.item))):
        return Repeat(node.item, node.low, node.low, True) if node.low else _NOTHING
    if isinstance(node, Alternate) and not isinstance(node, Border):
        return Alternate(tuple(_shortest_front(item, texts) for item in node.items))
    if isinstance(node, Concat) and node.items:
        front, *rest = node.items
        shorter = _shortest_front(front, texts)
        whole = Concat(tuple(rest))
        return _shortest_front(whole, texts) if shorter == _NOTHING and rest else Concat((shorter, *rest))
    return node


def _is_text(node: Node) -> bool:
    return isinstance(node, Concat) and all(isinstance(item, Chars) for item in node.items)


def without_borders(node: Node) -> Node:
    r"""Such a look-behind at the start of a text: `\b` fails, `\B` passes."""
    if isinstance(node, Border):
        return Alternate(()) if node.inside else _NOTHING
    if isinstance(node, (Concat, Alternate)):
        return replace(node, items=tuple(map(without_borders, node.items)))
    if isinstance(node, (Repeat, Around, Atomic, Group)):
        return replace(node, item=without_borders(node.item))
    return node
