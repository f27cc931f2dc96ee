"""The splits of a model -> their one automaton. Errors name the place of a pattern in its file.

In: splits. Out: `Program`. Invariant: a `PatternError` names the place of a pattern that has one.
"""

from __future__ import annotations

from dstok.errors import PatternError
from dstok.pattern.cascade import Program, compile_splits
from dstok.pattern.split import Split

__all__ = ["compile_program"]


def compile_program(splits: tuple[Split, ...], unicode_version: str) -> Program:
    """The automaton of the splits; a pattern's error also names its place."""
    try:
        return compile_splits(splits, unicode_version)
    except PatternError as error:
        where = next((s.where for s in splits if s.pattern == error.pattern), "")
        message = f"{where}: {error.message}" if where else error.message
        raise PatternError(message, error.pattern, error.position) from None
