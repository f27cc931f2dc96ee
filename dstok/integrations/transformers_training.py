"""transformers' `train_new_from_iterator`, whose new vocabulary is learned by dstok.

In: transformers' own method, which stays as it is. Out: the same method, with another class in the place of its
`TokenizerFast`. Of the backends that this class makes, the first one learns by dstok; all the rest is transformers'.
Invariant: the new tokenizer is equal to that of the original method, to the last value, and the same errors are raised.
A training that dstok cannot do exactly is the backend's, before any text is read; the tally records the reason.
Source: transformers 4.57.6 and 5.24.0; `train_from_iterator` of upstream 0.23.3.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType, SimpleNamespace
from typing import Any, NoReturn

import tokenizers

from dstok.errors import DstokError, TextError, UnsupportedError
from dstok.formats.byte_alphabet import spelling
from dstok.integrations.transformers_encoding import threads
from dstok.training.learn import OVERFLOW, Learned, learn
from dstok.training.piece_counts import counted
from dstok.training.run import readers_of
from dstok.training.template import base_of, without_vocabulary
from dstok.training.trainer import BpeTrainer

NAME, METHOD = "TokenizerFast", "train_from_iterator"
AFFIXES = ("continuing_subword_prefix", "end_of_word_suffix")  # empty ones change no merge
MEMORY = 1 << 30  # bytes for distinct pieces; more of them go to temporary files
Tell = Callable[..., None]  # called with "train", and with the reason if the backend does it


def learning_by_dstok(method: Any, tell: Tell) -> Callable[..., Any]:
    """The method, or the method as it is if its code does not make the backend as it does in the known versions."""
    if not {NAME, METHOD} <= {*method.__code__.co_names}:
        tell("train", "a version of transformers that trains in another way")
        return method  # type: ignore[no-any-return]
    trained = False

    def from_str(text: str) -> tokenizers.Tokenizer:
        nonlocal trained
        made = tokenizers.Tokenizer.from_str(text)
        if not trained:
            trained = True
            setattr(made, METHOD, partial(_train, made, tell))
        return made

    names = {**method.__globals__, NAME: SimpleNamespace(from_str=from_str)}  # in the place of tokenizers.Tokenizer
    made = FunctionType(method.__code__, names, method.__name__, method.__defaults__, method.__closure__)
    made.__kwdefaults__ = method.__kwdefaults__
    return made


def _train(
    real: tokenizers.Tokenizer, tell: Tell, iterator: Any, trainer: Any = None, length: int | None = None,
) -> None:
    """As `train_from_iterator` of the backend."""
    delattr(real, METHOD)  # the next call is the backend's own
    try:
        base = base_of(without_vocabulary(real.to_str(), f"tokenizers-{tokenizers.__version__}"))
        settings = _settings(trainer)
        readers = readers_of(base)
    except DstokError as error:
        tell("train", str(error))
        real.train_from_iterator(iterator, trainer=trainer, length=length)
        return
    most, last = threads(), ""

    def texts() -> Iterator[str]:
        """Those of the iterator, in all forms that upstream takes: `str`, or several in anything that is iterable."""
        nonlocal last
        for element in iterator:
            for last in [element] if isinstance(element, str) else list(element):
                if not isinstance(last, str):
                    _raise_upstreams(last)
                yield last

    try:
        with counted(*readers, texts(), most, MEMORY) as rows:
            learned = learn(rows, settings, strict=False, num_threads=most)
    except TextError:
        _raise_upstreams(last)
    if learned.highest >= OVERFLOW:
        warnings.warn("a pair occurs more than 2**31 - 1 times: upstream's counts would overflow, dstok's do not",
                      stacklevel=4)
    _put(real, learned, {name: getattr(trainer, name) for name in AFFIXES})
    real.add_special_tokens(trainer.special_tokens)
    tell("train")


def _settings(trainer: Any) -> BpeTrainer:
    """The settings of upstream's trainer. Raises `UnsupportedError` for those with which its answer is not fixed."""
    if type(trainer) is not tokenizers.trainers.BpeTrainer:
        raise UnsupportedError(f"expected a BpeTrainer, found {type(trainer).__name__}")
    for name in AFFIXES:
        if getattr(trainer, name):
            raise UnsupportedError(f"a {name}, with which upstream's answer changes from run to run", name)
    if trainer.limit_alphabet is not None and trainer.limit_alphabet < 256 + len(trainer.initial_alphabet):
        raise UnsupportedError("a limit_alphabet, which may cut characters that are equally frequent", "limit_alphabet")
    return BpeTrainer(
        vocab_size=trainer.vocab_size, min_frequency=trainer.min_frequency, initial_alphabet=trainer.initial_alphabet,
        special_tokens=[token.content for token in trainer.special_tokens], max_token_length=trainer.max_token_length)


def _raise_upstreams(text: Any) -> NoReturn:
    """Raises the backend's error for what is no text: upstream's words depend on its version."""
    bare = tokenizers.Tokenizer(tokenizers.models.BPE())
    bare.train_from_iterator([[text]], tokenizers.trainers.BpeTrainer(show_progress=False))
    raise UnsupportedError(f"a text that upstream takes, and dstok does not: {text!r}")


def _put(real: tokenizers.Tokenizer, learned: Learned, affixes: dict[str, str | None]) -> None:
    """Gives the backend's model a vocabulary, and the trainer's affixes. Its other settings stay."""
    spelled = [token.decode() if i in learned.raw_ids else spelling(token) for i, token in enumerate(learned.tokens)]
    pairs = zip(learned.merges[::3], learned.merges[1::3])
    saved = json.loads(real.to_str())
    saved["model"] |= {**affixes, "vocab": {text: i for i, text in enumerate(spelled)},
                       "merges": [(spelled[left], spelled[right]) for left, right in pairs]}
    real.model = tokenizers.Tokenizer.from_str(json.dumps(saved)).model
