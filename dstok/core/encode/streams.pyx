"""Ids that come one by one, or many at once -> the text that they make sure.

In: the ids of one sequence, or of many sequences, each with the number of its slot. Out: the characters that have
become whole; of a slot, its text up to the first stop string, as if characters came one by one. Of several stop strings
that end at one character the longest counts.
Invariant: the texts of a stream, joined, are the text of all its ids, but in one case. If a character of a run of byte
tokens has gone out, and the run then proves not to be UTF-8, its later bytes become U+FFFD; `decode` gives U+FFFD for
each byte of such a run. With `whole_runs` a run goes out at its end, and nothing differs.
Example: of the ids of F0 9F and A6 99 the first waits as bytes, and the second makes the text U+1F999.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.stdint cimport int64_t, uint8_t, uint32_t

from dstok.core.text.added_tokens cimport Matcher

from collections.abc import Iterable
from contextlib import suppress

from dstok.errors import ArgumentError, DecodeError, StreamError, UnknownIdError

cdef extern from "Python.h":
    object PyUnicode_DecodeUTF8Stateful(const char *data, Py_ssize_t size, const char *errors, Py_ssize_t *used)

cdef bytes BYTE_MARK = b"\xfe\xff"  # core/encode/decode.pyx writes it before a byte token


cdef class Stream:
    """Makes text of the ids of one sequence. With `strict` ids that are no text are an error, also later."""

    cdef object decoder         # a `Decoder`
    cdef bint skip_special, strict, whole_runs, runs
    cdef bint strips            # a space at the start is still to be left out
    cdef bint broken            # the open run of byte tokens is not UTF-8
    cdef bint finished          # the end was told
    cdef bint over              # a stop string was met, or `error` says why no more ids are taken
    cdef readonly bytearray open  # the bytes of a character that is not whole, or of an open run
    cdef Py_ssize_t count       # of the ids so far
    cdef str error
    cdef Matcher stops          # None: no stop strings
    cdef uint32_t state         # of the search for them
    cdef bytes held             # text that may begin a stop string

    def __cinit__(self, decoder: Decoder, bint skip_special, bint strict, bint whole_runs=False, tuple stops=()):
        self.decoder, self.skip_special, self.strict, self.whole_runs = decoder, skip_special, strict, whole_runs
        self.runs, self.strips, self.open, self.held = decoder.runs or decoder.strip, decoder.strip, bytearray(), b""
        if stops:
            self.stops = Matcher([(stop.encode("utf-8", "surrogatepass"), 0, 0, 0) for stop in set(stops)])

    def __copy__(self) -> Stream:
        """Make a second stream that goes on by itself; not of one with stop strings."""
        cdef Stream made = Stream(self.decoder, self.skip_special, self.strict, self.whole_runs)
        made.strips, made.broken, made.finished = self.strips, self.broken, self.finished
        made.open, made.count, made.error = self.open[:], self.count, self.error
        return made

    def feed(self, ids) -> str:
        """Return the characters that are whole after an id or several. `UnknownIdError` has the index in the stream."""
        given = [ids] if type(ids) is int or not isinstance(ids, Iterable) else ids
        given = given if hasattr(given, "__len__") else list(given)
        try:
            if self.runs:
                found = self.decoder.marked(given, self.skip_special)
            else:
                found = self.decoder.text(given, self.skip_special)
        except UnknownIdError as error:
            raise UnknownIdError(error.id, self.count + error.index, error.vocab_size) from None
        self.count += len(given)
        return self.advance(found, False)

    def finish(self) -> str:
        """Return the rest: nothing, or U+FFFD for an incomplete character. The stream is then at its end."""
        text = self.advance("", True)
        self.finished = True
        return text

    cdef str advance(self, token, bint final):
        """Return the text that more tokens make sure: a `str`, or bytes, which have a mark before each byte token."""
        if self.finished:
            raise StreamError("the stream is finished")
        if self.error is not None:
            raise DecodeError(self.error)
        if type(token) is str and not self.open and not self.runs:
            return <str>token
        data = token if type(token) is bytes else (<str>token).encode()
        try:
            return self.settle(data, final) if self.runs else self.characters(data, final, self.strict)
        except UnicodeDecodeError as error:
            self.over, self.error = True, (
                f"expected ids of whole characters, found byte 0x{error.object[error.start]:02x} in the last of "
                f"{self.count} ids, or before")
            raise DecodeError(self.error) from None

    cdef str characters(self, bytes more, bint final, bint strict):
        """Return the whole characters of the open bytes and more; the rest stays open."""
        self.open += more
        cdef Py_ssize_t used = len(self.open)
        text = PyUnicode_DecodeUTF8Stateful(
            PyByteArray_AS_STRING(self.open), used, "strict" if strict else "replace", NULL if final else &used)
        del self.open[:used]
        return <str>text

    cdef str settle(self, bytes data, bint final):
        """Do what `advance` does, for a model with byte tokens."""
        cdef bytearray run = bytearray()
        text, *tokens = data.split(BYTE_MARK)
        made = [self.of_run(b"", True), self.stripped(text.decode())] if text else []
        for token in tokens:  # a byte, and the text up to the next one
            run.append(token[0])
            if len(token) > 1:
                made += self.of_run(bytes(run), True), self.stripped(token[1:].decode())
                run.clear()
        return "".join([*made, self.of_run(bytes(run), final)])

    cdef str of_run(self, bytes more, bint closed):
        """Return the text that more bytes of the open run make sure. A run that is closed here gets no further byte."""
        cdef str text = ""
        if self.broken or self.whole_runs and not closed:
            self.open += more
        else:
            try:
                text = self.characters(more, closed, True)
            except UnicodeDecodeError:
                if self.strict:
                    raise
                self.broken = True
        if self.broken:
            text = "\ufffd" * len(self.open)
            self.open.clear()
        if text == " " and self.strips and not closed:
            self.open[:0] = b" "  # this space is none yet: the run may still break
            return ""
        self.broken = self.broken and not closed
        return self.stripped(text)

    cdef str stripped(self, str text):
        """Return the text without the space that decoding drops at the start."""
        if self.strips and text:
            self.strips = False
            return text.removeprefix(" ")
        return text

    cdef str until_stop(self, str text):
        """Return the text that goes out now: up to a stop string, or to what may begin one."""
        cdef Py_ssize_t end, kept
        cdef bytes more
        if self.stops is None or not text:
            return text
        more = text.encode()
        end = self.stops.first_end(more, len(more), &self.state)
        self.over = end >= 0
        more = self.held + (more[:end] if self.over else more)
        kept = len(more) - self.stops.length(self.state)
        self.held = b"" if self.over else more[kept:]
        return more[:kept].decode()


cdef class StreamBatch:
    """`count` streams, with the numbers of their slots."""

    cdef object decoder
    cdef bint skip_special, strict
    cdef readonly Py_ssize_t count
    cdef list tokens            # of each id: its text, or bytes as `Decoder.marked` gives them; None: not known
    cdef list streams           # None: nothing is open, and no stop strings are set
    cdef uint8_t[::1] slow      # by slot: whether its text is not that of its next token alone

    def __cinit__(self, decoder: Decoder, bint skip_special, Py_ssize_t count, bint strict=False):
        self.decoder, self.skip_special, self.strict, self.count = decoder, skip_special, strict, count
        self.tokens, self.streams = [None] * decoder.size, [None] * count
        self.slow = bytearray([decoder.strip]) * (count + 1)

    def begin(self, Py_ssize_t slot, tuple stops not None):
        """Empty a stream, and set its stop strings."""
        self.streams[slot] = Stream(self.decoder, self.skip_special, self.strict, False, stops) if stops else None
        self.slow[slot] = bool(stops) or self.decoder.strip

    cdef Stream stream(self, Py_ssize_t slot):
        """Return a stream, which is made when it is first needed: it takes 200 bytes, and most slots may need none."""
        if self.streams[slot] is None:
            self.streams[slot] = Stream(self.decoder, self.skip_special, self.strict)
        return <Stream>self.streams[slot]

    def step(self, const int64_t[::1] ids not None, const int64_t[::1] slots) -> list[str]:
        """Return the text that each id adds to its stream. Without `slots`, id i is stream i's; -1 adds nothing.

        Raises `UnknownIdError` or `ArgumentError`, and has then taken no id; or `DecodeError` for streams that fail,
        with the texts of all.
        """
        cdef Py_ssize_t i, slot
        cdef Stream stream
        cdef list texts, failed = []
        for i in range(ids.shape[0]):
            if slots is not None and not 0 <= slots[i] < self.count:
                raise ArgumentError(f"expected slots below {self.count}, found {slots[i]} at index {i}", "slots")
            if ids[i] == -1 or 0 <= ids[i] < len(self.tokens) and self.tokens[ids[i]] is not None:
                continue
            if not 0 <= ids[i] < len(self.tokens) or not self.decoder.has(ids[i]):
                raise UnknownIdError(ids[i], i, len(self.tokens))
            token = self.decoder.marked([ids[i]], self.skip_special)
            with suppress(UnicodeDecodeError):
                token = token.decode()
            self.tokens[ids[i]] = token
        texts = [""] * ids.shape[0]
        for i in range(ids.shape[0]):
            if ids[i] == -1:
                continue
            slot = i if slots is None else slots[i]
            token = self.tokens[ids[i]]
            if self.slow[slot] or type(token) is not str:
                stream = self.stream(slot)
                if stream.over:
                    continue
                stream.count += 1
                try:
                    token = stream.until_stop(stream.advance(token, False))
                except DecodeError as error:
                    failed.append((slot, error))
                    token = ""
                self.slow[slot] = (stream.over or stream.strips or stream.broken or len(stream.open) > 0
                                   or stream.stops is not None)
            texts[i] = token
        if failed:
            raise DecodeError(f"slot {failed[0][0]}: {failed[0][1]}", texts, [slot for slot, _ in failed])
        return texts

    def finish(self, Py_ssize_t slot) -> str:
        """Return the rest of a stream, which is empty then: U+FFFD for an open character, and text held back."""
        cdef Stream stream = self.stream(slot)
        text, error = "", None
        try:
            text = "" if stream.over else stream.until_stop(stream.advance("", True))
        except DecodeError as caught:
            error = caught
        self.begin(slot, ())
        if error is not None:
            raise DecodeError(f"slot {slot}: {error}", [stream.held.decode()], [slot])
        return text + stream.held.decode()

    def is_stopped(self, Py_ssize_t slot) -> bool:
        """Tell whether a stream has met a stop string."""
        cdef Stream stream = None if self.streams[slot] is None else self.stream(slot)
        return stream is not None and stream.over and stream.error is None
