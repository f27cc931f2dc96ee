"""`Tokenizer.apply_chat_template`: the call that users know from transformers.

In: its arguments. Out: the results of transformers: ids, a text, or a dictionary; lists of these for several
conversations.
Invariant: names, order and defaults are those of transformers 4.57. For a model with its own template the result also
equals transformers', with one exception: the text of an added token in a message stays text, unless special="all".

The names of other libraries: the method `apply_chat_template`, and errors for names that dstok does not have.

In: the arguments of transformers' `apply_chat_template`; a name that `Tokenizer` or its class does not have, such as
`encode_ordinary` or `from_pretrained`; a call of the tokenizer itself, `tok("Hello")`. Out: ids or a text;
`AttributeError` or `TypeError` that names the call of dstok: `use encode(text, special="none")`.
Invariant: `hasattr` is false for every name that dstok does not have. Libraries that probe for a name rely on that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from dstok.chat.encode import ChatSpecial, EncodedConversation, encode
from dstok.chat.messages import shown
from dstok.chat.render import render
from dstok.chat.versions import VersionName, own_version, versions
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.chat.templates import Template
    from dstok.protocols import TokenizerProtocol

__all__ = ["HINTS", "apply", "apply_chat_template", "raise_no_attribute", "raise_not_callable"]

def apply(
    tokenizer: TokenizerProtocol, conversation: Any, version: VersionName | None, documents: Any,
    arguments: dict[str, Any], special: ChatSpecial, tokenize: bool, as_dict: bool, mask: bool, trusted: bool,
) -> Any:
    """Implements `Tokenizer.apply_chat_template`. Raises `ChatError`."""
    if documents is not None:
        raise ChatError(f"expected no documents, as no format has a text for them, found {shown(documents)}",
                        field="documents")
    name = _own(tokenizer, trusted) if version is None else version
    several = isinstance(conversation, list) and bool(conversation) and isinstance(conversation[0], list)
    talks = conversation if several else [conversation]
    if not tokenize:
        texts = [render(talk, name, **arguments).text for talk in talks]
        return texts if several else texts[0]
    encoded = [encode(tokenizer, talk, name, special=special, **arguments) for talk in talks]
    if not as_dict:
        return [one.ids for one in encoded] if several else encoded[0].ids
    rows = [_row(one, mask) for one in encoded]
    return {key: [row[key] for row in rows] for key in rows[0]} if several else rows[0]


def _own(tokenizer: TokenizerProtocol, trusted: bool) -> VersionName | Template:
    """The template of a loaded model, or the version of a built-in one, which gives the text of its template faster."""
    text = tokenizer.config.chat_template
    if text is None or any(tokenizer.name in version.models for version in versions()):
        return own_version(tokenizer.name).name
    from dstok import chat

    return chat.Template(text, tokenizer, trusted=trusted)


def _row(encoded: EncodedConversation, mask: bool) -> dict[str, list[int]]:
    row = {"input_ids": encoded.ids, "attention_mask": [1] * len(encoded.ids)}
    if mask:
        row["assistant_masks"] = encoded.sampled.astype(int).tolist()
    return row


HINTS = {  # the names that newcomers type; docs/migration.md has all
    "from_pretrained": "dstok.load(name or path)",
    "from_file": "dstok.Tokenizer.from_json(path)",
    "save_pretrained": "to_json(path), or to_image(path)",
    "encode_ordinary": 'encode(text, special="none")',
    "encode_plus": "encode(text)",
    "batch_encode_plus": "encode_batch(texts)",
    "batch_decode": "decode_batch(batch)",
    "tokenize": "[tok.id_to_token(id) for id in tok.encode(text)]",
    "convert_ids_to_tokens": "[tok.id_to_token(id) for id in ids]",
    "convert_tokens_to_ids": "[tok.token_to_id(token) for token in tokens]",
    "num_tokens": "count(text)",
    "get_vocab_size": "len(tok)",
    "n_vocab": "vocab_size",
    "eos_token_id": "eos_id",
    "model_max_length": "truncate(text, max_tokens): a tokenizer sets no limit",
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
    """Raises `AttributeError` for an unknown name of a tokenizer or its class. For one of `HINTS` it says dstok's call.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_ordinary("Hello")
    Traceback (most recent call last):
    ...
    AttributeError: Tokenizer has no encode_ordinary, as other libraries have: use encode(text, special="none")
    """
    kind = self if isinstance(self, type) else type(self)
    own = HINTS.get(name)
    if own is None:
        raise AttributeError(f"{kind.__name__!r} has no attribute {name!r}", name=name, obj=self)
    # With an object but no name, Python suggests no other name ("Did you mean: 'encode_array'?").
    raise AttributeError(f"{kind.__name__} has no {name}, as other libraries have: use {own}", obj=self)


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
