"""Whether a terminal should get colours.

Invariant: no colours if the output is not a terminal, if NO_COLOR is set to anything, or if TERM says that the terminal
has no colours.
Source: no-color.org.
"""

from __future__ import annotations

import os

__all__ = ["colours_wanted"]


def colours_wanted(terminal: bool) -> bool:
    """Whether to write in colour; `terminal`: whether the output is a terminal."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
