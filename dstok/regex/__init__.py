"""The pattern compiler, one file for each stage: syntax -> alphabet -> nfa -> dfa -> cascade."""

from typing import NamedTuple

BEHAVIORS = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")


# It stands here, since every model has some, and needs nothing else of this room.
class Split(NamedTuple):
    """One Split step, spelled as in tokenizer.json. `where` is its place, for errors, as its reader names it.

    `unicode_version` is for the pattern's properties; None: the version that the steps are compiled for.
    """

    pattern: str
    behavior: str = "Isolated"
    invert: bool = False
    where: str = ""
    unicode_version: str | None = None
