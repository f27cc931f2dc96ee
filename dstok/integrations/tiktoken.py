"""tiktoken's `Encoding` on dstok: the same class for callers, the same results, dstok's speed.

In: the arguments of `tiktoken.Encoding`, one of its objects, or a dstok tokenizer. Out: an `Encoding`, which is a
`tiktoken.Encoding`; its `Core` stands for tiktoken's `CoreBPE`.
Invariant: every call gives the result of tiktoken 0.14.0 for the same pattern, ranks and special tokens, errors
included. Calls that dstok lacks (completions of unstable text, bytes that are not UTF-8), and wrong arguments, go to
tiktoken's own `CoreBPE`, which is made on first use. Anything dstok cannot do exactly is refused when the object is
made; `install` and `accelerate` leave it to tiktoken with a warning. A tokenizer may have a property that tiktoken's
form cannot express, such as an added token that takes white space along, or a pre-tokenizer of several patterns, where
tiktoken takes one (`pattern_of`). Its encoding is made, and refuses only to give that form (`parts`).
Source: tiktoken 0.14.0, src/py.rs; tests/integrations/test_tiktoken.py compares every call.

>>> import dstok
>>> from dstok.integrations.tiktoken import Encoding
>>> encoding = Encoding.from_tokenizer(dstok.load("deepseek-v3"))
>>> encoding.encode("Hello world"), encoding.encode_ordinary("<｜User｜>hi")
([19923, 2058], [30, 28217, 6756, 28217, 32, 6366])
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tiktoken_ext.dstok_models import MODELS

from dstok._util.imports import of_extra
from dstok._util.objects import lazy
from dstok.errors import DstokError, TextError, UnsupportedError
from dstok.formats.tiktoken import ENCODINGS, ranks_of
from dstok.loading import load
from dstok.tokenizer import Tokenizer, describe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok._util.arguments import Special

__all__ = ["V3_PATTERN", "Core", "Encoding", "accelerate", "get_encoding", "install", "is_installed", "pattern_of",
           "uninstall"]

with of_extra("tiktoken", __name__):
    import tiktoken
    import tiktoken.registry

Allowed = Literal["all"] | AbstractSet[str]
Disallowed = Literal["all"] | Collection[str]
Ids = TypeVar("Ids")
State = tuple[Tokenizer, str, Mapping[str, Any]]  # third: the arguments of an object, as far as pickles keep them


def _or_original(ours: Callable[..., Any]) -> Any:
    """The method. What it answers by None or by an error of dstok's, the original's method of that name does."""
    @functools.wraps(ours)
    def call(self: Core, *args: Any) -> Any:
        try:
            found = ours(self, *args)
        except (DstokError, TypeError):
            found = None
        return getattr(self.original, ours.__name__)(*args) if found is None else found

    return call


class Core:
    """A `CoreBPE` on a tokenizer; `make_original` makes tiktoken's own, which does what dstok lacks."""

    def __init__(self, tokenizer: Tokenizer, make_original: Callable[[], Any]) -> None:
        self._tokenizer, self._make_original = tokenizer, make_original
        self._known = frozenset(tokenizer.added_tokens)

    @lazy
    def original(self) -> Any:
        return self._make_original()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    @_or_original
    def encode_ordinary(self, text: str) -> list[int] | None:
        """The ids of `text`; its added tokens are plain text. Raises `UnicodeEncodeError` for a lone surrogate."""
        return self._encoded(self._tokenizer.encode, text, "none") if isinstance(text, str) else None

    @_or_original
    def encode(self, text: str, allowed_special: AbstractSet[str]) -> list[int] | None:
        """The ids of `text` with the added tokens `allowed_special` matched. Raises as `encode_ordinary`."""
        return self._encoded(self._tokenizer.encode, text, self._policy(text, allowed_special))

    @_or_original
    def encode_to_tiktoken_buffer(self, text: str, allowed_special: AbstractSet[str]) -> Any:
        """As `encode`; a read-only buffer of uint32."""
        ids = self._encoded(self._tokenizer.encode_array, text, self._policy(text, allowed_special))
        if ids is not None:
            ids.flags.writeable = False
        return ids

    @_or_original
    def encode_single_token(self, piece: bytes) -> int | None:
        """The id of a token's bytes. Raises `KeyError`."""
        try:
            return self._tokenizer.token_to_id(piece) if type(piece) is bytes else None
        except DstokError:
            raise KeyError(piece) from None

    @_or_original
    def encode_single_piece(self, piece: bytes) -> list[int] | None:
        """The ids of bytes as one piece. No bytes have no ids, where the original panics."""
        return self._merge(piece) if type(piece) is bytes else None

    @_or_original
    def _encode_bytes(self, text: bytes) -> list[int] | None:
        """The ids of bytes: UTF-8 as in `encode_ordinary`; other bytes by the original, which guesses at pieces."""
        return self._tokenizer.encode(text, special="none") if type(text) is bytes else None

    @_or_original
    def decode_bytes(self, tokens: Sequence[int]) -> bytes | None:
        """The bytes of ids. Raises `KeyError` for an id without a token, `OverflowError` for one outside uint32."""
        return self._tokenizer.decode_bytes(tokens) if type(tokens) in (list, tuple) else None

    @_or_original
    def decode_single_token_bytes(self, token: int) -> bytes | None:
        """The bytes of an id. Raises as `decode_bytes`."""
        return self._tokenizer.decode_bytes([token]) if type(token) is int else None

    def token_byte_values(self) -> list[bytes]:
        """The bytes of all tokens except the added ones, in the order of bytes."""
        added = set(self._tokenizer.added_tokens.values())
        tokens = self._tokenizer.inspect().token_bytes()
        return sorted(token for id, token in enumerate(tokens) if token and id not in added)

    def _policy(self, text: str, allowed: AbstractSet[str]) -> Special | None:
        """The value of `special` in dstok's calls; None: the arguments are wrong."""
        if not isinstance(text, str) or not isinstance(allowed, set | frozenset):
            return None
        try:
            "".join(allowed - self._known).encode()
        except (TypeError, UnicodeEncodeError):
            return None
        known = self._known & allowed
        return "all" if len(known) == len(self._known) else known

    def _encoded(self, encode: Callable[..., Ids], text: str, special: Special | None) -> Ids | None:
        try:
            return None if special is None else encode(text, special=special)
        except TextError:
            text.encode()  # raises the same as tiktoken
            raise

    @lazy
    def _merge(self) -> Callable[[bytes], list[int]]:
        return self._tokenizer.inspect().merge


# DeepSeek V3's three patterns as one. Its pre-tokenizer cuts in three steps: each cuts the rest from the step before,
# and the third cuts the pieces of the first two again. So a number ends the text before it, as the end of a text would,
# and so does a run of `WIDE`, kana and ideographs. Therefore the pattern has the third step's alternatives twice: once
# for characters of `WIDE`, and once for the others. Text that no step matches stays a piece, and needs an alternative.
WIDE = "一-龥\u3040-ゟ゠-ヿ"
V3_PATTERN = "|".join([
    r"\p{N}{1,3}",
    rf"[[{WIDE}]&&[^\p{{L}}\p{{P}}\p{{S}}]]?[[{WIDE}]&&[\p{{L}}\p{{M}}]]+",
    rf"[[{WIDE}]&&[\p{{P}}\p{{S}}]]+",
    rf"[[{WIDE}]&&[^\p{{L}}\p{{M}}\p{{P}}\p{{S}}]]+(?![[{WIDE}]&&[\p{{L}}\p{{M}}]])",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+",
    rf"[^\r\n\p{{L}}\p{{P}}\p{{S}}\p{{N}}{WIDE}]?[[\p{{L}}\p{{M}}]&&[^{WIDE}]]+",
    rf" ?[[\p{{P}}\p{{S}}]&&[^{WIDE}]]+[\r\n]*",
    r"\s*[\r\n]+",
    rf"\s+(?![^\s\p{{N}}{WIDE}])",
    r"\s+",
    rf"[^\s\p{{L}}\p{{M}}\p{{N}}\p{{P}}\p{{S}}{WIDE}]+(?![[\p{{L}}\p{{M}}]&&[^{WIDE}]])",
])


def pattern_of(tokenizer: Tokenizer) -> str:
    """The pattern with which tiktoken cuts every text as `tokenizer` does: a walk over both automata, no sample.

    Raises `UnsupportedError` if none is known.

    >>> import dstok
    >>> pattern_of(dstok.load("deepseek-v3")) == V3_PATTERN
    True
    """
    from dstok.pretokenizer.splitter import Splitter

    splits = tokenizer.inspect().splits
    own = Splitter.from_tokenizer(tokenizer)
    for pattern in [V3_PATTERN, *(split.pattern for split in splits[:1] if len(splits) == 1)]:
        try:
            if Splitter(pattern, behavior="Removed", invert=True, dialect="fancy-regex") == own:
                return pattern
        except DstokError:  # not a pattern in tiktoken's dialect
            continue
    raise UnsupportedError("a pre-tokenizer for which no single pattern of tiktoken's is known to cut alike",
                           "pre_tokenizer")


class Encoding(tiktoken.Encoding):
    r"""A `tiktoken.Encoding` that runs on dstok. Made with the same arguments, or by `from_tokenizer`.

    Raises `UnsupportedError`, `PatternError` or `TokenizerFileError` for anything that dstok cannot do exactly.

    >>> ranks = {bytes([b]): b for b in range(256)} | {b"ab": 256}
    >>> encoding = Encoding("mine", pat_str=r"\w+|\W", mergeable_ranks=ranks, special_tokens={"<end>": 257})
    >>> encoding.encode("abba<end>", allowed_special="all"), encoding.n_vocab
    ([256, 98, 97, 257], 258)
    """

    def __init__(
        self, name: str, *, pat_str: str, mergeable_ranks: dict[bytes, int], special_tokens: dict[str, int],
        explicit_n_vocab: int | None = None,
    ) -> None:
        pattern = f"(?:{pat_str})" if pat_str in ENCODINGS else pat_str  # to tiktoken a name is a pattern
        tokenizer = Tokenizer.from_tiktoken(mergeable_ranks, pattern, special_tokens)
        self.__setstate__((tokenizer, name, {"_pat_str": pat_str, "_special_tokens": special_tokens}))
        self.__dict__["_mergeable_ranks"] = mergeable_ranks
        if explicit_n_vocab:
            assert len(mergeable_ranks) + len(special_tokens) == explicit_n_vocab
            assert self.max_token_value == explicit_n_vocab - 1

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer, name: str | None = None) -> Encoding:
        """The encoding of a dstok tokenizer, under its name or another one.

        Special tokens are the tokenizer's added tokens. `eot_token` is its EOS, if none of them is `<|endoftext|>`.
        """
        encoding = cls.__new__(cls)
        encoding.__setstate__((tokenizer, tokenizer.name if name is None else name, {}))
        return encoding

    def parts(self) -> dict[str, Any]:
        """The keywords for an equal `tiktoken.Encoding`. Raises `UnsupportedError` if there are none."""
        if not self._plain_special:
            raise UnsupportedError("added tokens that take white space or whole words, which tiktoken has none of",
                                   "added_tokens")
        return {"name": self.name, "pat_str": self._pat_str, "mergeable_ranks": self._mergeable_ranks,
                "special_tokens": self._special_tokens}

    def __getstate__(self) -> State:
        return self.tokenizer, self.name, self._known

    def __setstate__(self, state: Any) -> None:
        tokenizer, self.name, self._known = state  # from `__getstate__`
        self.tokenizer: Tokenizer = tokenizer
        self.__dict__.update({"_special_tokens": tokenizer.added_tokens, **self._known})
        self._special_token_values = set(self._special_tokens.values())
        self._all_special = frozenset(self._special_tokens)
        self.max_token_value = tokenizer.vocab_size - 1
        self._core_bpe = Core(tokenizer, lambda: tiktoken.Encoding(**self.parts())._core_bpe)  # noqa: SLF001
        model = tokenizer.inspect()
        self._plain_special = not any(t.lstrip or t.rstrip or t.single_word or (t.normalized and model.normalizer)
                                      for t in model.added_tokens)

    # tiktoken's own names for these; others read them, and nothing writes them

    @lazy
    def _pat_str(self) -> str:  # type: ignore[override]
        return pattern_of(self.tokenizer)

    @lazy
    def _mergeable_ranks(self) -> dict[bytes, int]:  # type: ignore[override]
        return ranks_of(describe(self.tokenizer))

    @property
    def eot_token(self) -> int:
        """The id of `<|endoftext|>`, or else the tokenizer's EOS. Raises `KeyError` if there is neither."""
        if "<|endoftext|>" not in self._special_tokens and self.tokenizer.eos_id is not None:
            return self.tokenizer.eos_id
        return super().eot_token

    # Calls that would be slow through tiktoken

    def encode(
        self, text: str, *, allowed_special: Allowed = frozenset(), disallowed_special: Disallowed = "all",
    ) -> list[int]:
        """As `tiktoken.Encoding.encode`, which searches for special tokens with one regular expression."""
        special = self._special(allowed_special, disallowed_special)
        if special is not None and isinstance(text, str):
            try:
                return self.tokenizer.encode(text, special=special)
            except DstokError:
                pass  # tiktoken's own code raises the error
        return super().encode(text, allowed_special=allowed_special, disallowed_special=disallowed_special)

    def encode_to_numpy(
        self, text: str, *, allowed_special: Allowed = frozenset(), disallowed_special: Disallowed = "all",
    ) -> npt.NDArray[np.uint32]:
        """As `tiktoken.Encoding.encode_to_numpy`: a read-only array."""
        special = self._special(allowed_special, disallowed_special)
        if special is not None and isinstance(text, str):
            try:
                ids = self.tokenizer.encode_array(text, special=special)
                ids.flags.writeable = False
                return ids
            except DstokError:
                pass
        return super().encode_to_numpy(text, allowed_special=allowed_special, disallowed_special=disallowed_special)

    def encode_batch(
        self, text: Sequence[str], *, num_threads: int = 8, allowed_special: Allowed = frozenset(),
        disallowed_special: Disallowed = "all",
    ) -> list[list[int]]:
        """As `tiktoken.Encoding.encode_batch`."""
        texts, special = list(text), self._special(allowed_special, disallowed_special)
        if not isinstance(disallowed_special, Collection):
            special = None  # unlike `encode`, tiktoken takes no None here
        rows = self._batch(texts, num_threads, special)
        return rows if rows is not None else super().encode_batch(
            texts, num_threads=num_threads, allowed_special=allowed_special, disallowed_special=disallowed_special)

    def encode_ordinary_batch(self, text: Sequence[str], *, num_threads: int = 8) -> list[list[int]]:
        """As `tiktoken.Encoding.encode_ordinary_batch`."""
        texts = list(text)
        rows = self._batch(texts, num_threads, "none")
        return rows if rows is not None else super().encode_ordinary_batch(texts, num_threads=num_threads)

    def _batch(self, texts: list[str], threads: int, special: Special | None) -> list[list[int]] | None:
        """The ids; None: tiktoken's own code raises the error, or takes its time."""
        if special is None or type(threads) is not int or threads < 1 or not all(isinstance(t, str) for t in texts):
            return None
        try:
            return self.tokenizer.encode_batch(texts, num_threads=threads, special=special)
        except DstokError:
            return None

    def _special(self, allowed: Allowed, disallowed: Disallowed) -> Special | None:
        """The value of `special` in dstok's calls; None: invalid, or some special tokens allowed, others an error."""
        known = self._all_special if isinstance(allowed, str) and allowed == "all" else allowed
        if not self._plain_special or not isinstance(known, set | frozenset) or not known <= self._all_special:
            return None
        if len(known) == len(self._all_special):
            return "all" if disallowed == "all" or not disallowed else None
        if isinstance(disallowed, str):
            return "raise" if disallowed == "all" and not known else None
        return None if disallowed else known


_named: dict[str, Encoding] = {}  # made once, as in tiktoken's registry


def get_encoding(name: str) -> Encoding:
    """The encoding of that name, of tiktoken or of dstok's plug-in, on dstok.

    tiktoken's rank files come from the same place as for `tiktoken.get_encoding`. Raises `ValueError` for an unknown
    name, and as `Encoding`.

    >>> get_encoding("deepseek_v3").encode("Hello world")
    [19923, 2058]
    """
    encoding = _named.get(name)
    if encoding is None:
        model = MODELS.get(name)
        made = _of(tiktoken.get_encoding(name)) if model is None else Encoding.from_tokenizer(load(model), name)
        encoding = _named.setdefault(name, made)  # no lock: tiktoken holds its own while it requests one of these
    return encoding


def accelerate(encoding: tiktoken.Encoding, *, strict: bool = False) -> tiktoken.Encoding:
    """`encoding` on dstok. If dstok cannot do it exactly: `encoding` itself, with a warning (`strict`: an error)."""
    try:
        return _of(encoding)
    except DstokError as error:
        if strict:
            raise
        _warn(encoding.name, str(error))
        return encoding


def install(tell: Callable[[str, str], None] | None = None) -> None:
    """From now on `tiktoken.get_encoding` and `encoding_for_model` give encodings on dstok to every caller.

    An encoding that dstok cannot do exactly is tiktoken's own, with a warning. Earlier encodings stay as they are.
    `tell`: called for each encoding with its name and the reason why it stays tiktoken's own, or "", in place of the
    warning.
    """
    if not is_installed():
        _put(functools.partial(_made, tell or _warn))


def uninstall() -> None:
    """Undoes `install`."""
    if is_installed():
        _put(tiktoken.Encoding)


def is_installed() -> bool:
    """Whether `install` is in force."""
    return vars(tiktoken.registry)["Encoding"] is not tiktoken.Encoding


def _put(make: Any) -> None:
    registry: Any = tiktoken.registry
    registry.Encoding = make
    registry.ENCODINGS.clear()


def _made(tell: Callable[[str, str], None], /, **parts: Any) -> tiktoken.Encoding:
    try:
        made = get_encoding(parts["name"]) if parts["name"] in MODELS else Encoding(**parts)
    except DstokError as error:
        tell(parts["name"], str(error))
        return tiktoken.Encoding(**parts)
    tell(parts["name"], "")
    return made


def _of(encoding: tiktoken.Encoding) -> Encoding:
    if isinstance(encoding, Encoding):
        return encoding
    return Encoding(encoding.name, pat_str=encoding._pat_str,  # noqa: SLF001 (there is no other way to them)
                    mergeable_ranks=encoding._mergeable_ranks, special_tokens=encoding._special_tokens)  # noqa: SLF001


def _warn(name: str, reason: str) -> None:
    if reason:
        warnings.warn(f"{name} stays tiktoken's own, since dstok cannot do it exactly: {reason}", stacklevel=4)
