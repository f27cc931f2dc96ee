"""A conversation that grows message by message, and its ids at every moment.

In: messages. Out: after each, how many of the ids before stay, and the new ones.
Invariant: the ids are those of encoding the whole conversation, also where a format rewrites what it wrote before (V3.2
drops the reasoning of earlier turns); then the answer tells from which message on. The text is rendered anew each time,
which takes microseconds a message; only the stretches between two tokens that are not those of before are encoded.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dstok.chat.encoding import ChatSpecial, Encoded, Part, encode_rendered, parts_of
from dstok.chat.rendering import render
from dstok.chat.writer import Rendered

if TYPE_CHECKING:
    from dstok.chat.templates import Template
    from dstok.tokenizer import Tokenizer

__all__ = ["Change", "Conversation"]


@dataclass(frozen=True)
class Change:
    """What a message did: the first `kept` ids stay, all behind them become `new`.

    rewritten: the index of the first message, of those before, of which an id did not stay; None if all stayed, so that
    only the generation prompt went.
    """

    kept: int
    new: list[int]
    rewritten: int | None


class Conversation:
    """The ids of a conversation that grows. Keywords as `dstok.chat.encode`. Not to be shared between threads.

    >>> import dstok
    >>> talk = Conversation(dstok.load("deepseek-v3.2"), "v3.2")
    >>> talk.append({"role": "user", "content": "Hello"})
    Change(kept=0, new=[0, 128803, 19923, 128804, 128798], rewritten=None)
    >>> talk.append({"role": "assistant", "reasoning_content": "Hm", "content": "Hi"}).kept
    5
    >>> change = talk.append({"role": "user", "content": "So?"})    # drops the reasoning
    >>> change.kept, change.rewritten, len(talk)
    (4, 1, 12)
    """

    def __init__(
        self, tokenizer: Tokenizer, version: str | Template, messages: Any = (), *, special: ChatSpecial = "template",
        **arguments: Any,
    ) -> None:
        self.tokenizer, self.version, self.special, self.arguments = tokenizer, version, special, arguments
        self.messages: list[Any] = []
        self._rendered = Rendered("", [], [])
        self._parts: list[Part] = []
        self.extend(messages)

    def append(self, message: Any) -> Change:
        """Adds a message. Raises `ChatError`; nothing is added then."""
        return self.extend([message])

    def extend(self, messages: Any) -> Change:
        """Adds several messages. What is between them may be no conversation by itself."""
        whole = [*self.messages, *messages]
        if not whole:
            return Change(0, [], None)
        rendered = render(whole, self.version, **self.arguments)
        parts, same = self._encoded(rendered)
        change = self._change(parts, same)
        self.messages, self._rendered, self._parts = whole, rendered, parts
        return change

    def copy(self) -> Conversation:
        """A conversation that goes on by itself from here."""
        other = Conversation(self.tokenizer, self.version, special=self.special, **self.arguments)
        other.messages, other._rendered, other._parts = list(self.messages), self._rendered, list(self._parts)
        return other

    @property
    def ids(self) -> list[int]:
        """The ids of the whole conversation, as a new list."""
        return [id for part in self._parts for id in part.ids]

    def __len__(self) -> int:
        """The number of ids."""
        return sum(len(part.ids) for part in self._parts)

    def encoded(self) -> Encoded:
        """The whole conversation as `dstok.chat.encode` gives it."""
        return Encoded(self.ids, self._rendered, self._parts, self.special, self.tokenizer)

    def _encoded(self, rendered: Rendered) -> tuple[list[Part], int]:
        """The parts of the new text, and how many of them are those of before."""
        if self.special == "all":
            return parts_of(self.tokenizer, rendered, "all"), 0
        same = self._common(rendered)
        at = self._parts[same - 1].end if same else 0
        rest = Rendered(rendered.text[at:], [(a - at, b - at) for a, b in rendered.special_ranges if a >= at],
                        [span._replace(start=span.start - at, end=span.end - at) for span in rendered.spans
                         if span.end > at])
        new = encode_rendered(self.tokenizer, rest, self.special).parts
        return [*self._parts[:same], *(Part(start + at, end + at, ids) for start, end, ids in new)], same

    def _common(self, rendered: Rendered) -> int:
        """How many parts of before are parts of the new text: at the same place, with the same borders and text."""
        old, ranges = self._rendered, rendered.special_ranges
        same = next((n for n, (a, b) in enumerate(zip(old.special_ranges, ranges)) if a != b),
                    min(len(old.special_ranges), len(ranges)))
        differs = bisect_left(range(same), True, key=lambda n: not rendered.text.startswith(old.text[: ranges[n][1]]))
        at = ranges[differs - 1][1] if differs else 0
        return next((n for n, part in enumerate(self._parts) if part.end > at), len(self._parts))

    def _change(self, parts: list[Part], same: int) -> Change:
        kept = sum(len(part.ids) for part in parts[:same])
        before = [id for part in self._parts[same:] for id in part.ids]
        after = [id for part in parts[same:] for id in part.ids]
        more = next((n for n, (a, b) in enumerate(zip(before, after)) if a != b), min(len(before), len(after)))
        return Change(kept + more, after[more:], self._rewritten(same, before, more))

    def _rewritten(self, same: int, before: list[int], kept: int) -> int | None:
        """The message of the first id that did not stay."""
        if kept == len(before):
            return None
        start = self._parts[same].start
        data = self.tokenizer.decode_bytes(before[:kept])
        place = start + len(data.decode("utf-8", "replace"))
        return next((span.message for span in self._rendered.spans if span.end > place and span.message >= 0), None)
