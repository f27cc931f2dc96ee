"""What a tokenizer compiles to, in words: the text of `dstok explain`.

In: a tokenizer, and a text or none. Out: the steps, the classes with example characters, the automaton's
size; and the path of the text through the automaton, piece by piece. It runs the automaton in Python, the same
tables that the scanner runs. Invariant: steps and alternatives have the numbers that `Piece` gives them, from 0 on.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dstok.base.columns import aligned
from dstok.pattern.collapse import Program
from dstok.pattern.dfa import DEAD, DFA, NO_TAG, OPERATION, SET_0, START

if TYPE_CHECKING:
    from dstok.formats.description import NormalizerStep
    from dstok.pattern.collapse import Cascade, Tag
    from dstok.tokenizer import Tokenizer
    from dstok.unicode.code_point_set import CodePointSet

__all__ = ["explain", "explain_cascade"]

_WIDEST = 40  # places on a terminal for a piece, to have what stands after all of them in line
_EXAMPLES = 6  # characters shown of a class
_PREFERRED = "aZ09 !\t\n\ré中あア~_"  # shown first where a class holds them


def explain(tokenizer: Tokenizer, text: str | None = None) -> str:
    """The explanation, as lines of text.

    >>> import dstok
    >>> print(explain(dstok.load("deepseek-v3"), "a12").split("may end):")[1])
    <BLANKLINE>
      'a'   step 2, alternative 1  1 -c6-> 8 |-c5-> stop
      '12'  step 0, alternative 0  1 -c5-> 7 -c5-> 18 |-end-> stop
    """
    model = tokenizer.inspect()
    shown = None if text is None else model.normalize(text)
    return "\n".join([*_normalizer(model.normalizer), *explain_cascade(model.automaton, shown)])


def explain_cascade(cascade: Cascade, text: str | None = None) -> Iterator[str]:
    """The lines of what splits compile to, and of a text's way through it."""
    yield from [*_steps(cascade), "", *_classes(cascade), "", *_automaton(cascade)]
    if text is not None and isinstance(cascade, Program):
        yield from ["", "path of the text (state -symbol-> state, | where the piece may end):"]
        yield from (f"  {line}" for line in aligned(list(_paths(cascade, text)), _WIDEST))


def _normalizer(steps: tuple[NormalizerStep, ...]) -> Iterator[str]:
    if steps:
        yield "normalizer, of each stretch between added tokens with normalized=false:"
        yield from (f"  {number}. {_described(step)}" for number, step in enumerate(steps))
        yield ""


def _described(step: NormalizerStep) -> str:
    if step.type == "Replace":
        return f"Replace: {'regex' if step.is_regex else 'text'} {step.pattern!r} by {step.content!r}"
    if step.type == "Prepend":
        return f"Prepend: {step.content!r}"
    if step.type == "Strip":
        return f"Strip: {', '.join(side for side in ('left', 'right') if getattr(step, side)) or 'nothing'}"
    return step.type


def _steps(program: Cascade) -> Iterator[str]:
    yield f"steps (Unicode {program.unicode_version}):"
    for number, split in enumerate(program.splits):
        options = ", invert" * split.invert
        options += f", Unicode {split.unicode_version}" if split.unicode_version else ""
        yield f"  {number}. {split.behavior}{options}: {split.pattern!r}"
    if not program.splits:
        yield "  none: the whole text is one piece"


def _classes(program: Cascade) -> Iterator[str]:
    yield f"classes: {len(program.alphabet.classes)} (code points that no step tells apart)"
    for number, members in enumerate(program.alphabet.classes):
        yield f"  {_symbol(program, number):4} {len(members):>9,} code points  {_examples(members)}"


def _examples(members: CodePointSet) -> str:
    chosen = [c for c in _PREFERRED if ord(c) in members]
    for first, _ in members.ranges[: 4 * _EXAMPLES]:
        if chr(first) not in chosen and len(chosen) < _EXAMPLES:
            chosen.append(chr(first))
    return " ".join(_shown(c) for c in chosen[:_EXAMPLES])


def _shown(char: str) -> str:
    """The character, if it shows on paper by itself, else its code point."""
    visible = unicodedata.category(char)[0] in "LNPS"
    return char if visible else f"U+{ord(char):04X}"


def _symbol(program: Cascade, symbol: int) -> str:
    return "end" if symbol == program.alphabet.end else f"c{symbol}"


def _automaton(program: Cascade) -> Iterator[str]:
    if not isinstance(program, Program):
        yield f"automaton of marked texts: {len(program.marked.rows) - 2} states x {program.alphabet.end + 1} symbols"
        yield "one scan, left to right: no; read from the right first, then from the left"
        return
    overrun = _overrun(program.boundaries)
    yield f"automaton: {program.boundaries.states} states x {program.boundaries.symbols} symbols, fingerprint " \
          f"{program.boundaries.fingerprint()[:16]}"
    yield "one scan, left to right: yes; each piece starts the automaton anew"
    yield f"reads past the end of a piece: {'without bound' if overrun is None else f'at most {overrun} characters'}"


def _overrun(dfa: DFA) -> int | None:
    """The most characters that are read after a piece's end before the end is known; None: no bound.

    The longest path after an edge that keeps a place, over edges that do not forget it (as `SET_0` does); the edge
    that keeps the place has itself read one character too many.
    """
    longest = dict.fromkeys(range(len(dfa.edges)), 0)
    after_tag = {n for row in dfa.edges for n, tag in row if tag != NO_TAG and n != DEAD}
    forgets = range(SET_0 * OPERATION, (SET_0 + 1) * OPERATION)
    for _ in range(len(dfa.edges) + 1):
        changed = False
        for state in range(START, len(dfa.edges)):
            steps = [longest[n] + 1 for n, tag in dfa.edges[state][:-1] if tag not in forgets and n != DEAD]
            best = max(steps, default=0)
            if best > longest[state]:
                longest[state], changed = best, True
        if not changed:
            return 1 + max((longest[n] for n in after_tag), default=0)
    looping = {s for s in longest if longest[s] > len(dfa.edges)}
    return None if looping & after_tag else 1 + max((longest[n] for n in after_tag), default=0)


def _paths(program: Program, text: str) -> Iterator[tuple[str, str, str]]:
    """Each piece, why it is one, and its way."""
    symbols = [program.alphabet.class_of(c) for c in text]
    at = 0
    while at < len(text):
        found = program.dfa.longest(symbols, at)
        assert found is not None
        end, tag = found
        yield repr(text[at:end]), _reason(program.tags[tag]), _walk(program, symbols, at)
        at = end


def _reason(tag: Tag) -> str:
    if tag.step is None or tag.alternative is None:
        return "gap" + (", dropped" if tag.dropped else "")
    return f"step {tag.step}, alternative {tag.alternative}" + (", dropped" if tag.dropped else "")


def _walk(program: Program, symbols: list[int], at: int) -> str:
    """The states from START until the automaton dies, with a bar at each place where the piece may end."""
    state, shown = START, str(START)
    while state != DEAD:
        symbol = symbols[at] if at < len(symbols) else program.alphabet.end
        state, tag = program.dfa.edges[state][symbol]
        shown += f" {'|' if tag != NO_TAG else ''}-{_symbol(program, symbol)}-> {state if state else 'stop'}"
        at += 1
    return shown
