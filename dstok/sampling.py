"""Ids as samplers need them: whether they are canonical, and where a prompt ends that the next token may continue.

In: ids that a model sampled; a text; the bytes of its open end. Out: whether the ids are canonical, the canonical ids
of their text; the settled ids of a text, and a mask of tokens. Invariant: ids are canonical if and only if
`encode(decode(ids)) == ids`; those of "He" and "llo" are not, as "Hello" is one token. Token healing: every text that
begins with the prompt has ids that begin with the settled ones: after "http:" a model rarely samples "//", because it
learned "://" as one token; without the id of ":" it may sample any token that begins with ":". Bitmasks have the layout
of xgrammar and llguidance: int32; the bit `id % 32` of word `id // 32` is set if the token is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import checked_text, common_start, explained, id_list, utf8, whole_number
from dstok.added_tokens import TextOptions
from dstok.methods.batch import encode_batch_arrays
from dstok.methods.decoding import BatchDecodeStream, decode, decode_batch, decode_bytes
from dstok.methods.incremental import IncrementalEncoder

if TYPE_CHECKING:
    from dstok._util.arguments import Errors, Special, Text
    from dstok.tokenizer import Tokenizer

__all__ = [
    "BatchDecodeStream", "canonical_ids", "first_noncanonical", "first_noncanonical_batch", "is_canonical",
    "split_open_end", "tokens_with_prefix",
]

MOST_LOGITS = 1 << 26


@explained
def canonical_ids(
    tok: Tokenizer, ids: Iterable[int], *, special: Special = "all", errors: Errors = "strict",
) -> list[int]:
    """The ids that encoding the text of `ids` gives. Keywords as `encode`.

    Raises `DecodeError` if the bytes of `ids` are not UTF-8; with errors="replace" U+FFFD stands for these bytes, as in
    `decode`. Raises `UnknownIdError`, `SpecialTokenError`, and `ArgumentError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> he, llo = tok.token_to_id("He"), tok.token_to_id("llo")
    >>> dstok.sampling.canonical_ids(tok, [he, llo])
    [19923]
    """
    return tok.encode(decode(tok, ids, errors=errors), special=special)


@explained
def is_canonical(tok: Tokenizer, ids: Iterable[int], *, special: Special = "all") -> bool:
    """Whether encoding the text of `ids` gives `ids` again. Keywords and errors as `first_noncanonical`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> he, llo = tok.token_to_id("He"), tok.token_to_id("llo")
    >>> dstok.sampling.is_canonical(tok, tok.encode("Hello")), dstok.sampling.is_canonical(tok, [he, llo])
    (True, False)
    """
    return first_noncanonical(tok, ids, special=special) is None


@explained
def first_noncanonical(tok: Tokenizer, ids: Iterable[int], *, special: Special = "all") -> int | None:
    """The index of the first id that encoding the text of `ids` does not give at its place; None: `ids` are canonical.

    `special` as in `encode`: with "none", the id of an added token is not canonical. It takes the time of decoding and
    encoding. Raises `UnknownIdError`, `SpecialTokenError`, and `ArgumentError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> dstok.sampling.first_noncanonical(tok, [*tok.encode("Yes. "), tok.token_to_id("He"), tok.token_to_id("llo")])
    2
    """
    given = id_list(ids)
    expected = tok.encode(decode(tok, given), special=special)
    return None if given == expected else common_start(given, expected)


@explained
def first_noncanonical_batch(
    tok: Tokenizer, batch: Iterable[Any], *, offsets: npt.NDArray[np.int64] | None = None, num_threads: int = 1,
    special: Special = "all",
) -> npt.NDArray[np.int64]:
    """`first_noncanonical` of each list of `batch`, as int64[n]; -1 where a list is canonical.

    `batch` and `offsets` as in `decode_batch`, `num_threads` as in `encode_batch`. An error names the list.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> odd = [tok.token_to_id("He"), tok.token_to_id("llo")]
    >>> dstok.sampling.first_noncanonical_batch(tok, [tok.encode("Hello"), odd])
    array([-1,  0])
    """
    lists: Any = list(batch) if isinstance(batch, Iterable) and not hasattr(batch, "__getitem__") else batch
    if isinstance(lists, list):
        lists = [list(row) if isinstance(row, Iterator) else row for row in lists]  # they are read twice
    texts = decode_batch(tok, lists, offsets=offsets)
    expected, bounds = encode_batch_arrays(tok, texts, num_threads=num_threads, special=special)
    given = lists if offsets is None else [lists[start:end] for start, end in pairwise(np.asarray(offsets).tolist())]
    found = np.full(len(texts), -1, np.int64)
    for number, (row, (start, end)) in enumerate(zip(given, pairwise(bounds.tolist()))):
        one, other = np.asarray(row if isinstance(row, np.ndarray) else id_list(row), np.int64), expected[start:end]
        both = min(len(one), len(other))
        differs = np.flatnonzero(one[:both] != other[:both])
        if len(differs) or len(one) != len(other):
            found[number] = differs[0] if len(differs) else both
    return found


@explained
def split_open_end(
    tok: Tokenizer, text: Text, *, special: Special = "all", add_bos: bool = False, errors: Errors = "strict",
) -> tuple[list[int], bytes]:
    """(ids, tail): the ids of `text` that no text after it can change, and the bytes of the other ids.

    The bytes are those that decoding gives, so they are normalized. Keywords as `encode`. Raises `UnsupportedError` as
    `encode_stream`, `TextError`, `SpecialTokenError`, and `ArgumentError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> dstok.sampling.split_open_end(tok, "See http:")
    ([10478, 7283], b':')
    """
    options = TextOptions.of(tok, special, add_bos, False, errors)
    ids, sure = IncrementalEncoder(tok, options.policy).grow(utf8(text, options.replace))
    return [*options.before, *ids[:sure]], decode_bytes(tok, ids)[len(decode_bytes(tok, ids[:sure])) :]


@explained
def tokens_with_prefix(
    tok: Tokenizer, tail: Text, *, special: Special = "all", vocab_size: int | None = None,
) -> npt.NDArray[np.int32]:
    """The tokens whose bytes begin with `tail`, and those that `tail` begins with, as a bitmask, int32[n].

    `special` says which added tokens may be set, as in `encode`; "raise" allows none. `vocab_size` is the number of
    logits, if it differs from the tokenizer's; n is a 32nd of it, rounded up. After a token that `tail` begins with,
    call it again with the rest of `tail`. Raises `UnknownTokenError` and `ArgumentError`.

    >>> import dstok
    >>> import numpy as np
    >>> tok = dstok.load("deepseek-v3")
    >>> mask = dstok.sampling.tokens_with_prefix(tok, b"://")
    >>> allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
    >>> [tok.decode([id]) for id in allowed]
    [':', '://', ':/']
    """
    size = tok._decoder.size if vocab_size is None else whole_number("vocab_size", vocab_size, most=MOST_LOGITS)
    allowed = np.zeros(-(-max(size, tok._decoder.size) // 32) * 32, np.bool_)
    tail = checked_text(tail, "tail")
    allowed[tok._sorted_tokens.around(tail if isinstance(tail, bytes) else utf8(tail, replace=False))] = True
    if special != "all":
        policy = tok._added.policy(special)
        matched = () if policy.refuses else {content for group in policy.contents for content in group}
        allowed[[token.id for token in tok._added.tokens if token.content not in matched
                 and not (token.id < tok._bpe.size and tok._bpe.token(token.id))]] = False  # merging gives others
    allowed[size:] = False
    return np.packbits(allowed[: -(-size // 32) * 32], bitorder="little").view(np.int32)
