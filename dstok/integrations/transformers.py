"""Tokenizers of transformers, 5.x and 4.57, whose encoding and decoding run on dstok: `accelerate`, `install`.

In: a tokenizer with a backend of `tokenizers`. Out: the same object, with a class derived from its own. Invariant:
every call gives the same result as before, to the last field, and raises the same errors. While one of transformers'
methods runs, a `StandIn` is in the place of the backend, and does the calls that dstok can do; the backend stays, and
does the rest: `tokenizer.dstok.explain()` lists those calls. tokenizers 1.0.0rc3 has no components, so with it there is
an `ImportError`.
Source: transformers 4.57.6 and 5.24.0, whose own tests run on accelerated tokenizers; upstream 0.23.3.

>>> import dstok.integrations.transformers as fast
>>> fast.accelerate("gpt2", strict=True)
Traceback (most recent call last):
...
dstok.errors.UnsupportedError: expected a tokenizer with a backend of tokenizers, found str
"""

from __future__ import annotations

import copy
import functools
import threading
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from dstok._util.imports import of_extra
from dstok.errors import DstokError, TextError, UnknownIdError, UnsupportedError

PARTS = ("decoders", "models", "normalizers", "pre_tokenizers", "processors")
with of_extra("transformers", __name__):
    import tokenizers

    if missing := [part for part in PARTS if not hasattr(tokenizers, part)]:
        # before the import of transformers, whose error does not tell what to do
        raise ImportError(f"dstok.integrations.transformers needs tokenizers 0.x, found {version('tokenizers')} "
                          f"without {', '.join(missing)}: dstok.load(FILE) gives the ids without transformers")
    import transformers
    from transformers import BatchEncoding

    from dstok.integrations.transformers_encoding import (
        ATTRIBUTE,
        PLAIN,
        Backing,
        CallInputs,
        Engine,
        Input,
        LazyEncodings,
        Row,
        Wanted,
        backing_of,
        finisher,
    )
    from dstok.integrations.transformers_training import learning_by_dstok

__all__ = ["Account", "accelerate", "install", "uninstall"]

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

    def is_list(value: Any) -> bool:
        return type(value) in (list, tuple) and all(type(each) is str for each in value)

    if type(one) is str and not is_split:
        return [one], None
    if is_list(one) and (is_split or len(one) == 2):
        return (list(one), None) if is_split else ([one[0]], [one[1]])
    if is_split and type(one) in (list, tuple) and len(one) == 2 and all(map(is_list, one)):
        return list(one[0]), list(one[1])
    raise UnsupportedError("an input that is neither a text nor a pair")


T = TypeVar("T")
Fast: Any = transformers.PreTrainedTokenizerFast  # in 5.x TokenizersBackend
METHODS = (
    "_encode_plus", "_batch_encode_plus", "_decode", "convert_ids_to_tokens", "convert_tokens_to_ids",
    "convert_tokens_to_string", "get_vocab", "get_added_vocab", "num_special_tokens_to_add", "__len__",
    "_convert_token_to_id_with_added_voc", "_convert_id_to_token", "_encode_without_added_tokens",
)
PROPERTIES = ("vocab_size", "added_tokens_decoder", "added_tokens_encoder")
QUICK = frozenset({"add_special_tokens", "return_attention_mask", "return_token_type_ids"})
ONE = frozenset({"add_special_tokens"})
DECODING = frozenset({"skip_special_tokens", "spaces_between_special_tokens"})  # the library passes over the second
FLAGS = (bool, type(None))
# A keyword, the name of its result, and the member of a row that holds it.
MEMBERS = (("return_token_type_ids", "token_type_ids", "type_ids"),
           ("return_attention_mask", "attention_mask", "attention_mask"))
# The methods that a call goes on to; in 5.x only the first.
ENCODING = ("_encode_plus", "_batch_encode_plus", "encode_plus", "batch_encode_plus", "_call_one")
_classes: WeakKeyDictionary[type, type] = WeakKeyDictionary()
_running = threading.local()  # for the method that runs: its tokenizer, and the replacement of the backend


def accelerate(tokenizer: T, *, strict: bool = False) -> T:
    """The same tokenizer, encoding and decoding by dstok.

    If dstok cannot do it exactly, the tokenizer is returned unchanged, with a warning that says why, or with `strict`
    an `UnsupportedError`. Nothing else of the tokenizer changes; an accelerated one may be given again. The first call
    for a model takes about a second, to compile its patterns.

    ```python
    tokenizer = dstok.integrations.transformers.accelerate(AutoTokenizer.from_pretrained("deepseek-ai/DeepSeek-V3"))
    ```
    """
    reason = _accelerate(tokenizer)
    if reason and strict:
        raise UnsupportedError(reason)
    if reason:
        warnings.warn(f"dstok does not accelerate this tokenizer: {reason}", stacklevel=2)
    return tokenizer


def install() -> None:
    """From now on `from_pretrained`, of `AutoTokenizer` and of the classes, gives accelerated tokenizers.

    Tokenizers that dstok cannot do stay unchanged, with a warning. `uninstall` ends it; tokenizers that were loaded
    before it stay accelerated.
    """
    if "from_pretrained" in vars(Fast):
        return

    @functools.wraps(Fast.from_pretrained.__func__)
    def from_pretrained(cls: type, *args: Any, **kwargs: Any) -> Any:
        return accelerate(super(Fast, cls).from_pretrained(*args, **kwargs))

    Fast.from_pretrained = classmethod(from_pretrained)


def uninstall() -> None:
    """Ends the effect of `install`."""
    if "from_pretrained" in vars(Fast):
        del Fast.from_pretrained


class Account:
    """The work of dstok and of the backend for a tokenizer: `tokenizer.dstok`."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    @property
    def tokenizer(self) -> Any:
        """The `dstok.Tokenizer`, without post-processing; None if dstok cannot do the present backend."""
        return self._backing.engine and self._backing.engine.tok

    def explain(self) -> str:
        """The calls that went to dstok and to the backend, with the reason."""
        backing = self._backing
        lines = [f"dstok: {what}, {count} calls" for what, count in sorted(backing.done.items())]
        lines += [f"backend: {why}, {count} calls" for why, count in sorted(backing.given.items())]
        if backing.engine is None:
            lines.append(f"dstok cannot do this tokenizer: {backing.reason}")
        return "\n".join(lines) or "no calls yet"


def _accelerate(tokenizer: Any) -> str:
    """Changes the tokenizer's class. Returns the reason if it did not."""
    if not isinstance(tokenizer, Fast):
        return f"expected a tokenizer with a backend of tokenizers, found {type(tokenizer).__name__}"
    if not hasattr(type(tokenizer), "_dstok_base"):
        names = ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__copy__", "__deepcopy__")
        if not all(getattr(type(tokenizer), name, None) is getattr(object, name, None) for name in names):
            return f"the class {type(tokenizer).__name__}, which has a way of its own to be copied or pickled"
        backing = backing_of(tokenizer)
        if backing.engine is None:
            tokenizer.__dict__.pop(ATTRIBUTE)
            return backing.reason
        tokenizer.__class__ = _class_of(type(tokenizer))
    return ""


def _class_of(base: type) -> type:
    """The class of accelerated tokenizers of class `base`, under its name, which files contain."""
    cls = _classes.get(base)
    if cls is None:
        as_base = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
        methods = {name: _standing_in(getattr(base, name)) for name in METHODS if hasattr(base, name)}
        properties = {name: property(_standing_in(getattr(base, name).fget)) for name in PROPERTIES}
        members = {**as_base, "_dstok_base": base, **methods, **properties, **_members(base)}
        cls = _classes[base] = type(base)(base.__name__, (base,), members)
    return cls


def _standing_in(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, with a `StandIn` in the place of the backend while it runs."""

    @functools.wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = getattr(_running, "now", (None, None))
        if before[0] is self or not _has_backend(self):
            return method(self, *args, **kwargs)
        _running.now = self, StandIn(backing_of(self), self)
        try:
            result = method(self, *args, **kwargs)
        finally:
            _running.now = before
        if isinstance(result, BatchEncoding) and type(vars(result)["_encodings"]) is list:
            vars(result)["_encodings"] = LazyEncodings(vars(result)["_encodings"])  # made when they are taken out
        return result

    return run


def _has_backend(self: Any) -> bool:
    """Whether the tokenizer is complete: methods also run while it is made."""
    return isinstance(self.__dict__.get("_tokenizer"), tokenizers.Tokenizer)


def _members(base: Any) -> dict[str, Any]:
    """The members of the class that run without `StandIn`, or that the base lacks."""
    modes = hasattr(base, "_switch_to_input_mode") or hasattr(base, "_switch_to_target_mode")
    answers = {"decode": _decoded, "batch_decode": _batch_decoded,
               **({} if modes else {"__call__": _called, "encode": _encoded})}
    quick = {name: _quick(getattr(base, name), answer) for name, answer in answers.items()
             if getattr(base, name) is getattr(Fast, name)}
    members = {"_tokenizer": property(_get_backend, _set_backend),
               "dstok": property(lambda self: Account(backing_of(self)), doc="The calls that run on dstok, or do not."),
               "__reduce_ex__": _reduce, "__deepcopy__": _deep_copy, **quick}
    method = Fast.train_new_from_iterator
    if base.train_new_from_iterator is method:

        @functools.wraps(method)
        def train_new_from_iterator(self: Any, *args: Any, **kwargs: Any) -> Any:
            return learning_by_dstok(method, backing_of(self).tell)(self, *args, **kwargs)

        members["train_new_from_iterator"] = train_new_from_iterator
    return members


@functools.lru_cache(maxsize=256)
def _may_skip(kind: Any, names: tuple[str, ...]) -> bool:
    """Whether a quick call may skip these methods: a class, accelerated or below such a one, has the library's."""
    made = next(each for each in kind.__mro__ if "_dstok_base" in vars(each))
    base = vars(made)["_dstok_base"]
    return all(getattr(kind, name, None) is getattr(made, name, None) and
               getattr(base, name, None) is getattr(Fast, name, None) for name in names)


def _get_backend(self: Any) -> Any:
    now = getattr(_running, "now", (None, None))
    if now[0] is self:
        return now[1]
    return backing_of(self).take_out(self) if _has_backend(self) else self.__dict__.get("_tokenizer")


def _set_backend(self: Any, value: Any) -> None:
    backing = self.__dict__.pop(ATTRIBUTE, None)
    if backing is not None:
        backing.left_by(self)
    self.__dict__["_tokenizer"] = value


def _quick(original: Callable[..., Any], answer: Callable[[Any, Any, dict[str, Any]], Any]) -> Callable[..., Any]:
    """The method, whose simple calls `answer` does, of one argument and few keywords. For others it gives None."""

    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        answered = answer(self, args[0], kwargs) if len(args) == 1 else None
        return original(self, *args, **kwargs) if answered is None else answered

    return call


def _called(self: Any, text: Any, kwargs: dict[str, Any]) -> Any:
    """The result of a call for a text or a list of texts."""
    single = type(text) is str
    if not single and not (type(text) is list and text and all(type(each) is str for each in text)):
        return None
    if kwargs and not (kwargs.keys() <= QUICK and all(type(value) in FLAGS for value in kwargs.values())):
        return None
    if not _may_skip(self.__class__, ENCODING):
        return None
    rows = _rows(self, [text] if single else text, kwargs.get("add_special_tokens", True))
    if rows is None:
        return None
    names, data = self.model_input_names, {"input_ids": rows[0].ids if single else [row.ids for row in rows]}
    for key, name, member in MEMBERS:
        wanted = kwargs.get(key)
        if name in names if wanted is None else wanted:
            data[name] = getattr(rows[0], member) if single else [getattr(row, member) for row in rows]
    return BatchEncoding(data, LazyEncodings(rows), n_sequences=1)


def _rows(self: Any, texts: Any, add_special: Any) -> list[Row] | None:
    """The rows of texts without truncation and padding; None if it is not that simple."""
    if type(add_special) is not bool or self.split_special_tokens or not _has_backend(self):
        return None
    backing = backing_of(self)
    engine = backing.ready(self)
    if engine is None:
        return None
    settings = backing.settings(self, PLAIN, add_special)
    if settings.framing is None:
        return None
    try:
        rows: Any = CallInputs(engine, settings).of_texts(texts)
    except DstokError:
        return None
    backing.want(self, PLAIN)
    backing.tell("encode")
    longest = self.model_max_length
    for row in rows:
        if len(row.ids) > longest:
            self._eventual_warn_about_too_long_sequence(row.ids, None, True)
    return rows  # type: ignore[no-any-return]


def _encoded(self: Any, text: Any, kwargs: dict[str, Any]) -> list[int] | None:
    """The ids of one text."""
    if type(text) is not str or not kwargs.keys() <= ONE or not _may_skip(self.__class__, ENCODING):
        return None
    rows = _rows(self, [text], kwargs.get("add_special_tokens", True))
    return None if rows is None else rows[0].ids


def _decoded(self: Any, ids: Any, kwargs: dict[str, Any]) -> str | None:
    """The text of a list of ids."""
    engine = _decoding_engine(self, kwargs, ("_decode",)) if _is_ids(ids) and ids else None
    if engine is None:
        return None
    skip = kwargs.get("skip_special_tokens", False)
    try:
        text = engine.tok.decode(ids, skip_special_tokens=skip)
    except (DstokError, TypeError, ValueError, OverflowError):
        return StandIn(backing_of(self), self).decode(ids, skip)
    backing_of(self).tell("decode")
    return text


def _batch_decoded(self: Any, batch: Any, kwargs: dict[str, Any]) -> list[str] | None:
    """The texts of a list of lists of ids, by one call."""
    if type(batch) is not list or not batch or not all(map(_is_ids, batch)):
        return None
    engine = _decoding_engine(self, kwargs, ("decode", "_decode"))
    if engine is None:
        return None
    try:
        texts = engine.tok.decode_batch(batch, skip_special_tokens=kwargs.get("skip_special_tokens", False))
    except (DstokError, TypeError, ValueError, OverflowError):
        return None
    backing_of(self).tell("decode")
    return texts


def _is_ids(ids: Any) -> bool:
    """Whether the value is a list of ids, by its first one."""
    return type(ids) is list and (not ids or type(ids[0]) is int)


def _decoding_engine(self: Any, kwargs: dict[str, Any], methods: tuple[str, ...]) -> Engine | None:
    """The engine, if a call with these keywords decodes and does nothing else."""
    if not kwargs.keys() <= DECODING or type(kwargs.get("skip_special_tokens", False)) is not bool:
        return None
    if self.clean_up_tokenization_spaces or not _may_skip(self.__class__, methods):
        return None
    return backing_of(self).ready(self)


def _restored(base: Any, state: dict[str, Any]) -> Any:
    """A tokenizer of class `base`, accelerated if dstok can do it here."""
    made = _made_of(base, state)
    _accelerate(made)
    return made


def _made_of(kind: Any, state: dict[str, Any]) -> Any:
    made = object.__new__(kind)
    made.__dict__.update(state)
    return made


def _reduce(self: Any, protocol: Any) -> Any:
    if any("__reduce__" in vars(each) for each in type(self).__mro__[:-1]):  # a subclass of the user's
        return self.__reduce__()
    backing_of(self).take_out(self)  # a pickle has the settings of the last call
    state = {key: value for key, value in self.__dict__.items() if key != ATTRIBUTE}
    base = vars(type(self)).get("_dstok_base")
    return (_made_of, (type(self), state)) if base is None else (_restored, (base, state))


def _deep_copy(self: Any, memo: dict[int, Any]) -> Any:
    backing = backing_of(self)
    made = memo[id(self)] = _made_of(type(self), {})
    with backing.lock:
        backing.catch_up(self.__dict__["_tokenizer"])
        for key, value in self.__dict__.items():
            if key != ATTRIBUTE:
                made.__dict__[key] = copy.deepcopy(value, memo)
        backing.pass_on(self, made)
    return made
