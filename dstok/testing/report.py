"""The results of `verify` in words: for a terminal, a notebook, JSON.

In: `Results`. Out: `Report`, which shows them. Invariant: text and page say the same.
"""

from __future__ import annotations

from dstok.testing.html import page
from dstok.testing.results import Results
from dstok.testing.words import report_lines
from dstok.view.notebook import frame

__all__ = ["Report"]


class Report(Results):
    """The result of `verify`, which shows itself: `print` gives lines, a notebook the page of `verify --html`."""

    def __str__(self) -> str:
        return "\n".join(report_lines(self))

    def _repr_html_(self) -> str:
        return frame(page(self), 480)
