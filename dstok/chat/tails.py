"""The text of a growing conversation: which end of the text, the tail, new messages change.

In: messages, more and more. Out: `Tail`: the end of the text before and after. The text before the tail stays.
Invariant: the part that stays and the tail together equal the text of the whole conversation, rendered at once. Work
is proportional to the tail. A format continues from the last checkpoint (`dstok.chat.writer`) that the new messages
do not change. In most cases this is the last message, as formats look one message ahead. It is the start of the text
where a format moves something to the front, as V3 does with a system message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dstok.chat.messages import Message
from dstok.chat.rendering import Format, render
from dstok.chat.writer import Checkpoint, Part, Rendered, Writer, rendered_of

if TYPE_CHECKING:
    from dstok.chat.templates import Template
    from dstok.chat.versions import VersionName

__all__ = ["Anew", "Continued", "ConversationText", "Tail"]


@dataclass(frozen=True)
class Tail:
    """The end of a text, without and with the new messages.

    at: where it begins, in code points; the offsets in `old` and `new` count from there. It begins at the start of
    the text, after a token of the format, or at the place `held` of `ConversationText.tail`. taken: the data for
    `take` of the text.
    """

    at: int
    old: Rendered
    new: Rendered
    taken: Any


class ConversationText(Protocol):
    """The text of a growing conversation."""

    def tail(self, messages: list[Any], held: int = -1) -> Tail:
        """The change that more messages make. Raises `ChatError`. The text itself stays until `take`.

        The tail may begin at the place `held`, which may lie between two tokens.
        """

    def take(self, tail: Tail) -> None:
        """Makes the change of the last `tail`."""

    def settled(self) -> int:
        """The place up to which the next messages will probably leave the text as it is."""

    def message_before(self, tail: Tail, back: int) -> int | None:
        """The message of the code point that lies `back` before `tail`, which is not taken yet; else the next one."""

    def rendered(self) -> Rendered:
        """The whole text."""

    def copy(self) -> ConversationText:
        """An independent copy."""


class Anew:
    """The text of a template, or one that is encoded as a whole. It is rendered again each time."""

    def __init__(
        self, version: VersionName | Template, arguments: dict[str, Any], messages: tuple[Any, ...] = (),
    ) -> None:
        self.version, self.arguments, self.messages = version, arguments, messages
        self.whole = Rendered("", [], [])

    def tail(self, messages: list[Any], held: int = -1) -> Tail:
        more = (*self.messages, *messages)
        return Tail(0, self.whole, render(list(more), self.version, **self.arguments), more)

    def take(self, tail: Tail) -> None:
        self.whole, self.messages = tail.new, tail.taken

    def settled(self) -> int:
        return 0

    def message_before(self, tail: Tail, back: int) -> int | None:
        return None

    def rendered(self) -> Rendered:
        return self.whole

    def copy(self) -> Anew:
        other = Anew(self.version, self.arguments, self.messages)
        other.whole = self.whole
        return other


class Continued:
    """The text of a version. It continues from its last checkpoint that holds."""

    def __init__(self, format: Format) -> None:
        self.format = format
        self.messages: list[Message] = []
        self.parts: list[Part] = []
        self.checkpoints: list[Checkpoint] = []

    def tail(self, messages: list[Any], held: int = -1) -> Tail:
        new = self.format.read(messages, len(self.messages))
        number = self._holding(new)
        start = self.checkpoints[number] if number >= 0 else None
        writer = Writer(start, growing=True)
        begin, at = self._beginning(start, held)
        if start is not None:
            writer.parts = self.parts[begin : start.parts]
        self.format.write([*self.messages[writer.first :], *new], writer)
        writer.unframe()
        return Tail(at, rendered_of(self.parts[begin:]), writer.rendered(), (new, number, begin, writer))

    def _holding(self, new: list[Message]) -> int:
        """The number of the last checkpoint that the new messages leave unchanged; -1 if there is none."""
        rows = list(enumerate(new, len(self.messages)))
        return next((number for number in range(len(self.checkpoints) - 1, -1, -1)
                     if not any(_ends(self.checkpoints[number], *row) for row in rows)), -1)

    def _beginning(self, start: Checkpoint | None, held: int) -> tuple[int, int]:
        """How many parts, and code points, stand before the tail if rendering continues at `start`."""
        begin, at = (0, 0) if start is None else (start.parts, start.at)
        while begin and not self.parts[begin - 1][1].body.special and at != held:
            begin -= 1
            at -= len(self.parts[begin][0])
        return begin, at

    def take(self, tail: Tail) -> None:
        new, number, begin, writer = tail.taken
        del self.checkpoints[max(number, 0) :], self.parts[begin:]
        self.parts += writer.parts
        self.checkpoints += [one._replace(parts=one.parts + begin, at=one.at + tail.at) for one in writer.checkpoints]
        self.messages += new

    def settled(self) -> int:
        return self.checkpoints[-1].at if self.checkpoints else 0

    def message_before(self, tail: Tail, back: int) -> int | None:
        _, _, begin, _ = tail.taken
        while begin and back > 0:
            begin -= 1
            back -= len(self.parts[begin][0])
        return next((message for text, _, message in self.parts[begin:] if text and message >= 0), None)

    def rendered(self) -> Rendered:
        return rendered_of(list(self.parts))

    def copy(self) -> Continued:
        other = Continued(self.format)
        other.messages, other.parts, other.checkpoints = list(self.messages), list(self.parts), list(self.checkpoints)
        return other


def _ends(checkpoint: Checkpoint, index: int, message: Message) -> bool:
    """Whether the message changes the text before the checkpoint."""
    if checkpoint.holds is not None and not checkpoint.holds(index, message):
        return True
    role = message.get("role")
    if isinstance(role, str) and role in checkpoint.unless:
        return True
    return "tools" in checkpoint.unless and bool(message.get("tools"))
