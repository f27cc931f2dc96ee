"""Offsets in the core: bytes -> code points, by the obvious way; what does not rise is refused."""

from __future__ import annotations

from bisect import bisect_right
from random import Random

import numpy as np
import pytest

from dstok.core.encode.pieces import char_spans, in_characters

TEXTS = ["", "a", "é", "a\u00e9\u4e2d\U0001f600b", "\u4e2d" * 50, "abc " * 40]


def rising(rng: Random, length: int, count: int) -> list[list[int]]:
    places = sorted(rng.randint(0, length) for _ in range(2 * count))
    return [places[i : i + 2] for i in range(0, len(places), 2)]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(5))
def test_char_spans(text: str, seed: int) -> None:
    data = text.encode()
    spans = rising(Random(seed), len(data), 6)
    begins = [at for at in range(len(data)) if data[at] & 0xC0 != 0x80]
    expected = [[bisect_right(begins, start) - 1 if start < len(data) else len(begins),
                 sum(at < end for at in begins)] for start, end in spans]
    assert char_spans(data, np.array(spans, np.int64)).tolist() == expected


@pytest.mark.parametrize("text", TEXTS)
def test_in_characters(text: str) -> None:
    places = np.array([len(text[:i].encode()) for i in range(len(text) + 1)], np.int64)
    in_characters(text.encode(), places)
    assert places.tolist() == list(range(len(text) + 1))


@pytest.mark.parametrize("spans", [[[2, 1]], [[0, 9]], [[3, 4], [2, 4]], [[-1, 2]], [[9, 9]]])
def test_what_does_not_rise_is_refused(spans: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="expected offsets that rise up to 6, found"):
        char_spans(b"abcdef", np.array(spans, np.int64))
    with pytest.raises(ValueError, match="expected offsets that rise"):
        in_characters(b"abcdef", np.array(spans, np.int64).reshape(-1))
