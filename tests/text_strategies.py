"""Texts that find differences: characters of every class of V3's automaton and from their edges, white space of
all kinds, added tokens and parts of them, runs, words of the vocabulary."""

from __future__ import annotations

import random

from hypothesis import strategies as st

import dstok

_TOK = dstok.load("deepseek-v3")
CONTENTS = list(_TOK.special_tokens)
NAMED = [content for content in CONTENTS if "place" not in content]  # not the hundreds of place holders
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2002\u2003\u2007\u200a\u2028\u2029\u202f\u205f\u3000"
NOT_SPACES = "\u180e\u200b\u200c\u200d\u2060\ufeff\x1c\x1f\x00\x7f\x80"


def _members(rng: random.Random, ranges: tuple[tuple[int, int], ...]) -> str:
    """Edges of some of the ranges of a class, and some from inside."""
    edges = [c for first, last in ranges for c in (first, last)]
    inside = [rng.randint(*rng.choice(ranges)) for _ in range(20)]
    return "".join(map(chr, [*rng.sample(edges, min(len(edges), 80)), *inside]))


_rng = random.Random(0)
CLASSES = [_members(_rng, members.ranges) for members in _TOK.program.alphabet.classes]
_VOCABULARY = [_TOK.token_bytes(id).decode("utf-8", "ignore") for id in range(3, 128_000)]
_WORDS = _rng.sample(_VOCABULARY, 3000)
_MIXED = [word for word in _VOCABULARY if word[:1].isascii() and word.isalpha() and not word.isascii()]  # as "café"

characters = st.sampled_from(CLASSES).flatmap(st.sampled_from)
_short = st.text(st.one_of(characters, st.sampled_from("aZ09 \n.,'_-中の")), min_size=1, max_size=6)


def _cut(content: str, start: int, end: int) -> str:
    return content[start % len(content) :][: 1 + end % len(content)]


special_texts = st.sampled_from(NAMED)
special_parts = st.builds(_cut, special_texts, st.integers(0, 40), st.integers(0, 40))
fragments = st.one_of(
    _short,
    characters,
    st.text(SPACES, max_size=6),
    st.text(" \n\r\t", max_size=8),
    st.text(NOT_SPACES + " a", max_size=4),
    st.text("0123456789²½٣〇Ⅷ", max_size=9),
    st.text("的一是中日のはカー한국々〇。、ｱ\u3099\u309b", max_size=9),
    st.sampled_from(["don't", "I'LL", "'s", "x\u0301\u0302", "\u0301", "e\u0301", "\u093e\u094d", "👩‍👩‍👧", "\r\n\r\n", "  \n  ", "!abcé"]),
    st.sampled_from(_WORDS),
    st.builds(str.__add__, st.sampled_from([*" !.(-'_\"\t"]), st.sampled_from(_MIXED)),
    special_texts,
    special_parts,
    st.builds(lambda text, times: text * times, _short, st.integers(1, 80)),
)
texts = st.lists(fragments, max_size=12).map("".join)
