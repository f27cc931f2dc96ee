"""Text that knows where each part of it comes from: a template's literals, or a message.

In: literals, texts of messages, what a template joins. Out: `Traced`, a `str` that is joined with `+` and by `joined`.
Invariant: the parts of a traced text, joined, are the text. Any other operation of `str` gives a plain text, of which
no source is known. So no text counts as the template's own that is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["Traced", "joined", "literal", "of_message"]

Part = tuple[str, bool, int, bool]  # text, is it a literal of the template, message or -1, is it sampled


class Traced(str):
    """A text with its parts."""

    _parts: tuple[Part, ...]  # an underscore: the sandbox lets no template look

    @staticmethod
    def _of(parts: Iterable[Part]) -> Traced:
        kept = tuple(parts)
        made = Traced("".join([part[0] for part in kept]))
        made._parts = kept
        return made

    @staticmethod
    def _parts_of(text: str) -> tuple[Part, ...]:
        return text._parts if isinstance(text, Traced) else ((text, False, -1, False),)  # noqa: SLF001

    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> str:
        return self._of((*self._parts, *self._parts_of(other))) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str) -> str:
        return self._of((*self._parts_of(other), *self._parts)) if isinstance(other, str) else NotImplemented

    def as_sampled(self) -> Traced:
        """The same text, as written by a model."""
        return self._of((text, own, message, True) for text, own, message, _ in self._parts)

    def upto(self, end: int) -> Traced:
        """The text before `end`."""
        kept: list[Part] = []
        at = 0
        for text, own, message, sampled in self._parts:
            if at < end:
                kept.append((text[: end - at], own, message, sampled))
            at += len(text)
        return self._of(kept)

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

    @classmethod
    def literal(cls, text: str) -> Traced:
        """A literal of a template."""
        return cls._of([(text, True, -1, False)])

    @classmethod
    def of_message(cls, text: str, message: int) -> Traced:
        """Text of a message."""
        return cls._of([(text, False, message, False)])

    @classmethod
    def joined(cls, texts: Iterable[object], limit: int | None = None) -> Traced:
        """The texts as one. Stops joining after `limit` characters, so that the result is longer, but not by much."""
        parts: list[Part] = []
        size = 0
        for text in texts:
            new = cls._parts_of(text if isinstance(text, str) else str(text))
            parts += new
            size += sum(len(part[0]) for part in new)
            if limit is not None and size > limit:
                break
        return cls._of(parts)


literal, of_message, joined = Traced.literal, Traced.of_message, Traced.joined
