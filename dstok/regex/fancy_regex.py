r"""A pattern in the dialect of Rust's fancy-regex (tiktoken's) -> the same pattern in upstream's dialect.

In: the text of a pattern. Out: a pattern for regex/parser.py.
Invariant: both match the same texts at the same places; constructs that might differ are refused, with the position.
docs/exactness.md lists where the dialects differ.
Source: the documentation of fancy-regex and regex-syntax, and tiktoken 0.14.0 itself, measured: its Unicode version is
16.0 (every category, script and binary property, `\s`, `\w` and the folding of ASCII letters, over all code points;
tests/formats/test_tiktoken.py).
"""

from __future__ import annotations

import re

from dstok.errors import PatternError
from dstok.regex.ast import Alternate, Around, Atomic, Chars, Concat, Look, Node, Repeat, is_nullable, length_of
from dstok.regex.char_classes import MAX_NESTED, refuse
from dstok.regex.parser import parse, repeat_count
from dstok.unicode.code_point_set import CodePointSet
from dstok.unicode.properties import binary_properties, scripts

_CATEGORY = re.compile("C[cfno]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?")
_QUANTIFIER = re.compile(r"[?*+]|\{(?=[\d,])(?P<low>\d*)(?:(?P<comma>,)(?P<high>\d*))?\}", re.ASCII)
_GROUP = re.compile(r"\(\?(?:[:=!]|i:|-i:)")
_SAME_ESCAPES = frozenset("nrtfvaexusSdDhH")
_WORD = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}"
END = r"(?![\s\S])"


def translate(pattern: str, unicode_version: str = "16.0") -> str:
    """`pattern` in upstream's dialect. Raises `UnsupportedError` if it cannot be the same there."""
    translator = _Translator(pattern, frozenset([*scripts(unicode_version), *binary_properties(unicode_version)]))
    translated = translator.run()
    tree = parse(translated, unicode_version, ascii_folds=True)
    if is_nullable(tree):
        refuse("a pattern that can match the empty text", pattern, 0)
    if _repeats_nothing(tree):
        refuse("a repetition of what can match the empty text", pattern, 0)
    if translator.possessive:
        _check_possessive(tree, dict(translator.possessive), pattern)
    return translated


class _Translator:
    """Goes over the pattern atom by atom. `possessive`: an atom's place in the output -> its quantifier's place here.

    `names`: the properties with long names. `folding`: for each open group, whether it ignores case.
    """

    def __init__(self, pattern: str, names: frozenset[str]) -> None:
        self.pattern, self.names, self.at = pattern, names, 0
        self.out, self.length, self.nested, self.folding = list[str](), 0, 0, [False]
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
                refuse("the anchor ^, which is the start of a line upstream,", self.pattern, self.at)
            elif self.pattern.startswith("(?", self.at) and not _GROUP.match(self.pattern, self.at):
                refuse("a group other than (?:...), (?=...), (?!...) and (?i:...)", self.pattern, self.at)
            else:
                if char == "(":
                    self.folding.append(self.pattern.startswith("(?i:", self.at) or
                                        (self.folding[-1] and not self.pattern.startswith("(?-i:", self.at)))
                elif char == ")" and len(self.folding) > 1:
                    self.folding.pop()
                self.put(char, 1)
            self.quantifier(atom_at, char)
        return "".join(self.out)

    def put(self, text: str, taken: int) -> None:
        self.out.append(text)
        self.length += len(text)
        self.at += taken

    def quantifier(self, atom_at: int, atom: str) -> None:
        """The quantifier of the atom before, if it has one, without its possessive sign."""
        match = None if atom in "(|" else _QUANTIFIER.match(self.pattern, self.at)
        if match is None:
            if self.pattern.startswith("{", self.at):
                refuse("a brace that is no quantifier", self.pattern, self.at)
            return
        start, low, comma, high = self.at, match["low"], match["comma"] or "", match["high"] or ""
        if high and repeat_count(low) > repeat_count(high):
            refuse("a quantifier whose first number is the larger", self.pattern, start)
        self.put(match.group() if low is None else f"{{{low or 0}{comma}{high}}}", len(match.group()))
        if self.pattern.startswith("+", self.at):
            self.at += 1
            self.possessive.append((atom_at, start))
        elif self.pattern.startswith("?", self.at):
            self.put("" if low and not comma else "?", 1)  # {n}? is n times
        if _QUANTIFIER.match(self.pattern, self.at):
            refuse("a quantifier on a quantifier", self.pattern, self.at)

    def escape(self, in_class: bool = False) -> None:
        """An escape, inside a class or outside."""
        char = self.pattern[self.at + 1 : self.at + 2]
        if char in ("<", ">") and not in_class:
            refuse(f"the escape \\{char}, a border of words,", self.pattern, self.at)
        if char in ("p", "P"):
            self.property(char)
        elif char in ("w", "W"):
            self.put(f"[{'^' if char == 'W' else ''}{_WORD}]", 2)
        elif char.isascii() and char.isalnum() and char not in _SAME_ESCAPES:
            refuse(f"the escape \\{char}", self.pattern, self.at)
        else:
            self.put("\\" + char, 1 + len(char))

    def property(self, char: str) -> None:
        start, at = self.at, self.at + 2
        close = self.pattern.find("}", at) if self.pattern.startswith("{", at) else at
        name = self.pattern[at + 1 : close] if close != at else self.pattern[at : at + 1]
        if close < 0 or not (_CATEGORY.fullmatch(name) or (close != at and name in self.names and name != "Unknown")):
            refuse("a property that is no general category by its short name, and no script or binary property by its "
                    "long one,", self.pattern, start)
        self.put(f"\\{char}{{{name}}}", close + 1 - start)

    def char_class(self) -> None:
        """A class to its end."""
        start = self.at
        self.put("[", 1)
        if self.pattern.startswith("^", self.at):
            self.put("^", 1)
        first = self.at
        if self.pattern.startswith("]", self.at):
            self.put("]", 1)
            if self.pattern.startswith("-", self.at):
                refuse("a hyphen after a bracket that comes first in its class,", self.pattern, self.at)
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char == "\\":
                self.escape(in_class=True)
            elif char == "[":
                if self.pattern.startswith("[:", self.at):
                    refuse("a class such as [:alpha:], which is of ASCII alone,", self.pattern, self.at)
                if self.folding[-1]:
                    refuse("a class inside a class under (?i:...)", self.pattern, self.at)
                self.nested += 1
                if self.nested == MAX_NESTED:
                    refuse(f"more than {MAX_NESTED} nested classes", self.pattern, self.at)
                self.char_class()
                self.nested -= 1
            elif self.pattern.startswith(("--", "~~", "&&"), self.at):
                self.operator(first)
            else:
                self.put(char, 1)
                if char == "]":
                    return
        raise PatternError("unclosed character class", self.pattern, start)

    def operator(self, first: int) -> None:
        """`&&` between two operands that have items."""
        after = self.pattern[self.at + 2 : self.at + 3]
        if self.pattern[self.at] != "&" or self.at == first or after in ("]", "&", ""):
            refuse("a set operator inside a class, other than && between two operands,", self.pattern, self.at)
        if self.folding[-1]:
            refuse("the set operator && under (?i:...)", self.pattern, self.at)
        self.put("&&", 2)


def _check_possessive(tree: Node, places: dict[int, int], pattern: str) -> None:
    """Refuse possessive quantifiers that differ from greedy ones. `places`: atom -> quantifier's position."""
    for branch in tree.items if isinstance(tree, Alternate) else (tree,):
        items = branch.items if isinstance(branch, Concat) else (branch,)
        for i, item in enumerate(items):
            if isinstance(item, Repeat) and isinstance(item.item, Chars) and item.item.position in places:
                _refuse_backtracking(item.item.set, items[i + 1 :], pattern, places.pop(item.item.position))
    for position in places.values():
        refuse("a possessive quantifier inside a group, or on anything but one character,", pattern, position)


def _refuse_backtracking(members: CodePointSet, rest: tuple[Node, ...], pattern: str, position: int) -> None:
    clash = False
    for node in rest:
        optional = isinstance(node, Repeat) and node.low == 0
        atom = node.item if isinstance(node, Repeat) else node
        if not isinstance(atom, (Chars, Look)):
            refuse("a possessive quantifier before a group", pattern, position)
        clash = clash or bool(atom.set & members)
        if not optional:
            break
    else:
        return  # the rest cannot fail
    if clash:
        refuse("a possessive quantifier before what may begin as it does", pattern, position)


def _repeats_nothing(node: Node) -> bool:
    """Does `node` repeat an item that can match the empty text?

    fancy-regex and upstream leave such a loop in different ways. fancy-regex takes no quantifier, not even `?`, on the
    empty group and on look-around, with or without groups around them.
    """
    if isinstance(node, (Concat, Alternate)):
        return any(map(_repeats_nothing, node.items))
    if isinstance(node, Repeat):
        never_moves = length_of(node.item) == 0
        return never_moves or (node.high != 1 and is_nullable(node.item)) or _repeats_nothing(node.item)
    return isinstance(node, (Around, Atomic)) and _repeats_nothing(node.item)
