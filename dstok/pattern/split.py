"""A Split step, as a tokenizer's file gives it.

A module of its own, so that loading a built-in model does not import the compiler.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Split"]


@dataclass(frozen=True)
class Split:
    """One Split step, spelled as in tokenizer.json. `where` is its JSON path, for errors."""

    pattern: str
    behavior: str = "Isolated"
    invert: bool = False
    where: str = "$.pre_tokenizer"
