"""Keywords of other libraries' calls, and the calls of dstok that give the same.

In: the keywords of a call that has no such keyword. Out: `TypeError`, as Python raises it for an unknown keyword, with
the call or keyword of dstok.
Invariant: none of these names is a keyword of the calls that are marked with `hinting`, nor of `LineEncoder`'s.
Source: the calls of `tokenizers` 0.23.3, `transformers` 5.24.0 and `tiktoken` 0.14.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar

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
    """The same call; its error for a keyword of another library names dstok's keyword.

    >>> @hinting
    ... def encode_batch(texts, *, threads=1): ...
    >>> encode_batch(["a"], num_threads=2)
    Traceback (most recent call last):
    ...
    TypeError: encode_batch() has no num_threads, which other libraries have: use threads
    """
    @wraps(call)
    def hinted(*arguments: P.args, **keywords: P.kwargs) -> R:
        if keywords and not keywords.keys().isdisjoint(KEYWORDS):
            raise TypeError(f"{call.__name__}() has no {keyword_hint(keywords)}")
        return call(*arguments, **keywords)

    return hinted
