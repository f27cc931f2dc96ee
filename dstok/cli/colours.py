"""Colours on a terminal: whether they are wanted.

Invariant: none for what is no terminal, where NO_COLOR is set to anything, or where TERM says that the terminal has no
colours.
Source: no-color.org.
"""

from __future__ import annotations

import os

__all__ = ["colours_wanted"]


def colours_wanted(terminal: bool) -> bool:
    """Whether to write in colour; `terminal`: whether it is one that is written to."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
