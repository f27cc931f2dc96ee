"""Ids -> text, and tokens by their ids.

In: ids, or tokens. Out: text or bytes; a token's spelling, bytes or id.
Invariant: `decode_bytes` gives the bytes of the tokens, one after the other, and nothing between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from dstok.base.arguments import explained
from dstok.base.ids import id_list
from dstok.base.texts import Errors, Text, replaces_faults
from dstok.calls.streams import DecodeStream, RunDecodeStream
from dstok.errors import ArgumentError, DecodeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.calls.interface import Parts

__all__ = ["decode", "decode_batch", "decode_bytes", "decode_lists", "decode_stream", "get_vocab", "has_tokens",
           "id_to_token", "number_of_tokens", "token_to_id", "vocabulary"]


def decode(self: Parts, ids: Iterable[int], *, skip_special_tokens: bool = False, errors: Errors = "replace") -> str:
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
    strict = errors != "replace" and not replaces_faults(errors)
    text = self._decoder.text(ids, skip_special_tokens, strict)
    return text if isinstance(text, str) else _text(text, errors=errors)


def decode_bytes(self: Parts, ids: Iterable[int], *, skip_special_tokens: bool = False) -> bytes:
    """The bytes of `ids`, also where they are not UTF-8. `skip_special_tokens` and errors are as in `decode`.

    A model such as Llama 2 puts a space before a text. `decode` leaves it out, `decode_bytes` does not.

    >>> import dstok
    >>> dstok.load("deepseek-v3").decode_bytes([19923, 2058])
    b'Hello world'
    """
    return self._decoder.decode(ids, skip_special_tokens)


@explained
def decode_batch(
    self: Parts, batch: Iterable[Any], *, offsets: npt.NDArray[np.int64] | Sequence[int] | None = None,
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
        batch, bounds = flat, _bounds(offsets, len(flat))
    return self._decoder.texts(batch, skip_special_tokens, partial(_text, errors=errors), bounds, strict)


def decode_lists(
    self: Parts, ids: npt.NDArray[np.uint32], counts: npt.NDArray[np.int64], *, skip_special_tokens: bool,
    errors: Errors,
) -> tuple[bytes, npt.NDArray[np.int64], dict[int, str]]:
    """Decodes lists that lie one after the other in `ids`; `counts` holds their lengths.

    Returns (bytes, sizes, repaired). List i has `sizes[i]` of the bytes. `repaired` maps the number of each list
    whose bytes are not UTF-8 to its text. Raises as `decode_batch`.
    """
    import numpy as np

    strict = not replaces_faults(errors)
    data, each, broken = self._decoder.decode_lists(ids, counts, skip_special_tokens, strict)
    sizes, repaired = np.asarray(each), {}
    ends = np.cumsum(sizes)
    for number in broken:
        repaired[number] = _text(data[ends[number] - sizes[number] : ends[number]], number, errors=errors)
    return data, sizes, repaired


def decode_stream(
    self: Parts, *, skip_special_tokens: bool = False, errors: Errors = "replace", whole_runs: bool = False,
) -> DecodeStream:
    """A stream that decodes ids as they come. Keywords as `decode`. Its texts, joined, are `decode`'s, but in one case.

    In models with tokens such as `<0xE4>`, a run of these may break after characters of it were given. They stay, and
    each later byte of the run becomes U+FFFD; `decode` has U+FFFD for all bytes of the run. With `whole_runs` a run
    goes out when it ends, so that nothing differs.

    >>> import dstok
    >>> dstok.load("deepseek-v3").decode_stream().feed([19923, 2058])
    'Hello world'
    """
    replaces_faults(errors)
    if self._decoder.runs:
        return RunDecodeStream(self._decoder, skip_special_tokens, errors, whole_runs)
    return DecodeStream(self._decoder, skip_special_tokens, errors)


def id_to_token(self: Parts, id: int) -> str:
    """A token as tokenizer.json spells it: in the byte-level alphabet, or, for an added token, as its text."""
    return self._vocabulary.text_of(id)


def token_to_id(self: Parts, token: Text) -> int:
    """The id of `token`: its spelling in tokenizer.json, or its bytes.

    Raises `UnknownTokenError`, and `ArgumentError` for a value that is neither `str` nor bytes.
    """
    return self._vocabulary.id_of(token)


def vocabulary(self: Parts) -> list[bytes]:
    """The bytes of the tokens by id, `vocab_size` entries, each as `decode_bytes` gives it; b"" if there is no token.

    >>> import dstok
    >>> dstok.load("deepseek-v3").vocabulary()[19923]
    b'Hello'
    """
    decoder = self._decoder
    return [decoder.token(id) if decoder.has(id) else b"" for id in range(decoder.size)]


def get_vocab(self: Parts) -> dict[str, int]:
    """The ids of all tokens, added tokens included, by their spelling in a tokenizer.json, as a new dictionary.

    >>> import dstok
    >>> dstok.load("deepseek-v3").get_vocab()["\u0120world"]
    2058
    """
    return dict(self._vocabulary.ids)


def number_of_tokens(self: Parts) -> int:
    """The number of tokens, added tokens included, as in `get_vocab`. `vocab_size` may be more: an id may lack a token.

    >>> import dstok
    >>> len(dstok.load("deepseek-v3"))
    128815
    """
    return len(self._vocabulary.ids)


def has_tokens(self: Parts) -> bool:
    """True: without this method, `if tokenizer` would call `number_of_tokens`, which makes the vocabulary."""
    return True


def _text(data: bytes, number: int | None = None, *, errors: Errors) -> str:
    """The text of the bytes that list `number` of a batch has."""
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        which = "" if number is None else f" of list {number}"
        raise DecodeError(f"expected ids of whole characters, found byte 0x{data[error.start]:02x} "
                          f"at byte offset {error.start}{which}") from None


def _bounds(offsets: Any, count: int) -> npt.NDArray[np.int64]:
    """Offsets into `count` ids, as int64[n + 1]. Raises `ArgumentError`."""
    import numpy as np

    found = np.asarray(offsets)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found):
        raise ArgumentError("expected offsets as one row of integers, one more than there are lists", "offsets")
    bounds = found.astype(np.int64)
    wrong = np.flatnonzero((np.diff(bounds, prepend=0) < 0) | (bounds > count))
    if len(wrong):
        raise ArgumentError(f"expected offsets that rise from 0 to at most {count}, the number of ids; "
                            f"found {found[wrong[0]]} at index {wrong[0]}", "offsets")
    return bounds
