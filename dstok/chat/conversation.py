"""A conversation that grows message by message, and its ids at every moment.

In: messages, and the ids that a model sampled for an answer. Out: after each message, how many earlier ids stay, and
the new ones.
Invariant: without sampled ids, the ids equal those of encoding the whole conversation, even where a format rewrites
earlier text. Sampled ids and all ids before them stay; the text after them is encoded by itself, and a message that the
format writes before them is refused. Only new text costs work: a text is rendered from the last checkpoint that the new
messages leave valid, only new stretches are encoded, and a growing text holds the ids of a stretch that grows. What
the format writes at the front, as V3 a system message, has the whole text encoded again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.arguments import common_start, explained, id_list
from dstok.chat.encode import WITHIN, ChatSpecial, EncodedConversation, EncodedSpan, SampledSpan, parts_of, stand_alone
from dstok.chat.messages import Message, as_message, calls_of, message_list
from dstok.chat.parse import parse
from dstok.chat.render import Format, VersionName
from dstok.chat.writer import EOS, Checkpoint, Part, Rendered, Span, Writer, rendered_of
from dstok.errors import ChatError, SpecialTokenError, TextError, UnsupportedError

if TYPE_CHECKING:
    from dstok.chat.templates import Template
    from dstok.methods.incremental import IncrementalEncoding
    from dstok.protocols import TokenizerProtocol

NO_TEXT = Rendered("", [], [])
LONG = 1000  # code points of a stretch that is held: a shorter one is encoded again as fast


class Tail(NamedTuple):
    """The end of a text from `at` on, without and with the new messages; their offsets count from there."""

    at: int
    old: Rendered
    new: Rendered
    messages: list[Message]
    checkpoint: int
    begin: int
    writer: Writer


class ConversationText:
    """The text of the messages so far. It continues from its last checkpoint that holds; a template's has none."""

    def __init__(self, format: Format | Template, arguments: dict[str, Any], growing: bool = True) -> None:
        self.format, self.arguments, self.growing = format, arguments, growing
        self.told: list[Message] = []
        self.parts: list[Part] = []
        self.checkpoints: list[Checkpoint] = []

    def tail(self, messages: list[Any], held: int = -1) -> Tail:
        """The change that more messages make; it may begin at `held`, between two tokens. Raises `ChatError`."""
        new = self.format.read(messages, len(self.told))
        number = len(self.checkpoints) - 1
        while number >= 0 and any(_ends(self.checkpoints[number], *row) for row in enumerate(new, len(self.told))):
            number -= 1
        start = self.checkpoints[number] if number >= 0 else None
        writer = Writer(start, self.growing)
        begin, at = (0, 0) if start is None else (start.parts, start.at)
        while begin and not self.parts[begin - 1][1].body.special and at != held:
            begin -= 1
            at -= len(self.parts[begin][0])
        if start is not None:
            writer.parts = self.parts[begin : start.parts]
        self.format.write([*self.told[writer.first :], *new], writer, **self.arguments)
        return Tail(at, rendered_of(self.parts[begin:]), rendered_of(writer.parts), new, number, begin, writer)

    def take(self, tail: Tail) -> None:
        del self.checkpoints[max(tail.checkpoint, 0) :], self.parts[tail.begin :]
        self.parts += tail.writer.parts
        self.checkpoints += [one._replace(parts=one.parts + tail.begin, at=one.at + tail.at)
                             for one in tail.writer.checkpoints]
        self.told += tail.messages

    def rendered(self) -> Rendered:
        return rendered_of(list(self.parts))

    def copy(self) -> ConversationText:
        other = copy(self)
        other.told, other.parts, other.checkpoints = list(self.told), list(self.parts), list(self.checkpoints)
        return other


def _ends(checkpoint: Checkpoint, index: int, message: Message) -> bool:
    """Whether the message changes the text before the checkpoint."""
    role, unless = message.get("role"), checkpoint.unless
    return ((checkpoint.holds is not None and not checkpoint.holds(index, message))
            or (isinstance(role, str) and role in unless) or ("tools" in unless and bool(message.get("tools"))))


@dataclass(frozen=True)
class Change:
    """The effect of a message: the first `kept` ids stay; `new` replaces all after them.

    rewritten: the index of the first earlier message that lost an id; None if at most the generation prompt went.
    """

    kept: int
    new: list[int]
    rewritten: int | None


class _Found(NamedTuple):
    """The parts after the `same` that stay. Of the next one the first `kept` ids stay, too: `parts[0]` has the rest."""

    same: int
    parts: list[EncodedSpan]
    kept: int = 0


class _Held(NamedTuple):
    """A stretch that messages lengthen: where it begins, in code points, and its text up to `at`."""

    start: int
    at: int
    text: IncrementalEncoding


class _Fixed(NamedTuple):
    """The start up to the sampled ids: its parts, its text, the last message, and its end token if not sampled."""

    parts: list[EncodedSpan]
    text: Rendered
    message: int
    end: Rendered


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

    @explained
    def __init__(
        self, tokenizer: TokenizerProtocol, version: VersionName | Template, messages: Any = (), *,
        special: ChatSpecial = "template", **arguments: Any,
    ) -> None:
        self.tokenizer, self.version, self.special = tokenizer, version, special
        self.messages: list[Any] = []
        self._format = Format(version, **arguments) if isinstance(version, str) else None
        self._whole = special == "all" or not stand_alone(tokenizer)
        self._text = (ConversationText(version, arguments) if self._format is None  # type: ignore[arg-type]
                      else ConversationText(self._format, {}, not self._whole))
        self._parts: list[EncodedSpan] = []
        self._counts = [0]  # how many ids stand before each part, and after the last
        self._held: _Held | None = None
        self._fixed: _Fixed | None = None  # with it, `_parts` and `_counts` are those of `_rest`, the text after it
        self._rest, self._after = NO_TEXT, 0  # `_after`: how many parts of `_text` stand before `_rest`
        self.extend(messages)

    def append(self, message: Any = None, *, ids: Iterable[int] | None = None) -> Change:
        """Adds a message, which must not change afterwards. Raises `ChatError` and then adds nothing.

        `ids`: those that the model sampled after the generation prompt, with the end token if it sampled it. They are
        the answer's ids for good. Without a message, `dstok.chat.parse` reads it from them. A `Template` needs the
        message. Raises `UnknownIdError` and `ArgumentError`, too.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3.1")
        >>> talk = Conversation(tok, "v3.1", [{"role": "user", "content": "Hello"}], add_generation_prompt=True)
        >>> sampled = [tok.token_to_id("He"), tok.token_to_id("llo"), tok.eos_id]
        >>> talk.append(ids=sampled) == Change(kept=5, new=sampled, rewritten=None)
        True
        >>> talk.messages[-1]["content"], talk.encoded().canonical.tolist()
        ('Hello', [True, True, True, True, True, False, False, True])
        """
        return self.extend([message]) if ids is None else self._append_sampled(message, id_list(ids))

    def extend(self, messages: Any) -> Change:
        """Adds several messages. The prefixes between them need not be valid conversations. Raises as `append`."""
        new = message_list(messages)
        if not new:
            return Change(len(self), [], None)
        if self._fixed is not None:
            return self._extend_after(self._fixed, new)
        tail, found = self._found(new)
        same, parts, kept = found
        old = self._parts[same:]
        before = [*(old[0].ids[kept:] if old else ()), *(id for part in old[1:] for id in part.ids)]
        after = [id for part in parts for id in part.ids]
        more = common_start(before, after)
        rewritten = None if more == len(before) else self._rewritten(tail, before, more)
        change = Change(self._counts[same] + kept + more, after[more:], rewritten)
        self._text.take(tail)
        self.messages += new
        self._held = self._held_after(tail, found)
        if kept:
            parts = [parts[0]._replace(ids=[*old[0].ids[:kept], *parts[0].ids]), *parts[1:]]
        self._parts[same:] = parts
        self._counts[same:] = accumulate([len(part.ids) for part in parts], initial=self._counts[same])
        return change

    def copy(self) -> Conversation:
        """An independent copy of this conversation."""
        other = copy(self)
        held = self._held and self._held._replace(text=self._held.text.copy())
        vars(other).update(messages=list(self.messages), _text=self._text.copy(), _parts=list(self._parts),
                           _counts=list(self._counts), _held=held)  # `_fixed` and `_rest` never change
        return other

    @property
    def ids(self) -> list[int]:
        """The ids of the whole conversation, as a new list."""
        return [id for part in self._all_parts() for id in part.ids]

    def __len__(self) -> int:
        """The number of ids."""
        return self._counts[-1]

    def encoded(self) -> EncodedConversation:
        """The whole conversation as `dstok.chat.encode` gives it. Of sampled ids, the text is that of decoding them."""
        given, count = list[SampledSpan](), 0
        for start, end, ids, sampled in self._all_parts():
            given += [SampledSpan(start, end, count, count + len(ids))] if sampled else []
            count += len(ids)
        return EncodedConversation(self.ids, self._rendered(), self.special, self.tokenizer, tuple(given))

    def _append_sampled(self, message: Any, ids: list[int]) -> Change:
        text, count, index = self._rendered(), len(self), len(self.messages)
        kind = text.spans[-1].kind if text.spans else ""
        opened, at = kind == "prompt", len(text.text)
        # V3.1 writes no opener after the token that ends a tool's output; the model goes on.
        after_output = kind == "tool_result" and [end for _, end in text.special_ranges[-1:]] == [at]
        if self._format is not None and not opened and not after_output:
            raise ChatError("expected ids after a generation prompt, found a text without one at its end: pass "
                            "add_generation_prompt=True", field="ids")
        self.tokenizer.decode_bytes(ids)  # refuses unknown ids
        ids = list(map(int, ids))  # numpy's ints may have come
        if message is not None:
            new = message_list([message])
        elif self._format is None:
            raise ChatError("expected a message with its ids, found ids alone: a template cannot read answers",
                            field="message")
        else:
            thinks = opened and self._format.settings.get("thinking", True)  # the opener may begin the reasoning
            new = [parse(ids, self._format.version.name, tokenizer=self.tokenizer, thinking=thinks).as_dict()]
        tail = self._text.tail(new if self._format is None else [_stand_in(new[0], index)])
        spelled, end = self.tokenizer.decode(ids), NO_TEXT
        span = Span(at, at + len(spelled), index, "content", True)
        whole = Rendered(text.text + spelled, text.special_ranges, [*text.spans, span])
        for one in tail.new.spans if ids[-1:] != [self.tokenizer.added_tokens.get(EOS)] else ():
            if one.message == index and one.kind == "end":  # the format writes it, and the model did not sample it
                size = one.end - one.start
                end = Rendered(tail.new.text[one.start : one.end], [(0, size)], [Span(0, size, index, "end", False)])
        parts = [*self._all_parts(), EncodedSpan(at, span.end, ids, True)]
        self._fixed = _Fixed(parts, whole, index, end)
        self._after = tail.begin + _parts_up_to(tail.writer.parts, index)
        self._take_after(tail, new, NO_TEXT, [], count + len(ids))
        return Change(count, ids, None)

    def _extend_after(self, fixed: _Fixed, new: list[Any]) -> Change:
        """Adds messages after sampled ids. All text after these is encoded again."""
        tail = self._text.tail(new)
        begin = min(self._after, tail.begin)
        texts = [*self._text.parts[begin : tail.begin], *tail.writer.parts]
        size = _parts_up_to(texts, fixed.message)
        for text, _, message in texts[:size]:
            if text and message > fixed.message:
                raise ChatError("expected text after the sampled ids, found text that the format writes before them",
                                message)
        rest = fixed.end + rendered_of(texts[size:])
        last = next((part.ids[-1] for part in reversed(fixed.parts) if part.ids), None)
        parts = parts_of(self.tokenizer, rest, self.special, last)
        before, after = ([id for part in some for id in part.ids] for some in (self._parts, parts))
        kept, start = common_start(before, after), self._counts[0]
        rewritten = None if kept == len(before) else len(self.messages) - 1
        self._after = begin + size
        self._take_after(tail, new, rest, parts, start)
        return Change(start + kept, after[kept:], rewritten)

    def _take_after(self, tail: Tail, new: list[Any], rest: Rendered, parts: list[EncodedSpan], start: int) -> None:
        self._text.take(tail)
        self.messages += new
        self._rest, self._held, self._parts = rest, None, parts
        self._counts = [*accumulate([len(part.ids) for part in parts], initial=start)]

    def _rendered(self) -> Rendered:
        return self._text.rendered() if self._fixed is None else self._fixed.text + self._rest

    def _all_parts(self) -> list[EncodedSpan]:
        """The parts of the whole conversation."""
        if self._fixed is None:
            return list(self._parts)
        at = len(self._fixed.text.text)
        return [*self._fixed.parts, *(part._replace(start=part.start + at, end=part.end + at) for part in self._parts)]

    def _found(self, new: list[Any]) -> tuple[Tail, _Found]:
        held = self._held
        tail = self._text.tail(new, -1 if held is None else held.at)
        if held is not None and tail.at == held.at and not _common(tail.old, tail.new):
            try:  # the stretch that is held goes on with the text of the tail
                end = tail.new.special_ranges[0][0] if tail.new.special_ranges else len(tail.new.text)
                kept, ids = held.text.preview(tail.new.text[:end])
                first = EncodedSpan(held.start, tail.at + end, ids)
                same = bisect_left(self._parts, held.start, key=lambda part: part.start)
                return tail, _Found(same, [first, *self._parts_from(tail, end)], kept)
            except (TextError, SpecialTokenError):
                tail = self._text.tail(new)  # encoding the whole stretch raises the error of its message
        if self._whole:
            return tail, _Found(0, parts_of(self.tokenizer, tail.new, self.special))
        same = bisect_right(self._parts, tail.at + _common(tail.old, tail.new), key=lambda part: part.end)
        start = self._parts[same - 1].end if same else 0
        return tail, _Found(same, self._parts_from(tail, start - tail.at))

    def _parts_from(self, tail: Tail, place: int) -> list[EncodedSpan]:
        """The parts of the tail from a place in it on, between two tokens."""
        start = tail.at + place
        new = parts_of(self.tokenizer, tail.new.after(place), self.special)
        return [part._replace(start=part.start + start, end=part.end + start) for part in new]

    def _held_after(self, tail: Tail, found: _Found) -> _Held | None:
        """The stretch that later messages may lengthen, once `tail` is taken; None if it is short or does not grow."""
        held, checkpoints = self._held, self._text.checkpoints
        at = checkpoints[-1].at if checkpoints else 0  # up to there, the next messages will probably change nothing
        if not found.parts or found.same == len(self._parts) or at > found.parts[0].end:
            return None
        start = found.parts[0].start
        if found.kept and held is not None and at >= held.at:
            held.text.append(tail.new.text[: at - tail.at])
            return _Held(start, at, held.text)
        is_token = any(one == start - tail.at for one, _ in tail.new.special_ranges)
        if is_token or start != self._parts[found.same].start or at - start < LONG or start < tail.at or (
                self._whole and self.special != "all"):
            return None
        try:
            text = self.tokenizer.encode_incremental(special=WITHIN[self.special])
        except UnsupportedError:
            return None
        text.append(tail.new.text[start - tail.at : at - tail.at])
        return _Held(start, at, text)

    def _rewritten(self, tail: Tail, before: list[int], more: int) -> int | None:
        """The message of the first id that did not stay: after the first `more` of those that stood there before."""
        lost = self.tokenizer.decode_bytes(before[more:]).decode("utf-8", "ignore")
        place, begin = len(tail.old.text) - len(lost), tail.begin
        while begin and place < 0:  # before the tail, which is not taken yet
            begin -= 1
            place += len(self._text.parts[begin][0])
        for text, _, message in self._text.parts[begin:]:
            place -= len(text)
            if place < 0 <= message:
                return message
        return None


def _stand_in(message: Any, index: int) -> Message:
    """In place of a message whose ids are given, one that every format takes: with reasoning and the same calls."""
    message = as_message(message, index)
    calls = [{**call, "function": {**call["function"], "arguments": "{}"}}
             if isinstance(call, dict) and isinstance(call.get("function"), dict) else call
             for call in calls_of(message, index) or []]
    return {**message, "reasoning_content": message.get("reasoning_content") or "-",
            **({"tool_calls": calls} if calls else {})}


def _parts_up_to(parts: list[Part], message: int) -> int:
    """How many parts there are up to the last one of a message or of those before it."""
    return max((place + 1 for place, part in enumerate(parts) if 0 <= part[2] <= message), default=0)


def _common(old: Rendered, new: Rendered) -> int:
    """The end of the longest common beginning of two texts and their tokens. It falls at the end of a token."""
    ranges = new.special_ranges
    same = next((n for n, (a, b) in enumerate(zip(old.special_ranges, ranges)) if a != b),
                min(len(old.special_ranges), len(ranges)))
    differs = bisect_left(range(same), True, key=lambda n: not new.text.startswith(old.text[: ranges[n][1]]))
    return ranges[differs - 1][1] if differs else 0
