"""Blocks of bytes -> lines, some thousand at a time.

In: the blocks of a file, cut anywhere. Out: lists of lines without their line feed; a line beyond the allowed length
is given as its length. Invariant: the longest allowed line bounds memory, and a list of lines holds about a block. A
carriage return before a line feed belongs to the line: JSON takes it for white space.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["lines_of"]


def lines_of(blocks: Iterable[bytes], largest: int) -> Iterator[list[bytes | int]]:
    r"""The lines of `blocks`.

    >>> list(lines_of([b"a\nb", b"c\n\nxxxx", b"xxxx\nd"], largest=5))
    [[b'a'], [b'bc', b''], [8], [b'd']]
    """
    line = _Line(largest)
    for block in blocks:
        first, *lines = block.split(b"\n")
        line.add(first)
        if lines:
            ended, last = line.end(), lines.pop()
            fit = max(map(len, lines), default=0) <= largest
            yield [ended, *(lines if fit else (one if len(one) <= largest else len(one) for one in lines))]
            line.add(last)
    if line.size:
        yield [line.end()]


class _Line:
    """A line that is read in pieces; of a line that is too long only the length is kept."""

    def __init__(self, largest: int) -> None:
        self.largest, self.size = largest, 0
        self.pieces = list[bytes]()

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= self.largest:
            self.pieces.append(piece)
        else:
            self.pieces.clear()

    def end(self) -> bytes | int:
        """Returns the line, or its length if it is too long, and begins the next one."""
        whole: bytes | int = b"".join(self.pieces) if self.size <= self.largest else self.size
        self.size, self.pieces = 0, []
        return whole
