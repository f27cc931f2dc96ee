"""`Tokenizer.apply_chat_template`: the call that users know from transformers.

In: its arguments. Out: the results of transformers: ids, a text, or a dictionary; lists of these for several
conversations.
Invariant: names, order and defaults are those of transformers 4.57. For a model with its own template the result also
equals transformers', with one exception: the text of an added token in a message stays text, unless special="all".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dstok.chat.encoding import ChatSpecial, EncodedConversation, encode
from dstok.chat.messages import shown
from dstok.chat.rendering import render
from dstok.chat.versions import VersionName, own_version, versions
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.chat.templates import Template
    from dstok.protocol import TokenizerProtocol

__all__ = ["apply"]


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
