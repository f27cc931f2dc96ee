"""The names of other libraries: the method `apply_chat_template`, and errors for names that dstok does not have.

In: the arguments of transformers' `apply_chat_template`; a name that `Tokenizer`, its class or `dstok` does not have,
such as `encode_ordinary`, `from_pretrained` or `get_encoding`; a call of the tokenizer itself, `tok("Hello")`. Out: ids
or a text; `AttributeError` or `TypeError` that names the call of dstok: `use encode(text, special="none")`.
base/keywords.py has the keywords of other libraries.
Invariant: `hasattr` is false for every name that dstok does not have. Libraries that probe for a name rely on that.
Source: the public names of `tokenizers` 0.23.3, `transformers` 5.24.0 and `tiktoken` 0.14.0; some of `sentencepiece`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.chat.encoding import ChatSpecial
    from dstok.chat.versions import VersionName
    from dstok.protocol import TokenizerProtocol

__all__ = ["ELSEWHERE", "OF_MODULES", "apply_chat_template", "module_hint", "raise_no_attribute",
           "raise_no_class_attribute", "raise_not_callable"]

ELSEWHERE = {
    # tokenizers
    "encode_batch_fast": "encode_batch(texts)",
    "get_vocab_size": "len(tok)",
    "get_added_tokens_decoder": "special_tokens",
    "enable_truncation": "dstok.rows.encode_with_overflow(tok, text, max_tokens)[0]",
    "truncation": "dstok.rows.encode_batch_padded(tok, texts, max_length=...): each call says how it truncates",
    "enable_padding": "dstok.rows.encode_batch_padded(tok, texts, pad_id=...)",
    "padding": "dstok.rows.encode_batch_padded(tok, texts, pad_id=...): each call says how it pads",
    "no_truncation": "encode(text), which truncates nothing",
    "no_padding": "encode_batch(texts), which pads nothing",
    "add_tokens": "dstok.Tokenizer.from_str(json) of a tokenizer.json that has them: a tokenizer never changes",
    "add_special_tokens": "dstok.Tokenizer.from_str(json) of a tokenizer.json that has them: a tokenizer never changes",
    "encode_special_tokens": 'encode(text, special="none")',
    "async_encode": "encode(text) in asyncio.to_thread",
    "async_encode_batch": "encode_batch(texts) in asyncio.to_thread",
    "async_encode_batch_fast": "encode_batch(texts) in asyncio.to_thread",
    "async_decode_batch": "decode_batch(batch) in asyncio.to_thread",
    "num_special_tokens_to_add": 'dstok.rows.encode_pair(tok, "", "").ids, which has those around a pair',
    "post_process": "dstok.rows.encode_pair(tok, text, pair)",
    "post_processor": "dstok.rows.encode_pair(tok, text, pair), which does what it says",
    "pre_tokenizer": "inspect().pretokenize(text)",
    "normalizer": "inspect().normalizer, which has its steps",
    "model": "inspect(), which has its splits and merges",
    "decoder": "decode(ids)",
    "from_file": "dstok.Tokenizer.from_json(path)",
    "save": "to_json(path)",
    "from_buffer": "dstok.Tokenizer.from_str(json)",
    "to_str": "to_json(path)",
    "train": "dstok.train_from_iterator(texts, trainer, like=tok)",
    "train_from_iterator": "dstok.train_from_iterator(texts, trainer, like=tok)",
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
    "bos_token_id": "bos_id",
    "eos_token_id": "eos_id",
    "pad_token_id": "pad_id",
    "unk_token_id": "unk_id",
    "bos_token": "tok.id_to_token(tok.bos_id)",
    "eos_token": "tok.id_to_token(tok.eos_id)",
    "pad_token": "tok.id_to_token(tok.pad_id)",
    "unk_token": "tok.id_to_token(tok.unk_id)",
    "get_added_vocab": "special_tokens",
    "added_tokens_encoder": "special_tokens",
    "added_tokens_decoder": "special_tokens",
    "additional_special_tokens": "special_tokens",
    "special_tokens_map": "special_tokens",
    "add_bos_token": "encode(text, add_bos=True): each call says it",
    "add_eos_token": "encode(text, add_eos=True): each call says it",
    "vocab": "get_vocab()",
    "pad": "dstok.rows.encode_batch_padded(tok, texts, pad_id=...)",
    "padding_side": 'dstok.rows.encode_batch_padded(tok, texts, padding_side="left"): each call says it',
    "truncation_side": 'dstok.rows.encode_batch_padded(tok, texts, truncation_side="left"): each call says it',
    "prepare_for_model": "dstok.rows.encode_pair_with_overflow(tok, text, pair, max_tokens)",
    "truncate_sequences": "dstok.rows.encode_pair_with_overflow(tok, text, pair, max_tokens)",
    "build_inputs_with_special_tokens": "dstok.rows.encode_pair(tok, text, pair)",
    "create_token_type_ids_from_sequences": "dstok.rows.encode_pair(tok, text, pair).type_ids",
    "get_special_tokens_mask": "dstok.rows.encode_pair(tok, text, pair).special_tokens_mask",
    "chat_template": "config.chat_template",
    "get_chat_template": "config.chat_template",
    "backend_tokenizer": "to_json(path), which tokenizers reads",
    "save_vocabulary": "to_json(path), or to_image(path)",
    "from_pretrained": "dstok.load(name or path)",
    "save_pretrained": "to_json(path), or to_image(path)",
    # tiktoken
    "encode_ordinary": 'encode(text, special="none")',
    "encode_ordinary_batch": 'encode_batch(texts, special="none")',
    "encode_to_numpy": "encode_array(text)",
    "encode_single_token": "token_to_id(token)",
    "decode_single_token_bytes": "decode_bytes([id])",
    "decode_tokens_bytes": "[tok.decode_bytes([id]) for id in ids]",
    "decode_bytes_batch": "[tok.decode_bytes(ids) for ids in batch]",
    "decode_with_offsets": "encode_with_offsets(text), which has the places of its ids",
    "encode_with_unstable": "encode_stream(), which gives ids that no later text changes",
    "token_byte_values": "vocabulary()",
    "special_tokens_set": "special_tokens",
    "is_special_token": "id in tok.special_tokens.values()",
    "n_vocab": "vocab_size",
    "max_token_value": "vocab_size, which is one more",
    "eot_token": "eos_id",
    # sentencepiece
    "encode_as_ids": "encode(text)",
    "decode_ids": "decode(ids)",
    "piece_to_id": "token_to_id(token)",
    "id_to_piece": "id_to_token(id)",
    "get_piece_size": "vocab_size",
}

OF_MODULES = {
    # tiktoken
    "get_encoding": 'dstok.Tokenizer.from_tiktoken("cl100k_base.tiktoken"): dstok fetches nothing',
    "encoding_for_model": "dstok.load(name or path)",
    "encoding_name_for_model": "dstok.load(name or path)",
    "list_encoding_names": "dstok.models()",
    # transformers
    "AutoTokenizer": "dstok.load(name or path)",
    "PreTrainedTokenizer": "dstok.load(name or path)",
    "PreTrainedTokenizerBase": "dstok.load(name or path)",
    "PreTrainedTokenizerFast": "dstok.load(name or path)",
    "from_pretrained": "dstok.load(name or path)",
    # sentencepiece
    "SentencePieceProcessor": "dstok.Tokenizer.from_sentencepiece(path)",
    # tokenizers
    "AddedToken": "dstok.load(path) of a tokenizer.json that has it: a tokenizer never changes",
    "pre_tokenizers": "dstok.Splitter(pattern)",
    "normalizers": "dstok.load(path) of a tokenizer.json that has one",
    "decoders": "tok.decode(ids)",
}


def apply_chat_template(
    self: TokenizerProtocol, conversation: Any, tools: Any = None, documents: None = None,
    chat_template: VersionName | None = None, add_generation_prompt: bool = False,
    continue_final_message: bool = False, tokenize: bool = True, *, version: VersionName | None = None,
    return_dict: bool = False, return_assistant_tokens_mask: bool = False, special: ChatSpecial = "template",
    trusted: bool = False, **options: Any,
) -> Any:
    """The ids (or with `tokenize=False` the text) of a conversation, as transformers' method of that name.

    `version` (or `chat_template`) is a version of `dstok.chat`. Without it, a loaded model uses the template of its
    files, and a built-in model the version that is published with it. If a message holds the text of an added token,
    the default keeps it text; `special="all"` gives transformers' ids. `trusted` renders a loaded model's template in
    this process and without limits, as `dstok.chat.Template` does. `options` are the version's. `return_dict` gives
    input_ids and attention_mask, and with `return_assistant_tokens_mask` also assistant_masks. A list of conversations
    gives a list. Raises `ChatError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3.1")
    >>> tok.apply_chat_template([{"role": "user", "content": "Hi"}], add_generation_prompt=True, thinking=True)
    [0, 128803, 23166, 128804, 128798]
    """
    from dstok.chat.transformers_call import apply  # most programs have no conversations

    arguments = {"tools": tools, "add_generation_prompt": add_generation_prompt,
                 "continue_final_message": continue_final_message, **options}
    return apply(self, conversation, _one_of(version, chat_template), documents, arguments, special, tokenize,
                 return_dict, return_assistant_tokens_mask, trusted)


def _one_of(version: VersionName | None, chat_template: VersionName | None) -> VersionName | None:
    """The version, from either keyword. Raises `ChatError` if both are given."""
    if version is not None and chat_template is not None:
        raise ChatError(f"expected version or chat_template, found both, {version!r} and {chat_template!r}",
                        field="version")
    return chat_template if version is None else version


def raise_no_attribute(self: object, name: str) -> NoReturn:
    """Raises `AttributeError` for an unknown name. If another library has the name, the error names dstok's call.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_ordinary("Hello")
    Traceback (most recent call last):
    ...
    AttributeError: a dstok.Tokenizer has no encode_ordinary, as other libraries have: use encode(text, special="none")
    """
    own = ELSEWHERE.get(name)
    if own is None:
        raise AttributeError(f"'Tokenizer' object has no attribute {name!r}", name=name, obj=self)
    # With an object but no name, Python suggests no other name ("Did you mean: 'encode_array'?").
    raise AttributeError(f"a dstok.Tokenizer has no {name}, as other libraries have: use {own}", obj=self)


def raise_no_class_attribute(cls: type, name: str) -> NoReturn:
    """Does what `raise_no_attribute` does, for a name that the class does not have.

    >>> import dstok
    >>> dstok.Tokenizer.from_buffer(b"{}")
    Traceback (most recent call last):
    ...
    AttributeError: dstok.Tokenizer has no from_buffer, as other libraries have: use dstok.Tokenizer.from_str(json)
    """
    own = ELSEWHERE.get(name)
    if own is None:
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}", name=name, obj=cls)
    raise AttributeError(f"dstok.Tokenizer has no {name}, as other libraries have: use {own}", obj=cls)


def module_hint(name: str) -> str:
    """The hint for a name such as `dstok.get_encoding`, after "... has no attribute"; "" for an unknown name.

    >>> module_hint("AutoTokenizer")
    ', as other libraries have: use dstok.load(name or path)'
    """
    own = OF_MODULES.get(name)
    return f", as other libraries have: use {own}" if own else ""


def raise_not_callable(self: object, *arguments: Any, **options: Any) -> NoReturn:
    """Raises `TypeError`: transformers' tokenizers can be called, a `dstok.Tokenizer` cannot.

    >>> import dstok
    >>> dstok.load("deepseek-v3")("Hello")
    Traceback (most recent call last):
    ...
    TypeError: a dstok.Tokenizer is not called: use tok.encode(text), tok.encode_batch(texts) or, for numpy arrays, \
tok.encode_array(text)
    """
    raise TypeError("a dstok.Tokenizer is not called: use tok.encode(text), tok.encode_batch(texts) or, for numpy "
                    "arrays, tok.encode_array(text)")
