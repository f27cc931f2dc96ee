"""The splitter: a pre-tokenizer by itself.

In: Split steps, from any source. Out: `Splitter`, which cuts texts into pieces.
Invariant: the pieces are upstream's (`pre_tokenize_str`), whatever the pattern. Steps that cannot be exact are refused
when the splitter is made. A splitter never changes: any number of threads may use one at once, and it pickles. One that
is read from its file or pickle splits as the written one: its steps are compiled again, and the fingerprints of the
automata compared. A damaged or hostile file can do no more than a pattern.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import Errors, Text, explained, replaces_faults, utf8
from dstok._util.files import write_at_once
from dstok._util.json_value import load_json, shown
from dstok._util.objects import lazy
from dstok.compiled.programs import make_tagger
from dstok.core.encode.pieces import SpanPass, in_characters
from dstok.errors import ArgumentError, DstokError, PatternError, PickleError, TokenizerFileError, UnsupportedError
from dstok.formats.upstream import NEWEST, upstream_version
from dstok.methods.offsets import Piece, add_tagged
from dstok.pretokenizer import sources
from dstok.pretokenizer.analysis import Analysis
from dstok.pretokenizer.pieces import SplitStream, Unit, checked_unit, finder_of, map_each, readable, span_texts
from dstok.pretokenizer.re_api import Matcher
from dstok.pretokenizer.sources import Dialect
from dstok.regex import Split
from dstok.regex.cascade import Cascade, compile_cascade, placed
from dstok.regex.compile_budget import stage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok._util.files import StrPath
    from dstok.core.split.automaton import Scanner
    from dstok.core.split.two_sided import TwoSided
    from dstok.tokenizer import Tokenizer

SAVED, SAVED_FORMAT = "dstok_splitter", 1  # in the file of a splitter


class Splitter:
    r"""Cuts texts into pieces, as the `Split` steps of a tokenizer do.

    `patterns` is one pattern or several steps: each cuts the pieces of the one before it. `behavior` is one of
    "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"; a `Split` brings its own. `dialect` is
    "oniguruma" (a tokenizer.json's) or "fancy-regex" (tiktoken's). `upstream` names the version whose Unicode tables
    count. Raises `PatternError` for a broken pattern, `UnsupportedError` for one that cannot be compiled exactly.

    >>> import dstok
    >>> words = dstok.Splitter(r"\p{L}+|\p{N}{1,3}")
    >>> words.split("Hello 12345")
    ['Hello', ' ', '123', '45']
    >>> dstok.Splitter(r"\s+", behavior="Removed").split("a b  c")
    ['a', 'b', 'c']
    """

    @explained
    def __init__(
        self, patterns: str | Split | Iterable[str | Split], *, behavior: str = "Isolated", invert: bool = False,
        dialect: Dialect = "oniguruma", upstream: str = NEWEST,
    ) -> None:
        splits = sources.splits_of_patterns(patterns, behavior, invert, dialect)
        self._make(splits, upstream_version(upstream).patterns, "")

    @stage("compiling a splitter")
    def _make(self, splits: tuple[Split, ...], unicode_version: str, name: str) -> None:
        self.name, self._splits, self._unicode_version = name, splits, unicode_version
        self._span_pass = SpanPass(finder_of(splits, unicode_version, lambda: self._cascade))  # the core's part

    @lazy
    def _cascade(self) -> Cascade:
        try:
            return compile_cascade(self.splits, self.unicode_version)
        except PatternError as error:
            if len(self.splits) == 1:
                raise
            raise placed(error, self.splits) from None

    @classmethod
    def _of(cls, splits: tuple[Split, ...], unicode_version: str, name: str = "") -> Splitter:
        made = cls.__new__(cls)
        made._make(splits, unicode_version, name)
        return made

    # Sources

    @classmethod
    @explained
    def from_json(cls, path: StrPath, *, upstream: str | None = None) -> Splitter:
        """The splitter of a JSON file: a tokenizer.json, the value of its `pre_tokenizer` alone, or `to_json`'s.

        `upstream` names the version whose Unicode tables decide; what `to_json` wrote says this itself.
        Raises `TokenizerFileError` for a broken file, `UnsupportedError` with the JSON path (for a normalizer, too),
        `ArgumentError` for an `upstream` beside what `to_json` wrote, and `OSError`.
        """
        from dstok.formats.reading import about_file, contents

        with about_file(path):
            return cls.from_str(contents(path), upstream=upstream)

    @classmethod
    @explained
    def from_str(cls, json: str | bytes, *, upstream: str | None = None) -> Splitter:
        """The splitter of the text of such a file. Raises as `from_json`.

        >>> import dstok
        >>> dstok.Splitter.from_str('{"type": "Digits", "individual_digits": false}').split("a12")
        ['a', '12']
        """
        file = load_json(json)
        if SAVED not in file.object():  # a tokenizer.json has no such key
            return cls._of(*sources.splits_of_json(file, NEWEST if upstream is None else upstream))
        if upstream is not None:
            raise ArgumentError("a splitter that to_json wrote has a Unicode version of its own: with_unicode gives it "
                                "another", "upstream")
        return cls._restored(file.object())

    @classmethod
    def _restored(cls, parts: dict[str, Any]) -> Splitter:
        """The splitter of what `to_json` wrote. Raises `TokenizerFileError`."""
        try:
            if parts[SAVED] != SAVED_FORMAT:
                raise ValueError(f"found format {parts[SAVED]!r}")
            splits = tuple(Split(**split) for split in parts["splits"])
            for value in [parts["name"], parts["unicode_version"], *(split.pattern for split in splits)]:
                if not isinstance(value, str):
                    raise TypeError(f"expected text, found {type(value).__name__}")
            made, fingerprint = cls._of(splits, parts["unicode_version"], parts["name"]), parts["fingerprint"]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, DstokError) as error:
            raise TokenizerFileError(f"expected a splitter of dstok in format {SAVED_FORMAT}: {error}", "$") from None
        found = made._analysis.fingerprint
        if found != fingerprint:
            raise TokenizerFileError(f"expected a splitter of the fingerprint {shown(fingerprint)}, found {found}: "
                                     "write it again with this version of dstok", "$.fingerprint")
        return made

    @classmethod
    def _unpickled(cls, data: str) -> Splitter:
        try:
            return cls._restored(load_json(data).object())
        except TokenizerFileError as error:
            raise PickleError(str(error)) from None

    @classmethod
    @explained
    def from_tokenizer(cls, tokenizer: Tokenizer) -> Splitter:
        """The splitting of a tokenizer, for text between its added tokens.

        >>> import dstok
        >>> dstok.Splitter.from_tokenizer(dstok.load("deepseek-v3")).split("it 42")
        ['it', ' ', '42']
        """
        model = tokenizer.inspect()
        if model.cuts_bytes:
            raise UnsupportedError("the splitting of a model that cuts digits after ByteLevel, inside characters, too")
        return cls._of(model.splits, model.unicode_version, tokenizer.name)

    @classmethod
    @explained
    def from_tiktoken(cls, encoding: str) -> Splitter:
        """The splitting of one of tiktoken's encodings, by its name, such as "cl100k_base".

        Raises `UnsupportedError` for an unknown name.
        """
        return cls._of(sources.tiktoken_splits(encoding), "16.0", encoding)

    @classmethod
    @explained
    def preset(cls, name: str, *, upstream: str = NEWEST) -> Splitter:
        """The splitting of a well-known model, by name: `dstok.pretokenizer.sources.preset_names()` lists them.

        Raises `ModelNotFoundError` for an unknown name, `UnsupportedError` for an unknown `upstream`.

        >>> import dstok
        >>> dstok.Splitter.preset("gpt-2").split("it's 42")
        ['it', "'s", ' 42']
        """
        return cls._of(*sources.preset_splits(name, upstream), name)

    @explained
    def with_unicode(self, version: str) -> Splitter:
        r"""The same steps with the tables of another Unicode version, to see what changes.

        A step with a version of its own, as upstream's Digits, keeps it. Raises `UnsupportedError` for a version
        without a table.

        >>> import dstok
        >>> words = dstok.Splitter(r"\p{L}+")
        >>> words.analyze().difference(words.with_unicode("17.0")).text
        '1\u088f'
        """
        from dstok.unicode.properties import general_categories

        general_categories(version)  # raises where there is no table; the steps may need none
        return self._of(self.splits, version, self.name)

    @explained
    def to_json(self, path: StrPath) -> None:
        """Writes the splitter to a file for `from_json`, at once or not at all. Raises `OSError`.

        The file is JSON of dstok's own: no tokenizer.json has a place for the Unicode version.
        """
        write_at_once(path, self._described().encode())

    def __reduce__(self) -> tuple[Any, ...]:
        return self._unpickled, (self._described(),)

    def _described(self) -> str:
        parts = {SAVED: SAVED_FORMAT, "name": self.name, "unicode_version": self.unicode_version,
                 "splits": [split._asdict() for split in self.splits], "fingerprint": self._analysis.fingerprint}
        return json.dumps(parts, indent=1)

    # Splitting

    def split(self, text: Text, *, errors: Errors = "strict") -> list[str]:
        """The kept pieces of `text` (`str`, or UTF-8 bytes of any kind), in order.

        errors: for invalid UTF-8 and lone surrogates: "strict" raises `TextError` with the place, "replace" takes
            U+FFFD for each.
        Raises `ArgumentError` for a value that is no text.
        """
        return self._span_pass.split(readable(text, errors))

    def spans(self, text: Text, *, unit: Unit = "bytes", errors: Errors = "strict") -> npt.NDArray[np.int64]:
        r"""Start and end of each piece, int64[n, 2], in bytes of the UTF-8 text or in code points. Raises as `split`.

        >>> import dstok
        >>> dstok.Splitter(r"\s").spans("é a", unit="characters").tolist()
        [[0, 1], [1, 2], [2, 3]]
        """
        checked_unit(unit)
        data = readable(text, errors)
        spans = self._span_pass.spans(data)
        if unit == "characters" and not isinstance(data, str):
            in_characters(data, spans.reshape(-1))
        return spans

    def count(self, text: Text, *, errors: Errors = "strict") -> int:
        """The number of pieces that `split` gives."""
        return self._span_pass.count(readable(text, errors))

    def pieces(self, text: Text, *, errors: Errors = "strict") -> list[Piece]:
        """The pieces with their places, and the matching step and alternative, from 0; None for a gap.

        >>> import dstok
        >>> [(p.text, p.step, p.alternative) for p in dstok.Splitter(["a|b", "x"]).pieces("abxy")]
        [('a', 0, 0), ('b', 0, 1), ('x', 1, 0), ('y', None, None)]
        """
        data = utf8(text, replaces_faults(errors))
        found: list[Piece] = []
        add_tagged(found, self._tagger, self._cascade.tags, data, 0, len(data), 0)
        return found

    @lazy
    def _tagger(self) -> Scanner | TwoSided:
        return make_tagger(self._cascade)

    def spans_batch(
        self, texts: Iterable[Text], *, num_threads: int = 1, unit: Unit = "bytes", errors: Errors = "strict",
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(spans int64[n, 2], offsets int64[len(texts) + 1]): text i has `spans[offsets[i]:offsets[i + 1]]`.

        Spans count from the start of their own text. `num_threads` share the work, without the GIL. Errors name the
        text with the fault. Other keywords as `spans`. Raises `ArgumentError` for fewer than one thread, too.

        >>> import dstok
        >>> spans, offsets = dstok.Splitter("a").spans_batch(["ab", "b"])
        >>> spans.tolist(), offsets.tolist()
        ([[0, 1], [1, 2], [0, 1]], [0, 2, 3])
        """
        return span_texts(self._span_pass, texts, unit, num_threads, errors)

    def split_batch(
        self, texts: Iterable[Text], *, num_threads: int = 1, errors: Errors = "strict",
    ) -> list[list[str]]:
        """`split` of each of `texts`. Keywords and errors as `spans_batch`, which is faster: it makes no strings.

        >>> import dstok
        >>> dstok.Splitter("a").split_batch(["ab", b"b"])
        [['a', 'b'], ['b']]
        """
        return map_each(self._span_pass.split, texts, num_threads, errors)

    def count_batch(self, texts: Iterable[Text], *, num_threads: int = 1, errors: Errors = "strict") -> list[int]:
        """`count` of each of `texts`. Keywords and errors as `spans_batch`.

        >>> import dstok
        >>> dstok.Splitter("a").count_batch(["ab", b"b"])
        [2, 1]
        """
        return map_each(self._span_pass.count, texts, num_threads, errors)

    def stream(self, *, errors: Errors = "strict") -> SplitStream:
        r"""A stream for a text that comes in parts. It gives a piece once no later text can change it.

        >>> import dstok
        >>> stream = dstok.Splitter(r"\w+").stream()
        >>> stream.feed("Hello wor"), stream.feed("ld"), stream.finish()
        (['Hello', ' '], [], ['world'])
        """
        replaces_faults(errors)
        return SplitStream(self._span_pass, errors)

    # The splitter's parts

    @property
    def splits(self) -> tuple[Split, ...]:
        """The steps."""
        return self._splits

    @property
    def unicode_version(self) -> str:
        """The Unicode version of the steps' analysis."""
        return self._unicode_version

    def strategy(self) -> str:
        """How pieces are found here: "mask kernel, avx512", "shuffles, avx2", "automaton", "both sides, avx2"."""
        return self._span_pass.finder.strategy()

    @explained
    def explain(self, text: str | None = None) -> str:
        """The steps, the classes of characters and the automaton in words; with `text` also its way through them."""
        from dstok.inspection.explain import explain_cascade

        return "\n".join(explain_cascade(self._cascade, text))

    def analyze(self) -> Analysis:
        r"""What is true for every text: whether text gets lost, the longest piece, the difference to another splitter.

        >>> import dstok
        >>> facts = dstok.Splitter(r"\d{1,3}|\D").analyze()
        >>> facts.longest_piece, facts.may_cut("7", "a"), facts.loses_text
        (3, True, None)
        """
        return self._analysis

    @lazy
    def _analysis(self) -> Analysis:
        return Analysis(self._cascade)

    def matcher(self) -> Matcher:
        r"""The calls of Python's `re`, which give the matches of the pattern instead of the pieces of the text.

        Raises `UnsupportedError` for a splitter of several steps: only a single pattern has matches.

        >>> import dstok
        >>> dstok.Splitter(r"\d+").matcher().findall("a1 b22")
        ['1', '22']
        """
        return self._matcher

    @lazy
    def _matcher(self) -> Matcher:
        return Matcher(self._cascade, self._span_pass)

    def __eq__(self, other: object) -> bool:
        """Whether both keep the same spans of every text, whatever their patterns."""
        if not isinstance(other, Splitter):
            return NotImplemented
        return self._analysis.fingerprint == other._analysis.fingerprint

    def __hash__(self) -> int:
        return hash(self._analysis.fingerprint)

    def __repr__(self) -> str:
        shown = self.name or ", ".join(repr(split.pattern) for split in self.splits)
        return f"<Splitter {shown[:80]}>"


def span_pass_of(splitter: Splitter) -> SpanPass:
    """The core's object that finds the pieces, for other rooms."""
    return splitter._span_pass
