"""What all parsers share: the message that a completion holds, and the text that comes in parts.

In: parts of a text; pieces of reasoning, content and calls. Out: the text before a delimiter, and the delimiter;
deltas in OpenAI's form, and the message so far.
Invariant: the deltas add up to the message, and nothing depends on how the text is cut. Time is linear in the text: a
place in it moves only forward, and no search looks more than twice as far as it moves. When a parser passes text on
at once, less than a delimiter is kept. tests/chat/test_linear_time.py counts the characters that calls here look at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cache
from json.encoder import encode_basestring
from typing import Any

from dstok.errors import ChatError

Delta = dict[str, Any]
Direct = Callable[[str], list[Delta]]  # takes text that begins no delimiter, and returns its deltas
Found = tuple[str, str]  # the text before a delimiter, and the delimiter
EXCERPT = 40  # characters of the completion in an error


@dataclass
class Message:
    """An assistant's message.

    reasoning_content is None where the version or the mode has no reasoning. tool_calls have OpenAI's form:
    `{"id": "call_0", "type": "function", "function": {"name": ..., "arguments": ...}}`. The arguments are a string.
    """

    content: str = ""
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The message as a dictionary that `dstok.chat.render` takes."""
        more = {"reasoning_content": self.reasoning_content, "tool_calls": self.tool_calls or None}
        return {"role": "assistant", "content": self.content,
                **{key: value for key, value in more.items() if value is not None}}


class Answer:
    """Collects a message; `deltas` holds the deltas not yet taken."""

    def __init__(self, thinking: bool) -> None:
        self.deltas: list[Delta] = []
        self.content: list[str] = []
        self.thinking, self.reasoning = thinking, list[str]()
        self.calls: list[tuple[str, list[str]]] = []
        self.says, self.thinks = _direct("content", self.content), _direct("reasoning_content", self.reasoning)

    def think(self, text: str) -> None:
        if text:
            self.reasoning.append(text)
            self.deltas.append({"reasoning_content": text})

    def say(self, text: str) -> None:
        if text:
            self.content.append(text)
            self.deltas.append({"content": text})

    def call(self, name: str) -> None:
        self.deltas.append({"tool_calls": [{"index": len(self.calls), **_call(len(self.calls), name, "")}]})
        self.calls.append((name, []))

    def argue(self, text: str) -> None:
        if text:
            self.calls[-1][1].append(text)
            self.deltas.append({"tool_calls": [{"index": len(self.calls) - 1, "function": {"arguments": text}}]})

    def taken(self) -> list[Delta]:
        """Returns the deltas since the last call."""
        deltas, self.deltas = self.deltas, []
        return deltas

    def message(self) -> Message:
        return Message("".join(self.content), "".join(self.reasoning) if self.thinking else None,
                       [_call(index, name, "".join(texts)) for index, (name, texts) in enumerate(self.calls)])


def _direct(key: str, texts: list[str]) -> Direct:
    def take(text: str) -> list[Delta]:
        texts.append(text)
        return [{key: text}]

    return take


def _call(index: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}


def escaped(text: str) -> str:
    """The text as a JSON string writes it."""
    return encode_basestring(text)[1:-1]


class Delimiters:
    """Some texts; none stands within another. `search` finds the first, or a part of one at the text's end."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.search = frozenset(texts), re.compile(_pattern(texts)).search
        # Beyond `near`, `str.find` is faster than the pattern, unless that begins with one character.
        self.longest, self.near = max(map(len, texts)), 256 if len({text[0] for text in texts}) > 1 else 1 << 60


delimiters = cache(Delimiters)


def _pattern(texts: tuple[str, ...]) -> str:
    """A pattern that reads each character of a text at most once for each character of a delimiter."""
    rests: dict[str, list[str]] = {}
    for text in texts:
        rests.setdefault(text[0], []).append(text[1:])
    return "|".join(re.escape(first) + ("" if more == [""] else rf"(?:{_pattern(tuple(more))}|\Z)")
                    for first, more in rests.items())


class TextBuffer:
    """Holds the text not yet read."""

    def __init__(self) -> None:
        self._text, self._at = "", 0  # everything before the place `_at` has been read
        self._before: list[str] = []  # the text that `until` has searched without success
        self.fed = 0  # characters so far

    def add(self, text: str) -> None:
        self._text, self._at = self._text[self._at :] + text, 0
        self.fed += len(text)

    def passing(self, delimiters: Delimiters) -> Found:
        """The text up to the first delimiter and the delimiter, or all that cannot be part of one, and ""."""
        text, at = self._text, self._at
        stop = at + delimiters.near
        match = delimiters.search(text, at, stop)
        while stop < len(text) and (match is None or match[0] not in delimiters.texts):
            start, stop = stop - delimiters.longest, 2 * stop - at  # only as far again: another one may be near
            found = [place for one in delimiters.texts if (place := text.find(one, start, stop)) >= 0]
            if found or stop >= len(text):
                match = delimiters.search(text, min(found, default=max(start, len(text) - delimiters.longest)))
        if match is None:
            self._text, self._at = "", 0
            return text[at:], ""
        if match[0] in delimiters.texts:
            self._at = match.end()
            return text[at : match.start()], match[0]
        self._text, self._at = match[0], 0
        return text[at : match.start()], ""

    def until(self, delimiters: Delimiters) -> Found | None:
        """Reads up to and including the first delimiter; None if there is none yet, and the text is kept."""
        before, delimiter = self.passing(delimiters)
        if delimiter and not self._before:
            return before, delimiter
        if before:
            self._before.append(before)
        return (self.joined(self._before), delimiter) if delimiter else None

    def ahead(self, count: int) -> str:
        """The next characters, at most `count`. They are not read."""
        return self._text[self._at : self._at + count]

    def rest(self) -> str:
        """All remaining text."""
        rest = self.joined([*self._before, self._text[self._at :]])
        self._before.clear()
        self._text, self._at = "", 0
        return rest

    def joined(self, texts: list[str]) -> str:
        """Several texts as one; the list is empty afterwards."""
        text = "".join(texts)
        texts.clear()
        return text

    @property
    def held(self) -> int:
        """The number of characters kept."""
        return sum(map(len, self._before)) + len(self._text) - self._at


State = Callable[[str, str], None]


class StateParser:
    """A parser whose state is a method: it takes the text before a delimiter, and the delimiter.

    edges: the delimiters of each state. A state of `whole` gets its text at once, the others in parts, with "" for the
    delimiter that is still to come.
    """

    def __init__(
        self, answer: Answer, state: State, edges: dict[State, Delimiters], whole: Collection[State], raises: str = "",
    ) -> None:
        self.answer, self.state, self.raises, self.reader = answer, state, raises, TextBuffer()
        self.edges, self.whole = edges, whole

    def feed(self, text: str) -> None:
        """Adds a part of the completion. Raises `ChatError`."""
        self.reader.add(text)
        delimiter = text
        while delimiter:
            edges = self.edges[self.state]
            found = self.reader.until(edges) if self.state in self.whole else self.reader.passing(edges)
            before, delimiter = found or ("", "")
            if before or delimiter:
                self.take(before, delimiter)

    def take(self, before: str, delimiter: str) -> None:
        """Takes the text before a delimiter, and the delimiter, as the state does."""
        self.state(before, delimiter)

    def error(self, message: str, raises: str = "") -> ChatError:
        return ChatError(f"{message} - at character {max(self.reader.fed - self.reader.held, 0)} of the completion; "
                         'mode="lenient" takes completions that the format does not write',
                         reference=raises or self.raises)
