"""The parts of a model that a training keeps: how texts are normalized and cut, and the settings around them.

In: a model's description. Out: `Base`, and from it and a vocabulary the description of the trained model.
Invariant: texts are read as the model reads them between added tokens. The vocabulary and the added tokens of the model
are not kept. Settings name special tokens by their text; the ids of these are renewed, as transformers does in
`train_new_from_iterator`. Chat templates belong to the old tokens, and are not kept.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

from dstok.errors import UnsupportedError
from dstok.formats.description import ENDS, ModelDescription, NormalizerStep, TokenizerConfig
from dstok.formats.json_value import shown
from dstok.formats.tokens import spelling
from dstok.pattern.split import Split
from dstok.vocabularies.alphabet import FirstTokens
from dstok.vocabularies.learning import Learned
from dstok.vocabularies.trainer import BpeTrainer

__all__ = ["Base", "around", "base_of", "made_by"]


class Base(NamedTuple):
    """A model without a vocabulary. ends: the texts of its BOS, EOS, padding and unknown token, where it has them."""

    model: ModelDescription
    ends: Mapping[str, str] = MappingProxyType({})

    def renamed(self, names: Mapping[str, str]) -> Base:
        """The same with other special tokens: `names` maps old texts to new ones."""
        config = replace(self.model.config, **around(self.model.config, None, names))
        ends = {name: names.get(text, text) for name, text in self.ends.items()}
        return Base(replace(self.model, config=config), ends)

    def made_by(self) -> str:
        """The SHA-256 of all that decides the pieces, as counts files have it."""
        return made_by(self.model.unicode_version, self.model.splits, self.model.normalizer)

    def check(self, trainer: BpeTrainer) -> None:
        """Refuses, before texts are read, a trainer whose special tokens lack one that a setting needs.

        Also a `vocab_size` that they and the initial alphabet exceed. Raises `UnsupportedError` and `ArgumentError`.
        """
        known = FirstTokens(trainer, [0] * 256)  # texts may add to them
        if known.ids:
            known.check()
        specials = {token.content: 0 for token in trainer.special_tokens}
        self._config(specials)
        unknown = self.model.unknown
        whole = {*trainer.byte_alphabet()} <= {*trainer.initial_alphabet}
        if unknown and unknown[0] not in specials and not whole:
            raise UnsupportedError(f"the unk_token {shown(unknown[0])}, which stands for bytes without a token, "
                                   "without a special token of this text", "special_tokens")

    def trained(self, learned: Learned) -> ModelDescription:
        """The model with a vocabulary."""
        ids = {token.content: token.id for token in learned.added_tokens}
        return replace(self.model, tokens=learned.tokens, raw_ids=learned.raw_ids, merges=learned.merges,
                       added_tokens=learned.added_tokens, config=self._config(ids))

    def _config(self, ids: Mapping[str, int]) -> TokenizerConfig:
        ends: Any = {name: ids.get(text) for name, text in self.ends.items()}
        return replace(self.model.config, **ends, **around(self.model.config, ids))


def made_by(unicode_version: str, splits: Iterable[Split], normalizer: Iterable[NormalizerStep] = ()) -> str:
    """The SHA-256 of steps. A splitter's fingerprint does not serve: some splitters have none."""
    steps = [(split.pattern, split.behavior, split.invert, split.unicode_version) for split in splits]
    before = [{**step.stored(), "where": ""} for step in normalizer]
    return sha256(json.dumps([unicode_version, steps, *([before] if before else [])]).encode()).hexdigest()


def base_of(model: ModelDescription) -> Base:
    """The parts of a model that a training keeps. Raises `UnsupportedError` for a model of characters."""
    if model.characters is not None:
        raise UnsupportedError("training like a model of characters: dstok trains vocabularies of bytes", "like")
    config, names = model.config, _names(model)
    kept = TokenizerConfig(add_bos=config.add_bos, add_eos=config.add_eos, framing=config.framing,
                           truncation=config.truncation, padding=config.padding)
    without = replace(model.without_places(), tokens=(), raw_ids=frozenset(), merges=array("I"), added_tokens=(),
                      config=kept)
    return Base(without, {name: names[i] for name in ENDS if (i := getattr(config, name)) in names})


def _names(model: ModelDescription) -> dict[int, str]:
    """The text of each token that a setting may name."""
    wanted = {getattr(model.config, name) for name in ENDS}
    tokens = {i: token for i, token in enumerate(model.tokens) if token and i in wanted}
    names = {i: token.decode() if i in model.raw_ids else spelling(token) for i, token in tokens.items()}
    return names | {token.id: token.content for token in model.added_tokens}


def around(
    config: TokenizerConfig, ids: Mapping[str, int] | None, names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The settings that name tokens, `framing` and `padding`: with new ids if there are any, and new names.

    Raises `UnsupportedError` if a token has no new id.
    """
    def token(text: str, old: int) -> tuple[str, int]:
        text = (names or {}).get(text, text)
        if ids is not None and text not in ids:
            raise UnsupportedError(f"settings that put {shown(text)} around texts, without a special token of this "
                                   "text", "special_tokens")
        return text, old if ids is None else ids[text]

    framing, padding = config.framing, config.padding
    if framing is not None:
        framing = json.dumps([_renewed(step, token) for step in json.loads(framing)], ensure_ascii=False)
    if padding is not None:
        text, i = token(padding["pad_token"], padding["pad_id"])
        padding = {**padding, "pad_token": text, "pad_id": i}
    return {"framing": framing, "padding": padding}


def _renewed(step: dict[str, Any], token: Any) -> dict[str, Any]:
    """A step of the post-processor: TemplateProcessing, BertProcessing or RobertaProcessing."""
    if step["type"] != "TemplateProcessing":
        return {**step, "sep": list(token(*step["sep"])), "cls": list(token(*step["cls"]))}
    special = {}
    for key, each in step["special_tokens"].items():
        found = [token(text, i) for text, i in zip(each["tokens"], each["ids"])]
        special[key] = {**each, "ids": [i for _, i in found], "tokens": [text for text, _ in found]}
    return {**step, "special_tokens": special}
