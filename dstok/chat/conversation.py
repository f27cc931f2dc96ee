"""A conversation that grows message by message, and its ids at every moment.

In: messages. Out: after each message, how many earlier ids stay, and the new ones.
Invariant: the ids equal those of encoding the whole conversation. This holds even where a format rewrites earlier
text: V3.2 drops the reasoning of earlier turns, and `Change` then says how many ids still hold.
Only new text costs work. `dstok.chat.tails` renders only the tail of the text, and only its new stretches are
encoded, so a conversation takes time linear in its length. There are two exceptions. A message that lengthens a
stretch, as each result of several calls does, has that whole stretch encoded again. A message that the format writes
at the front has the whole text encoded again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from dstok.chat.encoding import ChatSpecial, EncodedConversation, EncodedSpan, parts_of
from dstok.chat.messages import message_list
from dstok.chat.rendering import Format
from dstok.chat.tails import Anew, Continued, ConversationText, Tail
from dstok.chat.writer import Rendered

if TYPE_CHECKING:
    from dstok.chat.templates import Template
    from dstok.chat.versions import VersionName
    from dstok.protocol import TokenizerProtocol

__all__ = ["Change", "Conversation"]


@dataclass(frozen=True)
class Change:
    """The effect of a message: the first `kept` ids stay; `new` replaces all after them.

    rewritten: the index of the first earlier message that lost an id. None if every earlier message kept its ids and
    only the generation prompt went.
    """

    kept: int
    new: list[int]
    rewritten: int | None


class Conversation:
    """The ids of a growing conversation. Keywords as for `dstok.chat.encode`. Threads must not share it.

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
        self, tokenizer: TokenizerProtocol, version: VersionName | Template, messages: Any = (), *,
        special: ChatSpecial = "template", **arguments: Any,
    ) -> None:
        self.tokenizer, self.version, self.special = tokenizer, version, special
        self.messages: list[Any] = []
        self._text = _text(version, special, arguments)
        self._parts: list[EncodedSpan] = []
        self._counts = [0]  # how many ids stand before each part, and after the last
        self.extend(messages)

    def append(self, message: Any) -> Change:
        """Adds a message, which must not change afterwards. Raises `ChatError` and then adds nothing."""
        return self.extend([message])

    def extend(self, messages: Any) -> Change:
        """Adds several messages. The prefixes between them need not be valid conversations. Raises as `append`."""
        new = message_list(messages)
        if not new:
            return Change(len(self), [], None)
        tail = self._text.tail(new)
        same, parts = self._encoded(tail)
        change = self._change(tail, same, parts)
        self._text.take(tail)
        self.messages += new
        self._parts[same:] = parts
        self._counts[same:] = accumulate([len(part.ids) for part in parts], initial=self._counts[same])
        return change

    def copy(self) -> Conversation:
        """An independent copy of this conversation."""
        other = copy(self)
        vars(other).update(messages=list(self.messages), _text=self._text.copy(), _parts=list(self._parts),
                           _counts=list(self._counts))
        return other

    @property
    def ids(self) -> list[int]:
        """The ids of the whole conversation, as a new list."""
        return [id for part in self._parts for id in part.ids]

    def __len__(self) -> int:
        """The number of ids."""
        return self._counts[-1]

    def encoded(self) -> EncodedConversation:
        """The whole conversation as `dstok.chat.encode` gives it."""
        return EncodedConversation(self.ids, self._text.rendered(), list(self._parts), self.special, self.tokenizer)

    def _encoded(self, tail: Tail) -> tuple[int, list[EncodedSpan]]:
        """The number of parts that stay, and the parts that follow them."""
        if self.special == "all":
            return 0, parts_of(self.tokenizer, tail.new, "all")
        same = bisect_right(self._parts, tail.at + _common(tail.old, tail.new), key=_end)
        start = self._parts[same - 1].end if same else 0
        rest = _from(tail.new, start - tail.at)
        new = parts_of(self.tokenizer, rest, self.special)
        return same, [EncodedSpan(first + start, last + start, ids) for first, last, ids in new]

    def _change(self, tail: Tail, same: int, parts: list[EncodedSpan]) -> Change:
        before = [id for part in self._parts[same:] for id in part.ids]
        after = [id for part in parts for id in part.ids]
        more = next((n for n, (a, b) in enumerate(zip(before, after)) if a != b), min(len(before), len(after)))
        rewritten = None if more == len(before) else self._rewritten(tail, self._parts[same].start, before[:more])
        return Change(self._counts[same] + more, after[more:], rewritten)

    def _rewritten(self, tail: Tail, start: int, kept: list[int]) -> int | None:
        """The message of the first id that did not stay, the one after `kept`. `kept` begins at `start`."""
        place = start - tail.at + len(self.tokenizer.decode_bytes(kept).decode("utf-8", "replace"))
        return next((span.message for span in tail.old.spans if span.end > place and span.message >= 0), None)


def _text(version: VersionName | Template, special: ChatSpecial, arguments: dict[str, Any]) -> ConversationText:
    if special == "all" or not isinstance(version, str):
        return Anew(version, arguments)
    return Continued(_format(version, **arguments))


def _format(
    version: str, tools: Any = None, add_generation_prompt: bool | None = None, continue_final_message: bool = False,
    **options: Any,
) -> Format:
    return Format(version, tools, add_generation_prompt, continue_final_message, options)


def _end(part: EncodedSpan) -> int:
    return part.end


def _common(old: Rendered, new: Rendered) -> int:
    """The end of the longest common beginning of two texts and their tokens. It falls at the end of a token."""
    ranges = new.special_ranges
    same = next((n for n, (a, b) in enumerate(zip(old.special_ranges, ranges)) if a != b),
                min(len(old.special_ranges), len(ranges)))
    differs = bisect_left(range(same), True, key=lambda n: not new.text.startswith(old.text[: ranges[n][1]]))
    return ranges[differs - 1][1] if differs else 0


def _from(text: Rendered, at: int) -> Rendered:
    """A text from `at` on; `at` is not inside a token."""
    return Rendered(text.text[at:], [(start - at, end - at) for start, end in text.special_ranges if start >= at],
                    [span._replace(start=span.start - at, end=span.end - at) for span in text.spans if span.end > at])
