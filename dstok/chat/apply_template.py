"""`Tokenizer.apply_chat_template`, with the arguments and results of transformers' method of that name.

In: one conversation or several. Out: ids, a text, or a dictionary, and lists of these for several conversations.
Invariant: names, order and defaults are those of transformers 4.57. For a model with its own template the result also
equals transformers', with one exception: the text of an added token in a message stays text, unless special="all".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dstok.chat.encode import ChatSpecial, encode
from dstok.chat.messages import wrong
from dstok.chat.render import render
from dstok.chat.versions import VersionName, own_version
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.chat.templates import Template
    from dstok.protocols import TokenizerProtocol


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
