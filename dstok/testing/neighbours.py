"""Texts near a given text, which tell the hypotheses about it apart.

In: a guide; a text. Out: `Neighbourhood`; texts. Invariant: the same text gives the same neighbours.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from dstok.base.lazy import lazy
from dstok.testing import texts as texts_of
from dstok.testing.guide import Guide
from dstok.testing.unicode_changes import VERSIONS, moved

__all__ = ["Neighbourhood"]


class Neighbourhood:
    """The texts near a text, for one guide."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide

    def of(self, small: str) -> list[str]:
        """Texts like the small one, and some that distinguish hypotheses."""
        guide, chance = self.guide, random.Random(small)
        texts = {text: None for text in _variants(guide, small[:40], chance)}
        texts |= dict.fromkeys(chance.sample(self._pairs, min(3000, len(self._pairs))))
        added = guide.model.added_tokens
        for special in (False, True):
            texts |= dict.fromkeys(token.content for token in added[:400] if token.special == special)
        for version in VERSIONS:
            chars = list(moved(version, guide.program.unicode_version))
            for char in chance.sample(chars, min(30, len(chars))):
                texts |= {small[:at] + char + small[at + 1 :]: None for at in range(min(3, len(small)))}
                texts |= dict.fromkeys((f" {char}", f"{char}a", f"a{char}", f"!{char}", char + char))
        return list(texts)

    @lazy
    def _pairs(self) -> list[str]:
        """Pairs of classes after each state of the automaton: the same for all texts, and slow to make."""
        return list(texts_of.cover(self.guide, 2))


def _variants(guide: Guide, text: str, chance: random.Random) -> Iterator[str]:
    """Each character exchanged for others of its class and of all classes, left out, doubled; some around."""
    for at, char in enumerate(text):
        before, after = text[:at], text[at + 1 :]
        own = guide.members[guide.alphabet.class_of(char)]
        for other in [*chance.sample(own, min(14, len(own))), *guide.representatives, "", char * 2]:
            yield before + other + after
    for other in guide.representatives:
        yield other + text
        yield text + other
        yield other + text + other
