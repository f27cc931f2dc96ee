"""The streams of a server's batch: ids of many sequences come together, step by step, and the text of each goes out.

In: an id of each sequence. Out: the text that the ids make sure.
Invariant: each stream gives what a `DecodeStream` of its own gives, up to its first stop string. A stream is a number,
not an object: a step is one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from dstok.base.numbers import whole_number
from dstok.base.texts import Errors, replaces_faults
from dstok.calls.decoding import decode_stream
from dstok.calls.parts import Alone
from dstok.core.run._stream_batch import StreamBatch
from dstok.errors import ArgumentError, PickleError

if TYPE_CHECKING:
    from dstok.calls.interface import Parts

__all__ = ["DecodeStreams", "decode_streams"]

MOST = 1 << 20  # streams
MOST_INT64 = (1 << 63) - 1


def decode_streams(
    self: Parts, count: int, *, skip_special_tokens: bool = False, errors: Errors = "replace",
) -> DecodeStreams:
    """So many empty streams, for ids that come one of each sequence at a time. Keywords as in `decode_stream`.

    Models of characters have an object for each stream, and so has errors="strict". Raises `ArgumentError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> streams = tok.decode_streams(2)
    >>> streams.step([19923, 19923]), streams.step([2058, -1])
    (['Hello', 'Hello'], [' world', ''])
    """
    number, decoder = whole_number("count", count, most=MOST), self._decoder
    make = partial(decode_stream, self, skip_special_tokens=skip_special_tokens, errors=errors)
    own = replaces_faults(errors) and not decoder.runs
    return DecodeStreams(StreamBatch(decoder, skip_special_tokens, number, None if own else make))


class DecodeStreams:
    """Streams with the numbers 0 to n - 1, their *slots*; made by `Tokenizer.decode_streams`.

    One thread at a time may use the object: a second one gets a `StreamError`. It does not pickle.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> streams = tok.decode_streams(2)
    >>> streams.begin(1, stop=["day", "!"])
    >>> streams.step([19923, tok.token_to_id("Good")])    # "d" may begin "day"
    ['Hello', 'Goo']
    >>> streams.step([2058, tok.token_to_id(b" Monday")]), streams.is_stopped(1)
    ([' world', 'd Mon'], True)
    """

    def __init__(self, streams: StreamBatch) -> None:
        self._streams, self._alone = streams, Alone()

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
        return self._streams.is_over(self._slot(slot))

    def _slot(self, slot: int) -> int:
        return whole_number("slot", slot, most=len(self) - 1)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise PickleError("expected what copies and pickles, found a DecodeStreams, which is in work in this process: "
                          "make another one from its tokenizer")


def _numbers(values: Any, name: str) -> npt.NDArray[np.int64]:
    """One row of integers. Raises `ArgumentError`."""
    found = np.asarray(values)
    if found.ndim != 1 or (found.dtype.kind not in "iu" and len(found)):
        raise ArgumentError(f"expected one row of integers in {name}, found {found.ndim} dimensions of {found.dtype}",
                            name)
    if found.dtype == np.uint64 and len(found) and found.max() > MOST_INT64:
        raise ArgumentError(f"expected numbers of 63 bits in {name}, found {found.max()}", name)
    return np.ascontiguousarray(found, np.int64)
