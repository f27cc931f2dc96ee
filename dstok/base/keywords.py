"""Errors of calls in the caller's words: keywords of other libraries, and arguments of a wrong kind.

In: a call that has failed. Out: `TypeError`, as Python raises it for an unknown keyword, with the call or keyword of
dstok that gives the same; or `ArgumentError` for an argument that is other than its annotation.
Invariant: none of these names is a keyword of the calls that are marked with `hinting`, nor of `LineEncoder`'s.
Source: the calls of `tokenizers` 0.23.3, `transformers` 5.24.0 and `tiktoken` 0.14.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar

from dstok.errors import DstokError

__all__ = ["KEYWORDS", "hinting", "keyword_hint"]

P = ParamSpec("P")
R = TypeVar("R")
ROWS, PLAIN = "dstok.rows.encode_batch_padded(tok, texts)", 'special="none", or a set of the tokens that are matched'
KEYWORDS = {
    # tokenizers and transformers
    "add_special_tokens": "add_bos=True and add_eos=True; without them nothing is added",
    "clean_up_tokenization_spaces": "decode_batch(batch), which changes no spaces",
    "is_pretokenized": "encode_batch(texts) of the words",
    "is_split_into_words": "encode_batch(texts) of the words",
    "text_pair": "dstok.rows.encode_pair(tok, text, pair)",
    "pair": "dstok.rows.encode_pair(tok, text, pair)",
    "padding": ROWS,
    "pad_to_multiple_of": ROWS,
    "return_attention_mask": ROWS,
    "return_tensors": f"encode_array(text), or {ROWS}",
    "truncation": f"tok.truncate(text, max_tokens), or {ROWS}",
    "max_length": f"tok.truncate(text, max_tokens), or {ROWS}",
    "stride": "dstok.rows.encode_with_overflow(tok, text, max_tokens, stride=...)",
    "return_overflowing_tokens": "dstok.rows.encode_with_overflow(tok, text, max_tokens)",
    "return_offsets_mapping": "encode_with_offsets(text)",
    "return_token_type_ids": "dstok.rows.encode_pair(tok, text, pair).type_ids",
    "split_special_tokens": 'special="none"',
    # tiktoken
    "allowed_special": PLAIN,
    "disallowed_special": f'special="raise", {PLAIN}',
    "num_threads": "threads",
}


def keyword_hint(names: Iterable[str]) -> str:
    """The hint for the first of these keywords that another library has; "" if no library has one.

    >>> keyword_hint(["special", "num_threads"])
    'num_threads, which other libraries have: use threads'
    """
    known = next((name for name in names if name in KEYWORDS), None)
    return f"{known}, which other libraries have: use {KEYWORDS[known]}" if known else ""


def hinting(call: Callable[P, R]) -> Callable[P, R]:
    """The same call. Its error for a keyword of another library names dstok's; others name the argument at fault.

    An error that is none of dstok's own, and that a wrong argument explains, becomes an `ArgumentError`.

    >>> @hinting
    ... def encode_batch(texts: list[str], *, threads: int = 1): return [text.encode() for text in texts]
    >>> encode_batch(["a"], num_threads=2)
    Traceback (most recent call last):
    ...
    TypeError: encode_batch() has no num_threads, which other libraries have: use threads
    >>> encode_batch(["a", 5])
    Traceback (most recent call last):
    ...
    dstok.errors.ArgumentError: expected str as texts, found int: 5 at index 1
    """
    @wraps(call)
    def hinted(*arguments: P.args, **keywords: P.kwargs) -> R:
        try:
            return call(*arguments, **keywords)
        except Exception as error:
            if isinstance(error, DstokError):
                raise
            import inspect  # not needed by calls that succeed

            from dstok.base.arguments import wrong_argument

            foreign = keywords.keys() & KEYWORDS.keys() - inspect.signature(call).parameters.keys()
            if foreign and isinstance(error, TypeError):
                hint = keyword_hint(name for name in keywords if name in foreign)
                raise TypeError(f"{call.__name__}() has no {hint}") from None
            explained = wrong_argument(call, arguments, keywords)
            if explained is None:
                raise
            raise explained from error

    return hinted
