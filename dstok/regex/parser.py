r"""Pattern text -> AST.

In: a pattern in upstream's dialect (Oniguruma, Ruby syntax) and a Unicode version.
Out: the tree of regex/ast.py; every character test is a `CodePointSet`.
Invariant: the tree has exactly upstream's meaning of the pattern. A construct without an exact tree is refused
(`UnsupportedError`); a text that is no pattern is a `PatternError`. Both errors name the position.
Source: Oniguruma's doc/RE for the grammar, and upstream itself, measured (tests/regex, random patterns);
docs/exactness.md tells how a look-behind of several lengths is read.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import pairwise
from typing import NoReturn

from dstok.errors import UnsupportedError
from dstok.regex import ast
from dstok.regex.char_classes import ClassParser, folded_class, place_in, text_of_one_character
from dstok.regex.compile_budget import spend, stage
from dstok.unicode.code_point_set import CodePointSet
from dstok.unicode.normalization import full_folds, simple_fold
from dstok.unicode.properties import word

_NOTHING = ast.Concat(())


def vanishes(node: ast.Node) -> bool:
    """Several parts, all optional? At the front of a look-behind upstream drops these, and fails if none remains.

    It keeps an optional part that is neither one character nor one text. dstok refuses that, too.
    """
    return isinstance(node, ast.Concat) and len(node.items) > 1 and all(map(_is_optional, node.items))


def _is_optional(node: ast.Node) -> bool:
    if isinstance(node, ast.Concat):
        return bool(node.items) and all(map(_is_optional, node.items))
    return isinstance(node, ast.Repeat) and (node.low == 0 or _is_optional(node.item))


def is_searched(node: ast.Node) -> bool | None:
    """Does upstream search for the start of a look-behind? None: it may do so or not.

    It may do so for a choice inside a choice, a repeated anchor, and a repeated text at the front: the AST does not
    tell texts from characters in a row.
    """
    one, other = (_have_lengths(_shortest_front(node, texts)) for texts in (False, True))
    return None if one is None or one != other else not one


def _have_lengths(node: ast.Node) -> bool | None:
    """Does each alternative have one length? None: upstream's compiler may see it in another way."""
    items = node.items if isinstance(node, ast.Alternate) and not isinstance(node, ast.Border) else (node,)
    repeats = [each for item in items for each in ast.nodes(item) if isinstance(each, ast.Repeat)]
    turns = [each for each in repeats if each.low != each.high]
    if any(isinstance(item, ast.Alternate) and ast.length_of(item) is None for item in items) or any(
            ast.length_of(each.item) == 0 for each in turns):
        return None
    return not turns and all(ast.length_of(item) is not None for item in items)


def _shortest_front(node: ast.Node, texts: bool) -> ast.Node:
    """The look-behind with shorter repetitions at its front: those of a character, and with `texts` of several ones."""
    if isinstance(node, ast.Repeat):
        parts = node.item.items if texts and isinstance(node.item, ast.Concat) else (node.item,)
        if all(isinstance(part, ast.Chars) for part in parts):
            return ast.Repeat(node.item, node.low, node.low, True) if node.low else _NOTHING
    if isinstance(node, ast.Alternate) and not isinstance(node, ast.Border):
        return ast.Alternate(tuple(_shortest_front(item, texts) for item in node.items))
    if isinstance(node, ast.Concat) and node.items:
        front, *rest = node.items
        shorter = _shortest_front(front, texts)
        if shorter == _NOTHING and rest:
            return _shortest_front(ast.Concat(tuple(rest)), texts)
        return ast.Concat((shorter, *rest))
    return node


def without_borders(node: ast.Node) -> ast.Node:
    r"""Such a look-behind at the start of a text: `\b` fails, `\B` passes."""
    if isinstance(node, ast.Border):
        return ast.Alternate(()) if node.inside else _NOTHING
    if isinstance(node, (ast.Concat, ast.Alternate)):
        return replace(node, items=tuple(map(without_borders, node.items)))
    if isinstance(node, (ast.Repeat, ast.Around, ast.Atomic, ast.Group)):
        return replace(node, item=without_borders(node.item))
    return node


MAX_REPEAT = 1000  # a bound on {m,n}: each repetition is a copy in the NFA
MAX_QUANTIFIERS = 50  # on one another, with groups between them or not: they bound the depth of the tree
MAX_DEPTH = 50  # groups inside groups; far above any real pattern, far below Python's stack
MAX_LENGTH = 20_000  # characters of a pattern; the NFA may have as many states

_NEWLINE = CodePointSet.from_chars("\n")
_BREAKS = CodePointSet.from_ranges([(0x0A, 0x0D), (0x85, 0x85), (0x2028, 0x2029)])
_ALL, _NONE = CodePointSet.all(), CodePointSet.empty()
_SETS = "pPsSdDwWhHNO"  # escapes that are sets
_OPTIONS = re.compile(r"\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])")
_NAME = re.compile(r"\?(?:<(?![=!])([^>]*)>|'([^']*)')")
_INTERVAL = re.compile(r"\{(\d*)(,?)(\d*)\}", re.ASCII)


@stage("parsing")
def parse(pattern: str, unicode_version: str = "16.0", ascii_folds: bool = False) -> ast.Node:
    r"""The AST of `pattern`. With `ascii_folds` it refuses other characters under `(?i:...)`.

    Raises `PatternError` if it is malformed and `UnsupportedError` if the engine cannot match one of its constructs
    exactly. Both name the position, in code points.
    """
    return _Parser(pattern, unicode_version, ascii_folds).parse()


@stage("parsing")
def parse_groups(pattern: str, unicode_version: str = "16.0") -> ast.Node:
    r"""The AST with a `Group` for each group that captures. If a group has a name, those without one capture nothing.

    Raises as `parse`.
    """
    first = _Parser(pattern, unicode_version)
    first.parse()
    return _Parser(pattern, unicode_version, captures={True} if first.named else {True, False}).parse()


def alternatives(pattern: str, unicode_version: str = "16.0") -> tuple[str, ...]:
    r"""The texts of the alternatives at the top level of `pattern`, numbered as in `Piece`. Raises as `parse`.

    None if an option, as in `(?i)a|b`, stands before all of them.
    """
    parser = _Parser(pattern, unicode_version)
    node, edges = parser.parse(), [-1, *parser.bars, len(pattern)]
    if len(edges) - 1 != (len(node.items) if isinstance(node, ast.Alternate) else 1):
        return ()
    return tuple(pattern[start + 1 : end] for start, end in pairwise(edges))


class _Parser(ClassParser):
    """Recursive descent over the pattern."""

    def __init__(
        self, pattern: str, version: str, ascii_folds: bool = False, captures: AbstractSet[bool] = frozenset(),
    ) -> None:
        super().__init__(pattern, version, ascii_folds)
        self.captures = captures  # the groups that become a `Group`: those with a name, those without one
        self.count = 0  # of these groups
        self.depth = 0
        self.bars: list[int] = []  # the ends of the alternatives at the top level
        self.newlines = self.extended = False  # `.` takes a newline; white space and comments do not count
        self.quantifiers = 0  # number of them on one another in the last node
        self.bare = False  # the last node is an anchor or look-around, or a choice with one: no quantifier
        self.behind: list[bool] = []  # for each look-behind around: is it negative?
        self.unnamed_behind: int | None = None  # the first group without a name inside a negative one
        self.search_start: int | None = None  # the first `\G`
        self.named = False  # some group has a name: those without one capture nothing
        self.characters: dict[int, str] = {}  # folded, by position: the single characters under `(?i:...)`
        self.sets: dict[CodePointSet, CodePointSet] = {}  # equal sets are one object

    def parse(self) -> ast.Node:
        if len(self.pattern) > MAX_LENGTH:
            self.refuse(f"a pattern of more than {MAX_LENGTH} characters", MAX_LENGTH)
        for lone in re.finditer("[\ud800-\udfff]", self.pattern):
            self.fail("expected a character, found a lone surrogate", lone.start())
        try:
            node = self.alternation()
        except UnsupportedError as error:
            raise UnsupportedError(error.message, error.where or place_in(self.pattern, self.at)) from None
        if self.at < len(self.pattern):
            self.fail("unmatched close parenthesis")
        if self.unnamed_behind is not None and not self.named:
            self.fail_to_capture(self.unnamed_behind)
        left = [each for each in ast.nodes(ast.at_search_start(node, True)) if isinstance(each, ast.SearchStart)]
        if self.search_start is not None and (left or ast.is_nullable(node) or self.captures or self.ascii_folds):
            self.refuse("the anchor \\G, which asks where the search began, except at the front of a pattern of "
                        "upstream that matches no empty text,", left[0].position if left else self.search_start)
        return node

    def alternation(self) -> ast.Node:
        """Alternation: concatenation ('|' concatenation)*."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse(f"more than {MAX_DEPTH} nested groups", self.at)
        items: list[ast.Node] = []
        bare, quantifiers = False, 0
        while not items or self.take("|"):
            if items and self.depth == 1:
                self.bars.append(self.at - 1)
            items.append(self.concatenation())
            bare, quantifiers = bare or self.bare, max(quantifiers, self.quantifiers)
        self.depth -= 1
        self.bare, self.quantifiers = bare, quantifiers
        return items[0] if len(items) == 1 else ast.Alternate(tuple(items))

    def concatenation(self) -> ast.Node:
        items: list[ast.Node] = []
        bare, quantifiers = False, 0
        while self.skip() and self.pattern[self.at] not in "|)":
            items.append(self.repetition())
            bare, quantifiers = self.bare, max(quantifiers, self.quantifiers)
        self.bare, self.quantifiers = bare and len(items) == 1, quantifiers
        return items[0] if len(items) == 1 else ast.Concat(tuple(items))

    def skip(self) -> bool:
        """Skips comments, and white space where it does not count. Returns whether more follows."""
        while True:
            if self.peek("(?#"):
                start, self.at = self.at, self.pattern.find(")", self.at) + 1
                if not self.at:
                    self.fail("unclosed comment", start)
            elif self.extended and self.at < len(self.pattern) and self.pattern[self.at] in " \t\n\r\f\v":
                self.at += 1
            elif self.extended and self.peek("#"):
                end = self.pattern.find("\n", self.at)
                self.at = end + 1 if end >= 0 else len(self.pattern)
            else:
                return self.at < len(self.pattern)

    def repetition(self) -> ast.Node:
        """Repetition: atom quantifier*."""
        start = self.at
        node = self.atom()
        one, once = isinstance(node.item if isinstance(node, ast.Group) else node, ast.Chars), False
        while self.skip() and (bounds := self.quantifier()) is not None:
            if once and not one:  # upstream drops `{1}`, and applies the ? of (?:ab){1}? to the last character
                self.refuse("a quantifier after {1}, on more than one character,", start)
            once = bounds[:2] == (1, 1)
            if self.bare:
                self.fail("a quantifier on a look-ahead or an anchor", start)
            node = self.repeated(node, start, *bounds)
            self.quantifiers += 1
            if self.quantifiers > MAX_QUANTIFIERS:
                self.refuse(f"more than {MAX_QUANTIFIERS} quantifiers on one another", start)
        return node

    def repeated(self, node: ast.Node, start: int, low: int, high: int | None, kind: str) -> ast.Node:
        spend(self.at - start)  # the questions below may look at all nodes of the repeated part
        if low > 1 and ast.is_nullable(node) and (ast.has_no_width(node) or high is None):
            self.refuse("a repetition, at least twice, of what can be empty, without bound or of an anchor,",
                        start)
        if high is not None and low > high:  # {3,1}
            return self.atomic(ast.Repeat(node, high, low, True), start)
        lazy = kind != "{n}" and self.take("?")  # a `?` after {n} makes it optional, not lazy
        repeat = ast.Repeat(node, low, high, not lazy)
        return self.atomic(repeat, start) if kind == "mark" and not lazy and self.take("+") else repeat

    def atomic(self, node: ast.Node, start: int) -> ast.Node:
        """An atomic group. In a look-behind one length needs no group: a match begins so far before its place."""
        spend(self.at - start)
        return ast.Concat((node,)) if self.behind and ast.length_of(node) is not None else ast.Atomic(node, start)

    def quantifier(self) -> tuple[int, int | None, str] | None:
        """`*`, `+`, `?`, `{m}`, `{m,}`, `{,n}` or `{m,n}`; None for any other brace: it is text."""
        for mark, low, high in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self.take(mark):
                return low, high, "mark"
        start, match = self.at, _INTERVAL.match(self.pattern, self.at)
        if match is None or not (match[1] or match[3]):
            return None
        least = repeat_count(match[1])
        most = repeat_count(match[3]) if match[3] else None if match[2] else least
        if max(least, most or 0) > MAX_REPEAT:
            self.refuse(f"a repetition of more than {MAX_REPEAT}", start)
        self.at = match.end()
        return least, most, "{m,n}" if match[2] else "{n}"

    def atom(self) -> ast.Node:
        """Atom: group | class | escape | '.' | anchor | character."""
        start, self.bare, self.quantifiers = self.at, False, 0
        char = self.next()
        if char == "(":
            return self.group(start)
        if char == "[":
            return self.bracket(start)
        if char == "\\":
            return self.anchor(start) or self.escaped(start)
        if char == ".":
            return self.chars(_ALL if self.newlines else ~_NEWLINE, start)
        if char == "^":  # the start of the text, or after a newline that is not the last character
            self.bare = True
            after_newline = ast.Concat((ast.Before(_NEWLINE, False, start), ast.Look(_ALL, False, start)))
            return ast.Alternate((ast.Before(_NONE, True, start), after_newline))
        if char == "$":
            self.bare = True
            return ast.Look(_NEWLINE, True, start)
        match = _INTERVAL.match(self.pattern, start)
        if char in "*+?" or (match and (match[1] or match[3])):
            self.fail("a quantifier with nothing before it", start)
        return self.character(CodePointSet.from_chars(char), start)

    def anchor(self, start: int) -> ast.Node | None:
        r"""`\A`, `\G`, `\z`, `\Z`, `\b`, `\B`, `\R`; None for another escape."""
        kind = self.pattern[self.at : self.at + 1]
        if not kind or kind not in "AGzZbBR":
            return None
        self.at += 1
        if kind == "R":
            if self.behind:
                self.refuse("\\R inside a look-behind, where upstream does not match it as elsewhere,", start)
            pair = ast.Concat((ast.Chars(CodePointSet.from_chars("\r"), start), ast.Chars(_NEWLINE, start)))
            return self.atomic(ast.Alternate((pair, ast.Chars(_BREAKS, start))), start)
        self.bare = True
        if kind == "A":
            return ast.Before(_NONE, True, start)
        if kind == "G":
            self.search_start = start if self.search_start is None else self.search_start
            return ast.SearchStart(start)
        if kind in "zZ" and self.behind:
            self.fail("the end of the text inside a look-behind, which upstream refuses,", start)
        end = ast.Look(_NONE, True, start)
        if kind == "z":
            return end
        if kind == "Z":
            return ast.Around(ast.Alternate((end, ast.Concat((ast.Chars(_NEWLINE, start), end)))), True, False, start)
        inside = word(self.version)
        items = (ast.Concat((ast.Before(before, before != inside, start), ast.Look(after, after != inside, start)))
                 for before in (inside, ~inside) for after in (inside, ~inside) if (before != after) == (kind == "b"))
        return ast.Border(tuple(items), kind == "b")

    def bracket(self, start: int) -> ast.Node:
        negated = self.peek("^")
        if negated and self.fold and self.ascii_folds:
            self.refuse("a negated class under (?i:...)", start)
        members = self.char_class(start)
        plain = not self.fold or self.ascii_folds or negated
        return self.chars(members, start) if plain else folded_class(members, self.version, start)

    def escaped(self, start: int) -> ast.Node:
        """An escape: a set, which upstream does not fold, or a character."""
        members = self.escape(start)
        if self.pattern[start + 1] not in _SETS:
            return self.character(members, start)
        if self.fold and self.ascii_folds and members not in (_ALL, ~_NEWLINE):
            self.folded(members, start)
        return self.chars(members, start)

    def character(self, members: CodePointSet, start: int) -> ast.Chars:
        if self.fold:
            char = chr(members.ranges[0][0])
            if char in full_folds(self.version):
                self.refuse(f"the character {char!r} under (?i:...), which folds to several, unless it is written "
                            f"[{char}],", start)
            self.characters[start] = simple_fold(char)
            members = self.folded(members, start)
        return self.chars(members, start)

    def chars(self, members: CodePointSet, start: int) -> ast.Chars:
        spend(len(members.ranges), 0 if members in self.sets else len(members.ranges))
        return ast.Chars(self.sets.setdefault(members, members), start)

    def group(self, start: int) -> ast.Node:
        if not self.peek("?"):
            return self.captured(start)
        if self.take("?:"):
            return self.close_group(start)
        for opening, ahead, negative in (("?=", True, False), ("?!", True, True), ("?<=", False, False),
                                         ("?<!", False, True)):
            if self.take(opening):
                return self.around(start, ahead, negative)
        if self.take("?>"):
            node = self.close_group(start)
            self.bare = False
            return self.atomic(node, start)
        if match := _NAME.match(self.pattern, self.at):
            self.at, self.named = match.end(), True
            if not (match[1] or match[2]):
                self.fail("expected a name of a group, found none", start)
            if any(self.behind):
                self.fail_to_capture(start)
            return self.captured(start, match[1] or match[2])
        for opening, name in (("?~", "an absence operator"), ("?(", "a condition"), ("?{", "a callout")):
            if self.peek(opening):
                self.refuse(name, start)
        return self.options(start)

    def captured(self, start: int, name: str | None = None) -> ast.Node:
        if any(self.behind) and self.unnamed_behind is None:
            self.unnamed_behind = start
        captures = (name is not None) in self.captures
        self.count += captures
        number = self.count
        node = self.close_group(start)
        self.bare = False
        return ast.Group(node, number, name, start) if captures else node

    def fail_to_capture(self, start: int) -> NoReturn:
        self.fail("a capturing group inside a negative look-behind, which upstream refuses,", start)

    def close_group(self, start: int) -> ast.Node:
        node = self.alternation()
        if not self.take(")"):
            self.fail("unclosed group", start)
        return node

    def options(self, start: int) -> ast.Node:
        """`(?i:...)`, and `(?i)` to the end of the group around it. The options are i, m and x."""
        if self.peek("?)"):
            self.fail("expected an option, found none", start)
        match = _OPTIONS.match(self.pattern, self.at)
        if match is None or not set(match[1] + (match[2] or "")) <= set("imx"):
            self.refuse("a group with options other than i, m and x", start)
        outer = self.fold, self.newlines, self.extended
        for letters, value in ((match[1], True), (match[2] or "", False)):
            self.fold = value if "i" in letters else self.fold
            self.newlines = value if "m" in letters else self.newlines
            self.extended = value if "x" in letters else self.extended
        self.at = match.end()
        node = self.close_group(start) if match[3] == ":" else self.alternation()
        outermost = self.fold and not outer[0]
        clash = text_of_one_character(node, self.characters, self.version) if outermost else None
        self.fold, self.newlines, self.extended = outer
        self.bare = False
        if clash is not None:
            self.refuse(f"the text {clash!r} under (?i:...), which one character matches, too, unless it is written "
                        f"[{clash[0]}]{clash[1:]},", start)
        return node

    def around(self, start: int, ahead: bool, negative: bool) -> ast.Node:
        outer = self.behind
        if ahead and outer:
            self.fail("a look-ahead inside a look-behind, which upstream refuses,", start)
        if not ahead and negative and not all(outer):
            self.fail("a negative look-behind inside a look-behind, which upstream refuses,", start)
        self.behind = outer if ahead else [*outer, negative]
        node = self.close_group(start)
        spend(self.at - start)
        self.behind, self.bare = outer, True
        if not ahead and any(map(vanishes, node.items if isinstance(node, ast.Alternate) else (node,))):
            self.refuse("a look-behind of optional parts alone, which upstream does not compile,", start)
        if isinstance(node, ast.Chars):
            members = ~node.set if negative else node.set
            return ast.Look(members, negative, start) if ahead else ast.Before(members, negative, start)
        inside = ast.Around(node, ahead, negative, start)
        if ahead or not ast.is_nullable(node) or not any(isinstance(each, ast.Border) for each in ast.nodes(node)):
            return inside
        searched = is_searched(node)
        if searched is None:
            self.refuse("a border of words inside a look-behind with a choice inside a choice, with a repeated text at "
                        "its front or with a repeated anchor", start)
        if not searched:
            return inside
        at_start = ast.Around(without_borders(node), ahead, negative, start)
        return ast.Alternate((ast.Concat((ast.Before(_ALL, False, start), inside)),
                              ast.Concat((ast.Before(_NONE, True, start), at_start))))


def repeat_count(digits: str) -> int:
    """The number that `digits` spell, cut off far beyond any bound; 0 if there are none."""
    return int(digits.lstrip("0")[:9] or 0)
