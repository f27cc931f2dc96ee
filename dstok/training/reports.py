"""Reports on vocabularies: how a training's counts fall, and how well a tokenizer fits counted pieces.

In: a manifest; tokenizers and counts files. Out: an SVG picture; rows of numbers.
Invariant: a row's numbers are those of encoding all texts that were counted, but for added tokens in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from operator import mul, sub
from typing import NamedTuple

import numpy as np

from dstok.counts.file import CountsFile
from dstok.errors import FileError
from dstok.tokenizer import Tokenizer
from dstok.vocabularies.usage import pieces_of, usage

__all__ = ["FitRow", "fit", "picture_of_counts"]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 360, 60, 40, 20


class FitRow(NamedTuple):
    """How one tokenizer fits one input. unused: ids that no piece has, of those that merges make.

    bytes, characters: of all pieces, so of the normalized text.
    """

    tokenizer: str
    input: str
    bytes: int
    characters: int
    pieces: int
    tokens: int
    bytes_per_token: float
    characters_per_token: float
    tokens_per_piece: float
    unused: int


def fit(tokenizer: Tokenizer, name: str, counts: CountsFile, source: str) -> FitRow:
    """The row of a tokenizer called `name`. source: the input that was counted.

    Raises `FileError` for counts of pieces that the tokenizer cuts otherwise.
    """
    if counts.made_by and counts.made_by != pieces_of(tokenizer):
        raise FileError(f"{counts.path}: expected counts of the pieces that {name} cuts, found those of other steps")
    used = usage(tokenizer, counts)
    made = {int(i) for i in tokenizer.inspect().merges[:, 2]}
    tokens = sum(used)
    size, characters = _sizes(counts)
    pieces = counts.totals.occurrences
    return FitRow(name, source, size, characters, pieces, tokens, _ratio(size, tokens), _ratio(characters, tokens),
                  _ratio(tokens, pieces), sum(not used[i] for i in made))


def _ratio(number: int, divisor: int) -> float:
    return round(number / divisor, 3) if divisor else 0.0


def _sizes(counts: CountsFile) -> tuple[int, int]:
    """(the bytes, the characters) of all pieces, each as often as it occurs."""
    size = characters = 0
    for pieces, offsets, numbers in counts.rows():
        begins = (np.frombuffer(pieces, np.uint8) & 0xC0) != 0x80  # of each byte: whether it begins a character
        before = np.concatenate([[0], np.cumsum(begins)])[offsets].tolist()
        size += sum(map(mul, map(sub, offsets[1:], offsets), numbers))
        characters += sum(map(mul, map(sub, before[1:], before), numbers))
    return size, characters


def picture_of_counts(points: Sequence[tuple[int, int]], title: str) -> str:
    """An SVG picture: the count of each merge's pair, on a logarithmic scale, by the number of merges before.

    >>> picture_of_counts([(0, 1000), (10, 20)], "low").count("<polyline")
    1
    """
    last, highest = max(points[-1][0], 1), max(log10(max(points[0][1], 1)), 1.0)

    def place(rank: int, count: int) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - 20) * rank / last
        return round(x, 1), round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * log10(max(count, 1)) / highest, 1)

    line = " ".join(f"{x},{y}" for x, y in (place(rank, count) for rank, count in points))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
             f'font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="{LEFT}" y="{TOP - 6}">{_escaped(title)}</text>']
    for power in range(int(highest) + 1):
        y = place(0, 10**power)[1]
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - 20}" stroke="#ddd"/><text x="{LEFT - 8}" y="{y + 4}" '
                     f'text-anchor="end">{10**power:,}</text>')
    for part in range(5):
        rank = last * part // 4
        parts.append(f'<text x="{place(rank, 1)[0]}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{rank:,}</text>')
    parts += [f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">merges</text>',
              f'<polyline points="{line}" fill="none" stroke="#2563eb" stroke-width="1.5"/>', "</svg>"]
    return "\n".join(parts) + "\n"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
