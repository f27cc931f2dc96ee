"""`dstok chat show`: a conversation for people.

In: an encoded conversation and its messages. Out: lines: for each message its role and number of tokens, then its text.
Invariant: each token that the format wrote stands between guillemets, and those in messages do not. Nothing else is
added to the text, except that control characters are shown as escapes. On a terminal the format's tokens have one
colour, and text that the model would have written has another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dstok.cli.colours import colours_wanted

if TYPE_CHECKING:
    from dstok.chat import EncodedConversation, Span

__all__ = ["shown"]

TOKEN, SAMPLED, HEAD, OFF = "\x1b[35m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def shown(encoded: EncodedConversation, messages: Any, terminal: bool) -> str:
    """The lines. `terminal`: in colour, if `colours_wanted` allows it."""
    colours = colours_wanted(terminal)
    counts: dict[int, int] = {}
    for index in encoded.message_index.tolist():
        counts[index] = counts.get(index, 0) + 1
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    lines = [f"{len(encoded.ids)} tokens, {int(encoded.sampled.sum())} of them sampled, "
             f"{counts.get(-1, 0)} of no message\n"]
    before, at, ranges = None, 0, encoded.rendered.special_ranges
    for span in encoded.rendered.spans:
        if span.message != before:
            before = span.message
            lines.append(_head(before, roles, counts, colours))
        first = at
        while at < len(ranges) and ranges[at][0] < span.end:
            at += 1
        lines.append(_text(encoded.rendered.text, span, ranges[first:at], colours))
    return "".join(lines) + "\n"


def _head(index: int, roles: list[Any], counts: dict[int, int], colours: bool) -> str:
    name = f"[{index}] {roles[index]}, {counts.get(index, 0)} tokens" if index >= 0 else "[format]"
    return f"\n{HEAD}{name}{OFF}\n" if colours else f"\n{name}\n"


def _text(text: str, span: Span, ranges: list[tuple[int, int]], colours: bool) -> str:
    """A span's text with the format's tokens, at `ranges`, marked."""
    parts, at = [], span.start
    for start, end in ranges:
        parts += [_coloured(_safe(text[at:start]), SAMPLED, colours and span.sampled),
                  _coloured(f"«{text[start:end]}»", TOKEN, colours)]
        at = end
    return "".join([*parts, _coloured(_safe(text[at : span.end]), SAMPLED, colours and span.sampled)])


def _safe(text: str) -> str:
    return CONTROLS.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def _coloured(text: str, colour: str, colours: bool) -> str:
    return f"{colour}{text}{OFF}" if colours and text else text
