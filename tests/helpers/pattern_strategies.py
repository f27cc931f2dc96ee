"""Hypothesis strategies for patterns, and the plainest way to run a compiled pattern.

In: characters, sets, look-around. Out: strategies of patterns; the spans and pieces that a DFA gives, step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from dstok.regex import Split
from dstok.regex.alphabet import Alphabet
from dstok.regex.cascade import compile_splits
from dstok.regex.dfa import DFA, NO_TAG, START

_ONCE = ("", "?", "??")
_OFTEN = ("*", "+", "*?", "+?", "{2}", "{,2}", "{1,2}", "{2,}", "{1,3}?", "{2,}?")


@dataclass(frozen=True)
class Fragment:
    """A part of a pattern, and what a quantifier must know of it."""

    text: str
    nullable: bool = False
    bare_look: bool = False  # a look, or a choice of which one is


def fragments(chars: list[str], sets: list[str], looks: list[str]) -> st.SearchStrategy[Fragment]:
    """Patterns of the supported grammar: none repeats what can be empty, none puts a quantifier on a look."""
    atoms = st.sampled_from([*chars, *sets]).map(Fragment)
    leaves = st.one_of(atoms, atoms, atoms, st.sampled_from(looks).map(lambda t: Fragment(t, True, True)))
    return st.recursive(leaves, _compound, max_leaves=7)


def _compound(inner: st.SearchStrategy[Fragment]) -> st.SearchStrategy[Fragment]:
    several = st.lists(inner, min_size=1, max_size=3)
    opening = st.sampled_from(["(?:", "(?:", "("])
    return st.one_of(
        several.map(_concatenation),
        st.tuples(opening, several).map(lambda drawn: _alternation(*drawn)),
        st.tuples(inner, st.sampled_from(_ONCE), st.sampled_from(_OFTEN)).map(lambda drawn: _repetition(*drawn)))


def _concatenation(parts: list[Fragment]) -> Fragment:
    alone = len(parts) == 1
    return Fragment("".join(p.text for p in parts), all(p.nullable for p in parts), alone and parts[0].bare_look)


def _alternation(opening: str, parts: list[Fragment]) -> Fragment:
    text = opening + "|".join(p.text for p in parts) + ")"
    return Fragment(text, any(p.nullable for p in parts), any(p.bare_look for p in parts))


def _repetition(part: Fragment, once: str, often: str) -> Fragment:
    if part.bare_look:
        return part
    quantifier = once if part.nullable else often
    skips = quantifier.startswith(("?", "*", "{,"))
    return Fragment(f"(?:{part.text}){quantifier}", part.nullable or skips)


def matches_empty(dfa: DFA) -> bool:
    """Can the pattern match the empty text, before some symbol?"""
    return any(tag != NO_TAG for _, tag in dfa.edges[START])


def spans(alphabet: Alphabet, dfa: DFA, text: str) -> list[tuple[int, int]]:
    """The leftmost matches, one after the other, of a pattern that does not match the empty text."""
    symbols = [alphabet.class_of(char) for char in text]
    found, at = [], 0
    while at < len(text):
        match = dfa.longest(symbols, at)
        if match is not None:
            assert match[0] > at, "the pattern matches the empty text"
            found.append((at, match[0]))
        at = at + 1 if match is None else match[0]
    return found


def cut(text: str, matches: list[tuple[int, int]]) -> list[str]:
    """The matches and the gaps between them."""
    bounds = [0, *(edge for span in matches for edge in span), len(text)]
    return [text[start:end] for start, end in pairwise(bounds) if start < end]


def kept_pieces(splits: list[Split], text: str) -> list[str]:
    """The pieces of a text by the one automaton, without the dropped ones."""
    return [piece for piece, tag in compile_splits(splits).pieces(text) if not tag.dropped]
