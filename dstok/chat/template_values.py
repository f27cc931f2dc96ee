"""Requests to the process that renders templates, and its answers.

In: a request, made of values that users give; the bytes of an answer. Out: its bytes; `Traced`.
Invariant: a request keeps each value exactly (even lone surrogates, infinities and tuples), or there is a `ChatError`
with the value's place. A template that takes over the process can forge an answer. So an answer is read as JSON, and
one without the shape of an answer is a `ChatError`.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dstok.chat.messages import shown, too_deep
from dstok.chat.traced import Origin, OriginRun, Traced
from dstok.errors import ChatError

__all__ = ["answer_of", "nonsense", "request_of", "text_of"]

SCALARS = frozenset([str, int, float, bool, type(None)])
EXACT: tuple[tuple[type, Any], ...] = ((str, str.__str__), (int, int.__int__), (float, float.__float__))
MOST_DIGITS = 15  # of a number in an answer
MOST_SAID = 4000  # characters of an error


def request_of(values: dict[str, Any]) -> bytes:
    """The request as bytes. Raises `ChatError` for values other than JSON's, tuples, and numbers of numpy."""
    try:
        return marshal.dumps({name: _at(value, name) for name, value in values.items()})
    except _NotPlain as error:
        where = "".join(reversed(error.place))
        raise ChatError(f"expected what JSON has, found {shown(error.value)} at $.{where}: pass it as text, or trust "
                        "the template (trusted=True)", field="template") from None
    except (RecursionError, ValueError):  # marshal has a limit of its own
        raise too_deep() from None


class _NotPlain(Exception):  # noqa: N818 (`request_of` catches it)
    def __init__(self, value: Any) -> None:
        self.value, self.place = value, list[str]()


def _plain(value: Any) -> Any:
    if type(value) in SCALARS:
        return value
    if isinstance(value, Mapping):
        return {_at(key, f".{key}"): _at(item, f".{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_at(item, f"[{index}]") for index, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, np.generic) and type(value.item()) in SCALARS:
        return value.item()
    for kind, exact in EXACT:
        if isinstance(value, kind):
            return exact(value)
    raise _NotPlain(value)


def _at(value: Any, place: str) -> Any:
    if type(value) in SCALARS:
        return value
    try:
        return _plain(value)
    except _NotPlain as error:
        error.place.append(place)
        raise


def answer_of(data: bytes) -> dict[str, Any]:
    """An answer of any shape."""
    try:
        answer = json.loads(data.decode("utf-8", "surrogatepass"), parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError):
        raise nonsense() from None
    return answer if isinstance(answer, dict) else {}


def _number(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(text)
    return int(text)


def text_of(answer: dict[str, Any], messages: int) -> Traced | ChatError:
    """The text of an answer, or its error. Raises `ChatError` for an answer of another shape."""
    text, numbers = answer.get("text"), answer.get("parts")
    if isinstance(text, str) and isinstance(numbers, list):
        return Traced(text, _parts(text, numbers, messages))
    said, field, reference = answer.get("error"), answer.get("field"), answer.get("class")
    if isinstance(said, str) and isinstance(field, str) and isinstance(reference, str):
        return ChatError(said[:MOST_SAID], field=field[:MOST_SAID], reference=reference[:MOST_SAID])
    raise nonsense()


def _parts(text: str, numbers: list[Any], messages: int) -> Iterator[OriginRun]:
    """The parts of a text, four numbers each: length, is it the template's own, message, is it sampled."""
    if {*map(type, numbers)} - {int} or len(numbers) % 4 or sum(numbers[::4]) != len(text):
        raise nonsense()
    for size, own, message, is_sampled in zip(*[iter(numbers)] * 4):
        if size < 1 or not -1 <= message < messages or {own, is_sampled} - {0, 1}:
            raise nonsense()
        yield size, Origin(own == 1, message, is_sampled == 1)


def nonsense() -> ChatError:
    """The error for an answer without the right shape."""
    return ChatError("the template took over the process that it was rendered in", field="template")
