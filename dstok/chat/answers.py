"""What all parsers share: the message that a completion holds, and the text that comes in parts.

In: parts of a text; pieces of reasoning, content and calls. Out: the text before a delimiter, and the delimiter;
deltas in OpenAI's form, and the message so far.
Invariant: the deltas add up to the message, and nothing depends on how the text is cut. Time is linear in the text: a
place in it moves only forward, and only an end shorter than a delimiter is searched again. When a parser passes text on
at once, less than a delimiter is kept. tests/chat/test_linear_time.py counts the characters that each call here looks
at.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from json.encoder import encode_basestring
from typing import Any

from dstok.errors import ChatError

Delta = dict[str, Any]
Straight = Callable[[str], list[Delta]]  # takes text that no parser has to look at, returns its delta


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
        message: dict[str, Any] = {"role": "assistant", "content": self.content}
        if self.reasoning_content is not None:
            message["reasoning_content"] = self.reasoning_content
        if self.tool_calls:
            message["tool_calls"] = self.tool_calls
        return message


class Answer:
    """Collects a message; `deltas` holds the deltas not yet taken."""

    def __init__(self, thinking: bool) -> None:
        self.deltas: list[Delta] = []
        self.content: list[str] = []
        self.reasoning: list[str] | None = [] if thinking else None
        self.calls: list[tuple[str, list[str]]] = []

    def think(self, text: str) -> None:
        if text:
            self.reasoning = self.reasoning or []
            self.reasoning.append(text)
            self.deltas.append({"reasoning_content": text})

    def say(self, text: str) -> None:
        if text:
            self.content.append(text)
            self.deltas.append({"content": text})

    def call(self, name: str) -> None:
        index = len(self.calls)
        self.calls.append((name, []))
        self.deltas.append({"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function",
                                            "function": {"name": name, "arguments": ""}}]})

    def argue(self, text: str) -> None:
        if text:
            index = len(self.calls) - 1
            self.calls[index][1].append(text)
            self.deltas.append(_argued(index, text))

    def straight_text(self, reasoning: bool) -> Straight:
        key, texts = "content", self.content
        if reasoning:
            self.reasoning = self.reasoning or []
            key, texts = "reasoning_content", self.reasoning

        def tell(text: str) -> list[Delta]:
            texts.append(text)
            return [{key: text}]

        return tell

    def straight_value(self, is_text: bool) -> Straight:
        index, (_, texts) = len(self.calls) - 1, self.calls[-1]

        def argue(text: str) -> list[Delta]:
            text = escaped(text) if is_text else text
            texts.append(text)
            return [_argued(index, text)]

        return argue

    def taken(self) -> list[Delta]:
        """Returns the deltas since the last call."""
        deltas, self.deltas = self.deltas, []
        return deltas

    def message(self) -> Message:
        calls = [{"id": f"call_{index}", "type": "function",
                  "function": {"name": name, "arguments": "".join(arguments)}}
                 for index, (name, arguments) in enumerate(self.calls)]
        return Message("".join(self.content), None if self.reasoning is None else "".join(self.reasoning), calls)


def _argued(index: int, text: str) -> Delta:
    return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def escaped(text: str) -> str:
    """The text as a JSON string writes it."""
    return encode_basestring(text)[1:-1]


NEAR, WINDOW = 256, 1024  # code points: more than any delimiter has

Found = tuple[str, str]  # the text before a delimiter, and the delimiter


class Delimiters:
    """Some texts; none stands within another. `search` finds the first, or a part of one at the text's end."""

    def __init__(self, *texts: str) -> None:
        self.texts = frozenset(texts)
        self.longest = max(map(len, texts))
        self.near = NEAR if len({text[0] for text in texts}) > 1 else sys.maxsize // 2
        self.search = re.compile(_pattern(texts)).search

    def skip(self, text: str, at: int) -> int:
        """A place from `at` on before which no delimiter begins: faster than `search` where that is far away."""
        while len(text) - at > NEAR:
            stop = min(at + WINDOW, len(text))
            found = [place for one in self.texts if (place := text.find(one, at, stop)) >= 0]
            if found:
                return min(found)
            at = stop - self.longest + 1
        return at


def _pattern(texts: tuple[str, ...]) -> str:
    """A pattern that reads each character of a text at most once for each character of a delimiter."""
    rests: dict[str, list[str]] = {}
    for text in texts:
        rests.setdefault(text[0], []).append(text[1:])
    return "|".join(re.escape(first) + ("" if more == [""] else rf"(?:{_pattern(tuple(more))}|\Z)")
                    for first, more in rests.items())


@cache
def delimiters(*texts: str) -> Delimiters:
    """The delimiters of these texts, compiled once."""
    return Delimiters(*texts)


class TextBuffer:
    """Holds the text not yet read."""

    def __init__(self) -> None:
        self._text, self._at = "", 0  # everything before the place `_at` has been read
        self._before: list[str] = []  # the text that `until` has searched without success

    def add(self, text: str) -> None:
        self._text, self._at = self._text[self._at :] + text, 0

    def passing(self, delimiters: Delimiters) -> Found:
        """The text up to the first delimiter and the delimiter, or all that cannot be part of one, and ""."""
        text, at = self._text, self._at
        near = delimiters.near
        match = delimiters.search(text, at, at + near)
        if len(text) - at > near and (match is None or match[0] not in delimiters.texts):
            match = delimiters.search(text, delimiters.skip(text, at + near - delimiters.longest), len(text))
        if match is None:
            self._text, self._at = "", 0
            return text[at:], ""
        start, end = match.span()
        delimiter = match[0]
        if end == len(text) and delimiter not in delimiters.texts:
            self._text, self._at = delimiter, 0
            return text[at:start], ""
        self._at = end
        return text[at:start], delimiter

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

    def skip(self, count: int) -> None:
        """Passes over `count` of the characters that `ahead` has shown."""
        self._at += count

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
    def is_holding(self) -> bool:
        """Whether the end of the text searched last may begin a delimiter."""
        return bool(self._text)

    @property
    def held(self) -> int:
        """The number of characters kept."""
        return sum(map(len, self._before)) + len(self._text) - self._at


EXCERPT = 40  # characters of the completion in an error


class MethodParser:
    """A parser whose state is a method, which reads on, and tells whether it has reached a delimiter."""

    def __init__(self, answer: Answer, state: Callable[[], bool], raises: str = "") -> None:
        self.answer, self.state, self.raises = answer, state, raises
        self.reader = TextBuffer()
        self.read = 0  # characters fed

    def feed(self, text: str) -> None:
        """Adds a part of the completion. Raises `ChatError`."""
        self.reader.add(text)
        self.read += len(text)
        while self.state():
            pass

    def error(self, message: str, raises: str = "") -> ChatError:
        return ChatError(f"{message} - at character {max(self.read - self.reader.held, 0)} of the completion; "
                         'mode="lenient" takes completions that the format does not write',
                         reference=raises or self.raises)
