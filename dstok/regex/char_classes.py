r"""Character classes and escapes of a pattern -> sets of code points; case folding inside `(?i:...)`.

In: the text of a pattern at a class or an escape; sets and the tree under `(?i:...)`. Out: a `CodePointSet`; nodes that
match in either case.
Invariant: the set is the one that upstream (Oniguruma, Ruby syntax) matches; if it cannot be, the pattern is refused.
Source: Oniguruma's doc/RE, Unicode's CaseFolding.txt, and upstream itself, measured (tests/regex, tests/unicode);
docs/exactness.md has the rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from typing import NoReturn

from dstok.errors import PatternError, UnsupportedError
from dstok.regex.ast import Alternate, Chars, Concat, Node, Repeat, children
from dstok.regex.compile_budget import spend
from dstok.unicode.code_point_set import CodePointSet
from dstok.unicode.normalization import case_closure, full_folds
from dstok.unicode.properties import UnknownPropertyError, digit, named_set, posix_set, white_space, word

SHOWN = 200  # characters of a pattern in an error
MAX_NESTED = 20  # classes inside classes

ASCII = CodePointSet.from_ranges([(0, 0x7F)])
FOLDING = 5000  # steps of the budget for the characters with other forms
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_HEX = CodePointSet.from_chars("0123456789abcdefABCDEF")
_NUMERIC = {"x": re.compile(r"\{[0-9A-Fa-f]{1,8}\}|[0-9A-Fa-f]{2}"), "u": re.compile("[0-9A-Fa-f]{4}")}
_REFUSED = {
    "c": "a control escape", "C": "a control escape", "M": "a meta escape",
    "K": "\\K, which moves the start of a match,", "X": "\\X, a grapheme cluster,",
    "y": "\\y, a border of grapheme clusters,", "Y": "\\Y, no border of grapheme clusters,",
    "k": "a back-reference, which is not regular,", "g": "a call of a group, which is not regular,",
} | {d: "a back-reference, which is not regular," for d in "123456789"}


def place_in(pattern: str, position: int) -> str:
    """A place as errors name it."""
    return f"position {position} of {pattern if len(pattern) <= SHOWN else pattern[:SHOWN] + '...'!r}"


def refuse(construct: str, pattern: str, position: int) -> NoReturn:
    """Raise the error for a construct that is not exact."""
    raise UnsupportedError(f"{construct} cannot be compiled exactly", place_in(pattern, position))


class ClassParser:
    """The part of the parser that reads sets; `at` is the index of the next character."""

    def __init__(self, pattern: str, version: str, ascii_folds: bool) -> None:
        self.pattern, self.version, self.ascii_folds = pattern, version, ascii_folds  # refuse other characters?
        self.at = self.nested = 0
        self.fold = False
        self.closed: dict[CodePointSet, CodePointSet] = {}  # with all forms of the characters

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        raise PatternError(message, self.pattern, self.at if position is None else position)

    def refuse(self, construct: str, position: int) -> NoReturn:
        refuse(construct, self.pattern, position)

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, text: str) -> bool:
        taken = self.peek(text)
        self.at += len(text) if taken else 0
        return taken

    def next(self) -> str:
        if self.at == len(self.pattern):
            self.fail("pattern ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    # class: '[' '^'? operand ('&&' operand)* ']'

    def char_class(self, start: int) -> CodePointSet:
        self.nested += 1
        if self.nested > MAX_NESTED:
            self.refuse(f"more than {MAX_NESTED} nested classes", start)
        negated = self.take("^")
        if self.peek("]") and "]" not in self.pattern[self.at + 1 :]:
            self.fail("unclosed character class", start)
        operands = [self.operand(start, first=True)]
        while self.take("&&"):
            operands.append(self.operand(start, first=False))
        self.at += 1
        self.nested -= 1
        members = reduce(CodePointSet.__and__, operands)
        if self.fold and not self.nested:
            members = self.folded(members, start)
        return ~members if negated else members

    def operand(self, start: int, first: bool) -> CodePointSet:
        """The items up to the next `&&` or the end; a bracket that comes first is a character."""
        items: set[tuple[int, int]] = set()
        while first or not (self.peek("]") or self.peek("&&")):
            if self.at == len(self.pattern):
                self.fail("unclosed character class", start)
            if first and self.peek("&&"):
                break
            ranges, before = self.class_item(start).ranges, len(items)
            items.update(ranges)
            spend(len(ranges), len(items) - before)
            first = False
        return CodePointSet.from_ranges(items)

    def class_item(self, start: int) -> CodePointSet:
        """One character, one set, or a range of characters."""
        at = self.at
        if self.pattern[at] == "[":
            return self.nested_class()
        low = self.class_atom(start)
        if not self.peek("-") or self.peek("-]"):
            return low
        dash = self.at
        if len(low) != 1 or self.pattern[at] == "-":
            self.refuse("a hyphen that is neither first, last, escaped nor between two characters", dash)
        self.at += 1
        high = None if self.peek("[") else self.class_atom(start)
        if high is None or len(high) != 1:
            self.refuse("a range that ends in a set", dash)
        first, last = low.ranges[0][0], high.ranges[0][0]
        if first > last:
            self.fail("a range whose first character is the larger", at)
        return CodePointSet.from_ranges([(first, last)])

    def nested_class(self) -> CodePointSet:
        start = self.at
        close = self.pattern.find(":]", start, start + 24) if self.peek("[:") else -1
        if close > 0 and "]" not in self.pattern[start:close]:
            name = self.pattern[start + 2 : close]
            members = posix_set(name.removeprefix("^"), self.version)
            if members is None:
                self.fail(f"expected a class such as [:alpha:], found [:{name}:]", start)
            members, self.at = ~members if name.startswith("^") else members, close + 2
        else:
            self.at += 1
            members = self.char_class(start)
        if self.peek("-") and not self.peek("-]"):
            self.refuse("a hyphen after a class", self.at)
        return members

    def class_atom(self, start: int) -> CodePointSet:
        if self.at == len(self.pattern):
            self.fail("unclosed character class", start)
        char = self.next()
        return self.escape(self.at - 1, in_class=True) if char == "\\" else CodePointSet.from_chars(char)

    # escapes

    def escape(self, start: int, in_class: bool = False) -> CodePointSet:
        if self.at == len(self.pattern):
            self.fail("pattern ends in a backslash", start)
        char = self.next()
        if char in "pP":
            return self.property(start, char == "P", in_class)
        if char in "xu":
            return self.numeric(char, start)
        if char in "sSdDwWhH":
            kind = char.lower()
            members = (word(self.version, in_class=in_class) if kind == "w" else _HEX if kind == "h" else
                       white_space(self.version) if kind == "s" else digit(self.version))
            return ~members if char.isupper() else members
        if char in _ESCAPES or (char == "b" and in_class):
            return CodePointSet.from_chars(_ESCAPES.get(char, "\b"))
        if char == "0":  # and up to two digits after it
            digits = "0"
            while len(digits) < 3 and self.pattern[self.at : self.at + 1] in tuple("01234567"):
                digits += self.next()
            return CodePointSet.from_chars(chr(int(digits, 8)))
        if char in "NO" and not in_class:
            return ~CodePointSet.from_chars("\n") if char == "N" else CodePointSet.all()
        if char.isascii() and char.isalnum():
            self.refuse(_REFUSED.get(char, f"the escape \\{char}") if not in_class else f"the escape \\{char}", start)
        return CodePointSet.from_chars(char)

    def numeric(self, kind: str, start: int) -> CodePointSet:
        r"""`\xHH`, `\x{H...}` and `\uHHHH`."""
        match = _NUMERIC[kind].match(self.pattern, self.at)
        if match is None:
            self.refuse(f"an incomplete \\{kind} escape", start)
        self.at, code_point = match.end(), int(match[0].strip("{}"), 16)
        if kind == "x" and code_point > 0x7F and match[0][0] != "{":
            self.refuse("a \\xHH escape above 7F, which is a byte upstream,", start)
        if code_point > 0x10FFFF or 0xD800 <= code_point <= 0xDFFF:
            self.refuse("an escape that is no character", start)
        return CodePointSet.from_ranges([(code_point, code_point)])

    def property(self, start: int, negated: bool, in_class: bool) -> CodePointSet:
        if not self.take("{"):
            self.refuse("\\p without braces, which is the plain letter p upstream,", start)
        close = self.pattern.find("}", self.at)
        if close < 0:
            self.fail("unclosed property name", start)
        name = self.pattern[self.at : close]
        self.at = close + 1
        if name.startswith("^"):
            name, negated = name[1:], not negated
        try:
            members = named_set(name, self.version, in_class=in_class)
        except UnknownPropertyError:
            self.refuse(f"the property {name[:SHOWN]!r}", start)
        return ~members if negated else members

    def folded(self, members: CodePointSet, start: int) -> CodePointSet:
        if self.ascii_folds and not members.issubset(ASCII):
            self.refuse("a character under (?i:...) other than ASCII", start)
        if members not in self.closed:
            self.closed[members] = case_closure(members, self.version)
            spend(FOLDING if len(members) > 1 else 1, len(self.closed[members].ranges))
        return self.closed[members]


def folded_class(members: CodePointSet, version: str, start: int) -> Node:
    """A class that is not negated, given closed: one of its members, or the full fold of one.

    Folds with the same characters after the first share an alternative. Upstream tries a fold before longer ones that
    begin with it; the order of all others does not matter.
    """
    firsts: dict[str, str] = {}
    for char, fold in full_folds(version).items():
        if char in members:
            firsts[fold[1:]] = firsts.get(fold[1:], "") + fold[0]
    sets = [[case_closure(CodePointSet.from_chars(chars), version) for chars in (first, *rest)]
            for rest, first in sorted(firsts.items(), key=lambda item: len(item[0]))]
    texts = [Concat(tuple(Chars(each, start) for each in text)) for text in sets]
    return Alternate((Chars(members, start), *texts)) if texts else Chars(members, start)


def text_of_one_character(node: Node, characters: Mapping[int, str], version: str) -> str | None:
    """A text in a folded tree that one character matches, too; None if there is none.

    `characters` gives the folded character at each position of the pattern that has one.
    """
    text = _text(node, characters)
    return next((fold for fold in full_folds(version).values() if fold in text), None)


def _text(node: Node, characters: Mapping[int, str]) -> str:
    """The characters of a tree, with NUL, which no fold has, where upstream sees no text."""
    if isinstance(node, Chars):
        return characters.get(node.position, "\0")
    inner = [_text(item, characters) for item in children(node)]
    if isinstance(node, Concat) or (isinstance(node, Repeat) and node.low == node.high == 1):
        return "".join(inner)
    return "\0" + "".join(text + "\0" for text in inner)
