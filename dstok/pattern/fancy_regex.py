r"""A pattern in the dialect of Rust's fancy-regex (tiktoken's) -> the same in upstream's dialect.

In: the text of a pattern. Out: a pattern for pattern/syntax.py.
Invariant: both match the same texts at the same places; what might differ is refused, with its position.
Source: the documentation of fancy-regex and regex-syntax, and tiktoken 0.14.0 itself, measured: its Unicode
version is 16.0 (every category, `\s` and the folding of ASCII letters, over all code points;
tests/formats/test_tiktoken.py).

Where the dialects differ:
- `$` is the end of the text only; upstream's is the end of a line, too.
- `\pL` is `\p{L}`; upstream's is the letter p. Of properties only general categories are taken here.
- `--` and `~~` in a class are set operators; `\w` and `\h` are other classes, `{,n}` is another quantifier.
- `?+`, `*+`, `++` and `{m,n}+` are possessive; upstream repeats what was repeated.

When a possessive quantifier is a greedy one. A greedy C+ and a possessive C++ differ only where the rest of the
pattern fails after all of C's characters and succeeds after fewer, which is to say before a character of C. So they
are the same if the rest cannot fail, or cannot begin with a character of C (`_refuse_backtracking`).
"""

from __future__ import annotations

import re

from dstok.errors import UnsupportedError
from dstok.pattern.ast import Alternate, Around, Atomic, Chars, Concat, Look, Node, Repeat, is_nullable
from dstok.pattern.syntax import parse
from dstok.unicode.sets import CodePointSet

__all__ = ["translate"]

_CATEGORY = re.compile("C[cfno]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?")
_QUANTIFIER = re.compile(r"[?*+]|\{\d+(?:,\d*)?\}")
_GROUP = re.compile(r"\(\?(?:[:=!]|i:|-i:)")
_SAME_ESCAPES = frozenset("nrtfvaexusSdD")
END = r"(?![\s\S])"
SHOWN = 200  # characters of a pattern in an error


def translate(pattern: str, unicode_version: str = "16.0") -> str:
    r"""`pattern` in upstream's dialect. Raises `UnsupportedError` for what cannot be the same there.

    >>> translate(r"\pL++|\s+$")
    '\\p{L}+|\\s+(?![\\s\\S])'
    >>> translate(r"a++ab")
    Traceback (most recent call last):
    ...
    dstok.errors.UnsupportedError: a possessive quantifier before what may begin as it does cannot be ...
    """
    translator = _Translator(pattern)
    translated = translator.run()
    tree = parse(translated, unicode_version)
    if is_nullable(tree):
        _refuse("a pattern that can match the empty text", pattern, 0)
    if _repeats_nothing(tree):
        _refuse("a repetition of what can match the empty text", pattern, 0)
    if translator.possessive:
        _check_possessive(tree, dict(translator.possessive), pattern)
    return translated


def _refuse(construct: str, pattern: str, position: int) -> None:
    shown = pattern if len(pattern) <= SHOWN else pattern[:SHOWN] + "..."
    raise UnsupportedError(f"{construct} cannot be compiled exactly", f"position {position} of {shown!r}")


class _Translator:
    """Goes over the pattern atom by atom. `possessive`: where an atom stands in the output, and its quantifier here."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0
        self.out: list[str] = []
        self.length = 0
        self.possessive: list[tuple[int, int]] = []

    def run(self) -> str:
        while self.at < len(self.pattern):
            char, atom_at = self.pattern[self.at], self.length
            if char == "\\":
                self.escape()
            elif char == "[":
                self.char_class()
            elif char == "$":
                self.put(END, 1)
            elif char == "^":
                _refuse("the anchor ^, which is the start of a line upstream,", self.pattern, self.at)
            elif self.pattern.startswith("(?", self.at) and not _GROUP.match(self.pattern, self.at):
                _refuse("a group other than (?:...), (?=...), (?!...) and (?i:...)", self.pattern, self.at)
            else:
                self.put(char, 1)
            self.quantifier(atom_at, char)
        return "".join(self.out)

    def put(self, text: str, taken: int) -> None:
        self.out.append(text)
        self.length += len(text)
        self.at += taken

    def quantifier(self, atom_at: int, atom: str) -> None:
        """The quantifier of the atom before, if it has one, without what makes it possessive."""
        if self.pattern.startswith("{,", self.at):
            _refuse("the quantifier {,n}", self.pattern, self.at)
        found = None if atom in "(|" else _QUANTIFIER.match(self.pattern, self.at)
        if found is None:
            if self.pattern.startswith("{", self.at):
                _refuse("a brace that is no quantifier", self.pattern, self.at)
            return
        start = self.at
        self.put(found.group(), len(found.group()))
        if self.pattern.startswith("+", self.at):
            self.at += 1
            self.possessive.append((atom_at, start))
        elif self.pattern.startswith("?", self.at):
            self.put("?", 1)
        if _QUANTIFIER.match(self.pattern, self.at):
            _refuse("a quantifier on a quantifier", self.pattern, self.at)

    def escape(self) -> None:
        """An escape, in a class or not."""
        char = self.pattern[self.at + 1 : self.at + 2]
        if char in ("p", "P"):
            self.category(char)
        elif char in ("w", "W", "h", "H"):
            _refuse(f"\\{char}, which is another class upstream,", self.pattern, self.at)
        elif char.isascii() and char.isalnum() and char not in _SAME_ESCAPES:
            _refuse(f"the escape \\{char}", self.pattern, self.at)
        else:
            self.put("\\" + char, 1 + len(char))

    def category(self, char: str) -> None:
        start, at = self.at, self.at + 2
        close = self.pattern.find("}", at) if self.pattern.startswith("{", at) else at
        name = self.pattern[at + 1 : close] if close != at else self.pattern[at : at + 1]
        if close < 0 or not _CATEGORY.fullmatch(name):
            _refuse("a property that is not the short name of a general category", self.pattern, start)
        self.put(f"\\{char}{{{name}}}", close + 1 - start)

    def char_class(self) -> None:
        """A class to its end; what nests inside it is left to upstream's parser to refuse."""
        self.put("[", 1)
        if self.pattern.startswith("^", self.at):
            self.put("^", 1)
        while self.at < len(self.pattern):
            if self.pattern.startswith("[", self.at):
                _refuse("a class inside a class", self.pattern, self.at)
            if self.pattern.startswith(("--", "~~", "&&"), self.at):
                _refuse("a set operator inside a class", self.pattern, self.at)
            char = self.pattern[self.at]
            if char == "\\":
                self.escape()
                continue
            self.put(char, 1)
            if char == "]":
                break


def _check_possessive(tree: Node, places: dict[int, int], pattern: str) -> None:
    """Refuses possessive quantifiers that are not the same as greedy ones. `places`: atom -> quantifier's position."""
    for branch in tree.items if isinstance(tree, Alternate) else (tree,):
        items = branch.items if isinstance(branch, Concat) else (branch,)
        for i, item in enumerate(items):
            if isinstance(item, Repeat) and isinstance(item.item, Chars) and item.item.position in places:
                _refuse_backtracking(item.item.set, items[i + 1 :], pattern, places.pop(item.item.position))
    for position in places.values():
        _refuse("a possessive quantifier inside a group, or on anything but one character,", pattern, position)


def _refuse_backtracking(members: CodePointSet, rest: tuple[Node, ...], pattern: str, position: int) -> None:
    clash = False
    for node in rest:
        optional = isinstance(node, Repeat) and node.low == 0
        atom = node.item if isinstance(node, Repeat) else node
        if not isinstance(atom, (Chars, Look)):
            _refuse("a possessive quantifier before a group", pattern, position)
            return
        clash = clash or bool(atom.set & members)
        if not optional:
            break
    else:
        return  # the rest cannot fail
    if clash:
        _refuse("a possessive quantifier before what may begin as it does", pattern, position)


def _repeats_nothing(node: Node) -> bool:
    """Is there a repetition of what can match the empty text? The two leave such a loop in ways of their own."""
    if isinstance(node, (Concat, Alternate)):
        return any(map(_repeats_nothing, node.items))
    if isinstance(node, Repeat):
        return (node.high != 1 and is_nullable(node.item)) or _repeats_nothing(node.item)
    return isinstance(node, (Around, Atomic)) and _repeats_nothing(node.item)
