"""Possible mistakes of a candidate. Each is named and predicts ids.

In: a guide. Out: `Hypothesis`es: for a text, the ids of a tokenizer that makes only this mistake. Invariant: for a text
that the mistake does not affect, a hypothesis predicts the reference's ids. The catalog is ordered: of two that predict
the same everywhere, the first one is reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from itertools import combinations
from typing import Any, NamedTuple

from dstok.conformance.automaton_guide import VERSIONS, Guide, Ids, Splitter
from dstok.conformance.naive import Cascade, alternatives_of, as_lazy, rewritten
from dstok.errors import DstokError
from dstok.normalizers import make_normalizer
from dstok.regex.ast import Concat, Look, Node, Repeat
from dstok.regex.cascade import compile_splits
from dstok.unicode.normalization import FORMS, OLDEST
from dstok.unicode.normalization import VERSIONS as FORM_VERSIONS

UNICODE, SET, NORMALIZE = "tables of another Unicode version", "character set", "normalization"
LOOK, ORDER, STEPS = "look-ahead at a piece's edge", "alternation order", "steps of the pre-tokenizer"
ADDED, FRAME = "added-token policy", "ids around the text"


class Hypothesis(NamedTuple):
    """A mistake: the class of cause, the mistake in words, and its result for a text (None: unknown).

    characters: those that it takes as members of another class, with that class. More may be added.
    """

    cause: str
    title: str
    predict: Callable[[str], Ids | None]
    characters: dict[str, int] | None = None


# (text in the pattern, inside brackets, outside, in words)
REWRITES = (
    (r"\p{N}", "0-9", "[0-9]", r"\p{N} taken as the ASCII digits"),
    (r"\p{N}", r"\p{Nd}", r"\p{Nd}", r"\p{N} taken as \p{Nd}"),
    (r"\p{L}", "A-Za-z", "[A-Za-z]", r"\p{L} taken as the ASCII letters"),
    (r"\p{L}", r"\p{L}\p{M}", r"[\p{L}\p{M}]", r"\p{L} with the marks"),
    (r"\p{L}", r"\p{L}\p{Nl}", r"[\p{L}\p{Nl}]", r"\p{L} with letter numbers"),
    ("A-Za-z", r"\p{L}", None, r"[A-Za-z] taken as \p{L}"),
    ("A-Za-z", "a-z", None, "[A-Za-z] taken as lower case"),
    (r"\s", r"\s\x1C-\x1F", r"[\s\x1C-\x1F]", r"\s with U+001C to U+001F, as Python's str.isspace"),
    (r"\s", r" \t\n\r\f\v", r"[ \t\n\r\f\v]", r"\s taken as ASCII white space"),
    (r"\s", r" \t\n\r", r"[ \t\n\r]", r"\s without U+000B and U+000C"),
    (r"\s", r"\s\u200B", r"[\s\u200B]", r"\s with U+200B"),
    (r"\s", r"\s\uFEFF", r"[\s\uFEFF]", r"\s with U+FEFF"),
    (r"\p{M}", "", None, r"\p{M} left out of a class"),
    (r"\p{M}", r"\p{Mn}", r"\p{Mn}", r"\p{M} taken as \p{Mn}"),
    (r"\p{S}", "", None, r"\p{S} left out of a class"),
    (r"\p{P}", "", None, r"\p{P} left out of a class"),
    (r"\p{P}", r"!-/:-@\[-`{-~", r"[!-/:-@\[-`{-~]", r"\p{P} taken as ASCII punctuation"),
    (r"\p{S}", r"\$\+<=>\^`|~", r"[\$\+<=>\^`|~]", r"\p{S} taken as ASCII symbols"),
)
TOKEN = re.compile(r"\\p\{\^?\w+\}|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|A-Za-z|\\.|.", re.S)
RANGE = re.compile(r"(\w)-(\w)")
ANY_CASE = re.compile(r"\(\?i:([^()\\]*)\)")  # (?i:'s|'t), and with a class (?i:[sdmt]|ll)


def _rewritten(old: str, inside: str, outside: str | None, pattern: str) -> str:
    r"""`pattern` with `inside` for `old` in bracketed classes, and `outside` elsewhere; \S with \s."""
    out, bracket = list[str](), False
    for word in TOKEN.findall(pattern):
        if word == "[" and not bracket:
            bracket = True
        elif word == "]" and bracket and out and out[-1] != "[":
            bracket = False
        if word == old:
            word = inside if bracket else outside if outside is not None else word
        elif word == r"\S" and old == r"\s" and not bracket and outside:
            word = "[^" + outside[1:]
        out.append(word)
    return "".join(out)


def _ascii_case(pattern: str) -> str:
    """`pattern` with both ASCII cases of each letter in place of (?i:...), which also takes U+017F for s."""
    def spelled(match: re.Match[str]) -> str:
        parts = re.split(r"(\[[^\]]*\])", match[1])
        both = (re.sub("[A-Za-z]", lambda letter: letter[0].lower() + letter[0].upper(), part) if part[:1] == "[" else
                re.sub("[A-Za-z]", lambda letter: f"[{letter[0].lower()}{letter[0].upper()}]", part) for part in parts)
        return f"(?:{''.join(both)})"

    return ANY_CASE.sub(spelled, pattern)


def _pattern_hypotheses(guide: Guide) -> Iterator[Hypothesis]:
    program = guide.program
    rewrites: list[tuple[str, Callable[[str], str]]] = [
        ("(?i:...) takes ASCII letters only, and U+017F for no s", _ascii_case),
        *((title, partial(_rewritten, *rule)) for *rule, title in REWRITES)]
    for first, last in sorted({pair for split in program.splits for pair in RANGE.findall(split.pattern)}):
        for new, what in ((f"{chr(ord(first) + 1)}-{last}", "begins one late"),
                          (f"{first}-{chr(ord(last) - 1)}", "ends one early"),
                          (f"{first}-{chr(ord(last) + 1)}", "ends one late")):
            rewrites.append((f"the range U+{ord(first):04X}..U+{ord(last):04X} {what}",
                             lambda pattern, old=f"{first}-{last}", new=new: pattern.replace(old, new)))  # type: ignore[misc]

    def compiled(splits: Any) -> Splitter:
        changed = compile_splits(splits, program.unicode_version)
        return lambda part: [piece for piece, _ in changed.pieces(part)]

    for title, change in rewrites:
        splits = tuple(split._replace(pattern=change(split.pattern)) for split in program.splits)
        if splits != program.splits:
            yield _by_splitter(guide, SET, title, partial(compiled, splits))


def _by_splitter(guide: Guide, cause: str, title: str, compiled: Callable[[], Splitter]) -> Hypothesis:
    """The mistake of another splitter, which is compiled when first asked; one that cannot be predicts nothing."""
    @cache
    def splitter() -> Splitter | None:
        try:
            return compiled()
        except DstokError:
            return None

    return Hypothesis(cause, title, lambda text: guide.with_splitter(split, text) if (split := splitter()) else None)


def truncations(guide: Guide, text: str, found: Ids) -> list[Hypothesis]:
    """The limits of length that may explain the ids of a text of which no character can be left out."""
    reference, count, last, size = guide.reference, len(found), len(text) - 1, len(text.encode())
    mistakes: list[tuple[str, Callable[[str], Ids]]] = [
        (f"only the first {last:,} characters are read", lambda one: reference(one[:last])),
        (f"only the last {last:,} characters are read", lambda one: reference(one[-last:])),
        (f"only the first {count:,} ids are given", lambda one: reference(one)[:count]),
        (f"only the last {count:,} ids are given", lambda one: reference(one)[-count:]),
        *((f"only the first {limit:,} bytes are read",
           lambda one, limit=limit: reference(one.encode()[:limit].decode("utf-8", "ignore")))
          for limit in range(size - 1, max(size - 5, 0), -1))]
    return [Hypothesis("truncation", title, predict) for title, predict in mistakes if found and last > 0]


def _structure_hypotheses(guide: Guide) -> Iterator[Hypothesis]:
    """Steps joined, exchanged and left out; alternatives exchanged and left out; look-ahead."""
    program = guide.program
    if any(split.behavior != "Isolated" for split in program.splits) or not program.splits:
        return
    steps = alternatives_of(program.splits, program.unicode_version)

    def every(change: Callable[[Node], Node]) -> Any:
        return tuple(tuple(rewritten(tree, change) for tree in step) for step in steps)

    def put(at: int, *step: Any) -> Any:
        return (*steps[:at], step, *steps[at + 1 :])

    mistakes: list[tuple[Any, ...]] = []  # cause, title, steps, name of a mistake of `Cascade`
    if len(steps) > 1:
        joined = (tuple(tree for step in steps for tree in step),)
        mistakes.append((LOOK, f"the {len(steps)} splits joined as one regex", joined))
    mistakes += [
        (LOOK, "look-ahead sees the text after the piece", steps, "past_edge"),
        (LOOK, "look-ahead is not done", every(lambda node: Concat(()) if isinstance(node, Look) else node)),
        (LOOK, "look-ahead does not take the end of the text",
         every(lambda node: replace(node, at_end=False) if isinstance(node, Look) else node)),
        ("gaps between matches", "what no alternative matches is dropped", steps, "gaps_dropped"),
        (ORDER, "the longest alternative instead of the first", steps, "longest")]
    for at, step in enumerate(steps):
        mistakes += [(ORDER, f"alternatives {one} and {two} of step {at} exchanged", put(at, *order))
                     for one, two, order in _exchanged(step)]
        mistakes += [(ORDER, f"alternative {one} of step {at} missing", put(at, *step[:one], *step[one + 1 :]))
                     for one in range(len(step)) if len(step) > 1]
    mistakes += [("greedy repeat", f"a repeat of alternative {one} of step {at} takes as little as it can",
                  put(at, *step[:one], changed, *step[one + 1 :]))
                 for at, step in enumerate(steps) for one, tree in enumerate(step)
                 if (changed := as_lazy(tree)) != tree]
    mistakes += [(STEPS, f"steps {one} and {two} exchanged", order) for one, two, order in _exchanged(steps)]
    mistakes += [(STEPS, f"step {one} missing", steps[:one] + steps[one + 1 :]) for one in range(len(steps))]
    for high in (1, 2, None):
        bounded = every(lambda node, high=high: replace(node, high=high) if isinstance(node, Repeat)  # type: ignore[misc]
                        and node.high is not None and node.high > 1 else node)
        if bounded != steps:
            title = "repeats without an upper bound" if high is None else f"repeats at most {high} times"
            mistakes.append(("repeat bound", title, bounded))
    for cause, title, *cascade in mistakes:
        yield _by_splitter(guide, cause, title, lambda cascade=cascade: Cascade(*cascade).pieces)  # type: ignore[misc]


def _exchanged(items: Sequence[Any]) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
    """Two numbers, and the items with these two exchanged."""
    for one, two in combinations(range(len(items)), 2):
        yield one, two, (*items[:one], items[two], *items[one + 1 : two], items[one], *items[two + 1 :])


CHANGES: tuple[tuple[str, Callable[[str], str]], ...] = (
    *((form, partial(unicodedata.normalize, form)) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    ("lower case", str.lower),
    ("a byte order mark dropped", lambda text: text.removeprefix("\ufeff")),
    ("every U+FEFF dropped", lambda text: text.replace("\ufeff", "")),
    ("U+0000 dropped", lambda text: text.replace("\0", "")),
    ("the text ends at U+0000", lambda text: text.partition("\0")[0]),
    ("\\r\\n made \\n", lambda text: text.replace("\r\n", "\n")),
    ("\\r\\n and \\r made \\n", lambda text: text.replace("\r\n", "\n").replace("\r", "\n")),
    ("white space at the ends dropped", str.strip),
    ("white space at the start dropped", str.lstrip),
    ("white space at the end dropped", str.rstrip),
    ("a space put before the text", lambda text: text if text.startswith(" ") or not text else f" {text}"),
    ("a space put before every text", lambda text: f" {text}"),
    ("runs of white space made one space", lambda text: re.sub(r"\s+", " ", text)),
    ("\u2581 made a space", lambda text: text.replace("\u2581", " ")),
)


def _changed_texts(guide: Guide) -> Iterator[tuple[str, str, Callable[[str], str]]]:
    """(cause, mistake in words, change of the text that it makes).

    A text in a newer normal form is in the older one, too: what the older version does not know, it leaves as it is.
    """
    contents = "|".join(map(re.escape, sorted(guide.tokenizer.added_tokens, key=len, reverse=True)))
    yield ADDED, "white space around added tokens is dropped", lambda text: (
        re.sub(rf"\s*({contents})\s*", r"\1", text) if contents else text)
    for step in guide.model.normalizer:
        own = step.unicode_version or OLDEST
        for version in FORM_VERSIONS if step.type in FORMS else ():
            if version != own:
                other = make_normalizer((step._replace(unicode_version=version),), "")
                assert other is not None
                yield (NORMALIZE, f"{step.type} of Unicode {version} in place of {own}",
                       lambda text, normalize=other.normalize: normalize(text.encode()).decode())  # type: ignore[misc]
    yield from ((NORMALIZE, *change) for change in CHANGES)


def _around_hypotheses(guide: Guide) -> Iterator[Hypothesis]:
    """BOS and EOS, and the policy of added tokens."""
    tok, reference = guide.tokenizer, guide.reference
    for name, id in (("BOS", tok.bos_id), ("EOS", tok.eos_id)):
        if id is not None:
            yield Hypothesis(FRAME, f"{name} is added at the start", lambda text, id=id: (id, *reference(text)))  # type: ignore[misc]
            yield Hypothesis(FRAME, f"{name} is added at the end", lambda text, id=id: (*reference(text), id))  # type: ignore[misc]
    every = frozenset(tok.added_tokens)
    special = frozenset(token.content for token in guide.model.added_tokens if token.special)
    looks = frozenset(content for content in every if re.fullmatch(r"<[|｜].*[|｜]>", content))
    policies = [("no added token is matched", frozenset[str]())]
    if special and every - special:
        policies += [("tokens with special=false are not matched", special),
                     ("tokens with special=true are not matched", every - special)]
    if looks and looks not in (special, every - special, every):
        policies.append(("only tokens that look special (<|...|>) are matched", looks))
    yield from (Hypothesis(ADDED, title, lambda text, kept=kept: tuple(tok.encode(text, special=kept)))  # type: ignore[misc]
                for title, kept in policies)


@lru_cache(maxsize=1)  # its mistakes are compiled once for all runs with a guide
def catalog(guide: Guide) -> tuple[Hypothesis, ...]:
    """All named mistakes, the more specific ones of a kind first."""
    own = guide.program.unicode_version
    hypotheses = [*_around_hypotheses(guide), *(
        Hypothesis(cause, title, lambda text, change=change: guide.reference(change(text)))  # type: ignore[misc]
        for cause, title, change in _changed_texts(guide))]
    for title, split in (("each piece is cut into its longest tokens from the left", guide.pieces),
                         ("the text is cut into its longest tokens from the left, across pieces", lambda text: [text])):
        hypotheses.append(Hypothesis("greedy longest match", title, lambda text, split=split: (  # type: ignore[misc]
            guide.with_splitter(split, text, guide.longest))))
    if own in VERSIONS:
        nearest = sorted(VERSIONS, key=lambda version: abs(VERSIONS.index(version) - VERSIONS.index(own)))
        hypotheses += [Hypothesis(UNICODE, f"Unicode {version} in place of {own}",
                                  partial(guide.by_unicode, version, own)) for version in nearest if version != own]
    return (*hypotheses, *_structure_hypotheses(guide), *_pattern_hypotheses(guide))
