"""The model that a training follows: its parts that are kept, and what extending and trimming use of a tokenizer.

In: `like`, as the calls take it (a name, a tokenizer.json, a `Tokenizer`, a `Splitter`), or a model's description. Out:
`Base`, and from it and a vocabulary the description of the trained model.
Invariant: texts are read as the model reads them between added tokens. The vocabulary and the added tokens of the model
are not kept; that of a tokenizer.json is not even read, so it may be empty. Settings name special tokens by their text;
the ids of these are renewed, as transformers does in `train_new_from_iterator`. Chat templates are not kept: they
belong to the old tokens.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from dstok._util.files import StrPath
from dstok._util.json_value import Value, load_json, shown
from dstok.core.text.model_json import pack_tokens
from dstok.errors import ArgumentError, ModelNotFoundError, UnsupportedError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR, spelling
from dstok.formats.components import read_normalizer
from dstok.formats.description import ENDS, ModelDescription, NormalizerStep, TokenizerConfig
from dstok.formats.reading import JSON, about_file, contents, kind_of
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.formats.upstream import NEWEST, upstream_version
from dstok.loading import is_path, load
from dstok.pretokenizer.sources import preset_names
from dstok.pretokenizer.splitter import Splitter
from dstok.regex import Split
from dstok.tokenizer import Tokenizer, describe
from dstok.training.learn import Learned, Rows
from dstok.training.trainer import BpeTrainer, FirstTokens

Like: TypeAlias = "StrPath | bytes | Mapping[str, Any] | Tokenizer | Splitter"
Normalizing: TypeAlias = "str | Mapping[str, Any] | None"


class Base(NamedTuple):
    """A model without a vocabulary. ends: the texts of its BOS, EOS, padding and unknown token, where it has them."""

    model: ModelDescription
    ends: Mapping[str, str] = MappingProxyType({})

    def renamed(self, names: Mapping[str, str]) -> Base:
        """The same with other special tokens: `names` maps old texts to new ones."""
        config = self.model.config._replace(**around(self.model.config, None, names))
        ends = {name: names.get(text, text) for name, text in self.ends.items()}
        return Base(self.model._replace(config=config), ends)

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
        return self.model._replace(tokens=pack_tokens(learned.tokens), raw_ids=learned.raw_ids, merges=learned.merges,
                                   added_tokens=learned.added_tokens, config=self._config(ids))

    def _config(self, ids: Mapping[str, int]) -> TokenizerConfig:
        ends: Any = {name: ids.get(text) for name, text in self.ends.items()}
        return self.model.config._replace(**ends, **around(self.model.config, ids))


def made_by(unicode_version: str, splits: Iterable[Split], normalizer: Iterable[NormalizerStep] = ()) -> str:
    """The SHA-256 of steps. A splitter's fingerprint does not serve: some splitters have none."""
    steps = [(split.pattern, split.behavior, split.invert, split.unicode_version) for split in splits]
    before = [{**step.stored(), "where": ""} for step in normalizer]
    return sha256(json.dumps([unicode_version, steps, *([before] if before else [])]).encode()).hexdigest()


def base_of(model: ModelDescription) -> Base:
    """The parts of a model that a training keeps. Raises `UnsupportedError` for a model of characters."""
    if model.characters is not None:
        raise UnsupportedError("training like a model of characters: dstok trains vocabularies of bytes", "like")
    if model.cuts_bytes or model.word_end:
        what = "an end_of_word_suffix" if model.word_end else "cuts of digits after ByteLevel, inside characters, too"
        raise UnsupportedError(f"training like a model with {what}", "like")
    config = model.config
    wanted = {getattr(config, name) for name in ENDS}
    tokens = {i: token for i, token in enumerate(model.tokens) if token and i in wanted}
    names = {i: token.decode() if i in model.raw_ids else spelling(token) for i, token in tokens.items()}
    names |= {token.id: token.content for token in model.added_tokens}
    kept = TokenizerConfig(add_bos=config.add_bos, add_eos=config.add_eos, framing=config.framing,
                           truncation=config.truncation, padding=config.padding)
    without = model.without_places()._replace(tokens=pack_tokens(()), raw_ids=frozenset(), merges=array("I"),
                                              added_tokens=(), config=kept)
    return Base(without, {name: names[i] for name in ENDS if (i := getattr(config, name)) in names})


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
        steps = json.loads(framing)  # of the post-processor: TemplateProcessing, BertProcessing or RobertaProcessing
        for step in steps:
            if step["type"] == "TemplateProcessing":
                for each in step["special_tokens"].values():
                    found = [token(text, i) for text, i in zip(each["tokens"], each["ids"])]
                    each |= {"ids": [i for _, i in found], "tokens": [text for text, _ in found]}
            else:
                step |= {end: list(token(*step[end])) for end in ("sep", "cls")}
        framing = json.dumps(steps, ensure_ascii=False)
    if padding is not None:
        text, i = token(padding["pad_token"], padding["pad_id"])
        padding = {**padding, "pad_token": text, "pad_id": i}
    return {"framing": framing, "padding": padding}


def find_base(like: Like, normalizer: Normalizing = None) -> Base:
    """The parts that a training keeps. `normalizer` is for a `Splitter` only.

    Raises `ArgumentError`, and what reading the model raises.
    """
    if isinstance(like, Splitter):
        steps: Iterable[NormalizerStep] = ()
        if normalizer is not None:  # an object as in a tokenizer.json, or a name without settings, such as "NFC"
            value = {"type": normalizer} if isinstance(normalizer, str) else dict(normalizer)
            steps = read_normalizer(Value(value, "normalizer"), upstream_version(NEWEST))
        return Base(ModelDescription(like.splits, pack_tokens(()), frozenset(), array("I"), (), False,
                                     like.unicode_version, tuple(steps)))
    if normalizer is not None:
        raise ArgumentError("expected a normalizer with a Splitter only: other models have their own", "normalizer")
    return base_of(_model(like))


def _model(like: Any) -> ModelDescription:
    if isinstance(like, Tokenizer):
        return describe(like)
    if isinstance(like, Mapping):
        return without_vocabulary(json.dumps(like))
    if isinstance(like, bytes) or (isinstance(like, str) and like.lstrip().startswith("{")):
        return without_vocabulary(like)
    if not isinstance(like, str | os.PathLike):
        raise ArgumentError("expected the name of a model, a tokenizer.json, a Tokenizer or a Splitter as like, found "
                            f"{type(like).__name__}", "like")
    if is_path(like) and os.path.isfile(like) and kind_of(data := contents(like)) == JSON:
        with about_file(like):
            return without_vocabulary(data)
    try:
        return describe(load(like))
    except ModelNotFoundError:
        if like not in preset_names():
            raise
        return find_base(Splitter.preset(str(like))).model


def without_vocabulary(data: str | bytes, upstream: str = NEWEST) -> ModelDescription:
    """The model of a tokenizer.json, with the 256 bytes as its vocabulary. upstream: as for `dstok.load`."""
    file = load_json(data)
    model = {**file.need("model").object(), "vocab": {char: i for i, char in enumerate(BYTE_TO_CHAR)}, "merges": []}
    return read_tokenizer_json(json.dumps({**file.object(), "model": model, "added_tokens": []}), None, upstream)


def byte_model(tok: Tokenizer) -> ModelDescription:
    """The description. Raises `UnsupportedError` for a model of characters."""
    model = tok._describe()
    if model.characters is not None:
        raise UnsupportedError("another vocabulary of a model of characters: dstok makes those of models of bytes")
    base_of(model)
    return model


def rows_of(counts: Any) -> Callable[[], Iterable[Rows]]:
    """The blocks of counted pieces: of a counts file or of `PieceCounts`. Raises `ArgumentError`."""
    if callable(getattr(counts, "rows", None)):
        return counts.rows  # type: ignore[no-any-return]
    if not all(hasattr(counts, name) for name in ("pieces", "offsets", "counts")):
        raise ArgumentError("expected counts, as count_pieces or a counts file has them, found "
                            f"{type(counts).__name__}", "counts")
    return lambda: [(counts.pieces, counts.offsets, counts.counts)]
