"""A text as another library's tokenizer reads it.

In: the text's ids, perhaps their spans, and a tokenizer of dstok that knows the ids' texts. Out: `Reading`, without
pieces. Invariant: the spans are right, or there is a `TextError`: either the bytes of the ids make up the text, or the
library gave the spans itself. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dstok.base.texts import characters
from dstok.calls.spans import Encoding
from dstok.core.run._offsets import char_spans
from dstok.errors import TextError, UnknownIdError
from dstok.view.reading import Reading, Vocabulary

if TYPE_CHECKING:
    from dstok.protocol import TokenizerProtocol

__all__ = ["read_ids"]


def read_ids(
    name: str, text: str, ids: Iterable[int], like: TokenizerProtocol, spans: Sequence[tuple[int, int]] | None = None,
) -> Reading:
    """The reading of `text` that has these ids.

    `like`: a tokenizer with their vocabulary; if they have another one, `spans` (start, end, in code points)
    give their texts.

    Raises `TextError` if neither gives the places of the tokens, or if an id stands for different texts in the spans.

    >>> import dstok
    >>> read_ids("mine", "Hello world", [19923, 2058], dstok.load("deepseek-v3")).encoding.byte_spans.tolist()
    [[0, 5], [5, 11]]
    """
    text, ids = characters(text, True), [int(id) for id in ids]
    data = text.encode()
    parts = _bytes_by(like, ids)
    vocabulary: dict[int, bytes] = Vocabulary(like)
    if parts is None or b"".join(parts) != data:
        parts = _bytes_by_spans(name, text, ids, spans)
        vocabulary = _vocabulary(name, ids, parts)
    ends = np.cumsum([0, *map(len, parts)])
    bytes_ = np.stack([ends[:-1], ends[1:]], axis=1).astype(np.int64)
    added = {token.id for token in like.inspect().added_tokens} if isinstance(vocabulary, Vocabulary) else set()
    encoding = Encoding(np.array(ids, np.uint32), bytes_, char_spans(data, bytes_), np.full(len(ids), -1, np.int64),
                        np.array([id in added for id in ids], np.bool_))
    return Reading(name, text, encoding, None, vocabulary)


def _bytes_by(like: TokenizerProtocol, ids: Sequence[int]) -> list[bytes] | None:
    try:
        return [like.decode_bytes([id]) for id in ids]
    except (UnknownIdError, OverflowError):
        return None


def _bytes_by_spans(
    name: str, text: str, ids: Sequence[int], spans: Sequence[tuple[int, int]] | None,
) -> list[bytes]:
    """The bytes of each token by its span, if the spans follow one another from the start of the text to its end."""
    pairs = [] if spans is None else [(int(start), int(end)) for start, end in spans]
    edges = [0, *(end for _, end in pairs)]
    whole = all(start == edge for (start, _), edge in zip(pairs, edges))
    if len(pairs) != len(ids) or not whole or edges[-1] != len(text):
        raise TextError(f"expected tokens of {name} whose bytes make up the text, or whose spans follow one another, "
                        "found neither", 0)
    return [text[start:end].encode() for start, end in pairs]


def _vocabulary(name: str, ids: Sequence[int], parts: Sequence[bytes]) -> dict[int, bytes]:
    """The text of each id, if each stands for one text."""
    found: dict[int, bytes] = {}
    start = 0
    for id, part in zip(ids, parts):
        if found.setdefault(id, part) != part:
            raise TextError(f"expected one text for each id of {name}, found {found[id].decode()!r} and "
                            f"{part.decode()!r} for id {id}, at offset {start} in code points", start)
        start += len(part.decode())
    return found
