"""An assistant's message read from a completion, and the deltas of its stream.

In: from a parser, pieces of reasoning, content and calls. Out: deltas in OpenAI's form, and the message so far.
Invariant: the deltas add up to the message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import Any

__all__ = ["Answer", "Message", "Straight", "escaped"]

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
        """Adds reasoning."""
        if text:
            self.reasoning = self.reasoning or []
            self.reasoning.append(text)
            self.deltas.append({"reasoning_content": text})

    def say(self, text: str) -> None:
        """Adds content."""
        if text:
            self.content.append(text)
            self.deltas.append({"content": text})

    def call(self, name: str) -> None:
        """Begins a call."""
        index = len(self.calls)
        self.calls.append((name, []))
        self.deltas.append({"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function",
                                            "function": {"name": name, "arguments": ""}}]})

    def argue(self, text: str) -> None:
        """Adds to the last call's arguments."""
        if text:
            index = len(self.calls) - 1
            self.calls[index][1].append(text)
            self.deltas.append(_argued(index, text))

    def straight_text(self, reasoning: bool) -> Straight:
        """Adds reasoning or content."""
        key, texts = "content", self.content
        if reasoning:
            self.reasoning = self.reasoning or []
            key, texts = "reasoning_content", self.reasoning

        def tell(text: str) -> list[Delta]:
            texts.append(text)
            return [{key: text}]

        return tell

    def straight_value(self, is_text: bool) -> Straight:
        """Adds to a value of the last call's arguments."""
        index, (_, texts) = len(self.calls) - 1, self.calls[-1]

        def argue(text: str) -> list[Delta]:
            text = escaped(text) if is_text else text
            texts.append(text)
            return [_argued(index, text)]

        return argue

    def taken(self) -> list[Delta]:
        """Returns the deltas since the last call."""
        if not self.deltas:
            return []
        deltas, self.deltas = self.deltas, []
        return deltas

    def message(self) -> Message:
        """The message so far."""
        calls = [{"id": f"call_{index}", "type": "function",
                  "function": {"name": name, "arguments": "".join(arguments)}}
                 for index, (name, arguments) in enumerate(self.calls)]
        return Message("".join(self.content), None if self.reasoning is None else "".join(self.reasoning), calls)


def _argued(index: int, text: str) -> Delta:
    return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def escaped(text: str) -> str:
    """The text as a JSON string writes it."""
    return encode_basestring(text)[1:-1]
