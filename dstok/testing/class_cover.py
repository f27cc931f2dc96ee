"""`class_cover`: a finite set of texts that takes every path of length k through a tokenizer's automaton.

In: a tokenizer and k. Out: texts. For each state of the automaton a shortest way into it, then every sequence of k
equivalence classes, then the end of the text: |states| * |classes| ** k texts.
Invariant: from every state that a scan can reach, some text takes every sequence of k edges and then ends. Two
splitters whose automata differ, and have no more states than this one, disagree on some text of a large enough k (the
W-method of Chow and Vasilevskii: the cover of the states, then all words of k). Whether the ids show the disagreement
depends on the characters that stand for the classes: see guide.py.
Source: T. S. Chow, "Testing software design modeled by finite-state machines", 1978.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from dstok.base.arguments import explained
from dstok.errors import ArgumentError
from dstok.testing.guide import Guide, Word
from dstok.tokenizer import Tokenizer

__all__ = ["class_cover", "cover_size", "cover_words"]


@explained
def class_cover(tokenizer: Tokenizer | Guide, k: int) -> Iterator[str]:
    r"""The texts that take every path of `k` classes from every state of the tokenizer's automaton.

    Raises `ArgumentError` if k is negative.

    >>> import dstok
    >>> texts = list(class_cover(dstok.load("deepseek-v3"), 1))
    >>> len(texts), texts[:3]
    (280, ['\x00', '\t', '\n'])
    """
    guide = tokenizer if isinstance(tokenizer, Guide) else Guide(tokenizer)
    return map(guide.spell, cover_words(guide, k))


def cover_words(guide: Guide, k: int) -> Iterator[Word]:
    """The same as words of classes."""
    if k < 0:
        raise ArgumentError(f"expected k of at least 0, found {k}", "k")
    for way in guide.access.values():
        for word in product(guide.classes, repeat=k):
            yield way + word


@explained
def cover_size(guide: Guide, k: int) -> int:
    """The number of texts of `class_cover`."""
    size: int = len(guide.access) * len(guide.classes) ** k
    return size
