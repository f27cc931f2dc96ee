"""A message's content -> its text.

In: a content as clients of chat APIs send it: text, a list of parts, or nothing. Out: text, or None for nothing.
Invariant: no part is lost. Blank lines join text parts. A part of another type, such as an image, is a `ChatError`
that names the message, the part's place, and its type. No format writes the Python form of a value.
Source: the request layer of deepseek-recipe 0.2.0 (MIT), by experiment: tests/chat/test_requests.py.
"""

from __future__ import annotations

from typing import Any

from dstok.chat.messages import MISSING, Message, as_message, message_list, shown
from dstok.errors import ChatError

__all__ = ["content_text", "text_messages", "text_or_nothing"]


def text_messages(messages: Any, field: str = "messages", first: int = 0) -> list[Message]:
    """The messages as dictionaries, with text in place of lists of parts; `first` is the first one's index.

    Raises `ChatError` for anything but messages, and for other contents.

    >>> text_messages([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}])
    [{'role': 'user', 'content': 'Hi'}]
    """
    found = message_list(messages, field)
    for place, message in enumerate(found):
        if type(message) is dict:
            for value in message.values():
                if type(value) is not str:
                    break
            else:
                continue  # most messages hold nothing but text
        found[place] = _text_message(message, first + place)
    return found


def _text_message(message: Any, index: int) -> Message:
    plain = as_message(message, index)
    if isinstance(plain.get("content"), str | None):
        return plain
    return {**plain, "content": content_text(plain["content"], index)}


def content_text(content: Any, index: int) -> str | None:
    """The text of the content of message `index`; None if there is none. Raises `ChatError`."""
    if isinstance(content, list):
        return "\n\n".join([_part_text(part, index, place) for place, part in enumerate(content)])
    if content is None or isinstance(content, str):
        return content
    raise ChatError(f"expected text or a list of parts, found {shown(content)}", index, "content")


def _part_text(part: Any, index: int, place: int) -> str:
    where = f"content[{place}]"
    kind = part.get("type", MISSING) if isinstance(part, dict) else MISSING
    if kind != "text":
        found = shown(part) if kind is MISSING else f"one of type {shown(kind)}"
        raise ChatError(f"expected a part of type 'text', found {found}", index, where)
    text = part.get("text", MISSING)
    if not isinstance(text, str):
        raise ChatError(f"expected text, found {shown(text)}", index, f"{where}.text")
    return text


def text_or_nothing(message: Message, key: str, index: int) -> str:
    """The text of `message[key]`; "" if the key is missing or its value None. Raises `ChatError` for anything else."""
    value = message.get(key)
    if type(value) is str:
        return value
    if value is None or isinstance(value, str):
        return value or ""
    raise ChatError(f"expected text, found {shown(value)}", index, key, "TypeError")
