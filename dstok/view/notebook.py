"""Pages in a notebook.

In: readings, or any page. Out: HTML that a notebook shows. Invariant: a page stands in its own frame (`sandbox`), and
its own policy holds there. So its style affects nothing in the notebook, and its scripts reach nothing outside.
"""

from __future__ import annotations

import os
from html import escape
from typing import TYPE_CHECKING

from dstok.view.pages import page_of
from dstok.view.sheet import Sheet
from dstok.view.terminal import Lines

if TYPE_CHECKING:
    from dstok.base.paths import StrPath

__all__ = ["MOST_SHOWN", "TokenView", "frame"]

MOST_SHOWN = 20_000  # tokens that a notebook shows: its file keeps the output


class TokenView:
    """The tokens of a text by one tokenizer or two: a notebook shows them as a page, `print` as lines.

    readings: a `Reading` for each tokenizer. `save` writes the page, `str` gives the lines.

    >>> import dstok
    >>> print(dstok.load("deepseek-v3").view("Hello world"))
    deepseek-v3: 2 tokens, 11 characters, 11 bytes
    │Hello│·world│
    """

    def __init__(self, sheet: Sheet) -> None:
        self.sheet, self.readings = sheet, sheet.readings

    def page(self) -> str:
        """The page. It is self-contained."""
        return page_of(self.sheet)

    def save(self, path: StrPath) -> None:
        """Writes the page. Raises `OSError`."""
        page = self.page().encode("utf-8", "replace")  # the given names may not be UTF-8
        with open(os.fspath(path), "wb") as file:
            file.write(page)

    def _repr_html_(self) -> str:
        tokens = max(map(len, self.readings))
        if tokens > MOST_SHOWN:
            return f"<p>{escape(repr(self))}: too many for a notebook, which shows {MOST_SHOWN:,}; save(path) writes " \
                   "the page</p>"
        return frame(self.page(), min(720, 420 + tokens))

    def __repr__(self) -> str:
        counts = ", ".join(f"{reading.name} {len(reading):,} tokens" for reading in self.readings)
        return f"<TokenView: {counts}>"

    def __str__(self) -> str:
        return "\n\n".join(
            f"{summary}\n{''.join(Lines().tokens(reading, 0, len(reading)))}".rstrip("\n")
            for reading in self.readings
            for counts in [reading.counts()]
            for summary in [f"{reading.name}: {counts['tokens']:,} tokens, {counts['characters']:,} characters, "
                            f"{counts['bytes']:,} bytes"])


def frame(page: str, height: int) -> str:
    """A page as a part of another one.

    >>> frame("<p>", 100).partition(" srcdoc")[0]
    '<iframe sandbox="allow-scripts allow-downloads" style="width: 100%; height: 100px; border: 0; resize: vertical"'
    """
    return (f'<iframe sandbox="allow-scripts allow-downloads" style="width: 100%; height: {height}px; border: 0; '
            f'resize: vertical" srcdoc="{escape(page)}"></iframe>')
