"""The settings of a training.

In: the keywords of upstream's BpeTrainer. Out: `BpeTrainer`, checked.
Invariant: a setting has upstream's meaning, or is refused by name. An unknown keyword is a `TypeError`; upstream only
prints it.
Source: upstream 0.23.3, trainers.rs of its bindings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dstok.base.numbers import whole_number
from dstok.errors import ArgumentError, UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.tokens import BYTE_TO_CHAR

__all__ = ["BpeTrainer"]

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized")


@dataclass(frozen=True, kw_only=True)
class BpeTrainer:
    """The settings of a training, with the names of upstream's BpeTrainer, and `drop_below`.

    vocab_size: how many tokens to learn; special tokens and characters count, and are never left out.
    min_frequency: a pair that occurs less often is not merged.
    show_progress: without effect: `dstok.train` takes `progress`, and the command draws a bar.
    special_tokens: str, or upstream's AddedToken objects; they get the first ids.
    limit_alphabet: at most so many characters get an id, the most frequent ones; None: all.
    initial_alphabet: the first character of each of these gets an id even if the texts have it not. None: the 256
        characters of ByteLevel, `BpeTrainer.byte_alphabet()`, or, with a limit_alphabet, none. A model loses bytes
        without an id (`Tokenizer.inspect().lost_bytes`). Upstream's default is [].
    max_token_length: merged tokens are shorter than this, in bytes, or have two bytes; None: no limit.
    drop_below: pieces that occur less often are left out, as if the texts had them not; 0: none. Upstream has no such
        setting. It saves memory: often half of the pieces occur once.
    continuing_subword_prefix, end_of_word_suffix: refused, since with them upstream's answer changes from run to run.

    Raises `ArgumentError`, and `UnsupportedError` for a prefix or suffix.

    >>> BpeTrainer(vocab_size=300, special_tokens=["<s>"]).special_tokens[0].content
    '<s>'
    """

    vocab_size: int = 30000
    min_frequency: int = 0
    show_progress: bool = True
    special_tokens: tuple[AddedToken, ...] = ()
    limit_alphabet: int | None = None
    initial_alphabet: tuple[str, ...] = None  # type: ignore[assignment]  # which `__post_init__` replaces
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    max_token_length: int | None = None
    drop_below: int = 0

    if TYPE_CHECKING:  # the constructor takes more than the attributes have
        def __init__(
            self, *, vocab_size: int = 30000, min_frequency: int = 0, show_progress: bool = True,
            special_tokens: Iterable[Any] = (), limit_alphabet: int | None = None,
            initial_alphabet: Iterable[str] | None = None, continuing_subword_prefix: str | None = None,
            end_of_word_suffix: str | None = None, max_token_length: int | None = None, drop_below: int = 0,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("continuing_subword_prefix", "end_of_word_suffix"):
            if getattr(self, name):
                raise UnsupportedError(f"a {name}, with which upstream's answer changes from run to run", name)
        for name in ("vocab_size", "min_frequency", "drop_below"):
            self._set(name, whole_number(name, getattr(self, name)))
        for name in ("limit_alphabet", "max_token_length"):
            if getattr(self, name) is not None:
                self._set(name, whole_number(name, getattr(self, name)))
        if self.initial_alphabet is None:
            self._set("initial_alphabet", tuple(BYTE_TO_CHAR) if self.limit_alphabet is None else ())
        self._set("special_tokens", tuple(map(_special_token, _several("special_tokens", self.special_tokens))))
        self._set("initial_alphabet", tuple(map(_character, _several("initial_alphabet", self.initial_alphabet))))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @staticmethod
    def byte_alphabet() -> list[str]:
        """The 256 characters of ByteLevel, by byte: with them as `initial_alphabet` a model can spell every text.

        >>> len(BpeTrainer.byte_alphabet()), BpeTrainer.byte_alphabet()[ord(" ")]
        (256, 'Ġ')
        """
        return list(BYTE_TO_CHAR)


def _several(name: str, values: Any) -> Iterable[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ArgumentError(f"expected a list as {name}, found {type(values).__name__}", name)
    return values


def _special_token(token: Any) -> AddedToken:
    """A str as upstream takes it; from an object its text and flags. `special` is set in any case."""
    if isinstance(token, str):
        return AddedToken(-1, token, special=True)
    if not isinstance(getattr(token, "content", None), str):
        raise ArgumentError(f"expected special_tokens of str or AddedToken, found {type(token).__name__}",
                            "special_tokens")
    return AddedToken(-1, token.content, *_flags(token))._replace(special=True)


def _flags(token: Any) -> list[bool]:
    """The flags of an AddedToken. Of upstream's, a `normalized` that nobody set follows `special`."""
    if isinstance(token, AddedToken):
        return [getattr(token, flag) for flag in _FLAGS]
    special, token.special = token.special, True
    try:
        return [bool(getattr(token, flag)) for flag in _FLAGS]
    finally:
        token.special = special


def _character(text: Any) -> str:
    """The text, whose first character counts. Raises `ArgumentError`."""
    if not isinstance(text, str):
        raise ArgumentError(f"expected an initial_alphabet of str, found {type(text).__name__}", "initial_alphabet")
    return text
