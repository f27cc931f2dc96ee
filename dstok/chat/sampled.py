"""The start of a conversation that ends with sampled ids: nothing changes it any more.

In: the conversation up to an answer, and the answer's ids; then the text of the format with later messages. Out: the
parts and the text of the start; the text after it.
Invariant: the ids of the start stay, whatever the format would write in their place. Example: V3.1 never repeats the
reasoning of an answer, but the model has sampled it, so it stays. A message that the format writes before the sampled
ids is refused: its text would be lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dstok.chat.encoding import EncodedSpan
from dstok.chat.writer import EOS, Rendered
from dstok.chat.writer import Span as TextSpan
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.protocol import TokenizerProtocol

__all__ = ["NO_TEXT", "FixedStart", "cut_before", "fixed_start", "joined", "text_after"]

NO_TEXT = Rendered("", [], [])


@dataclass(frozen=True)
class FixedStart:
    """The parts and the text of a start. `message`: the last one. `end`: its end token, if that is not sampled."""

    parts: list[EncodedSpan]
    text: Rendered
    message: int
    end: Rendered


def fixed_start(
    tokenizer: TokenizerProtocol, parts: list[EncodedSpan], text: Rendered, answer: Rendered, message: int,
    ids: list[int],
) -> FixedStart:
    """The start that consists of a text with its parts, and of a message's sampled ids.

    answer: the format's text of the message, and perhaps of others around it.
    """
    spelled, at = tokenizer.decode(ids), len(text.text)
    span = TextSpan(at, at + len(spelled), message, "content", True)
    whole = Rendered(text.text + spelled, text.special_ranges, [*text.spans, span])
    ended = bool(ids) and ids[-1] == tokenizer.special_tokens.get(EOS)
    end = NO_TEXT if ended else _end_of(answer, message)
    return FixedStart([*parts, EncodedSpan(span.start, span.end, ids, True)], whole, message, end)


def text_after(start: FixedStart, tail: Rendered) -> Rendered:
    """The text after a start, from a tail of the format's text that holds all later messages. Raises `ChatError`."""
    place = max((span.end for span in tail.spans if span.message == start.message), default=0)
    for span in tail.spans:
        if span.message > start.message and span.start < place:
            raise ChatError("expected text after the sampled ids, found text that the format writes before them",
                            span.message)
    return joined(start.end, cut_before(tail, place))


def cut_before(text: Rendered, at: int) -> Rendered:
    """A text from `at` on; `at` is not inside a token."""
    return Rendered(text.text[at:], [(start - at, end - at) for start, end in text.special_ranges if start >= at],
                    [span._replace(start=span.start - at, end=span.end - at) for span in text.spans if span.end > at])


def joined(first: Rendered, second: Rendered) -> Rendered:
    """Two texts, one after the other."""
    moved = cut_before(second, -len(first.text))
    return Rendered(first.text + second.text, [*first.special_ranges, *moved.special_ranges],
                    [*first.spans, *moved.spans])


def _end_of(answer: Rendered, message: int) -> Rendered:
    """The end token that the format writes after a message. The model did not sample it."""
    span = next((span for span in reversed(answer.spans) if span.message == message and span.kind == "end"), None)
    if span is None:
        return NO_TEXT
    size = span.end - span.start
    return Rendered(answer.text[span.start : span.end], [(0, size)], [TextSpan(0, size, message, "end", False)])
