"""The ends of a text or a row, by the names that users give.

In: the argument `truncation_side` or `padding_side` of a call. Out: nothing, or `ArgumentError`.
Invariant: both arguments mean what transformers' attributes of these names mean.
"""

from __future__ import annotations

from typing import Literal

from dstok.errors import ArgumentError

__all__ = ["Side", "check_side"]

Side = Literal["right", "left"]


def check_side(name: str, side: str) -> None:
    """Raises `ArgumentError` if the value is no side; `name` is the argument's name."""
    if side not in ("right", "left"):
        raise ArgumentError(f'expected {name} to be "right" or "left", found {side!r}', name)
