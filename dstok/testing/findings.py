"""Causes of differences -> findings, which are data.

In: a `Cause`, and the guide of the reference's tokenizer. Out: a `Finding`. Invariant: a finding needs no tokenizer: it
has the tokens' texts, and the characters' names and categories.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from dstok.testing.causes import Cause
from dstok.testing.guide import Guide
from dstok.testing.results import Character, Finding
from dstok.testing.runner import Fault
from dstok.testing.tokens import spelled
from dstok.testing.unicode_changes import categories

__all__ = ["finding_of"]


def finding_of(guide: Guide, cause: Cause) -> Finding:
    """A cause as data."""
    fault = f"{cause.found.kind}: {cause.found.message}" if isinstance(cause.found, Fault) else ""
    ids = [] if isinstance(cause.found, Fault) else cause.found
    first = next((at for at, (one, two) in enumerate(zip(ids, cause.expected)) if one != two),
                 min(len(ids), len(cause.expected)))
    evidence = ""
    if cause.evidence:
        evidence = f"predicts {cause.evidence[0]} of {cause.evidence[1]} further texts that it should change"
    return Finding(cause.cause, _title(cause), cause.text, _tokens(guide, ids), _tokens(guide, cause.expected), first,
                   fault, cause.count, _characters(guide, cause), evidence, list(cause.before), cause.examples,
                   _details(cause), cause.note)


def _title(cause: Cause) -> str:
    chars = list(cause.characters)
    if not chars:
        return cause.title
    names = ", ".join(f"U+{ord(char):04X}" for char in sorted(chars)[:6])
    more = f" and {len(chars) - 6} more" if len(chars) > 6 else ""
    return f"{names}{more}: {cause.title}"


def _details(cause: Cause) -> list[str]:
    ranked = sorted(cause.details.items(), key=lambda item: -item[1])
    return [f"{detail}, {count} times" if count > 1 else detail for detail, count in ranked[:8]]


def _tokens(guide: Guide, ids: Any) -> list[tuple[int, str]]:
    return [(id, _spelled(guide, id)) for id in list(ids)[:200]]


def _spelled(guide: Guide, id: int) -> str:
    return spelled(guide.tokenizer.decode_bytes([id])) if guide.model.has(id) else "(no such id)"


def _characters(guide: Guide, cause: Cause) -> list[Character]:
    """The first characters of the text that are not ASCII, and those in a wrong class."""
    odd = [char for char in dict.fromkeys(cause.text[:200]) if char in cause.characters or not char.isascii()]
    return [_character(char) for char in odd[:6]]


def _character(char: str) -> Character:
    rows = categories(char)
    rows = {"": next(iter(rows.values()))} if len(set(rows.values())) == 1 else rows
    return Character(char, f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip(), rows)
