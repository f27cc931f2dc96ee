"""Tokenizers of transformers, 5.x and 4.57, whose encoding and decoding run on dstok: `accelerate`, `install`.

In: a tokenizer with a backend of `tokenizers`. Out: the same object, with a class derived from its own. Invariant:
every call gives the same result as before, to the last field, and raises the same errors. While one of transformers'
methods runs, it finds a `StandIn` in `_tokenizer`, whose `encode_batch` and `decode` are dstok's; all else is the
backend's, and so are calls that dstok cannot do: `tokenizer.dstok.explain()` lists them. tokenizers 1.0.0rc3 has no
components, so with it there is an `ImportError`.
Source: transformers 4.57.6 and 5.24.0, whose own tests run on accelerated tokenizers; upstream 0.23.3.

>>> import dstok.integrations.transformers as fast
>>> fast.accelerate("gpt2", strict=True)
Traceback (most recent call last):
...
dstok.errors.UnsupportedError: expected a tokenizer with a backend of tokenizers, found str
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

from dstok._util.imports import of_extra
from dstok.errors import ArgumentError, DstokError, TextError, UnknownIdError, UnsupportedError

PARTS = ("decoders", "models", "normalizers", "pre_tokenizers", "processors")
with of_extra("transformers", __name__):
    import tokenizers

    if missing := [part for part in PARTS if not hasattr(tokenizers, part)]:
        # before the import of transformers, whose error does not tell what to do
        raise ImportError(f"dstok.integrations.transformers needs tokenizers 0.x, found {version('tokenizers')} "
                          f"without {', '.join(missing)}: dstok.load(FILE) gives the ids without transformers")
    import transformers
    from transformers import BatchEncoding

    from dstok.integrations.transformers_chat import safe_chat
    from dstok.integrations.transformers_encoding import (
        ATTRIBUTE,
        PLAIN,
        Backing,
        CallInputs,
        Engine,
        Input,
        LazyEncodings,
        Row,
        Segmented,
        Wanted,
    )
    from dstok.integrations.transformers_training import learning_by_dstok

__all__ = ["accelerate", "install", "uninstall"]

T = TypeVar("T")
ChatSpecial = Literal["all", "template"]
Fast: Any = transformers.PreTrainedTokenizerFast  # in 5.x TokenizersBackend
METHODS = (  # that run with a `StandIn`
    "_encode_plus", "_batch_encode_plus", "_decode", "convert_ids_to_tokens", "convert_tokens_to_ids",
    "convert_tokens_to_string", "get_vocab", "get_added_vocab", "num_special_tokens_to_add", "__len__",
    "_convert_token_to_id_with_added_voc", "_convert_id_to_token", "_encode_without_added_tokens",
)
PROPERTIES = ("vocab_size", "added_tokens_decoder", "added_tokens_encoder")
HARMLESS = frozenset({  # members of a backend that change neither its vocabulary nor its added tokens
    "decode_batch", "get_added_tokens_decoder", "get_vocab", "get_vocab_size", "id_to_token", "token_to_id",
    "num_special_tokens_to_add", "decoder", "model", "normalizer", "post_processor", "pre_tokenizer",
    "no_padding", "enable_padding", "no_truncation", "enable_truncation",
})
# Sets, since `datasets` sorts these when it hashes a tokenizer with the members of its class, and no frozenset.
QUICK = {"add_special_tokens", "return_attention_mask", "return_token_type_ids"}
DECODING = {"skip_special_tokens", "spaces_between_special_tokens"}  # the library passes over the second
# A keyword, the name of its result, and the member of a row that holds it.
MEMBERS = (("return_token_type_ids", "token_type_ids", "type_ids"),
           ("return_attention_mask", "attention_mask", "attention_mask"))
# The methods that a call goes on to; in 5.x only the first.
ENCODING = ("_encode_plus", "_batch_encode_plus", "encode_plus", "batch_encode_plus", "_call_one")
_classes: WeakKeyDictionary[type, dict[str, type]] = WeakKeyDictionary()


def accelerate(tokenizer: T, *, strict: bool = False, special: ChatSpecial = "all") -> T:
    """The same tokenizer, encoding and decoding by dstok.

    If dstok cannot do it exactly, the tokenizer is returned unchanged, with a warning that says why, or with `strict`
    an `UnsupportedError`. Nothing else of the tokenizer changes; an accelerated one may be given again. The first call
    for a model takes about a second, to compile its patterns.

    special: "all" leaves the ids of `apply_chat_template` as they are: every text that spells an added token makes it.
        "template": only text that the chat template itself writes makes added tokens, no message and no tool; copies
        keep that, as does a second call without it. Raises `UnsupportedError` where this cannot be had, `strict` or
        not, and its `apply_chat_template` raises `ChatError` where a template hides who wrote a token.

    ```python
    tokenizer = dstok.integrations.transformers.accelerate(AutoTokenizer.from_pretrained("deepseek-ai/DeepSeek-V3"))
    ```
    """
    reason = _accelerate(tokenizer, special)
    if reason and (strict or special != "all"):
        raise UnsupportedError(reason)
    if reason:
        warnings.warn(f"dstok does not accelerate this tokenizer: {reason}", stacklevel=2)
    return tokenizer


def install(tell: Callable[[str, str], None] | None = None, *, special: ChatSpecial = "all") -> None:
    """From now on `from_pretrained`, of `AutoTokenizer` and of the classes, gives accelerated tokenizers.

    Tokenizers that dstok cannot do stay unchanged, with a warning. `uninstall` ends it; tokenizers that were loaded
    before it stay accelerated. `tell`: called for each tokenizer with its name and the reason why it stays unchanged,
    or "", in place of the warning. `special`, and what it raises: as of `accelerate`.
    """
    if "from_pretrained" in vars(Fast):
        return

    @functools.wraps(Fast.from_pretrained.__func__)
    def from_pretrained(cls: type, *args: Any, **kwargs: Any) -> Any:
        tokenizer = super(Fast, cls).from_pretrained(*args, **kwargs)
        if tell is None or special != "all":
            accelerate(tokenizer, special=special)
        if tell is not None:
            tell(f"{type(tokenizer).__name__} {tokenizer.name_or_path}", _accelerate(tokenizer, special))
        return tokenizer

    Fast.from_pretrained = classmethod(from_pretrained)


def uninstall() -> None:
    """Ends the effect of `install`."""
    if "from_pretrained" in vars(Fast):
        del Fast.from_pretrained


def _accelerate(tokenizer: Any, special: str) -> str:
    """Changes the tokenizer's class. Returns the reason if it did not."""
    if special not in ("all", "template"):
        raise ArgumentError(f'expected "all" or "template", found {special!r}', "special")
    if not isinstance(tokenizer, Fast):
        return f"expected a tokenizer with a backend of tokenizers, found {type(tokenizer).__name__}"
    base: Any = type(tokenizer)
    if special in ("all", getattr(base, "_dstok_special", "")) and hasattr(base, "_dstok_base"):
        return ""
    base = vars(base).get("_dstok_base", base)
    names = ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__copy__", "__deepcopy__")
    if not all(getattr(base, name, None) is getattr(object, name, None) for name in names):
        return f"the class {base.__name__}, which has a way of its own to be copied or pickled"
    if special == "template" and base.apply_chat_template is not Fast.apply_chat_template:
        return f"the class {base.__name__}, which has a way of its own to apply a chat template"
    backing = tokenizer.__dict__.get(ATTRIBUTE) or Backing.of(tokenizer.__dict__["_tokenizer"])
    if backing.ready() is None:
        return backing.reason
    made = _classes.setdefault(base, {})
    if special not in made:
        made[special] = type(base)(base.__name__, (base,), _members(base, special))
    tokenizer.__dict__[ATTRIBUTE] = tokenizer.__dict__["_tokenizer"] = backing
    tokenizer.__class__ = made[special]
    return ""


def _members(base: Any, special: str) -> dict[str, Any]:
    """The members of the class of accelerated tokenizers of class `base`. It has its name, which files contain."""
    modes = hasattr(base, "_switch_to_input_mode") or hasattr(base, "_switch_to_target_mode")
    answers = {"decode": _decoded, "batch_decode": _batch_decoded,
               **({} if modes else {"__call__": _called, "encode": _encoded})}
    members = {
        "__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__, "_dstok_base": base,
        "_dstok_special": special,
        **{name: _standing_in(getattr(base, name)) for name in METHODS if hasattr(base, name)},
        **{name: property(_standing_in(getattr(base, name).fget)) for name in PROPERTIES},
        **{name: _quick(getattr(base, name), answer) for name, answer in answers.items()
           if getattr(base, name) is getattr(Fast, name)},
        "_tokenizer": property(_get_backend, _set_backend), "__reduce_ex__": _reduce,
        "dstok": property(lambda self: self.__dict__[ATTRIBUTE], doc="The calls that run on dstok, or do not."),
    }
    method = Fast.train_new_from_iterator
    if base.train_new_from_iterator is method:

        @functools.wraps(method)
        def train_new_from_iterator(self: Any, *args: Any, **kwargs: Any) -> Any:
            return learning_by_dstok(method, self.dstok.tell)(self, *args, **kwargs)

        members["train_new_from_iterator"] = train_new_from_iterator
    if special == "template":
        members["apply_chat_template"] = safe_chat(base.apply_chat_template, lambda self: _of(self.dstok))
    return members


def _get_backend(self: Any) -> Any:
    owner, stand_in = getattr(StandIn.running, "now", (None, None))
    if owner is self:
        return stand_in
    backing = self.__dict__.get(ATTRIBUTE)
    return self.__dict__.get("_tokenizer") if backing is None else backing.hand_out()


def _set_backend(self: Any, value: Any) -> None:
    self.__dict__.pop(ATTRIBUTE, None)
    if isinstance(value, tokenizers.Tokenizer):
        value = self.__dict__[ATTRIBUTE] = Backing.of(value)
    self.__dict__["_tokenizer"] = value


def _reduce(self: Any, protocol: Any) -> Any:
    if any("__reduce__" in vars(each) for each in type(self).__mro__[:-1]):  # a subclass of the user's
        return self.__reduce__()
    kind = type(self)
    return _restored, (vars(kind).get("_dstok_base", kind), {**self.__dict__}, kind._dstok_special)  # noqa: SLF001 (its own)


def _restored(kind: Any, state: dict[str, Any], special: ChatSpecial) -> Any:
    """A tokenizer in that state. One whose class was accelerated is so again if dstok can do it here."""
    made = object.__new__(kind)
    backing = None if hasattr(kind, "_dstok_base") else state.pop(ATTRIBUTE)
    made.__dict__.update(state)
    if backing is not None:
        made.__dict__["_tokenizer"] = backing.real
        accelerate(made, special=special) if special != "all" else _accelerate(made, special)
    return made


# Calls of transformers' methods


def _standing_in(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, with a `StandIn` in the place of the backend while it runs."""

    @functools.wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        before, backing = getattr(StandIn.running, "now", (None, None)), self.__dict__.get(ATTRIBUTE)
        if before[0] is self or backing is None:  # methods also run while a tokenizer is made
            return method(self, *args, **kwargs)
        stand_in = StandIn(backing)
        StandIn.running.now = self, stand_in
        try:
            result = method(self, *args, **kwargs)
        finally:
            StandIn.running.now = before
            stand_in.release()
        if isinstance(result, BatchEncoding) and type(vars(result)["_encodings"]) is list:
            vars(result)["_encodings"] = LazyEncodings(vars(result)["_encodings"])  # made when they are taken out
        return result

    return run


class StandIn:
    """In the place of a backend, for one call of a method.

    From the first look at the settings until they are read by `encode_batch` the backing's lock is held.
    """

    running = threading.local()  # for the method that runs: its tokenizer, and the replacement of the backend
    _backing: Backing
    _holds = False

    def __init__(self, backing: Backing) -> None:
        vars(self)["_backing"] = backing

    def hold(self) -> None:
        if not self._holds:
            self._backing.lock.acquire()
            vars(self)["_holds"] = True

    def release(self) -> None:
        if self._holds:
            vars(self)["_holds"] = False
            self._backing.lock.release()

    @property
    def truncation(self) -> dict[str, Any] | None:
        self.hold()
        return self._backing.real.truncation

    padding = property(lambda self: self._backing.real.padding)
    encode_special_tokens = property(lambda self: self._backing.real.encode_special_tokens)

    def encode_batch(self, input: Any, is_pretokenized: bool = False, add_special_tokens: bool = True) -> Any:
        """As in the backend; a `Row` for each text."""
        backing = self._backing
        self.hold()
        wanted = Wanted.of(backing.real)
        try:
            if {type(is_pretokenized), type(add_special_tokens)} != {bool} or type(input) not in (list, tuple):
                raise UnsupportedError("arguments of other types")
            batch = CallInputs(_of(backing), backing.settings(wanted, add_special_tokens), is_pretokenized)
            self.release()
            rows = batch.rows([each if type(each) in (str, Segmented) and not is_pretokenized else
                               _words(each, is_pretokenized) for each in input])
        except Exception as error:  # those of upstream's truncation have no class of their own
            if Segmented in {*map(type, input)}:
                raise  # the backend knows no segments
            backing.tell("encode", _reason(error))
        else:
            backing.tell("encode")
            return rows
        with backing.lock:
            wanted.put(backing.real)
            return backing.real.encode_batch(input, is_pretokenized=is_pretokenized,
                                             add_special_tokens=add_special_tokens)

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> Any:
        """As in the backend."""
        return _text_of(self._backing, ids, skip_special_tokens)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backing.real if name in HARMLESS else self._backing.hand_out(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._backing.real if name == "encode_special_tokens" else self._backing.hand_out(), name, value)


def _text_of(backing: Backing, ids: Any, skip_special_tokens: bool) -> Any:
    try:
        text = _of(backing).tok.decode(ids, skip_special_tokens=skip_special_tokens)
    except (DstokError, TypeError, ValueError, OverflowError) as error:
        backing.tell("decode", _reason(error))
        with backing.lock:
            return backing.real.decode(ids, skip_special_tokens=skip_special_tokens)
    backing.tell("decode")
    return text


def _of(backing: Backing) -> Engine:
    engine = backing.ready()
    if engine is None:
        raise UnsupportedError(backing.reason)
    return engine


def _reason(error: Exception) -> str:
    """The reason why the backend did it, in words that do not depend on the text or the ids."""
    if isinstance(error, TextError):
        return "a lone surrogate"
    if isinstance(error, UnknownIdError):
        return "an id that is no token"
    others = isinstance(error, (TypeError, ValueError, OverflowError)) and not isinstance(error, UnsupportedError)
    return "arguments of other types" if others else str(error)


def _words(one: Any, is_split: bool) -> Input:
    """The words of one text, or of both of a pair. Raises `UnsupportedError` if upstream may refuse it."""
    if _is_texts(one) and (is_split or len(one) == 2):
        return (list(one),) if is_split else ([one[0]], [one[1]])
    if is_split and type(one) in (list, tuple) and len(one) == 2 and all(map(_is_texts, one)):
        return list(one[0]), list(one[1])
    raise UnsupportedError("an input that is neither a text nor a pair")


def _is_texts(value: Any) -> bool:
    return type(value) in (list, tuple) and {*map(type, value)} <= {str}


# Simple calls, for which transformers' methods would take longer than dstok


def _quick(original: Callable[..., Any], answer: Callable[[Any, Any, dict[str, Any]], Any]) -> Callable[..., Any]:
    """The method, whose simple calls `answer` does, of one argument and few keywords. For others it gives None."""

    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        answered = answer(self, args[0], kwargs) if len(args) == 1 else None
        return original(self, *args, **kwargs) if answered is None else answered

    return call


@functools.lru_cache(maxsize=256)
def _may_skip(kind: Any, names: tuple[str, ...]) -> bool:
    """Whether a quick call may skip these methods: a class, accelerated or below such a one, has the library's."""
    made = next(each for each in kind.__mro__ if "_dstok_base" in vars(each))
    base = vars(made)["_dstok_base"]
    return all(getattr(kind, name, None) is getattr(made, name, None) and
               getattr(base, name, None) is getattr(Fast, name, None) for name in names)


def _called(self: Any, text: Any, kwargs: dict[str, Any]) -> Any:
    """The result of a call for a text or a list of texts."""
    single = type(text) is str
    if not single and not (type(text) is list and text and _is_texts(text)):
        return None
    rows = _rows(self, [text] if single else text, kwargs)
    if rows is None:
        return None
    names, data = self.model_input_names, {"input_ids": rows[0].ids if single else [row.ids for row in rows]}
    for key, name, member in MEMBERS:
        wanted = kwargs.get(key)
        if name in names if wanted is None else wanted:
            data[name] = getattr(rows[0], member) if single else [getattr(row, member) for row in rows]
    return BatchEncoding(data, LazyEncodings(rows), n_sequences=1)


def _encoded(self: Any, text: Any, kwargs: dict[str, Any]) -> list[int] | None:
    """The ids of one text."""
    rows = _rows(self, [text], kwargs) if type(text) is str and kwargs.keys() <= {"add_special_tokens"} else None
    return None if rows is None else rows[0].ids


def _rows(self: Any, texts: list[str], kwargs: dict[str, Any]) -> list[Row] | None:
    """The rows of texts without truncation and padding; None if it is not that simple."""
    if kwargs and not (kwargs.keys() <= QUICK and all(type(each) in (bool, type(None)) for each in kwargs.values())):
        return None
    add_special, backing = kwargs.get("add_special_tokens", True), self.__dict__.get(ATTRIBUTE)
    if add_special is None or self.split_special_tokens or backing is None or not _may_skip(self.__class__, ENCODING):
        return None
    engine = backing.ready()
    if engine is None:
        return None
    settings = backing.settings(PLAIN, add_special)
    if settings.framings[0] is None:
        return None
    try:
        rows: list[Row] = CallInputs(engine, settings).rows(texts)
    except DstokError:
        return None
    real = backing.real
    if real.truncation is not None or real.padding is not None or real.encode_special_tokens:
        with backing.lock:
            PLAIN.put(real)
    backing.tell("encode")
    longest = self.model_max_length
    for row in rows:
        if len(row.ids) > longest:
            self._eventual_warn_about_too_long_sequence(row.ids, None, True)
    return rows


def _decoded(self: Any, ids: Any, kwargs: dict[str, Any]) -> str | None:
    """The text of a list of ids."""
    if not (_is_ids(ids) and ids and _only_decodes(self, kwargs, ("_decode",))):
        return None
    return _text_of(self.dstok, ids, kwargs.get("skip_special_tokens", False))  # type: ignore[no-any-return]


def _batch_decoded(self: Any, batch: Any, kwargs: dict[str, Any]) -> list[str] | None:
    """The texts of a list of lists of ids, by one call."""
    if not (type(batch) is list and batch and all(map(_is_ids, batch)) and
            _only_decodes(self, kwargs, ("decode", "_decode"))):
        return None
    try:
        texts: list[str] = _of(self.dstok).tok.decode_batch(
            batch, skip_special_tokens=kwargs.get("skip_special_tokens", False))
    except (DstokError, TypeError, ValueError, OverflowError):
        return None
    self.dstok.tell("decode")
    return texts


def _is_ids(ids: Any) -> bool:
    """Whether the value is a list of ids, by its first one."""
    return type(ids) is list and (not ids or type(ids[0]) is int)


def _only_decodes(self: Any, kwargs: dict[str, Any], methods: tuple[str, ...]) -> bool:
    """Whether a call with these keywords decodes and does nothing else."""
    return (kwargs.keys() <= DECODING and type(kwargs.get("skip_special_tokens", False)) is bool
            and not self.clean_up_tokenization_spaces and _may_skip(self.__class__, methods))
