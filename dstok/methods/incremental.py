"""Text that comes in parts, and its ids: streams, and texts that grow, such as a conversation on a server.

In: parts of a text, or ids that a model sampled. Out: after each part, the ids that no later text can change; of a text
that grows, the number of earlier ids that stay, and the new ids after them. Invariant: all ids together are those of
one call on the whole text; sampled ids and all before them stay. Each part costs its own length and that of the *open
end*: the text before it that new text can still change. With a normalizer the raw text is normalized up to its last
boundary (NFC's "e" must wait, since U+0301 may follow), and then encoded as far as `Encoder.encode_part` is sure.
"""

from __future__ import annotations

import codecs
import re
from _thread import allocate_lock
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.arguments import checked_text, common_start, id_array, id_list, lone_surrogate, not_utf8, utf8
from dstok._util.imports import LateImport
from dstok._util.objects import Separate
from dstok.added_tokens import TextOptions
from dstok.core.encode.encoder import CONTEXT, INSIDE, LATER, START
from dstok.core.text.utf8 import CUT_LENGTHS
from dstok.errors import ArgumentError, SpecialTokenError, StreamError, TextError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok._util.arguments import Errors, Special, Text
    from dstok.core.encode.encoder import Encoder
    from dstok.core.text.added_tokens import Policy
    from dstok.core.text.normalize import Normalizer
    from dstok.methods.canonical_marks import CanonicalMarks
    from dstok.tokenizer import Tokenizer
else:
    np = LateImport("numpy")


class Alone:
    """Refuses a second thread while one is at work: `with self._alone:`."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = allocate_lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(False):
            raise StreamError("expected one thread at a time, found another one at work on this text: give each thread "
                              "its own, or use a lock")

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __copy__(self) -> Alone:
        return Alone()


class Lengths(NamedTuple):
    """Characters so far, and those of the last run, which is blank or not: of a text that must not need a cut."""

    characters: int = 0
    run: int = 0
    blank: bool = False

    def after(self, text: bytes) -> Lengths:
        """The lengths after more text. Raises `UnsupportedError` where the model's own code would cut it."""
        chars, run, blank = text.decode(), self.run, self.blank
        characters = self.characters + len(chars)
        for match in re.finditer(r"\s+|\S+", chars):
            run = len(match[0]) + (run if match.start() == 0 and match[0].isspace() == blank else 0)
            blank = match[0].isspace()
            if characters > CUT_LENGTHS[0] or run > CUT_LENGTHS[1]:
                raise UnsupportedError(
                    f"a text in parts that the model's own code cuts: longer than {CUT_LENGTHS[0]:,} characters, or "
                    f"with a run of {CUT_LENGTHS[1]:,} with or without white space")
        return Lengths(characters, run, blank)


class HeldText(Separate):
    """The open end of a text. In `text`, the bytes before `at` are settled and serve as context."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.at = self.skip = 0  # `skip`: no added token begins in so many bytes from `at` on
        self.dropped = 0  # bytes before `text`
        self.wait = 0

    def add(self, text: bytes, wait: bool) -> bool:
        """Adds text; returns whether to encode it now: an open end that did not settle waits until it has doubled."""
        self.text += text
        return not wait or len(self.text) - self.at >= self.wait

    def take(self, end: int, skip: int = 0) -> None:
        """Settles the text up to `end`."""
        taken = end > self.at
        keep = min(end, CONTEXT)
        del self.text[: end - keep]
        self.dropped += end - keep
        self.at, self.skip = keep, skip
        self.wait = 0 if taken else 2 * (len(self.text) - keep)


class IncrementalEncoder(Separate):
    """A text in parts, of one model under one policy. `last`: the sampled id that stands before the text.

    Raises `UnsupportedError` as `encode_stream`.
    """

    def __init__(self, tok: Tokenizer, policy: Policy, last: int | None = None) -> None:
        normalizer: Normalizer | None = tok._normalizer
        self._encoder: Encoder = tok._encoder
        self._policy, self._normalizer, self._state = policy, normalizer, START
        self._lengths = Lengths() if self._encoder.cuts_texts else None
        self._seen = HeldText()  # what the encoder reads: the text, or the normalized text of the present stretch
        if normalizer is None:
            return
        if not normalizer.local:
            raise UnsupportedError("encoding in parts with a normalizer that may look at the whole text: Prepend, "
                                   "Replace or Strip", "normalizer")
        if normalizer.prefix and policy.contents[1]:
            raise UnsupportedError("encoding in parts with a space put before the text, and added tokens that are "
                                   "found after it", "normalizer")
        self._normalizer = normalizer.bare()  # the encoder puts the space
        self._raw = HeldText()
        # For each part of `_seen`: its offset there, its offset in the text, and its raw bytes.
        self._origins: list[tuple[int, int, bytes]] = []
        if last is not None:  # inside a stretch no space is put
            self._state = LATER if any(token.id == last for token in tok._added.tokens) else INSIDE

    def feed(self, text: bytes, final: bool, form: Any) -> Any:
        """The ids that are sure after `text`; all remaining ids if it is `final`. Raises `SpecialTokenError`.

        A part with a refused token is kept, and refused again. `form` of the ids: `list`, `id_array`; None: a number.
        """
        if self._lengths is not None:
            self._lengths = self._lengths.after(text)
        if self._normalizer is None:
            return self._settle(text, self._policy, final, True, form)
        return _in_form(self._normalize(self._normalizer, text, final, True), form)

    def grow(self, text: bytes, keep: bool = True) -> tuple[list[int], int]:
        """The ids after those that were sure, and the number of those that `text` makes sure.

        Raises `SpecialTokenError`. Without `keep`, or after an error, the object does not change.
        """
        if self._normalizer is not None:
            grown = self.copy()
            sure = grown._normalize(self._normalizer, text, False, False)
            tail = grown.copy()._normalize(self._normalizer, b"", True, False)
            if keep:
                vars(self).update(vars(grown))
            return (sure + tail).tolist(), len(sure)
        seen, lengths = self._seen, None if self._lengths is None else self._lengths.after(text)
        whole = seen.text + text
        try:
            ids, count, end, state = self._encoder.encode_part(
                whole, seen.at, self._policy, self._state, False, list, True)
        except SpecialTokenError as error:
            raise SpecialTokenError(error.token, seen.dropped + error.offset) from None
        if keep:
            self._lengths, self._state, seen.text = lengths, state, whole
            seen.take(end)
        return ids, count

    def _settle(self, text: bytes, policy: Policy, final: bool, patient: bool, form: Any) -> Any:
        """The ids that are sure after more of what the encoder reads.

        `patient`: an open end is encoded again only when it has doubled.
        """
        seen = self._seen
        if not seen.add(text, patient and not final):
            return _in_form(array("I"), form)
        try:
            ids, _, end, self._state = self._encoder.encode_part(seen.text, seen.at, policy, self._state, final, form)
        except SpecialTokenError as error:
            at = seen.dropped + error.offset
            if self._normalizer is not None:  # to the offset in the text of the character that gives the one there
                begin, origin, raw = next(part for part in reversed(self._origins) if part[0] <= at)
                normalized, sources = self._normalizer.align(raw)
                at = origin + len(raw.decode()[: sources[len(normalized[: at - begin].decode())]].encode())
            raise SpecialTokenError(error.token, at) from None
        seen.take(end)
        return ids

    def _normalize(self, normalizer: Normalizer, text: bytes, final: bool, patient: bool) -> array[int]:
        """The ids that are sure after more of the raw text: of the stretches between added tokens, and of these."""
        ids, raw = array("I"), self._raw
        if not raw.add(text, patient and not final):
            return ids
        at = raw.at
        scan = at + raw.skip
        while True:
            start, end, content, token, safe, scan = self._policy.find_raw(raw.text, at, scan, final)
            stop = start if token >= 0 else safe
            ends = final or token >= 0
            cut = stop if ends else normalizer.last_boundary(raw.text, at, stop)
            if cut > at or ends:
                part = bytes(raw.text[at:cut])
                self._origins.append((self._seen.dropped + len(self._seen.text), raw.dropped + at, part))
                ids += self._settle(normalizer.normalize(part), self._policy.inner, ends, patient, id_array)
                if ends:
                    self._seen, self._state, self._origins = HeldText(), LATER, []
                while len(self._origins) > 1 and self._origins[1][0] <= self._seen.dropped:
                    del self._origins[0]
            if token < 0:
                raw.take(cut, max(scan - cut, 0))
                return ids
            if self._policy.refuses:
                raise SpecialTokenError(self._policy.contents[0][token], raw.dropped + content)
            ids.append(self._policy.raw_ids[token])
            at = scan = end


def _in_form(ids: array[int], form: Any) -> Any:
    return ids if form is id_array else ids.tolist() if form is list else len(ids)


def encode_stream(
    self: Tokenizer, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
    errors: Errors = "strict",
) -> EncodeStream:
    """A stream that encodes a text that comes in parts. Keywords as `encode`.

    Raises `UnsupportedError` for a model whose normalizer may look at the whole text (Prepend, Replace, Strip).
    """
    options = TextOptions.of(self, special, add_bos, add_eos, errors)
    return EncodeStream(IncrementalEncoder(self, options.policy), errors, options)


class Incoming(Separate):
    """Text that comes in parts, as UTF-8; errors have their offset in the whole."""

    def __init__(self, errors: Errors) -> None:
        self._errors = errors
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)
        self._pending = b""  # bytes of a character that is not whole
        self._bytes = self._chars = 0  # fed before this part, for errors
        self._finished = False

    def _utf8(self, text: Text, final: bool) -> bytes:
        """`text` as valid UTF-8; a character cut at the end is held back by the incremental decoder."""
        if self._finished:
            raise StreamError("the stream is finished")
        text, pending = checked_text(text), self._pending
        if isinstance(text, bytes):
            try:
                chars = self._decoder.decode(text, final)
            except UnicodeDecodeError as error:
                raise not_utf8(error.object[error.start], self._bytes - len(pending) + error.start) from None
            self._bytes, self._chars, self._finished = self._bytes + len(text), self._chars + len(chars), final
            self._pending = self._decoder.getstate()[0]
            return chars.encode()
        if pending and text and self._errors == "strict":
            at = self._bytes - len(pending)
            raise TextError(f"expected the rest of the character at byte offset {at}, found str", at)
        try:
            encoded = utf8(text, self._errors == "replace")
        except TextError as error:
            raise lone_surrogate(text[error.offset], self._chars + error.offset) from None
        self._bytes, self._chars = self._bytes + len(encoded), self._chars + len(text)
        if pending and text:
            self._chars, self._pending = self._chars + 1, b""
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

    def __init__(self, encoder: IncrementalEncoder, errors: Errors, options: TextOptions) -> None:
        super().__init__(errors)
        self._encoder, self._alone = encoder, Alone()
        self._begin, self._end = options.before, options.after  # `_begin` goes out only once

    def feed(self, text: Text) -> npt.NDArray[np.uint32]:
        """The ids that are sure after `text`, as uint32[n]. Raises `TextError` with the offset in the stream."""
        return np.asarray(self._framed(text, False, id_array))

    def finish(self) -> npt.NDArray[np.uint32]:
        """The remaining ids; the stream is then at its end."""
        return np.asarray(self._framed(b"", True, id_array))

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
        """The ids that are sure, in a form as for `IncrementalEncoder`, with BOS at the start and EOS at the end."""
        with self._alone:
            found = self._encoder.feed(self._utf8(text, final), final, form)
            before, self._begin = self._begin, []
        after = self._end if final else []
        if not before and not after:
            return found
        if form is None:
            return len(before) + found + len(after)
        return [*before, *found, *after] if form is list else array("I", before) + found + array("I", after)


def encode_incremental(
    self: Tokenizer, *, special: Special = "all", add_bos: bool = False, errors: Errors = "strict",
) -> IncrementalEncoding:
    """A text that grows at its end, as a conversation does; it is empty at first.

    Appending takes time for the new text and the last piece before it, however long the whole text is. There is
    no `add_eos`: such a text has no end. Other keywords as `encode`.
    Raises `UnsupportedError` as `encode_stream`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> talk = tok.encode_incremental(add_bos=True)
    >>> cache = talk.ids
    >>> for part in ["<｜User｜>Is it ", "so?<｜Assis", "tant｜>"]:
    ...     kept, new = talk.append(part)
    ...     cache[kept:] = new
    >>> cache == talk.ids == tok.encode("<｜User｜>Is it so?<｜Assistant｜>", add_bos=True)
    True
    """
    return IncrementalEncoding(self, TextOptions.of(self, special, add_bos, False, errors))


class Stretch(NamedTuple):
    """Ids `start` to `stop` of a text that grows, all appended as ids (`sampled`) or all made of text.

    first_noncanonical: the index of the first one that encoding the whole text does not give at its place, or None.
    """

    start: int
    stop: int
    sampled: bool
    first_noncanonical: int | None


class IncrementalEncoding(Separate):
    """The ids of a text that grows; made by `Tokenizer.encode_incremental`.

    One thread at a time may use it: a second one gets a `StreamError`.
    For a conversation that branches, `copy` (`copy.copy`, `copy.deepcopy`) gives a second text that goes on by itself.
    It takes as long as copying the list of ids. Pickling raises `PickleError`.

    >>> import dstok
    >>> text = dstok.load("deepseek-v3").encode_incremental()
    >>> _ = text.append("Hello")
    >>> branch = text.copy()
    >>> text.append(" world"), branch.append("!")
    ((1, [2058]), (1, [3]))
    >>> text.ids, branch.ids
    ([19923, 2058], [19923, 3])
    """

    def __init__(self, tok: Tokenizer, options: TextOptions) -> None:
        self._model, self._alone = (tok, options), Alone()  # a tuple: copies share it
        self._encoder = IncrementalEncoder(tok, options.policy)  # of the text after the last sampled ids
        self._ids, self._begin = [*options.before], len(options.before)
        self._sure = self._begin  # the number of ids that no later text can change
        self._sampled: list[tuple[int, int]] = []  # start and end of each stretch of sampled ids
        self._marks: CanonicalMarks | None = None

    @property
    def ids(self) -> list[int]:
        """The ids of the whole text, as a new list."""
        return self._ids.copy()

    def __len__(self) -> int:
        """The number of ids."""
        return len(self._ids)

    def append(self, text: Text = "", *, ids: Iterable[int] | None = None) -> tuple[int, list[int]]:
        """Adds `text` to the end; returns (kept, new): the first `kept` ids stay, `new` replaces all ids after them.

        Each part is a text of its own: it may not begin or end inside a character. Raises `TextError` with the offset
        in this part, and `SpecialTokenError` with the offset in the text since the last sampled ids. After an error
        nothing has been added.
        With `ids`, which a model sampled, these ids are added as they are. No later text changes them, or the ids
        before them. A model that puts a space before texts puts none after these ids, unless they end with an added
        token, and it puts one there in a whole text, too. Raises `UnknownIdError`, and `ArgumentError`, also for a text
        and ids in one call.

        >>> import dstok
        >>> text = dstok.load("deepseek-v3").encode_incremental()
        >>> text.append("Hello wor"), text.append("ld!"), text.ids
        ((0, [19923, 647]), (1, [2058, 3]), [19923, 2058, 3])
        """
        tok, options = self._model
        if ids is not None:
            added = id_list(ids)
            if text:
                raise ArgumentError("expected a text or ids, found both: append them one after the other", "ids")
            tok._decoder.decode(added, False)  # raises the errors of ids
            added = list(map(int, added))  # numpy's ints may have come
            with self._alone:
                kept = len(self._ids)
                if added:
                    self._ids += added
                    self._sure = len(self._ids)
                    self._sampled.append((kept, self._sure))
                    self._encoder = IncrementalEncoder(tok, options.policy, added[-1])
            return kept, added
        data = utf8(text, options.replace)
        with self._alone:
            new, sure = self._encoder.grow(data)
            same = common_start(self._ids[self._sure :], new)
            kept = self._sure + same
            self._ids[self._sure :] = new
            self._sure += sure
        del new[:same]
        return kept, new

    def preview(self, text: Text) -> tuple[int, list[int]]:
        """(sure, rest): the first `sure` ids stay, whatever is appended; `rest` would follow them after `text`.

        Adds nothing. Raises as `append`.

        >>> import dstok
        >>> text = dstok.load("deepseek-v3").encode_incremental()
        >>> _ = text.append("Hello wor")
        >>> text.preview("ld"), text.ids
        ((1, [2058]), [19923, 647])
        """
        data = utf8(text, self._model[1].replace)
        with self._alone:
            return self._sure, self._encoder.grow(data, keep=False)[0]

    def sampled(self) -> npt.NDArray[np.bool_]:
        """For each id, whether it was appended as an id, bool[n].

        >>> import dstok
        >>> text = dstok.load("deepseek-v3").encode_incremental()
        >>> _ = text.append("Hello"), text.append(ids=[2058, 3])
        >>> text.sampled()
        array([False,  True,  True])
        """
        found = np.zeros(len(self._ids), np.bool_)
        for start, end in self._sampled:
            found[start:end] = True
        return found

    def canonical(self) -> npt.NDArray[np.bool_]:
        """For each id, whether encoding the whole text gives the same id for the same bytes, bool[n].

        The whole text is that of decoding all ids. The cost is that of the ids since the last call. With
        special="raise", added tokens among the ids count as with "all". BOS of `add_bos` counts as canonical. Raises
        `UnsupportedError` if encoding changes the text itself, by a normalizer for example.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> text = tok.encode_incremental()
        >>> _ = text.append("So: "), text.append(ids=[tok.token_to_id("He"), tok.token_to_id("llo"), 3])
        >>> text.canonical()
        array([ True,  True, False, False, False,  True])
        """
        from dstok.methods.canonical_marks import CanonicalMarks

        tok, options = self._model
        with self._alone:
            if self._marks is None:
                policy = tok._added.policy("all") if options.policy.refuses else options.policy
                self._marks = CanonicalMarks(tok._decoder, IncrementalEncoder(tok, policy))
            marks = self._marks.of(self._ids[self._begin :], self._sure - self._begin)
        return np.concatenate([np.ones(self._begin, np.bool_), marks])

    def stretches(self) -> list[Stretch]:
        """The stretches of ids and of text, in their order, each with the place of its first id that is not canonical.

        Cost and errors as `canonical`.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> text = tok.encode_incremental()
        >>> _ = text.append("So: "), text.append(ids=[tok.token_to_id("He"), tok.token_to_id("llo"), 3])
        >>> text.stretches()[1]
        Stretch(start=3, stop=6, sampled=True, first_noncanonical=3)
        """
        bad = (~self.canonical()).nonzero()[0].tolist()
        found, end = list[Stretch](), 0
        for first, last in [*self._sampled, (len(self._ids), len(self._ids))]:
            for start, stop, sampled in ((end, first, False), (first, last, True)):
                if stop > start:
                    at = bisect_left(bad, start)
                    found.append(Stretch(start, stop, sampled, bad[at] if at < len(bad) and bad[at] < stop else None))
            end = last
        return found
