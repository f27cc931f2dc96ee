"""Names of calls in other libraries -> an error that names the call here.

In: a name that `Tokenizer` does not have, or a call of the tokenizer itself. Out: `AttributeError` or `TypeError`.
Invariant: no such name is there for `hasattr`, so that a library which asks for it takes another way.
Source: the public names of `tokenizers` 0.23.3, `transformers` 5.24.0 and `tiktoken` 0.14.0.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["ELSEWHERE", "attribute", "call"]

ELSEWHERE = {
    # tokenizers
    "encode_batch_fast": "encode_batch(texts)",
    "get_vocab_size": "len(tok)",
    "get_added_tokens_decoder": "special_tokens",
    "enable_truncation": "truncate(text, budget)",
    "no_truncation": "encode(text), which truncates nothing",
    "no_padding": "encode_batch(texts), which pads nothing",
    "add_tokens": "dstok.Tokenizer.from_str(json) of a tokenizer.json that has them: a tokenizer never changes",
    "add_special_tokens": "dstok.Tokenizer.from_str(json) of a tokenizer.json that has them: a tokenizer never changes",
    "to_str": "to_json(path)",
    # transformers
    "tokenize": "[tok.id_to_token(id) for id in tok.encode(text)]",
    "batch_encode_plus": "encode_batch(texts)",
    "encode_plus": "encode(text)",
    "batch_decode": "decode_batch(batch)",
    "convert_ids_to_tokens": "[tok.id_to_token(id) for id in ids]",
    "convert_tokens_to_ids": "[tok.token_to_id(token) for token in tokens]",
    "convert_tokens_to_string": "decode(ids)",
    "all_special_tokens": "special_tokens",
    "all_special_ids": "special_tokens.values()",
    "bos_token": "tok.id_to_token(tok.bos_id)",
    "eos_token": "tok.id_to_token(tok.eos_id)",
    "get_added_vocab": "special_tokens",
    "from_pretrained": "dstok.load(name or path)",
    "save_pretrained": "save(path), or to_json(path)",
    # tiktoken
    "encode_ordinary": 'encode(text, special="none")',
    "encode_ordinary_batch": 'encode_batch(texts, special="none")',
    "encode_to_numpy": "encode_array(text)",
    "encode_single_token": "token_to_id(token)",
    "decode_single_token_bytes": "token_bytes(id)",
    "decode_tokens_bytes": "[tok.token_bytes(id) for id in ids]",
    "decode_bytes_batch": "[tok.decode_bytes(ids) for ids in batch]",
    "decode_with_offsets": "encode_with_offsets(text), which has the places of its ids",
    "encode_with_unstable": "encode_stream(), which gives ids that no later text changes",
    "token_byte_values": "vocabulary()",
    "special_tokens_set": "special_tokens",
    "is_special_token": "id in tok.special_tokens.values()",
    "n_vocab": "vocab_size",
    "max_token_value": "vocab_size, which is one more",
    "eot_token": "eos_id",
}


def attribute(self: object, name: str) -> NoReturn:
    """Raises `AttributeError` for a name that a tokenizer does not have, with ours where another library has it.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_ordinary("Hello")
    Traceback (most recent call last):
    ...
    AttributeError: a dstok.Tokenizer has no encode_ordinary, as other libraries have: use encode(text, special="none")
    """
    own = ELSEWHERE.get(name)
    if own is None:
        raise AttributeError(f"'Tokenizer' object has no attribute {name!r}", name=name, obj=self)
    raise AttributeError(f"a dstok.Tokenizer has no {name}, as other libraries have: use {own}")


def call(self: object, *arguments: Any, **options: Any) -> NoReturn:
    """Raises `TypeError`: a call of the tokenizer itself, as transformers has it.

    >>> import dstok
    >>> dstok.load("deepseek-v3")("Hello")
    Traceback (most recent call last):
    ...
    TypeError: a dstok.Tokenizer is not called: use tok.encode(text), tok.encode_batch(texts) or, for numpy arrays, \
tok.encode_array(text)
    """
    raise TypeError("a dstok.Tokenizer is not called: use tok.encode(text), tok.encode_batch(texts) or, for numpy "
                    "arrays, tok.encode_array(text)")
