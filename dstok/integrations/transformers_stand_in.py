"""A backend as one method of transformers sees it.

In: the calls of transformers on `_tokenizer`. Out: the results of `tokenizers.Tokenizer`.
Invariant: the backend does every call that dstok does not, and the tally records the reason.
"""

from __future__ import annotations

from typing import Any

from dstok.errors import DstokError, TextError, UnknownIdError, UnsupportedError
from dstok.integrations.transformers_backend import Backing, Wanted
from dstok.integrations.transformers_encodings import CallInputs, Input
from dstok.integrations.transformers_engine import Engine
from dstok.integrations.transformers_framing import finisher

__all__ = ["StandIn"]

READERS = frozenset({
    "decode_batch", "get_added_tokens_decoder", "get_vocab", "get_vocab_size", "id_to_token",
    "num_special_tokens_to_add", "token_to_id",
})  # methods that neither change a backend nor show its settings
COMPONENTS = frozenset({"decoder", "model", "normalizer", "post_processor", "pre_tokenizer"})


class StandIn:
    """Made for one call of a method of `owner`, a tokenizer of transformers."""

    __slots__ = ("_backing", "_engine", "_owner", "_wanted")
    _backing: Backing
    _engine: Engine | None
    _owner: Any
    _wanted: Wanted | None

    def __init__(self, backing: Backing, owner: Any) -> None:
        for name, value in (("_backing", backing), ("_owner", owner), ("_wanted", None), ("_engine", None)):
            object.__setattr__(self, name, value)

    # The settings of the call

    @property
    def truncation(self) -> dict[str, Any] | None:
        return self._own().truncation

    @property
    def padding(self) -> dict[str, Any] | None:
        return self._own().padding

    @property
    def encode_special_tokens(self) -> bool:
        return self._own().split_special

    def no_truncation(self) -> None:
        self._want(self._own()._replace(truncation=None))

    def no_padding(self) -> None:
        self._want(self._own()._replace(padding=None))

    def enable_truncation(self, *args: Any, **kwargs: Any) -> None:
        checked = finisher(self.post_processor, None)  # raises the same as the backend
        checked.enable_truncation(*args, **kwargs)
        self._want(self._own()._replace(truncation=checked.truncation))

    def enable_padding(self, *args: Any, **kwargs: Any) -> None:
        checked = finisher(None, None)
        checked.enable_padding(*args, **kwargs)
        self._want(self._own()._replace(padding=checked.padding))

    # Calls that dstok does

    def encode_batch(self, input: Any, is_pretokenized: bool = False, add_special_tokens: bool = True) -> Any:
        """As in the backend; a `Row` for each text."""
        wanted = self._own()
        try:
            rows = self._encoded(wanted, input, is_pretokenized, add_special_tokens)
        except DstokError as error:
            self._backing.tell("encode", _reason(error))
        else:
            self._backing.tell("encode")
            return rows
        with self._backing.lock:
            real = self._owner.__dict__["_tokenizer"]
            self._backing.settle(real, wanted)
            return real.encode_batch(input, is_pretokenized=is_pretokenized, add_special_tokens=add_special_tokens)

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        """As in the backend."""
        engine = self._backing.ready(self._owner)
        try:
            text = _of(engine, self._backing).tok.decode(ids, skip_special_tokens=skip_special_tokens)
        except (DstokError, TypeError, ValueError, OverflowError) as error:
            self._backing.tell("decode", _reason(error))
            real = self._owner.__dict__["_tokenizer"]
            decoded: str = real.decode(ids, skip_special_tokens=skip_special_tokens)
            return decoded
        self._backing.tell("decode")
        return text

    def _encoded(self, wanted: Wanted, inputs: Any, is_split: Any, add_special: Any) -> Any:
        if type(is_split) is not bool or type(add_special) is not bool or type(inputs) not in (list, tuple):
            raise UnsupportedError("arguments of other types")
        engine = _of(self._engine, self._backing)
        batch = CallInputs(engine, self._backing.settings(self._owner, wanted, add_special), is_split)
        if not is_split and all(type(each) is str for each in inputs):
            return batch.of_texts(list(inputs))
        try:
            return batch.of_inputs([_words(each, is_split) for each in inputs])
        except DstokError:
            raise
        except Exception as error:  # errors of truncation: upstream's have no class of their own
            raise UnsupportedError(str(error)) from None

    def _own(self) -> Wanted:
        if self._wanted is None:
            object.__setattr__(self, "_engine", self._backing.ready(self._owner))
            object.__setattr__(self, "_wanted", self._backing.wanted)
        assert self._wanted is not None
        return self._wanted

    def _want(self, wanted: Wanted) -> None:
        object.__setattr__(self, "_wanted", wanted)
        self._backing.want(self._owner, wanted)

    # Calls that the backend does

    def __getattr__(self, name: str) -> Any:
        if name in READERS or name in COMPONENTS:
            return getattr(self._owner.__dict__["_tokenizer"], name)
        return getattr(self._backing.take_out(self._owner), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "encode_special_tokens" and type(value) is bool:
            self._want(self._own()._replace(split_special=value))
        else:
            setattr(self._backing.take_out(self._owner), name, value)


def _reason(error: Exception) -> str:
    """The reason why the backend did it, in words that do not depend on the text or the ids."""
    if isinstance(error, UnsupportedError):
        return str(error)
    kinds = ((TextError, "a lone surrogate"), (UnknownIdError, "an id that is no token"))
    return next((words for kind, words in kinds if isinstance(error, kind)), "arguments of other types")


def _of(engine: Engine | None, backing: Backing) -> Engine:
    if engine is None:
        raise UnsupportedError(backing.reason)
    return engine


def _words(one: Any, is_split: bool) -> Input:
    """A text, or its words, and the other text of a pair. Raises `UnsupportedError` if upstream may refuse it."""
    texts = _split_texts(one) if is_split else _texts(one)
    if texts is None:
        raise UnsupportedError("an input that is neither a text nor a pair")
    return texts


def _texts(one: Any) -> Input | None:
    if type(one) is str:
        return [one], None
    return ([one[0]], [one[1]]) if _is_list(one, str) and len(one) == 2 else None


def _split_texts(one: Any) -> Input | None:
    if _is_list(one, str):
        return list(one), None
    is_pair = type(one) in (list, tuple) and len(one) == 2 and all(_is_list(each, str) for each in one)
    return (list(one[0]), list(one[1])) if is_pair else None


def _is_list(value: Any, kind: type) -> bool:
    return type(value) in (list, tuple) and all(type(each) is kind for each in value)
