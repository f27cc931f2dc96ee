"""Ids -> text: whole lists, streams of one text or of a server's batch; and tokens by their ids.

In: ids, or tokens. Out: text or bytes; a token's spelling, bytes or id.
Invariant: `decode_bytes` gives the bytes of the tokens, one after the other, and nothing between them. A stream of a
`BatchDecodeStream` gives what a `DecodeStream` gives, up to its first stop string: both are core/encode/streams.pyx.
It is a number, not an object, so that a step of all sequences is one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import Errors, Text, explained, id_list, replaces_faults, whole_number
from dstok._util.objects import Separate
from dstok.core.encode.streams import Stream, StreamBatch
from dstok.errors import ArgumentError, DecodeError, PickleError
from dstok.methods.incremental import Alone

if TYPE_CHECKING:
    from dstok.core.encode.decode import Decoder
    from dstok.tokenizer import Tokenizer

MOST_STREAMS = 1 << 20
MOST_INT64 = (1 << 63) - 1


def decode(
    self: Tokenizer, ids: Iterable[int], *, skip_special_tokens: bool = False, errors: Errors = "replace",
) -> str:
    """The text of `ids`: a list, an array, or another iterable of ints.

    Bytes that are not UTF-8 become U+FFFD; with errors="strict" they raise `DecodeError`. In a model with tokens such
    as `<0xE4>`, each byte of a run of these becomes U+FFFD, unless the whole run is UTF-8. `skip_special_tokens` leaves
    out the tokens that the model marks as special, as upstream does. Not every added token is special: V3 marks
    `<｜begin▁of▁sentence｜>`, but not `<｜User｜>` and `<think>`. Raises `UnknownIdError` with the id and its index,
    and `ArgumentError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.decode(tok.encode("<｜begin▁of▁sentence｜><｜User｜>hi"), skip_special_tokens=True)
    '<｜User｜>hi'
    """
    strict = not replaces_faults(errors)
    text = self._decoder.text(ids, skip_special_tokens, strict)
    return text if isinstance(text, str) else _text(text, errors=errors)


def decode_bytes(self: Tokenizer, ids: Iterable[int], *, skip_special_tokens: bool = False) -> bytes:
    """The bytes of `ids`, also where they are not UTF-8. `skip_special_tokens` and errors are as in `decode`.

    A model such as Llama 2 puts a space before a text. `decode` leaves it out, `decode_bytes` does not.

    >>> import dstok
    >>> dstok.load("deepseek-v3").decode_bytes([19923, 2058])
    b'Hello world'
    """
    return self._decoder.decode(ids, skip_special_tokens)


@explained
def decode_batch(
    self: Tokenizer, batch: Iterable[Any], *, offsets: npt.NDArray[np.int64] | Sequence[int] | None = None,
    skip_special_tokens: bool = False, errors: Errors = "replace",
) -> list[str]:
    """Decodes each list of `batch` as `decode` does; an error names the list that is at fault.

    `batch` holds lists or arrays of ids, or is one array with a list of ids in each row. With `offsets`, int64[n + 1],
    it holds the ids of n lists, one after the other, as `encode_batch_arrays` gives them.

    >>> import dstok
    >>> dstok.load("deepseek-v3").decode_batch([[19923], [19923, 2058]])
    ['Hello', 'Hello world']
    >>> ids, offsets = dstok.load("deepseek-v3").encode_batch_arrays(["Hello", "Hello world"])
    >>> dstok.load("deepseek-v3").decode_batch(ids, offsets=offsets)
    ['Hello', 'Hello world']
    """
    strict = not replaces_faults(errors)
    if not isinstance(batch, Iterable):
        raise ArgumentError(f"expected a list of lists of ids, found {type(batch).__name__}", "batch")
    bounds = None
    if offsets is not None:
        flat: Any = batch if hasattr(batch, "__getitem__") else id_list(batch)
        found, batch = np.asarray(offsets), flat
        if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found):
            raise ArgumentError("expected offsets as one row of integers, one more than there are lists", "offsets")
        bounds = found.astype(np.int64)
        wrong = np.flatnonzero((np.diff(bounds, prepend=0) < 0) | (bounds > len(flat)))
        if len(wrong):
            raise ArgumentError(f"expected offsets that rise from 0 to at most {len(flat)}, the number of ids; "
                                f"found {found[wrong[0]]} at index {wrong[0]}", "offsets")
    return self._decoder.texts(batch, skip_special_tokens, partial(_text, errors=errors), bounds, strict)


def decode_lists(
    self: Tokenizer, ids: npt.NDArray[np.uint32], counts: npt.NDArray[np.int64], *, skip_special_tokens: bool,
    errors: Errors,
) -> tuple[bytes, npt.NDArray[np.int64], dict[int, str]]:
    """Decodes lists that lie one after the other in `ids`; `counts` holds their lengths.

    Returns (bytes, sizes, repaired). List i has `sizes[i]` of the bytes. `repaired` maps the number of each list
    whose bytes are not UTF-8 to its text. Raises as `decode_batch`.
    """
    strict = not replaces_faults(errors)
    data, each, broken = self._decoder.decode_lists(ids, counts, skip_special_tokens, strict)
    sizes, repaired = np.asarray(each), {}
    ends = np.cumsum(sizes)
    for number in broken:
        repaired[number] = _text(data[ends[number] - sizes[number] : ends[number]], number, errors=errors)
    return data, sizes, repaired


def id_to_token(self: Tokenizer, id: int) -> str:
    """A token as tokenizer.json spells it: in the byte-level alphabet, or, for an added token, as its text."""
    return self._vocabulary.text_of(id)


def token_to_id(self: Tokenizer, token: Text) -> int:
    """The id of `token`: its spelling in tokenizer.json, or its bytes.

    Raises `UnknownTokenError`, and `ArgumentError` for a value that is neither `str` nor bytes.
    """
    return self._vocabulary.id_of(token)


def get_vocab(self: Tokenizer) -> dict[str, int]:
    """The ids of all tokens, added tokens included, by their spelling in a tokenizer.json, as a new dictionary.

    >>> import dstok
    >>> dstok.load("deepseek-v3").get_vocab()["\u0120world"]
    2058
    """
    return dict(self._vocabulary.ids)


def _text(data: bytes, number: int | None = None, *, errors: Errors) -> str:
    """The text of the bytes that list `number` of a batch has."""
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        which = "" if number is None else f" of list {number}"
        raise DecodeError(f"expected ids of whole characters, found byte 0x{data[error.start]:02x} "
                          f"at byte offset {error.start}{which}") from None


def decode_stream(
    self: Tokenizer, *, skip_special_tokens: bool = False, errors: Errors = "replace", whole_runs: bool = False,
) -> DecodeStream:
    """A stream that decodes ids as they come. Keywords as `decode`. Its texts, joined, are `decode`'s, but in one case.

    In models with tokens such as `<0xE4>`, a run of these may break after characters of it were given. They stay, and
    each later byte of the run becomes U+FFFD; `decode` has U+FFFD for all bytes of the run. With `whole_runs` a run
    goes out when it ends, so that nothing differs.

    >>> import dstok
    >>> dstok.load("deepseek-v3").decode_stream().feed([19923, 2058])
    'Hello world'
    """
    return DecodeStream(self._decoder, skip_special_tokens, not replaces_faults(errors), whole_runs)


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

    def __init__(self, decoder: Decoder, skip_special_tokens: bool, strict: bool, whole_runs: bool) -> None:
        self._stream = Stream(decoder, skip_special_tokens, strict, whole_runs)

    def feed(self, ids: int | Iterable[int]) -> str:
        """The characters that are whole after these ids. Raises `UnknownIdError` with the index in the stream."""
        return self._stream.feed(ids)

    def finish(self) -> str:
        """The rest: nothing, or U+FFFD for an incomplete character. The stream is then at its end."""
        return self._stream.finish()


class BatchDecodeStream:
    """Streams with the numbers 0 to n - 1, their *slots*, for ids that come one of each sequence at a time.

    `tok` decodes; keywords as in `Tokenizer.decode_stream`. One thread at a time may use the object: a second one gets
    a `StreamError`. It does not pickle. Raises `ArgumentError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> streams = dstok.sampling.BatchDecodeStream(tok, 2)
    >>> streams.begin(1, stop=["day", "!"])
    >>> streams.step([19923, tok.token_to_id("Good")])    # "d" may begin "day"
    ['Hello', 'Goo']
    >>> streams.step([2058, tok.token_to_id(b" Monday")]), streams.is_stopped(1)
    ([' world', 'd Mon'], True)
    """

    @explained
    def __init__(
        self, tok: Tokenizer, count: int, *, skip_special_tokens: bool = False, errors: Errors = "replace",
    ) -> None:
        number = whole_number("count", count, most=MOST_STREAMS)
        self._streams = StreamBatch(tok._decoder, skip_special_tokens, number, not replaces_faults(errors))
        self._alone = Alone()

    def __len__(self) -> int:
        """The number of streams."""
        return self._streams.count

    def step(
        self, ids: Sequence[int] | npt.NDArray[Any], slots: Sequence[int] | npt.NDArray[Any] | None = None,
    ) -> list[str]:
        """The text that each id adds to its stream: "" while a character, or what may be a stop string, is not whole.

        Without `slots`, `ids` has an id for each stream, and -1 adds nothing. With `slots`, id i goes to stream
        `slots[i]`; a slot may occur several times. A stream that has met a stop string takes no further ids. Raises
        `UnknownIdError` with the index, and `ArgumentError`; then no id has been taken. Ids of tokens never raise under
        errors="replace". With "strict" it raises `DecodeError` after all ids have been taken: its `texts` are the list
        for all streams, and the streams of its `slots` take no more ids until `begin` or `finish`.
        """
        given = _numbers(ids, "ids")
        places = None if slots is None else _numbers(slots, "slots")
        expected = len(self) if places is None else len(places)
        if len(given) != expected:
            raise ArgumentError(f"expected {expected} ids, one for each slot, found {len(given)}", "ids")
        with self._alone:
            return self._streams.step(given, places)

    def begin(self, slot: int, *, stop: str | Iterable[str] = ()) -> None:
        """Empties a stream for a new sequence, and sets the texts that end it, which do not go out.

        The first stop string ends the text, wherever tokens are cut; of two that end at one character, the longer one.
        Raises `ArgumentError`.
        """
        stops = (stop,) if isinstance(stop, str | bytes) or not isinstance(stop, Iterable) else tuple(stop)
        wrong = [text for text in stops if not isinstance(text, str) or not text]
        if wrong:
            raise ArgumentError(f"expected texts that are not empty in stop, found {wrong[0]!r}", "stop")
        with self._alone:
            self._streams.begin(self._slot(slot), stops)

    def finish(self, slot: int) -> str:
        """The rest of a stream, which is empty then: text held back, and U+FFFD for a character that is not whole.

        Raises `DecodeError` for such a character with errors="strict"; its `texts` has the rest before it.
        """
        with self._alone:
            return self._streams.finish(self._slot(slot))

    def is_stopped(self, slot: int) -> bool:
        """Whether a stream has met a stop string."""
        return self._streams.is_stopped(self._slot(slot))

    def _slot(self, slot: int) -> int:
        return whole_number("slot", slot, most=len(self) - 1)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise PickleError("expected what copies and pickles, found a BatchDecodeStream, which is in work in this "
                          "process: make another one from its tokenizer")


def _numbers(values: Any, name: str) -> npt.NDArray[np.int64]:
    """One row of integers. Raises `ArgumentError`."""
    found = np.asarray(values)
    if found.ndim != 1 or (found.dtype.kind not in "iu" and len(found)):
        raise ArgumentError(f"expected one row of integers in {name}, found {found.ndim} dimensions of {found.dtype}",
                            name)
    if found.dtype == np.uint64 and len(found) and found.max() > MOST_INT64:
        raise ArgumentError(f"expected numbers of 63 bits in {name}, found {found.max()}", name)
    return np.ascontiguousarray(found, np.int64)
