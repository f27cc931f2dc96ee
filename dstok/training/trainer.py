"""The settings of a training, and the tokens that it begins with: special tokens and characters, with the first ids.

In: the keywords of upstream's BpeTrainer; how often each byte occurs. Out: `BpeTrainer`, checked; `FirstTokens`.
Invariant: a setting has upstream's meaning, or is refused by name. An unknown keyword is a `TypeError`; upstream only
prints it. The ids are upstream's: special tokens in their order, each text once; then the characters by code point:
those of ByteLevel, one for each byte. A text that is both has the id of the special token.
Source: upstream 0.23.3, trainers.rs of its bindings, models/bpe/trainer.rs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dstok._util.arguments import utf8, whole_number
from dstok._util.json_value import shown
from dstok.errors import ArgumentError, UnsupportedError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR, decoded_bytes, is_spelling
from dstok.formats.description import AddedToken

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized")
RANKS = bytes(sorted(BYTE_TO_CHAR).index(char) for char in BYTE_TO_CHAR)  # of bytes, in the order of spellings
_ALWAYS = 1 << 64  # more often than any character: those of initial_alphabet are kept first


@dataclass(frozen=True, kw_only=True)
class BpeTrainer:
    """The settings of a training, with the names of upstream's BpeTrainer, and `drop_below`.

    vocab_size: how many tokens to learn; special tokens and characters count, and are never left out.
    min_frequency: a pair that occurs less often is not merged.
    show_progress: without effect: `dstok.training.train` takes `progress`, and the command draws a bar.
    special_tokens: str, or upstream's AddedToken objects; they get the first ids.
    limit_alphabet: at most so many characters get an id, the most frequent ones; None: all.
    initial_alphabet: the first character of each of these gets an id even if the texts have it not. None: the 256
        characters of ByteLevel, `BpeTrainer.byte_alphabet()`, or, with a limit_alphabet, none. A model loses bytes
        without an id (`Tokenizer.inspect().lost_bytes`). Upstream's default is [].
    max_token_length: merged tokens are shorter than this, in bytes, or have two bytes; None: no limit.
    drop_below: pieces that occur less often are left out, as if the texts had them not; 0: none. Upstream has no such
        setting. It saves memory: often half of the pieces occur once.
    continuing_subword_prefix, end_of_word_suffix: refused, since with them upstream's answer changes from run to run.

    Raises `ArgumentError`, `TextError` for a lone surrogate, and `UnsupportedError` for a prefix or suffix.

    >>> BpeTrainer(vocab_size=300, special_tokens=["<s>"]).special_tokens[0].content
    '<s>'
    """

    vocab_size: int = 30000
    min_frequency: int = 0
    show_progress: bool = True
    special_tokens: Sequence[Any] = ()
    limit_alphabet: int | None = None
    initial_alphabet: Sequence[str] = None  # type: ignore[assignment]
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    max_token_length: int | None = None
    drop_below: int = 0

    def __post_init__(self) -> None:
        values = vars(self)
        for name in ("continuing_subword_prefix", "end_of_word_suffix"):
            if values[name]:
                raise UnsupportedError(f"a {name}, with which upstream's answer changes from run to run", name)
        if self.initial_alphabet is None:
            values["initial_alphabet"] = tuple(BYTE_TO_CHAR) if self.limit_alphabet is None else ()
        for name in ("vocab_size", "min_frequency", "drop_below", "limit_alphabet", "max_token_length"):
            if values[name] is not None or name in ("vocab_size", "min_frequency", "drop_below"):
                values[name] = whole_number(name, values[name])
        for name in ("special_tokens", "initial_alphabet"):
            if isinstance(values[name], str) or not isinstance(values[name], Iterable):
                raise ArgumentError(f"expected a list as {name}, found {type(values[name]).__name__}", name)
            values[name] = tuple(values[name])
        values["special_tokens"] = tuple(map(_special_token, self.special_tokens))
        for text in (*(token.content for token in self.special_tokens), *self.initial_alphabet):
            if not isinstance(text, str):
                raise ArgumentError(f"expected an initial_alphabet of str, found {type(text).__name__}",
                                    "initial_alphabet")
            utf8(text, replace=False)

    @staticmethod
    def byte_alphabet() -> list[str]:
        """The 256 characters of ByteLevel, by byte: with them as `initial_alphabet` a model can spell every text.

        >>> len(BpeTrainer.byte_alphabet()), BpeTrainer.byte_alphabet()[ord(" ")]
        (256, 'Ġ')
        """
        return list(BYTE_TO_CHAR)


def _special_token(token: Any) -> AddedToken:
    """A str as upstream takes it; from an object its text and flags. `special` is set in any case."""
    if isinstance(token, str):
        return AddedToken(-1, token, special=True)
    if not isinstance(getattr(token, "content", None), str):
        raise ArgumentError(f"expected special_tokens of str or AddedToken, found {type(token).__name__}",
                            "special_tokens")
    if isinstance(token, AddedToken):
        return token._replace(id=-1, special=True, literal=False)
    special, token.special = token.special, True  # of upstream's, a `normalized` that nobody set follows `special`
    try:
        flags = {flag: bool(getattr(token, flag)) for flag in _FLAGS}
    finally:
        token.special = special
    return AddedToken(-1, token.content, **flags, special=True)


class FirstTokens:
    """The tokens with the first ids. ids: by spelling, as in a tokenizer.json. tokens: their bytes, by id.

    raw_ids: of texts that are no spelling of bytes: no merge makes them. added: the special ones.
    counts: how often each byte occurs. Raises `UnsupportedError` for a `limit_alphabet` that cuts a tie.
    """

    def __init__(self, trainer: BpeTrainer, counts: Sequence[int]) -> None:
        specials = [token.content for token in trainer.special_tokens]
        self.vocab_size, self.ids = trainer.vocab_size, dict[str, int]()
        for text in [*specials, *_alphabet(trainer, counts)]:
            self.ids.setdefault(text, len(self.ids))
        self.tokens = list(map(decoded_bytes, self.ids))
        self.raw_ids = frozenset(i for text, i in self.ids.items() if not is_spelling(text))
        named = {token.content: token for token in trainer.special_tokens if token.content}  # upstream matches no ""
        self.added = [token._replace(id=self.ids[text]) for text, token in named.items()]

    def check(self) -> None:
        """Raises `ArgumentError` for a `vocab_size` below the number of these tokens, and if there are none."""
        if len(self.ids) > self.vocab_size:
            specials = len(self.added)
            raise ArgumentError(f"expected a vocab_size of at least {len(self.ids):,}, since {specials:,} special "
                                f"tokens and {len(self.ids) - specials:,} bytes have ids in any case, found "
                                f"{self.vocab_size:,}", "vocab_size")
        if not self.ids:
            raise ArgumentError("expected texts, special tokens or an initial_alphabet, found none: no token is left",
                                "initial_alphabet")

    def ids_of_bytes(self) -> list[int]:
        """The id of each byte; -1 for one without a token, which words leave out."""
        return [self.ids.get(char, -1) for char in BYTE_TO_CHAR]


def taken(tokens: Iterable[bytes | None], raw_ids: frozenset[int]) -> array[int]:
    """The ids that a merge may spell, in the order that `MergeLoop` takes: by length, then by spelling."""
    found = ((len(token), token.translate(RANKS), i) for i, token in enumerate(tokens)
             if token and len(token) > 1 and i not in raw_ids)
    return array("I", [i for _, _, i in sorted(found)])


def _alphabet(trainer: BpeTrainer, counts: Sequence[int]) -> list[str]:
    """The characters that get ids, by code point.

    Refuses a limit at which the first character out is as frequent as the last one in: upstream takes any.
    """
    found = {char: count for char, count in zip(BYTE_TO_CHAR, counts) if count}
    found |= {text[0]: _ALWAYS for text in trainer.initial_alphabet if text}
    limit = trainer.limit_alphabet
    if limit is None or len(found) <= limit:
        return sorted(found)
    kept = sorted(found, key=lambda char: -found[char])
    if limit and found[kept[limit - 1]] == found[kept[limit]]:
        tied = "".join(sorted(char for char in kept if found[char] == found[kept[limit]]))
        raise UnsupportedError(f"a limit_alphabet of {limit} that takes only some of the equally frequent characters "
                               f"{shown(tied)}: upstream's choice changes from run to run", "limit_alphabet")
    return sorted(kept[:limit])
