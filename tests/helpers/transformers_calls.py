"""Random calls of a tokenizer of transformers, on the original and on the accelerated one, in the same order.

`python tests/helpers/transformers_calls.py FOLDER COUNT [SEED]` tries COUNT calls on the tokenizer in FOLDER by hand, with
the transformers that is installed, and prints the first call that differs.
"""

from __future__ import annotations

import json
import random
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from tokenizers import Encoding, processors
from transformers import BatchEncoding

PARTS = ["Hello", " world", "the sentence", "  ", "\n\n", "é", "naïve", "中文字", "🦙", "1234", "'s", "don't", "\t", "x" * 30,
         "e\u0301", "\u200d", " a b", "<", ">", "|", "\u3000", "Ġ"]
Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def text(rng: random.Random, specials: Sequence[str]) -> str:
    """A text of some parts, with added tokens among them, seldom with a lone surrogate."""
    parts = [rng.choice(specials) if specials and rng.random() < 0.15 else rng.choice(PARTS)
             for _ in range(rng.choice([0, 1, 2, 3, 5, 8, 20]))]
    return "".join(parts) + ("\ud800" if rng.random() < 0.01 else "")


def options(rng: random.Random) -> dict[str, Any]:
    """Keywords of a call: few at a time, seldom wrong ones."""
    choices: dict[str, list[Any]] = {
        "add_special_tokens": [True, False], "padding": [False, True, "max_length", "longest", "wrong"],
        "truncation": [False, True, "only_first", "only_second", "longest_first"],
        "max_length": [None, 0, 1, 2, 3, 4, 5, 8, 20], "stride": [0, 1, 2, 3], "pad_to_multiple_of": [None, 2, 4],
        "padding_side": [None, "left", "right"], "return_tensors": [None, "np"],
        "return_token_type_ids": [None, True, False], "return_attention_mask": [None, True, False],
        "return_overflowing_tokens": [True, False], "return_special_tokens_mask": [True, False],
        "return_offsets_mapping": [True, False], "return_length": [True, False], "split_special_tokens": [True, False],
        "verbose": [False],
    }
    names = rng.sample(sorted(choices), rng.choice([0, 0, 1, 1, 2, 3, 5]))
    return {name: rng.choice(choices[name]) for name in names}


def inputs(rng: random.Random, specials: Sequence[str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The texts of a call, in all shapes that it takes, seldom in others."""
    def some() -> list[str]:
        return [text(rng, specials) for _ in range(rng.choice([0, 1, 1, 2, 3]))]

    shape = rng.randrange(12)
    if shape < 5:
        return (text(rng, specials),), {}
    if shape < 7:
        return (some(),), {}
    if shape == 7:
        return (text(rng, specials), text(rng, specials)), {}
    if shape == 8:
        texts = some()
        return (texts, [text(rng, specials) for _ in texts]), {}
    if shape == 9:
        return rng.choice([(some(),), (some(), some()), ([some(), some()],)]), {"is_split_into_words": True}
    if shape == 10:
        return ([(text(rng, specials), text(rng, specials)) for _ in range(2)],), {}
    return rng.choice([(None,), (5,), ([5],), ([None, "a"],), (["a", ["b", "c"]],), (("a", "b"),), (b"a",),
                       (np.array(["a", "b"]),)]), {}


def call(rng: random.Random, size: int, specials: Sequence[str]) -> Call:
    """A method with its arguments. Ids are below `size` and a few more."""
    ids = [rng.randrange(size) if rng.random() < 0.97 else rng.choice([size + 50, 0, -1, 2**40, True, "a"])
           for _ in range(rng.choice([0, 1, 2, 5, 10]))]
    kind = rng.randrange(20)
    if kind < 12:
        args, kwargs = inputs(rng, specials)
        return "__call__", args, {**kwargs, **options(rng)}
    if kind < 14:
        args, kwargs = inputs(rng, specials)
        keywords = {**kwargs, **options(rng)}
        return "encode", args, keywords
    if kind == 14:
        return "tokenize", (text(rng, specials),), rng.choice([{}, {"add_special_tokens": True}, {"pair": "a b"}])
    if kind < 17:
        keywords = rng.choice([{}, {"skip_special_tokens": True}, {"clean_up_tokenization_spaces": True},
                               {"spaces_between_special_tokens": True}])
        return "decode", (rng.choice([ids, np.array(ids[:0] + [1, 2]), 7, tuple(ids), [ids]]),), keywords
    if kind == 17:
        batch = rng.choice([[ids, ids[:2]], [ids, [1, 2], ids], [[], ids], [(1, 2), ids], [[1, "a"]], np.array([[1, 2], [3, 4]]), []])
        return "batch_decode", (batch,), rng.choice([{}, {"skip_special_tokens": True, "spaces_between_special_tokens": False},
                                                     {"clean_up_tokenization_spaces": True}])
    return rng.choice([("convert_ids_to_tokens", (ids,), {}), ("convert_tokens_to_ids", (["a", "Ġthe", *specials[:1]],), {}),
                       ("__len__", (), {}), ("num_special_tokens_to_add", (True,), {}), ("get_added_vocab", (), {}),
                       ("convert_tokens_to_string", (["Ġthe", "a"],), {})])


def changes(rng: random.Random) -> tuple[str, Callable[[Any], Any]]:
    """Something that changes a tokenizer."""
    word = f"w{rng.randrange(40)}"
    side = rng.choice(["left", "right"])
    return rng.choice([
        (f"add_tokens {word}", lambda tok: tok.add_tokens([word], special_tokens=len(word) % 2 == 0)),
        (f"padding_side {side}", lambda tok: setattr(tok, "padding_side", side)),
        (f"truncation_side {side}", lambda tok: setattr(tok, "truncation_side", side)),
        ("settings of the backend", lambda tok: (tok._tokenizer.truncation, tok._tokenizer.padding,
                                                 tok._tokenizer.encode_special_tokens)),
        (f"backend adds {word}", lambda tok: tok._tokenizer.add_tokens([word])),
    ])


class Users:
    """Users of tokenizers' backends. A user gets a backend for each act, or keeps one for a while."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._kept: dict[int, Any] = {}  # by the id of the tokenizer whose it is

    def act(self, specials: Sequence[str]) -> tuple[str, Callable[[Any], Any]]:
        """Something that is done with a backend, in words and as a function of a tokenizer."""
        acts: list[Callable[[], tuple[str, Callable[[Any], Any]]]] = [self._keep, self._drop, *[partial(self._use, specials)] * 10]
        return self._rng.choice(acts)()

    def _keep(self) -> tuple[str, Callable[[Any], Any]]:
        return "keep the backend", lambda tok: self._kept.update({id(tok): tok.backend_tokenizer})

    def _drop(self) -> tuple[str, Callable[[Any], Any]]:
        return "forget the backend", lambda tok: self._kept.pop(id(tok), None) and None

    def _use(self, specials: Sequence[str]) -> tuple[str, Callable[[Any], Any]]:
        name, use = backend_use(self._rng, specials)
        return f"backend: {name}", lambda tok: use(self._kept.get(id(tok)) or tok.backend_tokenizer)


def backend_use(rng: random.Random, specials: Sequence[str]) -> tuple[str, Callable[[Any], Any]]:
    """A use of a backend: to encode, to look at its settings, to set them."""
    words, other, length, stride = text(rng, specials), text(rng, specials), rng.randrange(9), rng.randrange(3)
    processor = processors.TemplateProcessing(single="$A a a a", pair="$A $B", special_tokens=[("a", 0)])
    return rng.choice([
        (f"encode {words!r}", lambda real: real.encode(words)),
        (f"encode {words!r}, {other!r}", lambda real: real.encode(words, other)),
        (f"encode_batch {words!r}, {other!r}", lambda real: real.encode_batch([words, other])),
        ("settings", lambda real: (real.truncation, real.padding, real.encode_special_tokens)),
        ("to_str", lambda real: real.to_str()),
        ("no_truncation", lambda real: real.no_truncation()),
        ("no_padding", lambda real: real.no_padding()),
        (f"enable_truncation {length}, {stride}", lambda real: real.enable_truncation(length, stride=stride)),
        (f"enable_padding {length}", lambda real: real.enable_padding(length=length)),
        ("encode_special_tokens", lambda real: setattr(real, "encode_special_tokens", length > 6)),
        ("add_tokens", lambda real: real.add_tokens([f"w{length}"])),
        ("post_processor", lambda real: setattr(real, "post_processor", processor if length > 4 else None)),
    ])


def shown(value: Any) -> Any:
    """A result, in a form that can be compared."""
    if isinstance(value, BatchEncoding):
        encodings = None if value._encodings is None else [shown(each) for each in value.encodings]
        return "BatchEncoding", {key: shown(each) for key, each in value.data.items()}, encodings, vars(value).get("_n_sequences")
    if isinstance(value, Encoding):
        return "Encoding", json.loads(value.__getstate__())
    if isinstance(value, np.ndarray):
        return "array", str(value.dtype), shown(value.tolist())
    if isinstance(value, dict):
        return "dict", {key: shown(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [shown(each) for each in value]
    return type(value).__name__, value


def done(method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Callable[[Any], Any]]:
    """A call in words, and as a function of a tokenizer."""
    return f"{method} {args} {kwargs}", lambda tok: getattr(tok, method)(*args, **kwargs)


def outcome(do: Callable[[], Any]) -> Any:
    """What a call gives or raises."""
    try:
        return shown(do())
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # upstream's panics are no Exception
        return "raised", type(error).__name__, str(error)


def compare(original: Any, accelerated: Any, count: int, seed: int) -> int:
    """Raises `AssertionError` for the first of `count` calls that differs; returns how many raised."""
    rng = random.Random(seed)
    size, specials, raised, users = len(original), list(original.get_added_vocab()), 0, Users(rng)
    warnings.simplefilter("ignore")
    for number in range(count):
        kind = rng.random()
        what, do = (changes(rng) if kind < 0.01 else users.act(specials) if kind < 0.25 else
                    done(*call(rng, size, specials)))
        results = [outcome(partial(do, tok)) for tok in (original, accelerated)]
        assert results[0] == results[1], f"call {number} of seed {seed}: {what}\n{results[0]}\n{results[1]}"
        raised += results[0][0] == "raised"
    return raised


if __name__ == "__main__":
    from transformers import AutoTokenizer

    import dstok.integrations.transformers as fast

    original, accelerated = (AutoTokenizer.from_pretrained(sys.argv[1]) for _ in range(2))
    fast.accelerate(accelerated, strict=True)
    print(compare(original, accelerated, int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0), "raised")
    print(accelerated.dstok.explain())
