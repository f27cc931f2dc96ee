"""What users know from other libraries: `Tokenizer.apply_chat_template`, and errors that name the call of dstok.

In: the arguments of transformers' `apply_chat_template`; a name that `Tokenizer` or its class does not have; a call of
the tokenizer itself. Out: the results of transformers; `AttributeError` or `TypeError` that says what to use.
Invariant: names, order and defaults are those of transformers 4.57. For a model with its own template the result also
equals transformers', with one exception: the text of an added token in a message stays text, unless special="all".
`hasattr` is false for every name that dstok does not have. Libraries that probe for a name rely on that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from dstok.chat.encode import ChatSpecial, encode
from dstok.chat.messages import wrong
from dstok.chat.render import render
from dstok.chat.versions import VersionName, own_version
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.chat.templates import Template
    from dstok.protocols import TokenizerProtocol

HINTS = {  # the names that newcomers type; docs/migration.md has all
    "from_pretrained": "dstok.load(name or path)", "from_file": "dstok.Tokenizer.from_json(path)",
    "save_pretrained": "to_json(path), or to_image(path)", "encode_ordinary": 'encode(text, special="none")',
    "encode_plus": "encode(text)", "batch_encode_plus": "encode_batch(texts)", "batch_decode": "decode_batch(batch)",
    "tokenize": "[tok.id_to_token(id) for id in tok.encode(text)]", "num_tokens": "count(text)",
    "convert_ids_to_tokens": "[tok.id_to_token(id) for id in ids]", "get_vocab_size": "len(tok)",
    "convert_tokens_to_ids": "[tok.token_to_id(token) for token in tokens]", "n_vocab": "vocab_size",
    "eos_token_id": "eos_id", "model_max_length": "truncate(text, max_tokens): a tokenizer sets no limit",
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
    files, and a built-in model the version that is published with it. The text of an added token in a message stays
    text; `special="all"` gives transformers' ids. `trusted`: as of `dstok.chat.Template`. `options` are the version's.
    `return_dict` gives input_ids and attention_mask, and with `return_assistant_tokens_mask` also assistant_masks. A
    list of conversations gives a list. Raises `ChatError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3.1")
    >>> tok.apply_chat_template([{"role": "user", "content": "Hi"}], add_generation_prompt=True, thinking=True)
    [0, 128803, 23166, 128804, 128798]
    """
    if version is not None and chat_template is not None:
        raise ChatError(f"expected version or chat_template, found both, {version!r} and {chat_template!r}",
                        field="version")
    if documents is not None:
        raise wrong("no documents, as no format has a text for them", documents, field="documents")
    name: VersionName | Template | None = chat_template if version is None else version
    if name is None:
        from dstok import chat

        text = self.config.chat_template
        if text is None or any(self.name in version.models for version in chat.versions()):
            name = own_version(self.name).name  # it gives the text of a built-in model's template faster
        else:
            name = chat.Template(text, self, trusted=trusted)
    arguments: dict[str, Any] = {"tools": tools, "add_generation_prompt": add_generation_prompt,
                                 "continue_final_message": continue_final_message, **options}
    several = isinstance(conversation, list) and bool(conversation) and isinstance(conversation[0], list)
    results = list[Any]()
    for talk in conversation if several else [conversation]:
        if not tokenize:
            results.append(render(talk, name, **arguments).text)
            continue
        encoded = encode(self, talk, name, special=special, **arguments)
        row = {"input_ids": encoded.ids, "attention_mask": [1] * len(encoded.ids)}
        if return_dict and return_assistant_tokens_mask:
            row["assistant_masks"] = encoded.sampled.astype(int).tolist()
        results.append(row if return_dict else encoded.ids)
    if not several:
        return results[0]
    return {key: [row[key] for row in results] for key in results[0]} if tokenize and return_dict else results


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
    """Raises `TypeError`: transformers' tokenizers can be called, a `dstok.Tokenizer` cannot."""
    raise TypeError("a dstok.Tokenizer is not called: use tok.encode(text), tok.encode_batch(texts) or, for numpy "
                    "arrays, tok.encode_array(text)")
