"""Text in columns of a terminal. A character takes no place there, one, or two; the package wcwidth says how many.

In: rows of text. Out: lines, without characters that cannot be printed. Invariant: a column begins at the same place in
each line, unless the text before it is wider than allowed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from dstok._util.files import visible


def aligned(rows: Sequence[Sequence[str]], most: int = sys.maxsize) -> Iterator[str]:
    """A line for each row, with two blanks between columns. A cell wider than `most` places is not aligned."""
    rows = [[visible(text) for text in row] for row in rows]
    widths = [min(max(map(width, column)), most) for column in zip(*rows)]
    for row in rows:
        filled = (text + " " * (columns - width(text)) for text, columns in zip(row, widths))
        yield "  ".join(filled).rstrip()


def width(text: str) -> int:
    """The places that `text` takes on a terminal."""
    from wcwidth import wcswidth  # its tables take long to read

    places = wcswidth(text)
    return len(text) if places < 0 else places  # less than 0: a character cannot be printed
