"""Streams: text comes in parts, ids go out as soon as they are sure; and the way back, from ids to text.

In: parts of a text; ids. Out: ids that no later text changes; text that no later id changes.
Invariant: what comes out, joined, is what one call on the whole input gives. Memory is bounded by the longest piece or
added token. Time is linear in the input.
"""

from __future__ import annotations

import codecs
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dstok.base.copies import Separate
from dstok.base.ids import id_array
from dstok.base.texts import Errors, Special, Text, checked_text, lone_surrogate, not_utf8, replaces_faults, utf8
from dstok.core.run._encode import CONTEXT, START
from dstok.errors import DecodeError, SpecialTokenError, StreamError, TextError, UnknownIdError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.calls.interface import Parts
    from dstok.calls.parts import NormalizedParts
    from dstok.core.run._decode import Decoder
    from dstok.core.run._encode import Encoder
    from dstok.core.text._policy import Policy

__all__ = ["DecodeStream", "EncodeStream", "Incoming", "NormalizedStream", "encode_stream"]

_ANNOUNCE = 1 << 16  # bytes encoded at a time


def encode_stream(
    self: Parts, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> EncodeStream:
    """A stream that encodes a text that comes in parts. Keywords as `encode`.

    Raises `UnsupportedError` for a model whose normalizer may look at the whole text (Prepend, Replace, Strip).
    """
    replaces_faults(errors)
    policy, edges = self._added.policy(special), (self._ends.before(add_bos), self._ends.after(add_eos))
    if self._normalizer is None:
        return EncodeStream(self._encoder, policy, errors, *edges)
    from dstok.calls.parts import NormalizedParts  # needed by few models

    parts = NormalizedParts(self._encoder, self._normalizer, policy, True)
    return NormalizedStream(parts, self._encoder, policy, errors, *edges)


class Incoming(Separate):
    """Text that comes in parts, as UTF-8; errors have their offset in the whole."""

    def __init__(self, errors: Errors) -> None:
        self._errors = errors
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)
        self._offset = self._chars = 0  # bytes and code points fed before this part, for errors

    def _utf8(self, text: Text, final: bool) -> bytes:
        """`text` as valid UTF-8; a character cut at the end is held back by the incremental decoder."""
        text, pending = checked_text(text), self._decoder.getstate()[0]
        if isinstance(text, bytes):
            try:
                chars = self._decoder.decode(text, final)
            except UnicodeDecodeError as error:
                raise not_utf8(error.object[error.start], self._offset - len(pending) + error.start) from None
            self._offset += len(text)
            self._chars += len(chars)
            return chars.encode()
        if pending and text and self._errors == "strict":
            at = self._offset - len(pending)
            raise TextError(f"expected the rest of the character at byte offset {at}, found str", at)
        try:
            encoded = utf8(text, self._errors == "replace")
        except TextError as error:
            raise lone_surrogate(text[error.offset], self._chars + error.offset) from None
        self._offset += len(encoded)
        self._chars += len(text)
        if pending and text:
            self._chars += 1
            return self._decoder.decode(b"", True).encode() + encoded
        return encoded


class EncodeStream(Incoming):
    """Encodes a text that comes in parts; made by `Tokenizer.encode_stream`.

    `feed` takes `str` or bytes of any kind (a character may be cut between two parts of bytes) and returns the ids that
    no later text can change; `finish` returns the rest. With `add_bos` the first part that is fed gives BOS, too, with
    `add_eos` the end gives EOS. Not to be shared between threads. `copy` (`copy.copy`,
    `copy.deepcopy`) gives a stream that goes on by itself from here; raises `PickleError` when it is pickled.

    >>> import dstok
    >>> stream = dstok.load("deepseek-v3").encode_stream()
    >>> stream.feed_list("Hello wor") + stream.feed_list("ld") + stream.finish_list()
    [19923, 2058]
    """

    def __init__(
        self, encoder: Encoder, policy: Policy, errors: Errors, begin: Sequence[int] = (), end: Sequence[int] = (),
    ) -> None:
        super().__init__(errors)
        self._encoder, self._policy = encoder, policy
        self._begin, self._end = begin, end  # ids around those of the text; `begin` is given out only once
        self._held = bytearray()
        self._at = 0  # where in `_held` the text not yet encoded begins
        self._state = START
        self._dropped = 0  # bytes fed that are no longer held
        self._finished = False
        self._wait = 0

    def feed(self, text: Text) -> npt.NDArray[np.uint32]:
        """The ids that are sure after `text`, as uint32[n]. Raises `TextError` with the offset in the stream."""
        return _as_numpy(self._framed(text, False, id_array))

    def finish(self) -> npt.NDArray[np.uint32]:
        """The remaining ids; the stream is then at its end."""
        return _as_numpy(self._framed(b"", True, id_array))

    def feed_list(self, text: Text) -> list[int]:
        """As `feed`, as a list."""
        return list(self._framed(text, False, id_array))

    def finish_list(self) -> list[int]:
        """As `finish`, as a list."""
        return list(self._framed(b"", True, id_array))

    def feed_count(self, text: Text) -> int:
        """As `feed`, but only how many ids."""
        return int(self._framed(text, False, None))

    def finish_count(self) -> int:
        """As `finish`, but only how many ids."""
        return int(self._framed(b"", True, None))

    def _framed(self, text: Text, final: bool, allocate: Any) -> Any:
        """What `_advance` gives, with the ids around the text where they are due."""
        found = self._advance(text, final, allocate)
        before, self._begin = self._begin, ()
        after = self._end if final else ()
        if allocate is None:
            return len(before) + found + len(after)
        return array("I", before) + found + array("I", after) if before or after else found

    def _advance(self, text: Text, final: bool, allocate: Any) -> Any:
        if self._finished:
            raise StreamError("the stream is finished")
        self._held += self._utf8(text, final)
        self._finished = final
        # A piece longer than what is held is scanned again when more has come: wait until it has doubled,
        # so that one endless piece costs linear time.
        if not final and len(self._held) - self._at < self._wait:
            return 0 if allocate is None else allocate(0)
        try:
            ids, end, self._state = self._encoder.encode_part(
                self._held, self._at, self._policy, self._state, final, allocate)
        except SpecialTokenError as error:
            raise SpecialTokenError(error.token, self._dropped + error.offset) from None
        taken = end > self._at
        keep = min(end, CONTEXT)
        del self._held[: end - keep]
        self._dropped += end - keep
        self._at = keep
        self._wait = 0 if taken else 2 * (len(self._held) - keep)
        return ids


class NormalizedStream(EncodeStream):
    """An `EncodeStream` of a model with a normalizer."""

    def __init__(
        self, parts: NormalizedParts, encoder: Encoder, policy: Policy, errors: Errors, begin: Sequence[int] = (),
        end: Sequence[int] = (),
    ) -> None:
        super().__init__(encoder, policy, errors, begin, end)
        self._parts = parts

    def _advance(self, text: Text, final: bool, allocate: Any) -> Any:
        if self._finished:
            raise StreamError("the stream is finished")
        data = self._utf8(text, final)
        self._finished = final
        ids = self._parts.advance(data, final)
        return len(ids) if allocate is None else ids


class DecodeStream(Separate):
    r"""Decodes ids that come one by one, or many at once; made by `Tokenizer.decode_stream`.

    `feed` returns the text that has become whole; a list or an array of ids costs as much as `decode`. Not to be shared
    between threads. `copy` (`copy.copy`, `copy.deepcopy`) gives a stream that goes on by itself from here; raises
    `PickleError` when it is pickled.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> stream = tok.decode_stream()
    >>> [stream.feed(id) for id in tok.encode("\N{LLAMA}!")]
    ['', '', '🦙', '!']
    """

    def __init__(self, decoder: Decoder, skip_special_tokens: bool, errors: Errors) -> None:
        self._tokens, self._skip_special = decoder, skip_special_tokens
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)
        self._count = 0  # ids fed before
        self._open = False  # whether the last character still lacks bytes
        self._finished = False

    def feed(self, ids: int | Iterable[int]) -> str:
        """The characters that are whole after these ids. Raises `UnknownIdError` with the index in the stream."""
        given: Any = ids if isinstance(ids, Iterable) else [ids]
        given = given if hasattr(given, "__len__") else list(given)
        try:
            found = self._tokens.text(given, self._skip_special)
        except UnknownIdError as error:
            raise UnknownIdError(error.id, self._count + error.index, error.vocab_size) from None
        self._count += len(given)
        if isinstance(found, str) and not (self._open or self._finished):
            return found
        return self._text(found.encode() if isinstance(found, str) else found, False)

    def finish(self) -> str:
        """What is left: nothing, or U+FFFD for a character that was never completed; the stream is at its end."""
        text = self._text(b"", True)
        self._finished = True
        return text

    def _text(self, data: bytes, final: bool) -> str:
        if self._finished:
            raise StreamError("the stream is finished")
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError as error:
            raise DecodeError(f"expected ids of whole characters, found byte 0x{error.object[error.start]:02x} "
                              f"in the last of {self._count} ids, or before") from None
        self._open = bool(self._decoder.getstate()[0])
        return text


def _as_numpy(ids: array[int]) -> npt.NDArray[np.uint32]:
    import numpy as np

    return np.frombuffer(ids, np.uint32) if len(ids) else np.empty(0, np.uint32)
