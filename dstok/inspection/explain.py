"""The compiled tokenizer in words, as `dstok explain` prints it; the path of a text through the automaton; its graph.

In: the inspection of a tokenizer, and a text or none. Out: the steps; a `Path` for each piece; the classes with example
characters, the size of the automaton; a graph in the DOT language of Graphviz (graphviz.org), with classes (the step of
a state, `many`, `used`) for a style sheet in place of colours. Invariant: this is the scanner's automaton, read in
Python; classes, steps and alternatives have the numbers of `Piece` and `Inspection`, from 0 on. The graph has every
state but the dead one, and every move between such states; moves between the same two states share one arrow.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from html import escape

from dstok._util.columns import aligned
from dstok._util.files import visible
from dstok.formats.description import PREFIX_SPACE, TEXT_SPACE, NormalizerStep
from dstok.inspection.inspection import Inspection
from dstok.regex.cascade import Cascade, Program, Tag
from dstok.regex.dfa import DEAD, DFA, NO_TAG, OPERATION, SET_0, START
from dstok.unicode.code_point_set import CodePointSet

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
    symbols, edges, at = [*map(program.alphabet.class_of, text), program.alphabet.end], program.dfa.edges, 0
    for piece, why in program.pieces(text):
        moves, state, place = list[Move](), START, at
        while state != DEAD:
            target, tag = edges[state][symbols[place]]
            moves.append(Move(state, symbols[place], tag != NO_TAG, target))
            state, place = target, place + 1
        yield Path(piece, why, tuple(moves))
        at += len(piece)


def reason(tag: Tag) -> str:
    """The reason for a piece: the alternative and step that matched it, or that none did."""
    is_gap = tag.step is None or tag.alternative is None
    return ("gap" if is_gap else f"step {tag.step}, alternative {tag.alternative}") + ", dropped" * tag.dropped


def symbol_name(program: Cascade, symbol: int) -> str:
    """The name of a class, by its number, or of the end of the text."""
    return "end" if symbol == program.alphabet.end else f"c{symbol}"


def examples(members: CodePointSet, most: int = _EXAMPLES) -> list[str]:
    """Some characters of a class, well-known ones first."""
    chosen = [c for c in _PREFERRED if ord(c) in members] + [chr(first) for first, _ in members.ranges[: 4 * most]]
    return [char if unicodedata.category(char)[0] in "LNPS" else f"U+{ord(char):04X}"
            for char in list(dict.fromkeys(chosen))[:most]]


_WIDEST = 40  # places on a terminal for a piece, so that the columns after it align


class Explanation(str):
    """An explanation; a notebook shows its lines as they are."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{escape(self)}</pre>'


def explain(model: Inspection, text: str | None = None) -> Explanation:
    r"""The explanation, as lines of text.

    >>> import dstok
    >>> print(explain(dstok.load("deepseek-v3").inspect(), "a12").split("\n\n")[1].partition("\n")[2])
      'a'   step 2, alternative 1  1 -c6-> 8 |-c5-> stop
      '12'  step 0, alternative 0  1 -c5-> 7 -c5-> 18 |-end-> stop
    """
    shown, lines = None if text is None else model.normalize(text), list[str]()
    if model.normalizer:
        lines = ["normalizer, of each stretch between added tokens with normalized=false:",
                 *(f"  {number}. {_described(step)}" for number, step in enumerate(model.normalizer)), ""]
    lines += _characters(model, shown) if model.merges_characters else explain_cascade(model.cascade, shown)
    return Explanation("\n".join(lines))


def explain_cascade(cascade: Cascade, text: str | None = None) -> Iterator[str]:
    """The lines about the automaton of splits, and about a text's path through it."""
    yield f"steps (Unicode {cascade.unicode_version}):"
    for number, split in enumerate(cascade.splits):
        options = ", invert" * split.invert
        options += f", Unicode {split.unicode_version}" if split.unicode_version else ""
        yield f"  {number}. {split.behavior}{options}: {visible(split.pattern)}"
    yield from ([] if cascade.splits else ["  none: the whole text is one piece"])
    yield ""
    if text is not None and isinstance(cascade, Program):
        yield "path of the text (state -symbol-> state, | where the piece may end):"
        rows = [(repr(path.text), reason(path.tag), f"{START}" + "".join(
            f" {'|' if move.ends else ''}-{symbol_name(cascade, move.symbol)}-> {move.target or 'stop'}"
            for move in path.moves)) for path in paths(cascade, text)]
        yield from (f"  {line}" for line in aligned(rows, _WIDEST))
        yield ""
    yield f"classes: {len(cascade.alphabet.classes)} (code points that no step tells apart)"
    for number, members in enumerate(cascade.alphabet.classes):
        yield f"  {symbol_name(cascade, number):4} {len(members):>9,} code points  {' '.join(examples(members))}"
    yield ""
    if not isinstance(cascade, Program):
        yield f"automaton of marked texts: {len(cascade.marked.rows) - 2} states x {cascade.alphabet.end + 1} symbols"
        yield "one scan, left to right: no; read from the right first, then from the left"
        return
    dfa, overrun = cascade.boundaries, _overrun(cascade.boundaries)
    yield f"automaton: {dfa.states} states x {dfa.symbols} symbols, fingerprint {dfa.fingerprint()[:16]}"
    yield "one scan, left to right: yes; each piece starts the automaton anew"
    yield f"reads past the end of a piece: {'without bound' if overrun is None else f'at most {overrun} characters'}"


def _characters(model: Inspection, text: str | None) -> Iterator[str]:
    """The lines about a model of characters: it cuts where no merge joins two of them."""
    yield "text between added tokens is one piece" + ", cut before each space" * bool(model.splits)
    yield "merging: from characters; one without a token gives its bytes"
    yield f"inside a piece text is cut between characters that no merge joins: {model.way}"
    if text is not None:
        yield "parts of the text, merged alone:"
        yield f"  {' '.join(repr(text.encode()[start:end].decode()) for start, end in model.parts(text))}"


def _described(step: NormalizerStep) -> str:
    if step.type == "Replace":
        pattern = f"regex '{visible(step.pattern)}'" if step.is_regex else f"text {step.pattern!r}"
        return f"Replace: {pattern} by {step.content!r}"
    if step.type == "Prepend":
        return f"Prepend: {step.content!r}"
    if step.type in (PREFIX_SPACE, TEXT_SPACE):
        where = "a stretch" if step.type == PREFIX_SPACE else "the text"
        return f"a space before {where} that begins with none"
    if step.type == "Strip":
        return f"Strip: {', '.join(side for side in ('left', 'right') if getattr(step, side)) or 'nothing'}"
    return f"{step.type}, Unicode {step.unicode_version}" if step.unicode_version else step.type


def _overrun(dfa: DFA) -> int | None:
    """The most characters that the automaton reads after a piece's end before it knows the end; None: no bound.

    The longest path after an edge that keeps a place (and has read one character too many), over edges that do not
    forget it, as `SET_0` does.
    """
    edges, forgets = dfa.edges, range(SET_0 * OPERATION, (SET_0 + 1) * OPERATION)
    longest, after_tag = [0] * len(edges), {n for row in edges for n, tag in row if tag != NO_TAG and n != DEAD}
    for _ in range(len(edges) + 1):
        before = list(longest)
        for state in range(START, len(edges)):
            steps = [longest[n] + 1 for n, tag in edges[state][:-1] if tag not in forgets and n != DEAD]
            longest[state] = max([longest[state], *steps])
        if longest == before:
            break
    found = max((longest[n] for n in after_tag), default=0)
    return None if found > len(edges) else 1 + found


BLANKS = {"U+0009": "⇥", "U+000A": "↵", "U+0020": "␣"}
HEAD = ("digraph automaton {", '  rankdir=LR; bgcolor="none"; ranksep=0.6; nodesep=0.25',
         '  node [shape=circle fontname="Courier" fontsize=12 margin="0.03,0.02"]',
         '  edge [fontname="Courier" fontsize=12 arrowsize=0.7]',
         '  begin [label="" shape=point class="begin"]', f'  begin -> {START} [class="move"]')
_FEW = 3  # classes that an arrow names


def automaton_dot(program: Program, used: Collection[tuple[int, int]] = ()) -> str:
    """The graph in DOT. `used`: pairs of state and symbol that a text has used.

    >>> from dstok.regex import Split
    >>> from dstok.regex.cascade import compile_splits
    >>> print(automaton_dot(compile_splits([Split(r"a+")])).splitlines()[-2])
      3 -> 3 [label="a" class="move"]
    """
    lines, marks, edges = [*HEAD], set(used), program.dfa.edges
    arrows: dict[tuple[int, int, bool], list[int]] = {}  # by states, and whether a piece may end before the symbol
    for state in range(START, len(edges)):
        # `2.1`: a piece of alternative 1 of step 2 ends here.
        tags = {tag % OPERATION for target, tag in edges[state] if tag != NO_TAG and target == DEAD}
        reasons = [*dict.fromkeys("gap" if tag.step is None else f"{tag.step}.{tag.alternative}"
                                  for tag in (program.tags[number] for number in sorted(tags)))]
        steps = {name.split(".")[0] for name in reasons} - {"gap"}
        kind = "many" if len(steps) > 1 else f"step{steps.pop()}" if steps else "gap" if reasons else "none"
        label = "\\n".join([str(state), *reasons])
        lines.append(f'  {state} [label="{label}" class="{kind}"]')
        for symbol, (target, tag) in enumerate(edges[state]):
            if target != DEAD:
                arrows.setdefault((state, target, tag != NO_TAG), []).append(symbol)
    for (state, target, ends), symbols in arrows.items():
        kind = "move used" if marks & {(state, symbol) for symbol in symbols} else "move"
        dashed = " style=dashed" if ends else ""
        lines.append(f'  {state} -> {target} [label={quoted(class_names(program, symbols))} class="{kind}"{dashed}]')
    return "\n".join([*lines, "}"])


def class_names(cascade: Cascade, symbols: list[int]) -> str:
    """Examples of a few of the classes, one each: the label of an arrow."""
    names = []
    for symbol in symbols:
        chars = [] if symbol == cascade.alphabet.end else examples(cascade.alphabet.classes[symbol], 1)
        names.append(BLANKS.get(chars[0], chars[0]) if chars else symbol_name(cascade, symbol))
    return " ".join(names[:_FEW]) + (f" +{len(names) - _FEW}" if len(names) > _FEW else "")


def quoted(label: str) -> str:
    """A label as DOT quotes it."""
    return '"' + label.replace("\\", "\\\\").replace('"', '\\"') + '"'
