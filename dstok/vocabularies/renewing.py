"""A new vocabulary for a tokenizer, learned from other texts.

In: a tokenizer, texts, a size. Out: a tokenizer that reads texts as the old one, with its special tokens.
Invariant: the rules of transformers' call of this name: the special tokens of the old tokenizer come first, in their
order, then new ones; all 256 bytes have ids; ids around texts are renewed.
Source: transformers 5.24.0. It leaves the old ids in a post-processor of several steps; here these are renewed, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dstok.base.arguments import explained
from dstok.formats.description import ModelDescription
from dstok.tables.objects import make_plain_finder
from dstok.vocabularies.base import Base, base_of
from dstok.vocabularies.counting import Texts, counted
from dstok.vocabularies.learning import learn
from dstok.vocabularies.model import M, byte_model
from dstok.vocabularies.trainer import BpeTrainer

__all__ = ["train_new_from_iterator"]


@explained
def train_new_from_iterator(
    self: M, texts: Texts, vocab_size: int, *, length: int | None = None,
    new_special_tokens: Iterable[Any] | None = None, special_tokens_map: Mapping[str, str] | None = None,
    threads: int = 1, memory: int = 1 << 30, **settings: Any,
) -> M:
    """A tokenizer that reads texts as this one does, with a new vocabulary, by the rules of transformers' call.

    texts: `str` or UTF-8 bytes, or lists of them. length: how many; it changes nothing.
    new_special_tokens: after those of this tokenizer. special_tokens_map: from their texts to new ones.
    threads, memory: as of `dstok.train_from_iterator`. settings: other keywords of `BpeTrainer`.

    Raises as `dstok.train_from_iterator`.

    >>> import dstok
    >>> trainer = dstok.BpeTrainer(special_tokens=["<s>"], initial_alphabet=dstok.BpeTrainer.byte_alphabet())
    >>> tok = dstok.train_from_iterator(["one two"], trainer, like="gpt-2")
    >>> new = tok.train_new_from_iterator(["low lower lowest", "low low"], 259, new_special_tokens=["</s>"])
    >>> new.special_tokens, new.vocabulary()[258:]
    ({'<s>': 0, '</s>': 1}, [b'lo'])
    """
    model, names = byte_model(self), special_tokens_map or {}
    specials = [token._replace(content=names.get(token.content, token.content)) for token in model.added_tokens
                if token.special]
    trainer = BpeTrainer(vocab_size=vocab_size, special_tokens=[*specials, *(new_special_tokens or ())],
                         initial_alphabet=BpeTrainer.byte_alphabet(), **settings)
    base = _with_chats(base_of(model).renamed(names), model)
    base.check(trainer)
    with counted(make_plain_finder(self._tables), self._normalizer, texts, threads, memory) as rows:
        return self._of_description(base.trained(learn(rows, trainer, memory=memory, threads=threads)))


def _with_chats(base: Base, model: ModelDescription) -> Base:
    """The same with the chat templates of the model, whose special tokens stay."""
    config = replace(base.model.config, chat_template=model.config.chat_template,
                     chat_templates=model.config.chat_templates)
    return base._replace(model=replace(base.model, config=config))
