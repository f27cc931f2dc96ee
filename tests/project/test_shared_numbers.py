"""Numbers that two sides share are equal: once in the core, and once in the Python below it, which the core does not import."""

from __future__ import annotations

from dstok.compiled import image as checks
from dstok.compiled import kernel_selection as kernels
from dstok.core.bpe.facts import cuttable_ranges
from dstok.core.check.proofs import shared_numbers
from dstok.regex import bimachine
from dstok.regex import dfa as automaton
from dstok.regex import marked_language as marked
from dstok.unicode import normalization


def test_python_with_the_core() -> None:
    ours = {name: getattr(module, name) for module in (automaton, checks, marked, normalization, bimachine)
            for name in shared_numbers() if hasattr(module, name)}
    assert ours == shared_numbers()


def test_rules_have_kinds() -> None:
    assert sorted(kernels.KINDS) == list(range(1, len(kernels.ROWS)))


def test_cuttable_characters() -> None:
    """Three bytes each, so that `joined_pairs` may look at three bytes on each side; letters, and no more than that."""
    ranges = sorted(cuttable_ranges())
    assert all(0x800 <= low <= high <= 0xFFFF for low, high in ranges)
    assert all(before < low for (_, before), (low, _) in zip(ranges, ranges[1:]))
    characters = {c for low, high in ranges for c in range(low, high + 1)}
    assert len(characters) == 0x56 + 3 + 0x5A + 4 + 0x19C0 + 0x5200 + 11172
    assert characters.isdisjoint(map(ord, "\u3040\u3097\u309b\u309c\u30a0\u30fb\u3100\u4dc0\u4dff\ua000\ud7a4"))
