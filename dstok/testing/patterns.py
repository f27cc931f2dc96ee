r"""Hypothesis strategies for patterns of the whole grammar, and for texts that distinguish them.

In: nothing. Out: patterns in upstream's dialect (Oniguruma), Split steps, texts.
Invariant: every construct that dstok compiles is drawn. Constructs that upstream refuses may be drawn too (a quantifier
on look-around inside a group, look-ahead in look-behind), so that both sides' refusals can be compared.
"""

from __future__ import annotations

from dstok.base.extras import of_extra
from dstok.pattern.split import BEHAVIORS, Split

with of_extra("testing", __name__):
    from hypothesis import strategies as st

__all__ = ["LETTERS", "patterns", "split_steps", "texts"]

_CHARS = ["a", "b", "c", "A", "é", "中", " ", r"\n", "1", "'", "-", "_", r"\x{61}", r"\u0062", r"\t", r"\.", r"\r", ".",
          r"\R", "s", "É"]
_SETS = [
    r"\w", r"\W", r"\s", r"\S", r"\d", r"\D", r"\h", r"\H", r"\N", r"\O", r"\p{L}", r"\p{^L}", r"\P{Lu}", r"\p{Han}",
    r"\p{Greek}", r"\p{Alpha}", r"\p{Word}", r"\p{Emoji}", "[ab]", "[^a]", "[a-c]", "[[:alpha:]]", "[[:^punct:]]",
    "[[:word:]1]", "[a&&[^b]c]", r"[\w&&[^\d]]", r"[^\s\p{L}]", "[[ab]c]", "[^[^a]b]", "[]a]", "[-a]", "[a-]",
    "[^ab&&bc]",    r"[\p{L}&&[^\p{Han}]]", "[&&a]", r"[^\r\n]", r"[\]\-]",
    "[ß]", "[^s]", "[à-ü&&[^É]]",
]
_ANCHORS = ["^", "$", r"\A", r"\z", r"\Z", r"\b", r"\B", r"(?=a)", r"(?!\s)", r"(?<=b)", r"(?<!\w)"]
_QUANTIFIERS = ["*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{1,2}", "{,2}", "{2,}", "{1,2}?", "{2,1}",
                "{2}?", "{0,1}+"]
_GROUPS = ["(?:", "(?:", "(?:", "(", "(?<n>", "(?>", "(?i:", "(?m:", "(?x: ", "(?-i:"]
_LOOKS = ["(?=", "(?!", "(?<=", "(?<!"]
LETTERS = "abcA éÉ中\n\r1'-_.αKsSß"  # of texts for these patterns


def patterns(max_leaves: int = 6) -> st.SearchStrategy[str]:
    """Patterns, of about `max_leaves` characters, sets and anchors."""
    atoms = st.sampled_from(_CHARS) | st.sampled_from(_SETS)
    leaves = st.one_of(atoms, atoms, atoms, st.sampled_from(_ANCHORS))
    inner = st.recursive(leaves, _compound, max_leaves=max_leaves)
    return st.lists(inner, min_size=1, max_size=3).map("|".join)


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, min_size=1, max_size=3)
    choice = several.map("|".join)
    repeated = st.tuples(inner, st.sampled_from(_QUANTIFIERS)).map(_repeated)
    return st.one_of(
        several.map("".join), several.map("".join), repeated, repeated,
        st.tuples(st.sampled_from(_GROUPS), choice).map(lambda drawn: f"{drawn[0]}{drawn[1]})"),
        st.tuples(st.sampled_from(_LOOKS), choice).map(lambda drawn: f"{drawn[0]}{drawn[1]})"))


def _repeated(drawn: tuple[str, str]) -> str:
    item, quantifier = drawn
    return f"{item}{quantifier}" if len(item) == 1 and item not in "^$" else f"(?:{item}){quantifier}"


def split_steps() -> st.SearchStrategy[Split]:
    """A step with a pattern, of any behaviour."""
    behaviors = st.sampled_from(["Isolated", "Isolated", *BEHAVIORS])
    return st.builds(Split, patterns(), behaviors, st.booleans())


def texts(max_size: int = 12) -> st.SearchStrategy[str]:
    """Texts of the characters in the patterns."""
    return st.text(LETTERS, max_size=max_size) | st.text("ab \n", max_size=max_size)
