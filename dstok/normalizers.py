"""Normalizers: the steps that change a model's text before it is cut into pieces.

In: a description's steps. Out: the core's `Normalizer`; and for a text the `NormalizedText` that the model has of it.
Invariant: text and alignment are upstream's: each character of the result stands for one of the text; each stretch
between two added tokens with normalized=false is normalized by itself. Normal forms run in the core; a chain of other
steps in Python, in linear time, only for texts that a step may change; one that would grow to more than `GROWTH` times
its length is refused. Source: upstream 0.23.3, measured; lower case is Rust's of Unicode 17.0, marks are those of 9.0.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from dstok._util.imports import LateImport
from dstok.core.text.normalize import Form, Normalizer
from dstok.errors import UnsupportedError
from dstok.formats.description import BLANK, PREFIX_SPACE, PREFIXES, CharacterShape, NormalizerStep
from dstok.unicode import normalization
from dstok.unicode.normalization import FORMS, OLDEST, lowercase, marks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.core.text.added_tokens import Policy
    Spans = npt.NDArray[np.int64]
else:
    np = LateImport("numpy")

Sources = list[int] | None  # for each character the index of its source; None: not asked for
Edit = tuple[int, int, str]  # the characters from start to end become others
Step = Callable[[str, Sources, int], tuple[str, Sources]]  # the number: at most so many characters may come out
Edits = Callable[[str], list[Edit]]
Plain = Callable[[str, int], str | None]  # a step without sources; None: perhaps too many characters would come out

GROWTH, ROOM = 32, 4096
BLANKS = NormalizerStep("Replace", BLANK, content=" ")  # the first step of models of characters
LOCAL = (*FORMS, "Lowercase", "StripAccents")  # steps that look only at a character and its combining marks


def make_normalizer(
    steps: tuple[NormalizerStep, ...], unicode_version: str, shape: CharacterShape | None = None,
) -> Normalizer | None:
    """The normalizer of the steps; None if there are none. Raises as compiling a pattern does.

    `shape`: of a model of characters, which alone decides its steps. The core's pass puts the space of its prefix, and
    can do so for no other model: the steps of a byte-level one are run, even if they are the same.
    """
    if not steps:
        return None
    if len(steps) == 1 and steps[0].type in FORMS:
        return _form(steps[0].type, steps[0].unicode_version)
    if shape is not None or steps == (BLANKS._replace(where=steps[0].where),):
        prefix = 0 if shape is None else PREFIXES.index(shape.prefix)  # as core/text/normalize.pxd numbers them
        return Normalizer(_blanks_form(), None, True, prefix=prefix)
    chain = _Chain([(step.where, make_step(step, unicode_version)) for step in steps])
    local = all(step.type in LOCAL for step in steps)
    changing = set().union(*(_changing(step, unicode_version) for step in steps))
    return Normalizer(Form(normalization.check_tables(changing), False), chain, local,
                      always=any(step.type in ("Prepend", PREFIX_SPACE) or step.is_regex for step in steps))


@cache
def _form(name: str, version: str | None) -> Normalizer:
    return Normalizer(Form(normalization.form_tables(name, version or OLDEST), name.endswith("C")), None, True)


@cache
def _blanks_form() -> Form:
    return Form(normalization.replacing_tables({ord(BLANK): ord(" ")}), False)


class _Chain:
    """Steps one after the other, each with its place in the model's file."""

    def __init__(self, steps: list[tuple[str, Step]]) -> None:
        self._steps = steps

    def apply(self, text: str, sources: Sources) -> tuple[str, Sources]:
        """Raises `UnsupportedError`, with the step's place, for a text that would grow too long."""
        most = GROWTH * len(text) + ROOM
        for where, step in self._steps:
            if text:
                text, sources = step(text, sources, most)
                _check_length(len(text), most, where)
        return text, sources


def _check_length(length: int, most: int, where: str) -> None:
    if length > most:
        raise UnsupportedError(f"a text of {(most - ROOM) // GROWTH} characters that the normalizer makes {length} of: "
                               f"at most {GROWTH} times as many are made, and {ROOM} more", where)


def _changing(step: NormalizerStep, unicode_version: str) -> Iterable[int]:
    """The code points that the step needs: a text without them stays as it is."""
    if step.type in FORMS:
        return normalization.unclean(step.type, step.unicode_version or OLDEST)
    if step.type == "Lowercase":
        return lowercase()
    if step.type == "StripAccents":
        return marks()
    if step.type == "Strip":
        return map(ord, blanks(unicode_version))
    return [] if step.is_regex or not step.pattern else [ord(step.pattern[0])]


def make_step(step: NormalizerStep, unicode_version: str) -> Step:
    """A step as a function of a text; its sources are upstream's."""
    if step.type in FORMS:
        normalizer = _form(step.type, step.unicode_version)

        def normal_form(text: str, sources: Sources, most: int) -> tuple[str, Sources]:
            if sources is None:
                return normalizer.normalize(text.encode()).decode(), None
            made, indexes = normalizer.align(text.encode())
            return made.decode(), [sources[i] for i in indexes]

        return normal_form
    edits, plain = _edits_of(step, unicode_version)

    def edited(text: str, sources: Sources, most: int) -> tuple[str, Sources]:
        """Each new character has the source of the last one that it stands for, or of the one before which it comes."""
        made = plain(text, most) if sources is None and plain is not None else None
        if made is not None:
            return made, None
        found, length, at = edits(text), len(text), 0
        for start, end, new in found:
            length += len(new) + start - end
        _check_length(length, most, step.where)
        parts: list[str] = []
        moved: list[int] = []
        for start, end, new in found:
            parts += text[at:start], new
            if sources is not None:
                moved += sources[at:start]
                moved += [sources[max(start, end - 1)]] * len(new) if new else []
            at = end
        return "".join(parts) + text[at:], None if sources is None else moved + sources[at:]

    return edited


def _edits_of(step: NormalizerStep, unicode_version: str) -> tuple[Edits, Plain | None]:
    """Return a function for the edits of a text with characters, and a faster one for its text alone, or None."""
    content, pattern = step.content, step.pattern
    if step.type == "Lowercase":
        lower = lowercase()
        return (lambda text: [(i, i + 1, lower[ord(char)]) for i, char in enumerate(text) if ord(char) in lower],
                lambda text, most: text.translate(lower))  # no character becomes more than two
    if step.type == "StripAccents":
        return lambda text: [(i, i + 1, "") for i, char in enumerate(text) if ord(char) in marks()], None
    if step.type == "Prepend":
        return lambda text: [(0, 0, content)], lambda text, most: content + text
    if step.type == PREFIX_SPACE:
        return lambda text: [] if text.startswith(" ") else [(0, 0, " ")], None
    if step.type == "Strip":
        white = blanks(unicode_version)
        strip = str.strip if step.left and step.right else str.lstrip if step.left else str.rstrip

        def stripped(text: str) -> list[Edit]:
            start = len(text) - len(text.lstrip(white)) if step.left else 0
            end = max(start, len(text.rstrip(white))) if step.right else len(text)
            return [(0, start, ""), (end, len(text), "")]

        return stripped, (lambda text, most: strip(text, white)) if step.left or step.right else None
    if step.is_regex:
        return _regex_edits(step, unicode_version)
    literal, more = re.compile(re.escape(pattern)), len(content) - len(pattern)

    def replaced(text: str, most: int) -> str | None:
        return text.replace(pattern, content) if len(text) + text.count(pattern) * more <= most else None

    return lambda text: [(*found.span(), content) for found in literal.finditer(text)], replaced


def _regex_edits(step: NormalizerStep, unicode_version: str) -> tuple[Edits, Plain]:
    """The edits of the matches of a pattern, by the automaton of a Split with this pattern.

    Upstream puts the content at each match of the empty text. The automaton tells no such match from none: refused.
    """
    from dstok.core.split.automaton import Scanner, pack_edges
    from dstok.regex import Split
    from dstok.regex.ast import is_nullable
    from dstok.regex.cascade import compile_splits
    from dstok.regex.parser import parse

    program = compile_splits((Split(step.pattern, "Isolated", False, step.where),), unicode_version)
    if is_nullable(parse(step.pattern, unicode_version)):
        raise UnsupportedError(f"{step.where}: a pattern that can match the empty text is not supported in Replace: "
                               f"found {step.pattern!r}")
    pages, page_numbers = program.alphabet.pages()
    scanner = Scanner(pages, page_numbers, pack_edges(program.dfa.edges, pages[:128]), program.dfa.symbols)
    is_match = [tag.step is not None for tag in program.tags]
    content, new = step.content, step.content.encode()

    def edits(text: str) -> list[Edit]:
        data = text.encode()
        found, chars = [], 0
        for start, end, tag in scanner.spans(data):
            length = len(data[start:end].decode())
            if is_match[tag]:
                found.append((chars, chars + length, content))
            chars += length
        return found

    def plain(text: str, most: int) -> str | None:
        data = text.encode()
        spans = scanner.spans(data)
        if len(text) + len(spans) * len(content) > most:
            return None
        return b"".join([new if is_match[tag] else data[start:end] for start, end, tag in spans]).decode()

    return edits, plain


@cache
def blanks(unicode_version: str) -> str:
    """The characters of White_Space."""
    from dstok.unicode.properties import white_space

    return "".join(chr(c) for first, last in white_space(unicode_version).ranges for c in range(first, last + 1))


class NormalizedText(NamedTuple):
    """A text as a model sees it: `text`, valid UTF-8, its stretches normalized.

    `sources`: for each of its code points the index of its source, a code point of `original`.
    """

    text: bytes
    sources: array[int]
    original: bytes

    def char_spans(self, spans: Spans) -> Spans:
        """Code point spans of the original for code point spans, int64[n, 2], of `text`; none of them empty."""
        sources = np.frombuffer(self.sources, np.uint32).astype(np.int64)
        return np.stack([sources[spans[:, 0]], sources[spans[:, 1] - 1] + 1], axis=1)

    def byte_spans(self, spans: Spans, chars: Spans) -> Spans:
        """Byte spans of the original for byte spans of `text` that touch its code points `chars`.

        A character that normalizing has left alone gives its own part, another one its whole source.
        """
        sources = np.frombuffer(self.sources, np.uint32).astype(np.intp)
        here, there = _char_starts(self.text), _char_starts(self.original)
        same = _code_points(self.text) == _code_points(self.original)[sources]
        first, last = chars[:, 0].astype(np.intp), chars[:, 1].astype(np.intp) - 1
        starts, ends = spans[:, 0].astype(np.intp), spans[:, 1].astype(np.intp)
        begin = there[sources[first]] + np.where(same[first], starts - here[first], 0)
        end = np.where(same[last], there[sources[last]] + ends - here[last], there[sources[last] + 1])
        return np.stack([begin, end], axis=1).astype(np.int64)

    def cuts(self, ends: Spans, length: int) -> Spans:
        """The places to cut the original, of `length` code points, after the code points `ends` of `text`."""
        return np.append(np.frombuffer(self.sources, np.uint32), length).astype(np.int64)[ends]


def normalized_text(normalizer: Normalizer, text: bytes, policy: Policy) -> NormalizedText:
    """The view of valid UTF-8; the policy matches its added tokens."""
    parts: list[bytes] = []
    sources = array("I")
    at = chars = 0
    for start, end, _, _ in [*policy.raw_spans(text), (len(text), len(text), 0, 0)]:
        made, indexes = (normalizer.later if at else normalizer).align(text[at:start])
        parts += [made, text[start:end]]
        sources.extend(chars + i for i in indexes)
        chars += len(text[at:start].decode())
        token = len(text[start:end].decode())
        sources.extend(range(chars, chars + token))
        chars += token
        at = end
    return NormalizedText(b"".join(parts), sources, text)


def _char_starts(text: bytes) -> npt.NDArray[np.intp]:
    """The place of each code point, and the length."""
    return np.append(np.flatnonzero((np.frombuffer(text, np.uint8) & 0xC0) != 0x80), len(text))


def _code_points(text: bytes) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.decode().encode("utf-32-le"), np.uint32)
