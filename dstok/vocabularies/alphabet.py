"""The tokens that a training begins with: special tokens and characters, with the first ids.

In: a trainer, and how often each byte occurs. Out: `FirstTokens`.
Invariant: upstream's ids: special tokens in their order, each text once; then the characters by code point. Characters
are those of ByteLevel, one for each byte. A text that is both has the id of the special token.
Source: upstream 0.23.3, models/bpe/trainer.rs.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from dstok.errors import ArgumentError, UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.json_value import shown
from dstok.formats.tokens import BYTE_TO_CHAR, decoded_bytes, is_spelling
from dstok.vocabularies.trainer import BpeTrainer

__all__ = ["FirstTokens"]

_ALWAYS = 1 << 64  # more often than any character: those of initial_alphabet are kept first


class FirstTokens:
    """The tokens with the first ids: `spelled` by id, as tokenizer.json spells them.

    counts: how often each byte occurs. Raises `UnsupportedError` for a `limit_alphabet` that cuts a tie.
    """

    def __init__(self, trainer: BpeTrainer, counts: Sequence[int]) -> None:
        specials = [token.content for token in trainer.special_tokens]
        self.vocab_size, self.ids = trainer.vocab_size, dict[str, int]()
        for text in [*specials, *_alphabet(trainer, counts)]:
            self.ids.setdefault(text, len(self.ids))
        self.spelled = list(self.ids)
        self.added = [token._replace(id=self.ids[token.content]) for token in _unique(trainer.special_tokens)]

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

    def tokens(self) -> list[bytes]:
        """The bytes of each."""
        return [decoded_bytes(text) for text in self.spelled]

    def raw_ids(self) -> frozenset[int]:
        """The ids of texts that are no spelling of bytes: no merge makes them."""
        return frozenset(i for i, text in enumerate(self.spelled) if not is_spelling(text))

    def taken(self) -> array[int]:
        """The ids that a merge may spell, in the order that `MergeLoop` takes: by length, then by bytes."""
        tokens, raw = self.tokens(), self.raw_ids()
        found = [i for i, token in enumerate(tokens) if len(token) > 1 and i not in raw]
        return array("I", sorted(found, key=lambda i: (len(tokens[i]), tokens[i])))

    def ids_of_bytes(self) -> list[int]:
        """The id of each byte; -1 for one without a token, which words leave out."""
        return [self.ids.get(char, -1) for char in BYTE_TO_CHAR]


def _unique(tokens: Sequence[AddedToken]) -> list[AddedToken]:
    """Each text once, with the flags of the last one. Upstream matches no empty text."""
    return list({token.content: token for token in tokens if token.content}.values())


def _alphabet(trainer: BpeTrainer, counts: Sequence[int]) -> list[str]:
    """The characters that get ids, by code point."""
    found = {char: count for char, count in zip(BYTE_TO_CHAR, counts) if count}
    found |= {text[0]: _ALWAYS for text in trainer.initial_alphabet if text}
    limit = trainer.limit_alphabet
    if limit is not None and len(found) > limit:
        kept = sorted(found, key=lambda char: -found[char])
        _refuse_tie(found, kept, limit)
        return sorted(kept[:limit])
    return sorted(found)


def _refuse_tie(found: dict[str, int], kept: list[str], limit: int) -> None:
    """Refuses a limit at which the first character out is as frequent as the last one in: upstream takes any."""
    if limit and found[kept[limit - 1]] == found[kept[limit]]:
        tied = "".join(sorted(char for char in kept if found[char] == found[kept[limit]]))
        raise UnsupportedError(f"a limit_alphabet of {limit} that takes only some of the equally frequent characters "
                               f"{shown(tied)}: upstream's choice changes from run to run", "limit_alphabet")
