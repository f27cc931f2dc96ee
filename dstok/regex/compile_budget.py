"""How much the compiler may do for a pattern: one measure for all stages, and one error that names the costly part.

In: the steps that a stage does, the cells that it keeps, the sizes of its results; the tree of a pattern. Out: nothing,
or the `UnsupportedError` that names the stage and the limit, and what needs fewer states.
Invariant: the counts depend on the pattern alone, never on the machine or the clock, so a pattern is refused everywhere
or nowhere. A stage has a budget of its own, or shares that of the stage that calls it. The named part, with the most
states of the NFA beyond one copy, is a guess at the cause: the error keeps the limit, too.

A step is a look at a state, an edge or a range: about 0.2 microseconds in Python. A cell is a kept entry of a set, a
tuple or a table: about 100 bytes in all. So a budget is about 2 seconds and 200 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, NoReturn

from dstok.errors import UnsupportedError
from dstok.regex.ast import Alternate, Around, Concat, Node, Repeat, children, nodes, position_of

Spent = Literal["steps", "cells"]
Size = Literal["NFA states", "edges", "states of marked texts", "states from the right", "cells of a table of marks"]

# Real patterns need a fifth of the steps at most, and less of everything else: tests/regex/test_pattern_limits.py.
LIMITS: dict[Spent | Size, int] = {
    "steps": 8_000_000,
    "cells": 2_000_000,
    "NFA states": 20_000,
    "edges": 100_000,
    "states of marked texts": 20_000,
    "states from the right": 20_000,
    "cells of a table of marks": 4_000_000,
}



class LimitError(UnsupportedError):
    """A pattern needs more than the compiler may do. `limit` says what; `explained` names the costly part."""

    def __init__(self, limit: str, where: str = "") -> None:
        super().__init__(f"a pattern that needs {limit}", where)
        self.limit = limit


def located(error: UnsupportedError, where: str) -> UnsupportedError:
    """The error with a place, if it has none yet."""
    place = error.where or where
    return LimitError(error.limit, place) if isinstance(error, LimitError) else UnsupportedError(error.message, place)


@dataclass
class Work:
    """The steps and cells spent so far, and the stage that is at work."""

    stage: str
    steps: int = 0
    cells: int = 0


_current: ContextVar[Work | None] = ContextVar("dstok_pattern_work", default=None)


def spend(steps: int, cells: int = 0) -> None:
    """Counts steps, and cells that are kept. Raises `UnsupportedError` if a budget is used up."""
    work = _current.get()
    if work is None:
        return
    work.steps += steps
    work.cells += cells
    if work.steps > LIMITS["steps"]:
        _refuse("steps", work)
    if work.cells > LIMITS["cells"]:
        _refuse("cells", work)


def steps_left() -> int:
    """How many steps the budget still has; more than anybody takes if there is none."""
    work = _current.get()
    return 1 << 40 if work is None else LIMITS["steps"] - work.steps


def within(what: Size, count: int) -> None:
    """Raises `UnsupportedError` if there are more of `what` than its limit says."""
    if count > LIMITS[what]:
        _refuse(what, _current.get())


def _refuse(what: Spent | Size, work: Work | None) -> NoReturn:
    raise LimitError(f"more than {LIMITS[what]} {what}" + (f" during {work.stage}" if work else ""))


@contextmanager
def stage(name: str, own: bool = False) -> Iterator[Work]:
    """A stage of the compiler: the lines under it, or a function that it decorates.

    It has the budget of the stage around it; a new one if `own`, or without a stage around it.
    """
    outer = _current.get()
    work = Work(name) if outer is None or own else outer
    token, before, work.stage = _current.set(work), work.stage, name
    try:
        yield work
    finally:
        work.stage = before
        _current.reset(token)


def explained(error: UnsupportedError, *trees: Node) -> str:
    """The error's message; of a limit with the part of these patterns that costs the most."""
    if not isinstance(error, LimitError):
        return error.message
    cost, words = max((part for tree in trees for part in _parts(tree, 1)), key=lambda part: part[0], default=(0, ""))
    if cost < 8:  # states: no part that costs less is to blame
        return error.message
    return f"an automaton that is too large, mostly because of {words} ({error.limit})"


def _parts(node: Node, times: int) -> Iterator[tuple[int, str]]:
    """The parts of a tree that stands `times` times in the NFA: (states, the part and what needs fewer)."""
    at = position_of(node)
    if isinstance(node, Repeat):
        turns = node.low if node.high is None else node.high
        bounds = f"{node.low}" if node.low == node.high else f"{node.low},{'' if node.high is None else node.high}"
        bounded = "" if node.high in (None, node.low) else f", or no upper bound ({{{node.low},}}),"
        yield (times * (turns - 1) * _size(node.item),
               f"the repetition {{{bounds}}} at {at}: fewer turns{bounded} need fewer states")
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
