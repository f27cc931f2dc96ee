"""Pattern text -> AST.

In: a pattern in upstream's dialect (Oniguruma, Ruby syntax) and a Unicode version.
Out: the tree of pattern/ast.py, in which every character test is a `CodePointSet`.
Invariant: the tree means exactly what upstream means by the pattern. What it cannot mean exactly is
refused (`UnsupportedError`), what is no pattern is a `PatternError`; both name the position.
Source: Oniguruma's doc/RE for the grammar, and upstream itself, measured (tests/patterns/test_pattern.py).
"""

from __future__ import annotations

from typing import NoReturn

from dstok.errors import PatternError, UnsupportedError
from dstok.pattern.ast import Alternate, Chars, Concat, Look, Node, Repeat
from dstok.pattern.fold import fold_set, refuse_multi_character_folds
from dstok.unicode.sets import CodePointSet, UnknownPropertyError, digit, property_set, white_space, word

__all__ = ["parse"]

MAX_REPEAT = 1000  # a bound on {m,n}: each repetition is a copy in the NFA
MAX_DEPTH = 50  # groups inside groups; far above any real pattern, far below Python's stack
SHOWN = 200  # characters of a pattern in an error
MAX_LENGTH = 20_000  # characters of a pattern, as many as the NFA may have states


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_HEX = CodePointSet.from_chars("0123456789abcdefABCDEF")
_NEWLINE = CodePointSet.from_chars("\n")


def parse(pattern: str, unicode_version: str = "16.0") -> Node:
    r"""The AST of `pattern`.

    Raises `PatternError` if it is malformed and `UnsupportedError` if it uses a construct that the
    engine cannot do exactly; both name the position, in code points.

    >>> parse("a|b").items[1].set
    CodePointSet(U+0062)
    >>> parse(r"(a")
    Traceback (most recent call last):
    ...
    dstok.errors.PatternError: unclosed group at position 0 of pattern '(a'
    """
    return _Parser(pattern, unicode_version).parse()


class _Parser:
    """Recursive descent over the pattern; `at` is the index of the next character."""

    def __init__(self, pattern: str, version: str) -> None:
        self.pattern, self.version = pattern, version
        self.at = self.depth = 0
        self.fold = False

    def parse(self) -> Node:
        if len(self.pattern) > MAX_LENGTH:
            self.refuse(f"a pattern of more than {MAX_LENGTH} characters", MAX_LENGTH)
        node = self.alternation()
        if self.at < len(self.pattern):
            self.fail("unmatched close parenthesis")
        return node

    # What the parser says when it stops.

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        raise PatternError(message, self.pattern, self.at if position is None else position)

    def refuse(self, construct: str, position: int) -> NoReturn:
        shown = self.pattern if len(self.pattern) <= SHOWN else self.pattern[:SHOWN] + "..."
        raise UnsupportedError(f"{construct} cannot be compiled exactly", f"position {position} of {shown!r}")

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, text: str) -> bool:
        found = self.peek(text)
        self.at += len(text) if found else 0
        return found

    def next(self) -> str:
        if self.at == len(self.pattern):
            self.fail("pattern ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    # alternation: concatenation ('|' concatenation)*

    def alternation(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse(f"more than {MAX_DEPTH} nested groups", self.at)
        items = [self.concatenation()]
        while self.take("|"):
            items.append(self.concatenation())
        self.depth -= 1
        return items[0] if len(items) == 1 else Alternate(tuple(items))

    def concatenation(self) -> Node:
        items: list[Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            items.append(self.repetition())
        return items[0] if len(items) == 1 else Concat(tuple(items))

    # repetition: atom quantifier?

    def repetition(self) -> Node:
        start = self.at
        node = self.atom()
        if (bounds := self.quantifier()) is not None:
            if self.pattern.startswith(("$", "(?=", "(?!"), start):
                self.fail("a quantifier on a look-ahead or an anchor", start)
            if _has_bare_look(node):
                self.refuse("a quantifier on a group that may be a look-ahead or an anchor", start)
            low, high, interval = bounds
            at = self.at
            greedy = not self.take("?")
            if interval and not greedy and low == high:
                self.refuse("the quantifier {n}?, which upstream reads as an optional {n},", at)
            if greedy and self.peek("+") and not interval:
                self.refuse("a possessive quantifier", at)
            if (high is None or high > 1) and _is_nullable(node):
                self.refuse("a repetition of what can match the empty text", start)
            node = Repeat(node, low, high, greedy)
            if self.at < len(self.pattern) and self.pattern[self.at] in "*+?{":
                self.refuse("a quantifier on a quantifier", self.at)
        return node

    def quantifier(self) -> tuple[int, int | None, bool] | None:
        for mark, low, high in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self.take(mark):
                return low, high, False
        return self.interval() if self.peek("{") else None

    def interval(self) -> tuple[int, int | None, bool]:
        """`{m}`, `{m,}`, `{,n}` or `{m,n}`."""
        start = self.at
        close = self.pattern.find("}", start)
        low, comma, high = self.pattern[start + 1 : close if close > 0 else start + 1].partition(",")
        digits = low + high
        if not (digits.isascii() and digits.isdigit()):
            self.refuse("a brace that is no {m,n}, which upstream reads as text,", start)
        least = _bounded(low)
        most = _bounded(high) if high else None if comma else least
        if max(least, most or 0) > MAX_REPEAT:
            self.refuse(f"a repetition of more than {MAX_REPEAT}", start)
        if most is not None and least > most:
            self.refuse("an interval whose first number is the larger", start)
        self.at = close + 1
        return least, most, True

    # atom: group | class | escape | '.' | '$' | character

    def atom(self) -> Node:
        start = self.at
        char = self.next()
        if char == "(":
            return self.group(start)
        if char == "[":
            return self.chars(self.char_class(start), start)
        if char == "\\":
            return self.chars(self.escape(start), start)
        if char == ".":
            return self.chars(~_NEWLINE, start)
        if char == "$":
            return Look(_NEWLINE, True, start)
        if char == "^":
            self.refuse("the anchor ^, which looks behind,", start)
        if char in "*+?":
            self.fail("a quantifier with nothing before it", start)
        if char == "{":
            self.refuse("a brace with nothing before it", start)
        return self.chars(CodePointSet.from_chars(char), start)

    def chars(self, members: CodePointSet, start: int) -> Chars:
        if self.fold:
            folded = fold_set(members)
            if folded is None:
                self.refuse("a character under (?i:...) other than ASCII", start)
            members = folded
        if not members:
            self.refuse("a class that no character is in", start)
        return Chars(members, start)

    def group(self, start: int) -> Node:
        if not self.peek("?"):
            return self.close_group(start)
        if self.take("?:"):
            return self.close_group(start)
        if self.take("?=") or self.take("?!"):
            return self.look_ahead(start, negative=self.pattern[self.at - 1] == "!")
        if self.take("?i:"):
            return self.folded_group(start)
        if self.take("?-i:"):
            outer, self.fold = self.fold, False
            node = self.close_group(start)
            self.fold = outer
            return node
        if self.take("?#"):
            self.refuse("a comment group", start)
        for opening, name in (("?<=", "a look-behind"), ("?<!", "a look-behind"), ("?>", "an atomic group"),
                              ("?<", "a named group"), ("?~", "an absence operator"), ("?(", "a condition")):
            if self.peek(opening):
                self.refuse(name, start)
        self.refuse("a group with options other than (?i:...)", start)

    def close_group(self, start: int) -> Node:
        node = self.alternation()
        if not self.take(")"):
            self.fail("unclosed group", start)
        return node

    def folded_group(self, start: int) -> Node:
        outer, self.fold = self.fold, True
        node = self.close_group(start)
        self.fold = outer
        clash = None if outer else refuse_multi_character_folds(node)  # the outermost such group asks for all
        if clash is not None:
            self.refuse(f"the pair {clash!r} under (?i:...), which folds to one character,", start)
        return node

    def look_ahead(self, start: int, negative: bool) -> Look:
        node = self.close_group(start)
        if not isinstance(node, Chars):
            self.refuse("a look-ahead at anything but one character", start)
        return Look(~node.set if negative else node.set, negative, start)

    # character classes and escapes

    def char_class(self, start: int) -> CodePointSet:
        negated = self.take("^")
        items: list[tuple[int, int]] = []
        first = True
        while first or not self.peek("]"):
            if self.at == len(self.pattern):
                self.fail("unclosed character class", start)
            if first and self.peek("]"):
                self.refuse("a class that begins with ]", self.at)
            items.extend(self.class_item(start).ranges)
            first = False
        self.at += 1
        members = CodePointSet.from_ranges(items)
        if negated and self.fold:
            self.refuse("a negated class under (?i:...)", start)
        return ~members if negated else members

    def class_item(self, start: int) -> CodePointSet:
        """One character, one set, or a range of characters."""
        at = self.at
        low = self.class_atom(start)
        if not self.peek("-") or self.pattern.startswith("-]", self.at):
            return low
        dash = self.at
        if len(low) != 1 or self.pattern[at] == "-":
            self.refuse("a hyphen that is neither first, last, escaped nor between two characters", dash)
        self.at += 1
        high = self.class_atom(start)
        if len(high) != 1:
            self.refuse("a range that ends in a set", dash)
        first, last = low.ranges[0][0], high.ranges[0][0]
        if first > last:
            self.fail("a range whose first character is the larger", at)
        return CodePointSet.from_ranges([(first, last)])

    def class_atom(self, start: int) -> CodePointSet:
        at = self.at
        if at == len(self.pattern):
            self.fail("unclosed character class", start)
        if self.peek("&&"):
            self.refuse("a class intersection", at)
        char = self.next()
        if char == "[":
            self.refuse("a class or bracket inside a class", at)
        return self.escape(at, in_class=True) if char == "\\" else CodePointSet.from_chars(char)

    def escape(self, start: int, in_class: bool = False) -> CodePointSet:
        if self.at == len(self.pattern):
            self.fail("pattern ends in a backslash", start)
        char = self.next()
        if char in "pP":
            return self.property(start, negated=char == "P")
        if char in "xu":
            return self.numeric(char, start)
        if char.lower() in "sdwh":
            members = self.shorthand(char.lower(), in_class)
            return ~members if char.isupper() else members
        if char in _ESCAPES:
            return CodePointSet.from_chars(_ESCAPES[char])
        if char.isascii() and char.isalnum():
            self.refuse(f"the escape \\{char}", start)
        return CodePointSet.from_chars(char)

    def shorthand(self, letter: str, in_class: bool) -> CodePointSet:
        r"""`\s`, `\d`, `\w` or `\h`; upstream's `\w` means less inside brackets."""
        if letter == "w":
            return word(self.version, in_class=in_class)
        return _HEX if letter == "h" else white_space(self.version) if letter == "s" else digit(self.version)

    def numeric(self, kind: str, start: int) -> CodePointSet:
        r"""`\xHH`, `\x{H...}` and `\uHHHH`."""
        if kind == "x" and self.take("{"):
            close = self.pattern.find("}", self.at)
            digits = self.pattern[self.at : close] if close >= 0 else ""
            self.at = close + 1
        else:
            digits = self.pattern[self.at : self.at + (2 if kind == "x" else 4)]
            self.at += len(digits)
            if len(digits) != (2 if kind == "x" else 4):
                digits = ""
        if not 0 < len(digits) <= 8 or any(ord(d) not in _HEX for d in digits):
            self.refuse(f"an incomplete \\{kind} escape", start)
        code_point = int(digits, 16)
        if kind == "x" and len(digits) == 2 and code_point > 0x7F and self.pattern[start + 2] != "{":
            self.refuse("a \\xHH escape above 7F, which is a byte upstream,", start)
        if code_point > 0x10FFFF or 0xD800 <= code_point <= 0xDFFF:
            self.refuse("an escape that is no character", start)
        return CodePointSet.from_ranges([(code_point, code_point)])

    def property(self, start: int, negated: bool) -> CodePointSet:
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
            members = property_set(name, self.version)
        except UnknownPropertyError:
            self.refuse(f"the property {name[:SHOWN]!r}", start)
        return ~members if negated else members


def _bounded(digits: str) -> int:
    """The number that `digits` spell, cut off where it is far beyond any bound; 0 if there are none."""
    return int(digits.lstrip("0")[:9] or 0)


def _has_bare_look(node: Node) -> bool:
    """Is `node` a look, or a choice of which one is? Upstream may take no quantifier on these."""
    if isinstance(node, Alternate):
        return any(map(_has_bare_look, node.items))
    return isinstance(node, Look)


def _is_nullable(node: Node) -> bool:
    """Can `node` match without taking a character? Upstream leaves a loop early after such a turn."""
    if isinstance(node, Chars):
        return False
    if isinstance(node, Alternate):
        return any(map(_is_nullable, node.items))
    if isinstance(node, Repeat):
        return node.low == 0 or _is_nullable(node.item)
    return isinstance(node, Look) or all(map(_is_nullable, node.items))
