"""A Split step, as in a tokenizer's file.

In: nothing. Out: `Split`. Invariant: this module imports no part of the compiler, so that a built-in model loads
without it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BEHAVIORS", "Split"]

BEHAVIORS = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")


@dataclass(frozen=True)
class Split:
    """One Split step, spelled as in tokenizer.json. `where` is its place, for errors, as its reader names it.

    `unicode_version` is for the pattern's properties; None: the version that the steps are compiled for.
    """

    pattern: str
    behavior: str = "Isolated"
    invert: bool = False
    where: str = ""
    unicode_version: str | None = None
