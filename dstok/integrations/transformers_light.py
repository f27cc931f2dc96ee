"""A tokenizer with the main calls of transformers and no backend: a third of the memory of an accelerated one.

In: a folder with a tokenizer.json, or the file. Out: a `Light`.
Invariant: a call gives the result of the tokenizer that `from_pretrained` of transformers 5.x makes from the folder.
Anything a `Light` lacks is an error. Templates and truncation are those of the file's post-processor, by upstream's
code.
Source: transformers 5.24.0; tests/integrations/test_transformers_light.py compares every call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import BatchEncoding

from dstok.base.keywords import hinting
from dstok.base.paths import StrPath
from dstok.errors import DstokError, UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.description import TokenizerConfig
from dstok.formats.reading import describe_json_file
from dstok.integrations.transformers_encodings import CallInputs, Input, LazyEncodings
from dstok.integrations.transformers_engine import Engine, check_stripping
from dstok.integrations.transformers_framing import KeptSettings
from dstok.tables.build import build_tables
from dstok.tokenizer import tokenizer_of

__all__ = ["Light", "load"]

Texts = str | list[str]
CONFIG = "tokenizer_config.json: "
SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
                  "additional_special_tokens", "extra_special_tokens")


@hinting
def load(path: StrPath) -> Light:
    """The light tokenizer of a folder, or of a tokenizer.json. Raises the errors of `dstok.load` for such a file.

    ```python
    tokenizer = dstok.integrations.transformers.load("path/to/folder")
    tokenizer("A text")["input_ids"]
    ```
    """
    file = Path(path) / "tokenizer.json" if Path(path).is_dir() else Path(path)
    read = describe_json_file(file, None, f"tokenizers-{tokenizers.__version__}")
    model = replace(read, trim_offsets="")  # the post-processor trims
    check_stripping(bool(model.normalizer), model.added_tokens)
    config = model.config
    with model.naming_places():
        tok = tokenizer_of(build_tables(model), model.added_tokens, config.bos_id, config.eos_id, config=config)
    bare = {**json.loads(file.read_text(encoding="utf-8")), "added_tokens": [], "truncation": None, "padding": None}
    bare["model"] = {"type": "BPE", "vocab": {}, "merges": []}
    processor = tokenizers.Tokenizer.from_str(json.dumps(bare)).post_processor
    light = Light(Engine(tok, model.added_tokens), _plain(config) if processor is None else processor)
    beside = file.with_name("tokenizer_config.json")
    if beside.exists():
        _configure(light, json.loads(beside.read_text(encoding="utf-8")), model.added_tokens)
    return light


def _configure(light: Light, settings: dict[str, Any], added: Sequence[AddedToken]) -> None:
    """Gives a light tokenizer the settings of tokenizer_config.json. Raises `UnsupportedError` if it lacks one."""
    for side in ("padding_side", "truncation_side"):
        found = settings.get(side, "right")
        if found not in ("left", "right"):
            raise UnsupportedError(f'a side other than "left" or "right": {found!r}', f"{CONFIG}$.{side}")
        setattr(light, side, found)
    light.model_input_names = settings.get("model_input_names", light.model_input_names)
    if settings.get("split_special_tokens"):
        raise UnsupportedError("split_special_tokens for all calls: it is an argument of each",
                               f"{CONFIG}$.split_special_tokens")
    known = {token.content for token in added if token.special}
    for key, token in _special_tokens(settings):
        if token not in known:
            raise UnsupportedError(f"a special token that tokenizer.json has not as one: {token!r}", f"{CONFIG}$.{key}")


def _special_tokens(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The special tokens in tokenizer_config.json, with their keys."""
    for key in SPECIAL_TOKENS:
        values = settings.get(key) or []
        values = list(values.values()) if isinstance(values, dict) and "content" not in values else values
        for token in values if isinstance(values, list) else [values]:
            yield key, token["content"] if isinstance(token, dict) else token


def _plain(config: TokenizerConfig) -> Any:
    """The replacement of transformers for a missing post-processor."""
    if config.add_bos or config.add_eos:
        raise UnsupportedError("a file without post-processor, whose tokenizer_config.json asks for BOS or EOS",
                               "$.post_processor")
    return TemplateProcessing(single="$A:0", pair="$A:0 $B:1", special_tokens=[])


class Light:
    """The result of `load`. `tokenizer` is the `dstok.Tokenizer`; any number of threads may share one object.

    `padding_side`, `truncation_side` and `model_input_names` are attributes, as in transformers, and begin with the
    values of tokenizer_config.json. The last tells whether a call gives masks and type ids without a keyword. Ids of
    special tokens are `bos_token_id`, `eos_token_id` and `pad_token_id`, None if the model names none.
    """

    def __init__(self, engine: Engine, processor: Any) -> None:
        self.tokenizer, self.padding_side, self.truncation_side = engine.tok, "right", "right"
        self.model_input_names = ["input_ids", "attention_mask"]
        self._engine, self._processor, self._settings = engine, processor, KeptSettings()
        config = engine.tok.config
        self.bos_token_id, self.eos_token_id, self.pad_token_id = config.bos_id, config.eos_id, config.pad_id

    def __call__(
        self, text: Texts, text_pair: Texts | None = None, *, add_special_tokens: bool = True,
        padding: bool | str = False, truncation: bool | str = False, max_length: int | None = None, stride: int = 0,
        pad_to_multiple_of: int | None = None, return_tensors: str | None = None,
        return_token_type_ids: bool | None = None, return_attention_mask: bool | None = None,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False, split_special_tokens: bool = False,
    ) -> BatchEncoding:
        """As in transformers: `padding` is True, "longest" or "max_length", `truncation` True or a strategy.

        Truncation and "max_length" need a `max_length`. Raises `TypeError` for anything but text, `UnsupportedError`
        for truncation that leaves no room, `TextError` for lone surrogates.
        """
        masks, types = (name in self.model_input_names if asked is None else asked for name, asked in (
            ("attention_mask", return_attention_mask), ("token_type_ids", return_token_type_ids)))
        wanted = {"token_type_ids": types, "attention_mask": masks,
                  "special_tokens_mask": return_special_tokens_mask, "offset_mapping": return_offsets_mapping}
        inputs = _inputs(text, text_pair)
        settings = self._settings.get(self._processor, self._truncation(truncation, max_length, stride),
                                      self._padding(padding, max_length, pad_to_multiple_of), split_special_tokens,
                                      add_special_tokens)
        rows = CallInputs(self._engine, settings).of_inputs(inputs)
        data = {"input_ids": [row.ids for row in rows]}
        for name in [name for name, is_wanted in wanted.items() if is_wanted]:
            data[name] = [getattr(row, MEMBERS[name]) for row in rows]
        if isinstance(text, str) and return_tensors is None:
            data = {name: values[0] for name, values in data.items()}
        sequences = 1 if text_pair is None else 2
        return BatchEncoding(data, LazyEncodings(rows), tensor_type=return_tensors, n_sequences=sequences)

    def encode(self, text: str, text_pair: str | None = None, **options: Any) -> Any:
        """The ids of a text or a pair. Keywords as for the call."""
        return self(text, text_pair, **options)["input_ids"]

    def decode(self, token_ids: Any, skip_special_tokens: bool = False) -> str:
        """The text of ids. Raises `UnknownIdError` for an id without a token; transformers passes over those."""
        return self.tokenizer.decode(token_ids, skip_special_tokens=skip_special_tokens)

    def batch_decode(self, sequences: Sequence[Any], skip_special_tokens: bool = False) -> list[str]:
        """The text of each list of ids. Raises as `decode`."""
        return self.tokenizer.decode_batch(sequences, skip_special_tokens=skip_special_tokens)

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """The tokens as spelled in tokenizer.json. Raises `UnknownIdError`."""
        return [self.tokenizer.id_to_token(id) for id in ids]

    def convert_tokens_to_ids(self, tokens: Sequence[str]) -> list[int]:
        """The ids of tokens. Raises `UnknownTokenError`; transformers gives the id of unk_token or None."""
        return [self.tokenizer.token_to_id(token) for token in tokens]

    def get_vocab(self) -> dict[str, int]:
        """The ids by spelling."""
        return self.tokenizer.get_vocab()

    def __len__(self) -> int:
        return len(self.get_vocab())

    def _truncation(self, truncation: bool | str, max_length: int | None, stride: int) -> dict[str, Any] | None:
        if truncation is False:
            return None
        if max_length is None:
            raise ValueError("expected a max_length to truncate to, found None")
        strategy = "longest_first" if truncation is True else truncation
        return {"max_length": max_length, "stride": stride, "strategy": strategy, "direction": self.truncation_side}

    def _padding(self, padding: bool | str, max_length: int | None, multiple: int | None) -> dict[str, Any] | None:
        if padding is False:
            return None
        if padding not in (True, "longest", "max_length"):
            raise ValueError(f'expected padding to be a bool, "longest" or "max_length", found {padding!r}')
        if self.pad_token_id is None:
            raise DstokError("expected a pad_token_id to fill with, found None: the model names no such token")
        if padding == "max_length" and max_length is None:
            raise ValueError("expected a max_length to pad to, found None")
        token = self.tokenizer.id_to_token(self.pad_token_id)
        return {"length": max_length if padding == "max_length" else None, "direction": self.padding_side,
                "pad_id": self.pad_token_id, "pad_token": token, "pad_type_id": 0, "pad_to_multiple_of": multiple}


MEMBERS = {"token_type_ids": "type_ids", "attention_mask": "attention_mask",
           "special_tokens_mask": "special_tokens_mask", "offset_mapping": "offsets"}


def _inputs(text: Texts, pair: Texts | None) -> list[Input]:
    """The inputs of a call: one, or many. Raises `TypeError` and `ValueError`."""
    texts, pairs = ([each] if isinstance(each, str) else each for each in (text, pair))
    for each in (texts, [] if pairs is None else pairs):
        if not (isinstance(each, list) and all(isinstance(one, str) for one in each)):
            raise TypeError(f"expected a text or a list of texts, found {type(each).__name__}")
    assert texts is not None
    if pairs is None:
        return [([one], None) for one in texts]
    if isinstance(text, str) != isinstance(pair, str) or len(texts) != len(pairs):
        raise ValueError(f"expected as many second texts as first ones, found {len(pairs)} of {len(texts)}")
    return [([one], [other]) for one, other in zip(texts, pairs)]
