"""The AST of a pattern as a pattern of the package `regex`: sets of code points spelled out, so versions agree.

In: an AST. Out: the pattern, or None where the two mean different things by one tree: they leave a loop in different
ways after a turn without a character, and try the parts of an atomic group in a look-behind in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import regex

from dstok.regex.ast import (
    Alternate,
    Around,
    Atomic,
    Before,
    Chars,
    Concat,
    Group,
    Look,
    Node,
    Repeat,
    is_nullable,
    nodes,
)
from dstok.regex.parser import parse_groups
from dstok.unicode.properties import CodePointSet

START, END = r"|\A", r"|\Z"


def judge_of_matches(pattern: str) -> Any:
    """The pattern compiled by `regex`; None where it would mean something else. Raises `regex.error`."""
    spelled = regex_pattern(parse_groups(pattern))
    return None if spelled is None else regex.compile(spelled)


def matches_by(engine: Any, text: str, groups: Sequence[int]) -> list[Any]:
    """What an engine finds in a text, with these groups: all matches, the first one, and those of the whole text."""
    found = [*engine.finditer(text), engine.search(text), engine.match(text), engine.fullmatch(text)]
    return [match and [(match.span(n), match.group(n)) for n in groups] for match in found]


def regex_pattern(tree: Node) -> str | None:
    """The pattern, or None."""
    for node in nodes(tree):
        if isinstance(node, Repeat) and node.high != 1 and is_nullable(node.item):
            return None
        if isinstance(node, Around) and not node.ahead and any(isinstance(each, Atomic) for each in nodes(node)):
            return None
    return _spelled(tree)


def _spelled(node: Node) -> str:
    if isinstance(node, Chars):
        return _class(node.set)
    if isinstance(node, Look):
        return f"(?={_class(node.set)}{END * node.at_end})"
    if isinstance(node, Before):
        return f"(?:(?<={_class(node.set)}){START * node.at_start})"
    if isinstance(node, Around):
        return f"(?{'' if node.ahead else '<'}{'!' if node.negative else '='}{_spelled(node.item)})"
    if isinstance(node, Atomic):
        return f"(?>{_spelled(node.item)})"
    if isinstance(node, Group):
        return f"({_spelled(node.item)})"
    if isinstance(node, Repeat):
        high = "" if node.high is None else node.high
        return f"(?:{_spelled(node.item)}){{{node.low},{high}}}{'' if node.greedy else '?'}"
    assert isinstance(node, Concat | Alternate)
    if isinstance(node, Alternate) and not node.items:
        return "(?!)"
    return f"(?:{('|' if isinstance(node, Alternate) else '').join(map(_spelled, node.items))})"


def _class(members: CodePointSet) -> str:
    if not members.ranges:
        return "(?!)"
    return "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in members.ranges) + "]"
