"""Streams: text comes in parts, and ids go out as soon as they are sure; or ids come, and text goes out.

In: parts of a text; ids. Out: ids that no later text changes; text that no later id changes.
Invariant: one call on the whole input gives the outputs, joined; but text that a `RunDecodeStream` has given stays
given. Memory is bounded by the longest piece or added token. Time is linear in the input.
"""

from __future__ import annotations

import codecs
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import (
    Errors,
    Special,
    Text,
    checked_text,
    id_array,
    lone_surrogate,
    not_utf8,
    replaces_faults,
    utf8,
)
from dstok._util.objects import Separate
from dstok.errors import DecodeError, StreamError, TextError, UnknownIdError
from dstok.methods.incremental import Alone, text_in_parts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.core.run._decode import Decoder
    from dstok.methods.incremental import NormalizedParts, PlainParts
    from dstok.protocols import Parts

__all__ = ["DecodeStream", "EncodeStream", "Incoming", "RunDecodeStream", "encode_stream"]

BYTE_MARK = b"\xfe\xff"  # core/run/_decode.pyx writes it before a byte token


def encode_stream(
    self: Parts, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> EncodeStream:
    """A stream that encodes a text that comes in parts. Keywords as `encode`.

    Raises `UnsupportedError` for a model whose normalizer may look at the whole text (Prepend, Replace, Strip).
    """
    replaces_faults(errors)
    policy, edges = self._added.policy(special), (self._ends.before(add_bos), self._ends.after(add_eos))
    return EncodeStream(text_in_parts(self, policy), errors, *edges)


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

    `feed` takes `str` or bytes of any kind, and returns the ids that no later text can change. A character may be cut
    between two parts of bytes. `finish` returns the rest. With `add_bos` the first call also returns BOS; with
    `add_eos` `finish` also returns EOS. One thread at a time may use the stream: a second one gets a `StreamError`.

    `copy` (`copy.copy`, `copy.deepcopy`) gives a second stream that goes on by itself. Pickling raises
    `PickleError`.

    >>> import dstok
    >>> stream = dstok.load("deepseek-v3").encode_stream()
    >>> stream.feed_list("Hello wor") + stream.feed_list("ld") + stream.finish_list()
    [19923, 2058]
    """

    def __init__(
        self, parts: PlainParts | NormalizedParts, errors: Errors, begin: Sequence[int] = (), end: Sequence[int] = (),
    ) -> None:
        super().__init__(errors)
        self._parts, self._alone = parts, Alone()
        self._begin, self._end = begin, end  # ids around those of the text; `begin` goes out only once
        self._finished = False

    def feed(self, text: Text) -> npt.NDArray[np.uint32]:
        """The ids that are sure after `text`, as uint32[n]. Raises `TextError` with the offset in the stream."""
        return _as_numpy(self._framed(text, False, id_array))

    def finish(self) -> npt.NDArray[np.uint32]:
        """The remaining ids; the stream is then at its end."""
        return _as_numpy(self._framed(b"", True, id_array))

    def feed_list(self, text: Text) -> list[int]:
        """Does what `feed` does, but returns a list."""
        return self._framed(text, False, list)  # type: ignore[no-any-return]

    def finish_list(self) -> list[int]:
        """Does what `finish` does, but returns a list."""
        return self._framed(b"", True, list)  # type: ignore[no-any-return]

    def feed_count(self, text: Text) -> int:
        """Does what `feed` does, but returns only the number of ids."""
        return int(self._framed(text, False, None))

    def finish_count(self) -> int:
        """Does what `finish` does, but returns only the number of ids."""
        return int(self._framed(b"", True, None))

    def _framed(self, text: Text, final: bool, form: Any) -> Any:
        """The ids that are sure, in a form as for `PlainParts`, with BOS at the text's start and EOS at its end."""
        with self._alone:
            if self._finished:
                raise StreamError("the stream is finished")
            data = self._utf8(text, final)
            self._finished = final
            found = self._parts.feed(data, final, form)
            before, self._begin = self._begin, ()
        after = self._end if final else ()
        if not before and not after:
            return found
        if form is None:
            return len(before) + found + len(after)
        return [*before, *found, *after] if form is list else array("I", before) + found + array("I", after)


class DecodeStream(Separate):
    r"""Decodes ids that come one by one, or many at once; made by `Tokenizer.decode_stream`.

    `feed` returns the characters that have become whole. A list or an array of ids costs as much as `decode`. Threads
    may not share the stream. `copy` (`copy.copy`, `copy.deepcopy`) gives a second stream that goes on by itself.
    Pickling raises `PickleError`.

    No ids of tokens raise, unless `errors` is "strict": then bytes that are not UTF-8 raise `DecodeError`, and the
    stream raises it again at each later call.

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
        self._open = False  # whether the last character still lacks bytes, or the stream is at its end
        self._error = ""  # why no more ids are taken
        self._finished = False

    def feed(self, ids: int | Iterable[int]) -> str:
        """The characters that are whole after these ids. Raises `UnknownIdError` with the index in the stream."""
        given: Any = ids if isinstance(ids, Iterable) else [ids]
        given = given if hasattr(given, "__len__") else list(given)
        try:
            found = self._take(given)
        except UnknownIdError as error:
            raise UnknownIdError(error.id, self._count + error.index, error.vocab_size) from None
        self._count += len(given)
        if isinstance(found, str) and not self._open:
            return found
        return self._advance(found.encode() if isinstance(found, str) else found, False)

    def finish(self) -> str:
        """The rest: nothing, or U+FFFD for an incomplete character. The stream is then at its end."""
        text = self._advance(b"", True)
        self._finished = self._open = True
        return text

    def _advance(self, data: bytes, final: bool) -> str:
        if self._finished:
            raise StreamError("the stream is finished")
        if not self._error:
            try:
                return self._text(data, final)
            except UnicodeDecodeError as error:
                self._open, self._error = True, (
                    f"expected ids of whole characters, found byte 0x{error.object[error.start]:02x} in the last of "
                    f"{self._count} ids, or before")
        raise DecodeError(self._error)

    # How tokens are read

    def _take(self, ids: Any) -> str | bytes:
        return self._tokens.text(ids, self._skip_special)

    def _text(self, data: bytes, final: bool) -> str:
        text = self._decoder.decode(data, final)
        self._open = bool(self._decoder.getstate()[0])
        return text


class RunDecodeStream(DecodeStream):
    r"""A `DecodeStream` of a model of characters: a run of byte tokens is UTF-8, or each of its bytes is U+FFFD.

    A character goes out once all its bytes are there, and an open run keeps at most three bytes. If the run then
    proves not to be UTF-8, `decode` would give U+FFFD for this character, too; here all bytes after it become U+FFFD.
    With `whole_runs` a run goes out at its end, so there is no such difference.
    """

    def __init__(self, decoder: Decoder, skip_special_tokens: bool, errors: Errors, whole_runs: bool) -> None:
        super().__init__(decoder, skip_special_tokens, errors)
        self._strict, self._strips, self._whole = errors == "strict", decoder.strip, whole_runs
        self._run = bytearray()  # bytes of the open run that have not gone out
        self._broken = False  # is the open run not UTF-8

    def _take(self, ids: Any) -> bytes:
        return self._tokens.marked(ids, self._skip_special)

    def _text(self, data: bytes, final: bool) -> str:
        text, *tokens = data.split(BYTE_MARK)
        made, run = [], bytearray()
        if text:
            made += [self._of_run(b"", True), self._stripped(text.decode())]
        for token in tokens:  # a byte, and the text up to the next one
            run.append(token[0])
            if len(token) > 1:
                made += [self._of_run(run, True), self._stripped(token[1:].decode())]
                run.clear()
        return "".join([*made, self._of_run(run, final)])

    def _of_run(self, more: bytes | bytearray, closed: bool) -> str:
        """The text that more bytes of the open run make sure. A run that is closed here gets no further byte."""
        self._run += more
        if self._whole and not closed:
            return ""
        text, used = "\ufffd" * len(self._run), len(self._run)
        if not self._broken:
            try:
                text, used = codecs.utf_8_decode(self._run, "strict", closed)
            except UnicodeDecodeError:
                if self._strict:
                    raise
                self._broken = True
        if text == " " and self._strips and not closed:
            return ""  # this space is none yet: the run may still break
        del self._run[:used]
        self._broken = self._broken and not closed
        return self._stripped(text)

    def _stripped(self, text: str) -> str:
        """The text without the space that decoding drops at the start."""
        if self._strips and text:
            self._strips = False
            return text.removeprefix(" ")
        return text


def _as_numpy(ids: array[int]) -> npt.NDArray[np.uint32]:
    import numpy as np

    return np.frombuffer(ids, np.uint32) if len(ids) else np.empty(0, np.uint32)
