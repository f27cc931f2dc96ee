"""A Split step, as a tokenizer's file gives it.

A module of its own, so that loading a built-in model does not import the compiler.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BEHAVIORS", "Split"]

BEHAVIORS = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")


@dataclass(frozen=True)
class Split:
    """One Split step, spelled as in tokenizer.json. `where` is its JSON path, for errors.

    `unicode_version` is that of the pattern's properties; None: the one that the steps are compiled for.
    """

    pattern: str
    behavior: str = "Isolated"
    invert: bool = False
    where: str = "$.pre_tokenizer"
    unicode_version: str | None = None
