"""A text that comes in parts: its pieces, as soon as they are sure.

In: parts of a text. Out: pieces. Invariant: all pieces together are those of the whole text. Memory is bounded by the
longest piece and the text to be read after it; time is linear. A splitter that reads from both sides is sure of no
piece before the end of the text, and holds all of it.
"""

from __future__ import annotations

from dstok.base.texts import Errors, Text
from dstok.calls.streams import Incoming
from dstok.core.run._span_pass import SpanPass
from dstok.errors import StreamError

__all__ = ["SplitStream"]


class SplitStream(Incoming):
    """Splits a text that comes in parts; made by `Splitter.stream`.

    `feed` takes `str` or bytes of any kind (a character may be cut between two parts of bytes) and returns the pieces
    that no later text can change; `finish` returns the rest. Threads must not share a stream. `copy` (`copy.copy`,
    `copy.deepcopy`) gives a second stream that goes on by itself.
    """

    def __init__(self, span_pass: SpanPass, errors: Errors) -> None:
        super().__init__(errors)
        self._span_pass = span_pass
        self._held = bytearray()
        self._wait = 0
        self._finished = False
        self._whole = span_pass.way() == "both sides"

    def feed(self, text: Text) -> list[str]:
        """The pieces that are sure after `text`. Raises `TextError` with the offset in the stream, `ArgumentError`."""
        return self._advance(text, False)

    def finish(self) -> list[str]:
        """The remaining pieces; the stream is then at its end."""
        return self._advance(b"", True)

    def _advance(self, text: Text, final: bool) -> list[str]:
        if self._finished:
            raise StreamError("the stream is finished")
        self._held += self._utf8(text, final)
        self._finished = final
        if self._whole:
            return self._all() if final else []
        if not final and len(self._held) < self._wait:
            return []
        spans, end = self._span_pass.sure_spans(self._held, final)
        pieces = [self._held[start:stop].decode() for start, stop in spans.tolist()]
        del self._held[:end]
        self._wait = 0 if end else 2 * len(self._held)  # an endless piece is not read again for each part
        return pieces

    def _all(self) -> list[str]:
        """The pieces of all held text, which it then drops."""
        held, self._held = self._held, bytearray()
        return self._span_pass.split(bytes(held))
