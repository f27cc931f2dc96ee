"""Possible mistakes of a candidate. Each is named and predicts ids.

In: a guide. Out: `Hypothesis`es: for a text, the ids of a tokenizer that makes only this mistake. Invariant: for a text
that the mistake does not affect, a hypothesis predicts the reference's ids. The catalog is ordered: of two that predict
the same everywhere, the first one is reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import combinations, takewhile
from typing import Any

from dstok._util.objects import lazy
from dstok.conformance.automaton_guide import Guide
from dstok.conformance.naive import Cascade, Mistake, alternatives_of, as_lazy, blind_at_end, with_bounds, without_looks
from dstok.conformance.unicode_changes import VERSIONS, moved, stand_in
from dstok.errors import DstokError
from dstok.normalizers import make_normalizer
from dstok.regex.cascade import compile_splits
from dstok.regex.dfa import DEAD, NO_TAG, START
from dstok.unicode.normalization import FORMS, OLDEST
from dstok.unicode.normalization import VERSIONS as FORM_VERSIONS

Ids = tuple[int, ...]
Splitter = Callable[[str], list[str]]

UNICODE = "tables of another Unicode version"
LOOK = "look-ahead at a piece's edge"
ORDER = "alternation order"
GAPS = "gaps between matches"
STEPS = "steps of the pre-tokenizer"
SET = "character set"
BOUND = "repeat bound"
GREED = "greedy repeat"
NORMALIZE = "normalization"
ADDED = "added-token policy"
FRAME = "ids around the text"
LONGEST = "greedy longest match"
TRUNCATED = "truncation"


@dataclass
class Hypothesis:
    """A mistake: the class of cause, the mistake in words, and its result for a text (None: unknown)."""

    cause: str
    title: str
    predict: Callable[[str], Ids | None]


class Pipeline:
    """The guide's tokenizer with one part exchanged."""

    def __init__(self, guide: Guide) -> None:
        self.guide, self.tokenizer = guide, guide.tokenizer

    def reference(self, text: str) -> Ids:
        return tuple(self.tokenizer.encode(text))

    def with_splitter(self, split: Splitter, text: str, merge: Callable[[str], list[int]] | None = None) -> Ids:
        """The ids if `split` cut the text between added tokens, and `merge` made the ids of a piece."""
        data, merge = self.guide.model.seen(text).encode(), merge or self.guide.merged
        ids, at = list[int](), 0
        for id, start, end in [*self.guide.model.added_in(text), (-1, len(data), len(data))]:
            ids += [part for piece in split(data[at:start].decode()) for part in merge(piece)]
            ids += [] if id < 0 else [id]
            at = end
        return tuple(ids)

    def longest(self, piece: str) -> list[int]:
        """The ids of the longest tokens, one after the other from the left."""
        data, ids, at = piece.encode(), list[int](), 0
        known, sizes = self._tokens
        while part := next((part for size in sizes if (part := data[at : at + size]) in known), b""):
            ids.append(known[part])
            at += len(part)
        return ids

    @lazy
    def _tokens(self) -> tuple[dict[bytes, int], list[int]]:
        """The vocabulary's tokens with their ids, and their sizes, the largest first."""
        model, added = self.guide.model, {*self.tokenizer.added_tokens.values()}
        size = len(model.tables["starts"]) // 4 - 1
        known = {model.token(id): id for id in reversed([*takewhile(size.__gt__, model.ids())]) if id not in added}
        known.pop(b"", None)
        return known, sorted({*map(len, known)}, reverse=True)

    def pieces(self, text: str, override: Callable[[str], int] | None = None) -> list[str]:
        """The pieces of a text, with some characters treated as members of other classes."""
        class_of, edges = override or self.guide.alphabet.class_of, self.guide.edges
        symbols = [class_of(char) for char in text] + [self.guide.alphabet.end]
        pieces, at = [], 0
        while at < len(text):
            state, end, place = START, at, at
            while state != DEAD:
                state, tag = edges[state][symbols[place]]
                if tag != NO_TAG:
                    end = place
                place += 1
            pieces.append(text[at:end])
            at = end
        return pieces


# Characters in the wrong class


def class_override(pipeline: Pipeline, taken: dict[str, int], cause: str, title: str) -> Hypothesis:
    """Treats each character of `taken` as a member of its class there. The dictionary may grow later."""
    class_of = pipeline.guide.alphabet.class_of

    def predict(text: str) -> Ids:
        if taken.keys().isdisjoint(text):
            return pipeline.reference(text)
        return pipeline.with_splitter(lambda part: pipeline.pieces(
            part, lambda char: taken[char] if char in taken else class_of(char)), text)

    return Hypothesis(cause, title, predict)


def unicode_override(pipeline: Pipeline, version: str, own: str) -> Hypothesis:
    """Tables of `version`, for a tokenizer with tables of `own`."""
    class_of = pipeline.guide.alphabet.class_of

    def predict(text: str) -> Ids | None:
        table = moved(version, own)
        here = {char: class_of(stand_in(table[char], ord(char))) for char in set(text) if char in table}
        return class_override(pipeline, here, UNICODE, "").predict(text)

    return Hypothesis(UNICODE, f"Unicode {version} in place of {own}", predict)


# The pattern


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
TOKEN = re.compile(r"\\p\{\^?\w+\}|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\.|.", re.S)
RANGE = re.compile(r"(\w)-(\w)")
ANY_CASE = re.compile(r"\(\?i:([^()\\]*)\)")  # (?i:'s|'t), and with a class (?i:[sdmt]|ll)


def _rewritten(pattern: str, old: str, inside: str, outside: str | None) -> str:
    r"""`pattern` with `inside` for `old` in bracketed classes, and `outside` elsewhere; \S with \s."""
    out, bracket = list[str](), False
    if old == "A-Za-z":
        pattern, old = pattern.replace("A-Za-z", "\0"), "\0"
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
    return "".join(out).replace("\0", "A-Za-z")


def _ascii_case(pattern: str) -> str:
    """`pattern` with both ASCII cases of each letter in place of (?i:...), which also takes U+017F for s."""
    def spelled(match: re.Match[str]) -> str:
        parts = re.split(r"(\[[^\]]*\])", match[1])
        both = (re.sub("[A-Za-z]", lambda letter: letter[0].lower() + letter[0].upper(), part) if part[:1] == "[" else
                re.sub("[A-Za-z]", lambda letter: f"[{letter[0].lower()}{letter[0].upper()}]", part) for part in parts)
        return f"(?:{''.join(both)})"

    return ANY_CASE.sub(spelled, pattern)


def _pattern_hypotheses(pipeline: Pipeline) -> Iterator[Hypothesis]:
    """The patterns rewritten, one construct at a time."""
    yield from _rewrite(pipeline, SET, "(?i:...) takes ASCII letters only, and U+017F for no s", _ascii_case)
    for old, inside, outside, title in REWRITES:
        yield from _rewrite(pipeline, SET, title, lambda p, o=old, i=inside, u=outside: _rewritten(p, o, i, u))  # type: ignore[misc]
    splits = pipeline.guide.program.splits
    for first, last in sorted({pair for split in splits for pair in RANGE.findall(split.pattern)}):
        name = f"range U+{ord(first):04X}..U+{ord(last):04X}"
        old = f"{first}-{last}"
        for new, what in ((f"{chr(ord(first) + 1)}-{last}", "begins one late"),
                          (f"{first}-{chr(ord(last) - 1)}", "ends one early"),
                          (f"{first}-{chr(ord(last) + 1)}", "ends one late")):
            yield from _rewrite(pipeline, SET, f"the {name} {what}", lambda p, o=old, n=new: p.replace(o, n))  # type: ignore[misc]


def _rewrite(pipeline: Pipeline, cause: str, title: str, change: Callable[[str], str]) -> Iterator[Hypothesis]:
    splits = pipeline.guide.program.splits
    changed = tuple(replace(split, pattern=change(split.pattern)) for split in splits)
    if changed == splits:
        return

    def compiled() -> Splitter:
        program = compile_splits(changed, pipeline.guide.program.unicode_version)
        return lambda part: [piece for piece, _ in program.pieces(part)]

    yield _by_splitter(pipeline, cause, title, compiled)


def _by_splitter(pipeline: Pipeline, cause: str, title: str, compiled: Callable[[], Splitter]) -> Hypothesis:
    """The mistake of another splitter, which is compiled when first asked; one that cannot be predicts nothing."""
    @cache
    def splitter() -> Splitter | None:
        try:
            return compiled()
        except DstokError:
            return None

    def predict(text: str) -> Ids | None:
        split = splitter()
        return pipeline.with_splitter(split, text) if split else None

    return Hypothesis(cause, title, predict)


# Merging, and the length of texts


def truncations(pipeline: Pipeline, text: str, found: Ids) -> Iterator[Hypothesis]:
    """The limits of length that may explain the ids of a text of which no character can be left out."""
    reference, count, size = pipeline.reference, len(found), len(text.encode())
    if not found or len(text) < 2:
        return
    last = len(text) - 1
    yield Hypothesis(TRUNCATED, f"only the first {last:,} characters are read", lambda one: reference(one[:last]))
    yield Hypothesis(TRUNCATED, f"only the last {last:,} characters are read", lambda one: reference(one[-last:]))
    yield Hypothesis(TRUNCATED, f"only the first {count:,} ids are given", lambda one: reference(one)[:count])
    yield Hypothesis(TRUNCATED, f"only the last {count:,} ids are given", lambda one: reference(one)[-count:])
    for limit in range(size - 1, max(size - 5, 0), -1):
        yield Hypothesis(TRUNCATED, f"only the first {limit:,} bytes are read", lambda one, limit=limit: reference(  # type: ignore[misc]
            one.encode()[:limit].decode("utf-8", "ignore")))


# The steps and their alternatives


def _structure_hypotheses(pipeline: Pipeline) -> Iterator[Hypothesis]:
    """Steps joined, exchanged and left out; alternatives exchanged and left out; look-ahead."""
    program = pipeline.guide.program
    if any(split.behavior != "Isolated" for split in program.splits) or not program.splits:
        return
    steps = alternatives_of(program.splits, program.unicode_version)
    if len(steps) > 1:
        joined = (tuple(tree for step in steps for tree in step),)
        yield _by(pipeline, LOOK, f"the {len(steps)} splits joined as one regex", joined)
    yield _by(pipeline, LOOK, "look-ahead sees the text after the piece", steps, Mistake(past_edge=True))
    yield _by(pipeline, LOOK, "look-ahead is not done", tuple(tuple(map(without_looks, step)) for step in steps))
    yield _by(pipeline, LOOK, "look-ahead does not take the end of the text",
              tuple(tuple(map(blind_at_end, step)) for step in steps))
    yield _by(pipeline, GAPS, "what no alternative matches is dropped", steps, Mistake(gaps_dropped=True))
    yield _by(pipeline, ORDER, "the longest alternative instead of the first", steps, Mistake(longest=True))
    yield from _alternative_hypotheses(pipeline, steps)
    for one, two, exchanged in _exchanged(steps):
        yield _by(pipeline, STEPS, f"steps {one} and {two} exchanged", tuple(exchanged))
    for one in range(len(steps)):
        yield _by(pipeline, STEPS, f"step {one} missing", steps[:one] + steps[one + 1 :])
    for high in (1, 2, None):
        bounded = tuple(tuple(with_bounds(tree, high) for tree in step) for step in steps)
        if bounded != steps:
            title = "repeats without an upper bound" if high is None else f"repeats at most {high} times"
            yield _by(pipeline, BOUND, title, bounded)


def _alternative_hypotheses(pipeline: Pipeline, steps: Any) -> Iterator[Hypothesis]:
    """Alternatives exchanged and left out; repeats that take as little as they can."""
    for at, step in enumerate(steps):
        for one, two, order in _exchanged(step):
            yield _by(pipeline, ORDER, f"alternatives {one} and {two} of step {at} exchanged", _put(steps, at, order))
        for one in range(len(step)) if len(step) > 1 else ():
            yield _by(pipeline, ORDER, f"alternative {one} of step {at} missing",
                      _put(steps, at, [*step[:one], *step[one + 1 :]]))
    for at, step in enumerate(steps):
        for one, tree in enumerate(step):
            if (changed := as_lazy(tree)) != tree:
                yield _by(pipeline, GREED, f"a repeat of alternative {one} of step {at} takes as little as it can",
                          _put(steps, at, [*step[:one], changed, *step[one + 1 :]]))


def _exchanged(items: Sequence[Any]) -> Iterator[tuple[int, int, list[Any]]]:
    """Two numbers, and the items with these two exchanged."""
    for one, two in combinations(range(len(items)), 2):
        exchanged = list(items)
        exchanged[one], exchanged[two] = exchanged[two], exchanged[one]
        yield one, two, exchanged


def _put(steps: Any, at: int, step: Sequence[Any]) -> Any:
    return (*steps[:at], tuple(step), *steps[at + 1 :])


def _by(pipeline: Pipeline, cause: str, title: str, steps: Any, mistake: Mistake | None = None) -> Hypothesis:
    return _by_splitter(pipeline, cause, title, lambda: Cascade(steps, mistake).pieces)


# Before and around the splits


CHANGES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("NFC", lambda text: unicodedata.normalize("NFC", text)),
    ("NFD", lambda text: unicodedata.normalize("NFD", text)),
    ("NFKC", lambda text: unicodedata.normalize("NFKC", text)),
    ("NFKD", lambda text: unicodedata.normalize("NFKD", text)),
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


def _form_hypotheses(pipeline: Pipeline) -> Iterator[Hypothesis]:
    """The normal forms of another Unicode version.

    A text in the newer form is in the older one, too: what the older version does not know, it leaves as it is.
    """
    for step in pipeline.guide.model.normalizer:
        own = step.unicode_version or OLDEST
        for version in FORM_VERSIONS if step.type in FORMS else ():
            if version != own:
                other = make_normalizer((replace(step, unicode_version=version),), "")
                assert other is not None
                yield Hypothesis(NORMALIZE, f"{step.type} of Unicode {version} in place of {own}",
                                 lambda text, normalize=other.normalize: pipeline.reference(  # type: ignore[misc]
                                     normalize(text.encode()).decode()))


def _added_hypotheses(pipeline: Pipeline) -> Iterator[Hypothesis]:
    tok = pipeline.tokenizer
    special = frozenset(token.content for token in pipeline.guide.model.added_tokens if token.special)
    plain = frozenset(tok.added_tokens) - special
    yield Hypothesis(ADDED, "no added token is matched", lambda text: tuple(tok.encode(text, special="none")))
    if special and plain:
        yield Hypothesis(ADDED, "tokens with special=false are not matched",
                         lambda text: tuple(tok.encode(text, special=special)))
        yield Hypothesis(ADDED, "tokens with special=true are not matched",
                         lambda text: tuple(tok.encode(text, special=plain)))
    looks = frozenset(content for content in tok.added_tokens if re.fullmatch(r"<[|｜].*[|｜]>", content))
    if looks and looks not in (special, plain, frozenset(tok.added_tokens)):
        yield Hypothesis(ADDED, "only tokens that look special (<|...|>) are matched",
                         lambda text: tuple(tok.encode(text, special=looks)))
    contents = "|".join(map(re.escape, sorted(tok.added_tokens, key=len, reverse=True)))
    yield Hypothesis(ADDED, "white space around added tokens is dropped", lambda text: pipeline.reference(
        re.sub(rf"\s*({contents})\s*", r"\1", text) if contents else text))


def _frame_hypotheses(pipeline: Pipeline) -> Iterator[Hypothesis]:
    for name, id in (("BOS", pipeline.tokenizer.bos_id), ("EOS", pipeline.tokenizer.eos_id)):
        if id is not None:
            yield Hypothesis(FRAME, f"{name} is added at the start",
                             lambda text, id=id: (id, *pipeline.reference(text)))  # type: ignore[misc]
            yield Hypothesis(FRAME, f"{name} is added at the end",
                             lambda text, id=id: (*pipeline.reference(text), id))  # type: ignore[misc]


@lru_cache(maxsize=1)  # its mistakes are compiled once for all runs with a guide
def catalog(guide: Guide) -> tuple[Hypothesis, ...]:
    """All named mistakes, the more specific ones of a kind first."""
    pipeline = Pipeline(guide)
    own = guide.program.unicode_version
    hypotheses = [*_frame_hypotheses(pipeline), *_added_hypotheses(pipeline), *_form_hypotheses(pipeline)]
    hypotheses += [Hypothesis(NORMALIZE, title, lambda text, change=change: pipeline.reference(change(text)))  # type: ignore[misc]
                   for title, change in CHANGES]
    for title, split in (("each piece is cut into its longest tokens from the left", pipeline.pieces),
                         ("the text is cut into its longest tokens from the left, across pieces", lambda text: [text])):
        hypotheses.append(Hypothesis(LONGEST, title, lambda text, split=split: pipeline.with_splitter(  # type: ignore[misc]
            split, text, pipeline.longest)))
    if own in VERSIONS:
        nearest = sorted(VERSIONS, key=lambda version: abs(VERSIONS.index(version) - VERSIONS.index(own)))
        hypotheses += [unicode_override(pipeline, version, own) for version in nearest if version != own]
    return (*hypotheses, *_structure_hypotheses(pipeline), *_pattern_hypotheses(pipeline))
