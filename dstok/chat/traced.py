"""Text that knows where each part of it comes from: a template's literals, a message.

In: literals, texts of messages, what a template joins. Out: `Traced`, a `str` that is joined with `+` and by `joined`.
Invariant: the parts of a traced text joined are the text. Any other operation of `str` gives a plain text, which counts
as text of no known message: nothing becomes a template's own that is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["Traced", "joined", "literal", "of_message"]

Part = tuple[str, bool, int, bool]  # text, is it a literal of the template, message or -1, is it sampled


class Traced(str):
    """A text with its parts."""

    _parts: tuple[Part, ...]  # an underscore: the sandbox lets no template look

    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> str:
        return _traced((*self._parts, *_parts_of(other))) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str) -> str:
        return _traced((*_parts_of(other), *self._parts)) if isinstance(other, str) else NotImplemented

    def as_sampled(self) -> Traced:
        """The same text, as written by a model."""
        return _traced((text, own, message, True) for text, own, message, _ in self._parts)

    def merged(self) -> Iterator[Part]:
        """The parts; neighbours of the same origin as one."""
        held: list[str] = []
        origin: tuple[bool, int, bool] | None = None
        for text, *rest in self._parts:
            if text and (own := (bool(rest[0]), int(rest[1]), bool(rest[2]))) != origin:
                if origin is not None:
                    yield "".join(held), *origin
                held, origin = [], own
            if text:
                held.append(text)
        if origin is not None:
            yield "".join(held), *origin


def literal(text: str) -> Traced:
    """A literal of a template."""
    return _traced([(text, True, -1, False)])


def of_message(text: str, message: int) -> Traced:
    """Text of a message."""
    return _traced([(text, False, message, False)])


def joined(texts: Iterable[object], limit: int | None = None) -> Traced:
    """The texts as one. Stops joining behind `limit` characters, so that the result is longer, but not by much."""
    parts: list[Part] = []
    size = 0
    for text in texts:
        new = _parts_of(text if isinstance(text, str) else str(text))
        parts += new
        size += sum(len(part[0]) for part in new)
        if limit is not None and size > limit:
            break
    return _traced(parts)


def _traced(parts: Iterable[Part]) -> Traced:
    kept = tuple(parts)
    made = Traced("".join([part[0] for part in kept]))
    made._parts = kept
    return made


def _parts_of(text: str) -> tuple[Part, ...]:
    return text._parts if isinstance(text, Traced) else ((text, False, -1, False),)
