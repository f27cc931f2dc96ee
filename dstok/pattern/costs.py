"""The part of a pattern that makes its automaton large, and what needs fewer states.

In: the tree of a pattern, and the error of a limit. Out: the error as a sentence about the pattern.
Invariant: the named part is the one with the most states of the NFA beyond one copy. It is a guess at the cause, so the
error keeps the limit that was passed.
"""

from __future__ import annotations

from collections.abc import Iterator

from dstok.errors import UnsupportedError
from dstok.pattern.ast import Alternate, Around, Concat, Node, Repeat, children, nodes, position_of
from dstok.pattern.work import LimitError

__all__ = ["explained"]

_FEW = 8  # states: no part that costs less is to blame


def explained(error: UnsupportedError, *trees: Node) -> str:
    """The error's message; of a limit with the part of these patterns that costs the most."""
    if not isinstance(error, LimitError):
        return error.message
    cost, words = max((part for tree in trees for part in _parts(tree, 1)), key=lambda part: part[0], default=(0, ""))
    if cost < _FEW:
        return error.message
    return f"an automaton that is too large, mostly because of {words} ({error.limit})"


def _parts(node: Node, times: int) -> Iterator[tuple[int, str]]:
    """The parts of a tree that stands `times` times in the NFA: (states, the part and what needs fewer)."""
    at = position_of(node)
    if isinstance(node, Repeat):
        turns = node.low if node.high is None else node.high
        yield times * (turns - 1) * _size(node.item), f"the repetition {_bounds(node)} at {at}: {_fewer_turns(node)}"
        times *= max(turns, 1)
    elif isinstance(node, Alternate):
        yield len(node.items), f"the choice of {len(node.items)} at {at}: fewer alternatives need fewer states"
    elif isinstance(node, Around):
        look = "look-ahead" if node.ahead else "look-behind"
        yield _size(node) // 2, f"the {look} at {at}: one over fewer characters needs fewer states"
    elif isinstance(node, Concat):
        yield len(node.items), f"the {len(node.items)} parts in a row at {at}: fewer parts need fewer states"
    for item in children(node):
        yield from _parts(item, times)


def _size(node: Node) -> int:
    """About the number of states, each repetition counted once."""
    return sum(1 for _ in nodes(node))


def _bounds(node: Repeat) -> str:
    if node.high is None:
        return f"{{{node.low},}}"
    return f"{{{node.low}}}" if node.low == node.high else f"{{{node.low},{node.high}}}"


def _fewer_turns(node: Repeat) -> str:
    if node.high is None or node.low == node.high:
        return "fewer turns need fewer states"
    return f"fewer turns, or no upper bound ({{{node.low},}}), need fewer states"
