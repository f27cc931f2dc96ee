"""The automaton of one pattern's matches, as the compiler makes it on its way.

In: a pattern. Out: its alphabet and its DFA.
"""

from __future__ import annotations

from dstok.errors import UnsupportedError
from dstok.regex import Split
from dstok.regex.alphabet import Alphabet
from dstok.regex.cascade import _alphabet
from dstok.regex.compile_budget import stage
from dstok.regex.dfa import DFA
from dstok.regex.lookaround import OracleAlphabet, replace_look_around
from dstok.regex.nfa import build_nfa, determinize
from dstok.regex.parser import parse


@stage("compiling a pattern")
def compile_pattern(pattern: str, unicode_version: str = "16.0") -> tuple[Alphabet, DFA]:
    """The alphabet and the DFA of one pattern's matches (not total: gaps are not matched)."""
    tree = parse(pattern, unicode_version)
    letters = OracleAlphabet(_alphabet([Split(pattern)], [tree]))
    matches = determinize(build_nfa(replace_look_around(tree, letters), letters))
    if letters.predicates:
        raise UnsupportedError("a look-around for which a pattern has no automaton of its own")
    return letters.alphabet, matches
