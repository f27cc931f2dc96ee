"""The special tokens: those that a grammar must not take for text.

In: a tokenizer. Out: ids. Invariant: a token is special here if the model marks it as special, so that `decode`
leaves it out with `skip_special_tokens`: V3's `<｜begin▁of▁sentence｜>`. To a grammar, other added tokens, such as
`<｜User｜>` and `<think>`, are text.
"""

from __future__ import annotations

from dstok.errors import ArgumentError
from dstok.protocols import TokenizerProtocol

__all__ = ["special_ids", "stop_ids"]


def special_ids(tokenizer: TokenizerProtocol) -> list[int]:
    """The ids that the model marks as special, rising.

    >>> import dstok
    >>> special_ids(dstok.load("deepseek-v3"))[:3]
    [0, 1, 2]
    """
    return sorted(id for id in tokenizer.added_tokens.values()
                  if not tokenizer.decode_bytes([id], skip_special_tokens=True))


def stop_ids(tokenizer: TokenizerProtocol, given: int | list[int] | None) -> list[int]:
    """The ids that end a text: the given ones, or EOS.

    Raises `ArgumentError` if there are none, and `UnknownIdError`.

    >>> import dstok
    >>> stop_ids(dstok.load("deepseek-v3"), None)
    [1]
    """
    stops = [tokenizer.eos_id] if given is None else [given] if isinstance(given, int) else list(given)
    ids = [id for id in stops if id is not None]
    if not ids:
        raise ArgumentError("expected an id that ends a text: the model names no EOS, give its id", "eos_token")
    for id in ids:
        tokenizer.decode_bytes([id])  # raises UnknownIdError
    return ids
