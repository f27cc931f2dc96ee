"""Automata of patterns as graphs in the DOT language of Graphviz (graphviz.org).

In: a program, and the moves of a text. Out: the graph, with classes (the step of a state, `many`, `used`) for a style
sheet in place of colours. Invariant: it has every state but the dead one, and every move between such states; moves
between the same two states share one arrow.
"""

from __future__ import annotations

from collections.abc import Collection

from dstok.inspection.explain import examples, symbol_name
from dstok.regex.cascade import Cascade, Program
from dstok.regex.dfa import DEAD, NO_TAG, OPERATION, START

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
