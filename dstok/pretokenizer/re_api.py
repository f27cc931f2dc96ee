"""`Splitter.matcher()`: the calls of Python's `re`, which give the matches of its pattern instead of its pieces.

In: one Split step, and texts. Out: matches, their texts, a text with replacements.
Invariant: matches are those of Python's engines (`regex`, `re`): leftmost, and at each place the preferred one of
ordered alternatives; an empty match does not come twice at one place. So the matches of at least one character are
those of `compile_matches`, and an empty match stands at each place that is not inside one of these, and where the
pattern prefers the empty text. Groups cost a second pass over their match, when one of them is asked for. The pattern
keeps its own dialect and Unicode version; behavior and inversion, which make pieces of matches, do not matter here.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from dstok._util.arguments import Errors, Text, explained
from dstok._util.objects import lazy
from dstok.compiled.programs import tables_of
from dstok.core.encode.pieces import SpanPass, in_characters
from dstok.core.split.automaton import PathReader
from dstok.errors import ArgumentError, GroupError, PickleError, UnsupportedError
from dstok.pretokenizer.pieces import Unit, checked_unit, readable
from dstok.regex.ast import Group, Node, is_nullable, nodes
from dstok.regex.cascade import Cascade, compile_matches
from dstok.regex.match_tables import MatchTables, make_match_tables, refused_groups
from dstok.regex.nfa import CharState, GroupState, LookState, MatchState, SplitState
from dstok.regex.parser import parse_groups

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.regex.dfa import DFA

    Spans = npt.NDArray[np.int64]

Span = tuple[int, int]
T = TypeVar("T", str, bytes)

BLOCK = 1 << 16  # bytes of a text that are read at a time, where a finder reads from the left alone
CHAR, LOOK, BRANCH, GROUP, MATCH = range(5)  # kinds of states: core/split/automaton.pyx
_TEMPLATE = re.compile(r"\\(?:([1-9][0-9]?)|g<([^>]*)>|(.?))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "b": "\b", "\\": "\\"}


class MatchPattern:
    """The pattern of a splitter of one step, compiled for matches. It never changes."""

    def __init__(self, cascade: Cascade, span_pass: SpanPass | None) -> None:
        if len(cascade.splits) != 1:
            raise UnsupportedError(f"matches of a splitter with {len(cascade.splits)} steps: only a single pattern has "
                                   "matches")
        self.cascade, self._own_pass = cascade, span_pass
        self._split, self._version = cascade.splits[0], cascade.unicode_version

    @lazy
    def tree(self) -> Node:
        """The AST of the pattern, with its groups."""
        return parse_groups(self._split.pattern, self._split.unicode_version or self._version)

    @lazy
    def names(self) -> tuple[str | None, ...]:
        """The names of the groups, in order."""
        return tuple(node.name for node in nodes(self.tree) if isinstance(node, Group))

    @lazy
    def refused(self) -> dict[int, str]:
        """The groups without exact places, by number, each with the construct around it."""
        return refused_groups(self.tree)

    @lazy
    def span_pass(self) -> SpanPass:
        """The pass that finds the matches of at least one character; the splitter's, if these are its pieces."""
        matches = compile_matches(self._split, self._version)
        own = self._own_pass if matches.visible == self.cascade.visible else None
        return own or SpanPass(tables_of(matches).finder())

    @lazy
    def tables(self) -> MatchTables:
        """The automata of a match at a known place."""
        return make_match_tables(self.tree)

    @lazy
    def reader(self) -> PathReader:
        """The core's object that runs these automata."""
        tables = self.tables
        alphabet, count = tables.letters.alphabet, tables.letters.count
        # The states of core/split/automaton.pyx, three int32 each; the targets of branches; the members of sets.
        states, targets, sets = array("i"), array("i"), dict[frozenset[int], int]()
        for state in tables.paths.states:
            if isinstance(state, CharState | LookState):
                kind = CHAR if isinstance(state, CharState) else LOOK
                states.extend([kind, sets.setdefault(state.symbols, len(sets)), state.target])
            elif isinstance(state, GroupState):
                states.extend([GROUP, state.slot, state.targets[0]])
            elif isinstance(state, MatchState):
                states.extend([MATCH, 0, 0])
            else:
                assert isinstance(state, SplitState)
                states.extend([BRANCH, len(targets), len(state.targets)])
                targets.extend(state.targets)
        members = b"".join(bytes(n in each for n in range(count)) for each in sets)
        return PathReader(*alphabet.pages(), alphabet.end, count, tables.readings, _edges(tables.match),
                          _edges(tables.full_match), states, targets or array("i", [0]), members, tables.paths.start,
                          len(self.names))

    @lazy
    def empty(self) -> frozenset[int]:
        """The oracle letters before which the preferred match is empty; none for most patterns."""
        return self.tables.empty if is_nullable(self.tree) else frozenset()

    def number_of(self, group: int | str) -> int:
        """The number of a group, given by number or name; 0 is the match.

        Raises `GroupError` for a group that the pattern does not have, `UnsupportedError` for one without exact places.
        """
        number = group
        if isinstance(group, str):
            if self.names.count(group) > 1:
                raise UnsupportedError(f"the group {group!r}, a name of several groups, has no exact place")
            number = self.names.index(group) + 1 if group in self.names else -1
        if not isinstance(number, int) or not 0 <= number <= len(self.names):
            known = ", ".join(["0", *(repr(name) if name else str(i + 1) for i, name in enumerate(self.names))])
            raise GroupError(f"expected a group out of {known}, found {group!r}")
        if number in self.refused:
            raise UnsupportedError(f"the group {group!r}, inside {self.refused[number]}, has no exact place")
        return number

    def spans(self, data: str | bytes) -> Spans:
        """All matches of a text, int64[n, 2] in bytes."""
        found = self.span_pass.spans(data)
        if not self.empty:
            return found
        import numpy as np

        data = data.encode() if isinstance(data, str) else data
        prefers = np.zeros(self.tables.letters.count + 1, np.bool_)
        prefers[list(self.empty)] = True
        depth = np.zeros(len(data) + 2, np.int8)
        depth[found[:, 0] + 1] += 1
        depth[found[:, 1]] -= 1
        outside = np.cumsum(depth, dtype=np.int8)[:-1] == 0
        places = np.flatnonzero(prefers[np.asarray(self.reader.letters(data))] & outside)
        joined = np.concatenate([found, np.stack([places, places], axis=1)])
        return joined[np.lexsort((joined[:, 1], joined[:, 0]))]

    def blocks(self, data: str | bytes) -> Iterator[Spans]:
        """The same matches, some at a time: the first ones are there before the rest of the text is read."""
        if len(data) <= BLOCK or self.empty:
            yield self.spans(data)
            return
        view, at, size, left = memoryview(data.encode() if isinstance(data, str) else data), 0, BLOCK, 0
        while at < len(view):
            stop = min(at + size, len(view))
            while stop < len(view) and view[stop] & 0xC0 == 0x80:  # inside a character
                stop -= 1
            found, read, left = self.span_pass.settled_spans(view[at:stop], stop == len(view), left)
            if len(found):
                yield found + at
            at, size = at + read, BLOCK if read else 2 * size


def _edges(dfa: DFA) -> array[int]:
    """uint32 by state and letter: twice the next state, plus one if a match ends before the letter."""
    return array("I", [2 * target + (tag >= 0) for row in dfa.edges for target, tag in row])


class Match:
    r"""One match of a splitter's pattern; made by the calls of a `Matcher`.

    Group 0 is the match. A place counts characters of a `str`, bytes of bytes, or what `unit` of the call says;
    `byte_span` has the match in bytes of the UTF-8 text. A group that matched nothing is None, and its span is
    (-1, -1). Raises `GroupError` for a group that the pattern does not have, and `UnsupportedError` for one without an
    exact place: inside an atomic group, a look-around or a repetition of what can match the empty text.

    >>> import dstok
    >>> found = dstok.Splitter(r"(?<key>\w+)=(?<value>\d+)").matcher().search("é: size=42")
    >>> found.group(), found.span(), found["key"], found.span("value")
    ('size=42', (3, 10), 'size', (8, 10))
    """

    __slots__ = ("_known", "_searched", "_span", "byte_span")

    def __init__(self, searched: Searched, in_bytes: Span, span: Span) -> None:
        self._searched, self.byte_span, self._span = searched, in_bytes, span
        self._known: list[Span] | None = None

    def span(self, group: int | str = 0) -> Span:
        """The start and the end of a group."""
        if group == 0:
            return self._span
        start, end = self._in_bytes(group)
        if start < 0 or not self._searched.converts:
            return start, end
        data, (first, _) = self._searched.utf8, self.byte_span
        before = self._span[0] + len(data[first:start].decode())
        return before, before + len(data[start:end].decode())

    def start(self, group: int | str = 0) -> int:
        """The start of a group."""
        return self.span(group)[0]

    def end(self, group: int | str = 0) -> int:
        """The end of a group."""
        return self.span(group)[1]

    def group(self, *groups: int | str) -> Any:
        """The text of a group; of several groups a tuple of their texts."""
        found = tuple(map(self._text, groups or (0,)))
        return found if len(found) > 1 else found[0]

    __getitem__ = group

    def groups(self, default: Any = None) -> tuple[Any, ...]:
        """The texts of all groups but 0, with `default` for those that matched nothing."""
        return tuple(self._text(number + 1, default) for number in range(len(self._searched.pattern.names)))

    def groupdict(self, default: Any = None) -> dict[str, Any]:
        """The texts of all groups with names, by name."""
        return {name: self._text(name, default) for name in self._searched.pattern.names if name is not None}

    def expand(self, template: str | bytes) -> Any:
        r"""The template of `Matcher.sub`, filled with the groups of this match. Raises `ArgumentError` as `sub`."""
        return _filled(template, self._searched)(self)

    def __copy__(self) -> Match:
        return self  # it never changes

    def __deepcopy__(self, memo: dict[int, Any]) -> Match:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise PickleError("expected what pickles, found a Match, which holds its whole text: pickle what you need of "
                          "it, such as its groups and spans")

    def __repr__(self) -> str:
        return f"<Match span={self._span}, group={self._text(0)!r}>"

    def _text(self, group: int | str, default: Any = None) -> Any:
        start, end = self._in_bytes(group)
        return default if start < 0 else self._searched.part(start, end)

    def _in_bytes(self, group: int | str) -> Span:
        number = 0 if group == 0 else self._searched.pattern.number_of(group)
        if number == 0:
            return self.byte_span
        if self._known is None:
            searched = self._searched
            places = searched.pattern.reader.places(searched.utf8, searched.letters, *self.byte_span)
            self._known = list(zip(places[::2], places[1::2]))
        return self._known[number - 1]


class Searched:
    """A text that is searched: `data` in the core's form, and how its matches are shown."""

    def __init__(self, pattern: MatchPattern, text: Text, errors: Errors, unit: Unit | None = None) -> None:
        checked_unit("bytes" if unit is None else unit)
        self.pattern, self.data, self.is_str = pattern, readable(text, errors), isinstance(text, str)
        characters = self.is_str if unit is None else unit == "characters"
        self.converts = characters and not isinstance(self.data, str)  # places in bytes to places in characters

    @lazy
    def utf8(self) -> bytes:
        """The text as UTF-8, made once: each match of groups reads it."""
        return self.data.encode() if isinstance(self.data, str) else self.data

    @lazy
    def letters(self) -> array[int] | None:
        """The oracle letters of the text; None if no look-around asks for them."""
        return self.pattern.reader.letters(self.utf8) if self.pattern.tables.readings else None

    def part(self, start: int, end: int) -> str | bytes:
        """The text between two places in bytes, in the type of the whole text."""
        part = self.data[start:end]
        return part.decode() if self.is_str and isinstance(part, bytes) else part

    def blocks(self) -> Iterator[tuple[Spans, Spans]]:
        """The spans of matches in bytes, some at a time, and the same in the unit."""
        at = before = 0
        for spans in self.pattern.blocks(self.data):
            shown = spans
            if self.converts and len(spans):
                places = spans.reshape(-1) - at
                in_characters(memoryview(self.utf8)[at:], places)
                shown = (places + before).reshape(-1, 2)
                at, before = int(spans[-1, 1]), int(shown[-1, 1])
            yield spans, shown

    def texts(self) -> list[Any]:
        """The texts of all matches."""
        if self.is_str and not self.pattern.empty:
            return self.pattern.span_pass.split(self.data)
        return [self.part(start, end) for spans, _ in self.blocks() for start, end in spans.tolist()]

    def matches(self) -> Iterator[Match]:
        """All matches, in order."""
        for spans, shown in self.blocks():
            for (start, end), span in zip(spans.tolist(), shown.tolist()):
                yield Match(self, (start, end), tuple(span))

    def first(self, full: bool) -> Match | None:
        """The match at the start of the text; with `full` only one that is the whole text."""
        end = self.pattern.reader.end_of(self.utf8, self.letters, full)
        if end < 0:
            return None
        return Match(self, (0, end), (0, len(self.utf8[:end].decode()) if self.converts else end))

    def replaced(self, make: Callable[[Match], Any], limit: int) -> tuple[Any, int]:
        """(the text with `make(match)` in place of each match, the number of these); at most `limit`, 0 for all."""
        parts: list[Any] = []
        kind: type[str | bytes] = str if self.is_str else bytes
        at = number = 0
        for match in self.matches():
            start, end = match.byte_span
            made = make(match)
            if not isinstance(made, kind):
                raise ArgumentError(f"expected {kind.__name__} in place of a match, as the text is, found "
                                    f"{type(made).__name__}", "replacement")
            parts += [self.part(at, start), made]
            at, number = end, number + 1
            if number == limit:
                break
        parts.append(self.part(at, len(self.data)))
        return ("" if self.is_str else b"").join(parts), number


def _filled(template: str | bytes, searched: Searched, orelse: str = "") -> Callable[[Match], Any]:
    r"""What fills a template of `sub` for a match: text with `\1`, `\g<1>`, `\g<name>`, and the escapes of Python's."""
    kind = str if searched.is_str else bytes
    if not isinstance(template, kind):
        raise ArgumentError(f"expected {orelse}a template of type {kind.__name__}, as the text is, found "
                            f"{type(template).__name__}", "replacement")
    text = template.decode("utf-8", "surrogateescape") if isinstance(template, bytes) else template
    parts: list[Any] = []  # texts, and numbers of groups
    at = 0
    for escape in _TEMPLATE.finditer(text):
        parts.append(text[at : escape.start()])
        at, (number, name, char) = escape.end(), escape.groups()
        if char is None:
            group = number or name
            parts.append(searched.pattern.number_of(int(group) if group.isdecimal() else group))
        elif char in _ESCAPES or (char and not (char.isascii() and char.isalnum())):
            parts.append(_ESCAPES.get(char, "\\" + char))
        else:
            raise ArgumentError(f"expected an escape of templates at {escape.start()}, found {escape[0]!r}",
                                "replacement")
    parts.append(text[at:])
    if kind is bytes:
        parts = [part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part for part in parts]
    empty: Any = kind()
    return lambda match: empty.join((match.group(part) if isinstance(part, int) else part) or empty for part in parts)


class Matcher:
    """The calls of Python's `re` for the pattern of a splitter of one step; made by `Splitter.matcher`."""

    def __init__(self, cascade: Cascade, span_pass: SpanPass | None = None) -> None:
        self._pattern = MatchPattern(cascade, span_pass)

    def __reduce__(self) -> tuple[Any, ...]:
        return Matcher, (self._pattern.cascade,)

    def findall(self, text: Text, *, errors: Errors = "strict") -> list[Any]:
        r"""The texts of all matches. If the pattern has a group, its texts; if it has several, tuples of theirs.

        A group that matched nothing gives the empty text. Raises as `Splitter.split` and `Match`.

        >>> import dstok
        >>> [dstok.Splitter(each).matcher().findall("a=1 b=") for each in (r"\w", r"(\w)=(\d)?")]
        [['a', '1', 'b'], [('a', '1'), ('b', '')]]
        """
        searched = Searched(self._pattern, text, errors)
        groups = len(self._pattern.names)
        if not groups:
            return searched.texts()
        empty = "" if searched.is_str else b""
        found = (match.groups(empty) for match in searched.matches())
        return [texts[0] for texts in found] if groups == 1 else list(found)

    def finditer(self, text: Text, *, unit: Unit | None = None, errors: Errors = "strict") -> Iterator[Match]:
        r"""The matches of `text`, one by one.

        unit: of their places, "bytes" of the UTF-8 text or "characters"; None: characters of a `str`, bytes of bytes.
        Raises as `findall`, before the first match, and `ArgumentError` for another unit.

        >>> import dstok
        >>> [match.span() for match in dstok.Splitter("é|b*").matcher().finditer("aébb")]
        [(0, 0), (1, 2), (2, 4), (4, 4)]
        """
        return Searched(self._pattern, text, errors, unit).matches()

    def search(self, text: Text, *, unit: Unit | None = None, errors: Errors = "strict") -> Match | None:
        r"""The first match of `text`; None if there is none. Keywords and errors as `finditer`.

        >>> import dstok
        >>> dstok.Splitter(r"\d+").matcher().search("ab 42 7")
        <Match span=(3, 5), group='42'>
        """
        return next(self.finditer(text, unit=unit, errors=errors), None)

    def match(self, text: Text, *, unit: Unit | None = None, errors: Errors = "strict") -> Match | None:
        r"""The match that begins at the start of `text`; None if there is none. Keywords and errors as `finditer`.

        >>> import dstok
        >>> matcher = dstok.Splitter("a|ab").matcher()
        >>> matcher.match("abc"), matcher.match("b")
        (<Match span=(0, 1), group='a'>, None)
        """
        return Searched(self._pattern, text, errors, unit).first(False)

    def fullmatch(self, text: Text, *, unit: Unit | None = None, errors: Errors = "strict") -> Match | None:
        r"""The match that is the whole of `text`; None if there is none. Keywords and errors as `finditer`.

        >>> import dstok
        >>> dstok.Splitter("a|ab").matcher().fullmatch("ab")
        <Match span=(0, 2), group='ab'>
        """
        return Searched(self._pattern, text, errors, unit).first(True)

    @explained
    def sub(
        self, replacement: T | Callable[[Match], T], text: T, count: int = 0, *, errors: Errors = "strict",
    ) -> T:
        r"""`text` with a replacement for each match, or for the first `count` of them.

        `replacement` is a template with `\1`, `\g<name>` for groups, or a function from match to text. Raises
        `ArgumentError` for a broken template, and as `findall`.

        >>> import dstok
        >>> dstok.Splitter(r"(?<n>\d+)").matcher().sub(r"<\g<n>>", "a1 b22")
        'a<1> b<22>'
        >>> dstok.Splitter(r"\w+").matcher().sub(lambda match: match.group().upper(), b"ab cd", 1)
        b'AB cd'
        """
        return self.subn(replacement, text, count, errors=errors)[0]

    @explained
    def subn(
        self, replacement: T | Callable[[Match], T], text: T, count: int = 0, *, errors: Errors = "strict",
    ) -> tuple[T, int]:
        r"""(what `sub` gives, the number of replacements). Arguments and errors as `sub`.

        >>> import dstok
        >>> dstok.Splitter("b*").matcher().subn("-", "abc")
        ('-a--c-', 4)
        """
        if not isinstance(count, int) or count < 0:
            raise ArgumentError(f"expected a count of at least 0, found {count!r}", "count")
        searched = Searched(self._pattern, text, errors)
        make = replacement if callable(replacement) else _filled(replacement, searched, "a function or ")
        return searched.replaced(make, count)

    def count(self, text: Text, *, errors: Errors = "strict") -> int:
        r"""The number of matches. `Splitter.count` gives the number of pieces. Raises as `findall`.

        >>> import dstok
        >>> digits = dstok.Splitter(r"\d+")
        >>> digits.matcher().count("a1 b22"), digits.count("a1 b22")
        (2, 4)
        """
        pattern, data = self._pattern, Searched(self._pattern, text, errors).data
        return len(pattern.spans(data)) if pattern.empty else pattern.span_pass.count(data)

    @explained
    def scan(
        self, text: Text, function: Callable[[int, int], object], *, unit: Unit | None = None,
        errors: Errors = "strict",
    ) -> int:
        r"""Calls `function(start, end)` for each match, until it returns True; the number of calls.

        Keywords and errors as `finditer`. It makes no match objects and no texts.

        >>> import dstok
        >>> spans = []
        >>> digits = dstok.Splitter(r"\d").matcher()
        >>> digits.scan("a1 22", lambda start, end: spans.append((start, end))), spans
        (3, [(1, 2), (3, 4), (4, 5)])
        """
        calls = 0
        for _, spans in Searched(self._pattern, text, errors, unit).blocks():
            for start, end in spans.tolist():
                calls += 1
                if function(start, end) is True:
                    return calls
        return calls
