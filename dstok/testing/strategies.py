"""Strategies for hypothesis that know a tokenizer's automaton. Extra: `pip install "dstok[testing]"`.

In: a tokenizer (default: deepseek-v3). Out: strategies. Invariant: every pair and triple of equivalence classes, every
added token, every token of the vocabulary and every code point can be drawn; examples shrink to few, plain characters.

>>> import dstok
>>> from hypothesis import given, settings
>>> tok = dstok.load("deepseek-v3")
>>> @settings(max_examples=20, database=None)
... @given(texts(tok))
... def test(text):
...     assert tok.decode(tok.encode(text)) == text
>>> test()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok.base.extras import of_extra
from dstok.testing.guide import Guide, built_in, guide_of
from dstok.testing.texts import NOT_SPACES, SPACES
from dstok.testing.unicode_changes import changed

with of_extra("testing", __name__):
    from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from dstok.tokenizer import Tokenizer

__all__ = ["batches", "bytes_texts", "characters", "fragments", "special_parts", "special_texts", "texts", "token_ids"]

DIGITS = "0123456789\u00b2\u00bd\u0663\u3007\u2167"
EAST_ASIAN = ("\u7684\u4e00\u662f\u4e2d\u65e5\u306e\u306f\u30ab\u30fc\ud55c\uad6d"
              "\u3005\u3007\u3002\u3001\uff71\u3099\u309b")
SAYINGS = ("don't", "I'LL", "'s", "x\u0301\u0302", "\u0301", "e\u0301", "\u093e\u094d",
           "\U0001f469\u200d\U0001f469\u200d\U0001f467",
           "\r\n\r\n", "  \n  ", "!abc\u00e9")


def _guide(tokenizer: Tokenizer | None) -> Guide:
    return guide_of(built_in("deepseek-v3") if tokenizer is None else tokenizer)


def characters(tokenizer: Tokenizer | None = None) -> SearchStrategy[str]:
    """One character: of any equivalence class, from its edges, its categories and its inside."""
    members = _guide(tokenizer).members
    return st.sampled_from(range(len(members))).flatmap(lambda number: st.sampled_from(members[number]))


def special_texts(tokenizer: Tokenizer | None = None) -> SearchStrategy[str]:
    """The text of an added token; hundreds of place holders together are as likely as any other."""
    contents = list(_guide(tokenizer).tokenizer.special_tokens)
    named = [content for content in contents if "place" not in content]
    return st.one_of(st.sampled_from(named or contents), st.sampled_from(contents)) if contents else st.just("")


def special_parts(tokenizer: Tokenizer | None = None) -> SearchStrategy[str]:
    """A part of the text of an added token."""
    def cut(content: str, start: int, size: int) -> str:
        return content[start % max(len(content), 1) :][: 1 + size]

    return st.builds(cut, special_texts(tokenizer), st.integers(0, 40), st.integers(0, 40))


def fragments(tokenizer: Tokenizer | None = None) -> SearchStrategy[str]:
    """A short text of one kind: classes in turn, white space, digits, combining marks, words, added tokens, a run."""
    guide = _guide(tokenizer)
    one = characters(tokenizer)
    few = st.text(st.one_of(one, st.sampled_from("aZ09 \n.,'_-中の")), min_size=1, max_size=6)
    words = list(guide.token_texts.values())
    mixed = [word for word in words if word[:1].isascii() and word.isalpha() and not word.isascii()]  # such as "café"
    word = st.integers(0, len(words) - 1).map(words.__getitem__)
    classes = st.lists(st.sampled_from(guide.classes), min_size=2, max_size=4).map(tuple)
    return st.one_of(
        few, one, classes.map(guide.spell), classes.map(guide.spell_backward),
        st.text(st.sampled_from(SPACES), max_size=6), st.text(st.sampled_from(" \n\r\t"), max_size=8),
        st.text(st.sampled_from(NOT_SPACES + " a"), max_size=4), st.text(st.sampled_from(DIGITS), max_size=9),
        st.text(st.sampled_from(EAST_ASIAN), max_size=9), st.sampled_from(SAYINGS),
        st.sampled_from(changed()).map(chr), word,
        st.builds(lambda text, at: text[at % len(text) :], word, st.integers(0, 20)),  # half of a merge
        st.builds(str.__add__, st.sampled_from([*" !.(-'_\"\t"]), st.sampled_from(mixed or words)),
        special_texts(tokenizer), special_parts(tokenizer),
        st.builds(lambda text, times: text * times, few, st.integers(1, 80)),
    )


def texts(tokenizer: Tokenizer | None = None, max_fragments: int = 12) -> SearchStrategy[str]:
    """Texts that find differences: up to `max_fragments` fragments, joined."""
    return st.lists(fragments(tokenizer), max_size=max_fragments).map("".join)


def batches(tokenizer: Tokenizer | None = None, max_size: int = 12) -> SearchStrategy[list[str]]:
    """Lists of texts, including the empty one."""
    return st.lists(texts(tokenizer), max_size=max_size)


def bytes_texts(tokenizer: Tokenizer | None = None, *, valid: bool = True) -> SearchStrategy[bytes]:
    """Texts as UTF-8; with `valid=False` bytes are inserted, so that most are not UTF-8."""
    whole = texts(tokenizer).map(str.encode)
    if valid:
        return whole

    def broken(data: bytes, places: list[tuple[int, int]]) -> bytes:
        for at, byte in places:
            data = data[: at % (len(data) + 1)] + bytes([byte]) + data[at % (len(data) + 1) :]
        return data

    faults = st.lists(st.tuples(st.integers(0, 1000), st.integers(0x80, 0xFF)), min_size=1, max_size=3)
    return st.builds(broken, whole, faults)


def token_ids(tokenizer: Tokenizer | None = None, max_size: int = 50) -> SearchStrategy[list[int]]:
    """Lists of ids that have a token: any, or the ids of a text."""
    tok = _guide(tokenizer).tokenizer
    known = list(tok.inspect().ids())
    any_ids = st.lists(st.integers(0, len(known) - 1).map(known.__getitem__), max_size=max_size)
    return st.one_of(any_ids, texts(tok).map(tok.encode))
