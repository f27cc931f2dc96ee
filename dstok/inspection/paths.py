"""The path of a text through the automaton, and the names of classes and ends, for text and pictures alike.

In: a program, a text. Out: `Path` for each piece: the moves from the start until the automaton stops, and the reason
for the piece. Invariant: this is the scanner's automaton, read in Python; classes, steps and alternatives have the
numbers of `Piece` and `Inspection`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dstok.pattern.automaton import DEAD, NO_TAG, START

if TYPE_CHECKING:
    from dstok.pattern.cascade import Cascade, Program, Tag
    from dstok.unicode.code_point_set import CodePointSet

__all__ = ["Move", "Path", "examples", "paths", "reason", "shown", "symbol_name"]

_EXAMPLES = 6  # characters shown of a class
_PREFERRED = "aZ09 !\t\n\ré中あア~_"  # shown first where a class holds them


@dataclass(frozen=True)
class Move:
    """A move from one state to another by a symbol; `ends`: the piece may end before this symbol. State 0: none."""

    state: int
    symbol: int
    ends: bool
    target: int


@dataclass(frozen=True)
class Path:
    """A piece: its text, the reason for it, and the moves of the automaton, which reads further than the piece."""

    text: str
    tag: Tag
    moves: tuple[Move, ...]


def paths(program: Program, text: str) -> Iterator[Path]:
    """The path of each piece of `text`.

    >>> import dstok
    >>> [(path.text, len(path.moves)) for path in paths(dstok.load("deepseek-v3").inspect().automaton, "a 12")]
    [('a', 2), (' ', 2), ('12', 3)]
    """
    symbols = [program.alphabet.class_of(c) for c in text]
    at = 0
    while at < len(text):
        match = program.dfa.longest(symbols, at)
        assert match is not None, "a program's DFA is total"
        end, tag = match
        yield Path(text[at:end], program.tags[tag], tuple(_moves(program, symbols, at)))
        at = end


def _moves(program: Program, symbols: list[int], at: int) -> Iterator[Move]:
    state = START
    while state != DEAD:
        symbol = symbols[at] if at < len(symbols) else program.alphabet.end
        target, tag = program.dfa.edges[state][symbol]
        yield Move(state, symbol, tag != NO_TAG, target)
        state, at = target, at + 1


def reason(tag: Tag) -> str:
    """The reason for a piece: the alternative and step that matched it, or that none did."""
    if tag.step is None or tag.alternative is None:
        return "gap" + (", dropped" if tag.dropped else "")
    return f"step {tag.step}, alternative {tag.alternative}" + (", dropped" if tag.dropped else "")


def symbol_name(program: Cascade, symbol: int) -> str:
    """The name of a class, by its number, or of the end of the text."""
    return "end" if symbol == program.alphabet.end else f"c{symbol}"


def examples(members: CodePointSet, most: int = _EXAMPLES) -> list[str]:
    """Some characters of a class, well-known ones first."""
    chosen = [c for c in _PREFERRED if ord(c) in members]
    for first, _ in members.ranges[: 4 * most]:
        if chr(first) not in chosen and len(chosen) < most:
            chosen.append(chr(first))
    return [shown(c) for c in chosen[:most]]


def shown(char: str) -> str:
    """The character if it is visible by itself, else its code point."""
    visible = unicodedata.category(char)[0] in "LNPS"
    return char if visible else f"U+{ord(char):04X}"
