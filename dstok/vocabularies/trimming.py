"""A vocabulary with fewer tokens: the first ones, or any set that can build itself.

In: a tokenizer, and the tokens to keep. Out: a tokenizer with these; for `trimmed` also the map from old to new ids.
Invariant: each token that merging could make it can still make, by the same merges. The first tokens of a trained
vocabulary are the vocabulary of a smaller training. A set that would leave a token without its parts is refused.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dstok.base.arguments import explained
from dstok.base.numbers import whole_number
from dstok.errors import ArgumentError, UnsupportedError
from dstok.formats.description import ENDS, ModelDescription, TokenizerConfig
from dstok.formats.json_value import shown
from dstok.formats.tokens import NOT_IN_UTF_8, spelling
from dstok.vocabularies.base import around
from dstok.vocabularies.model import M, Model, byte_model

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["trimmed", "truncated"]

SHOWN = 5  # tokens that an error names


def truncated(self: M, vocab_size: int) -> M:
    """A tokenizer with the ids below `vocab_size`: after a training, the one that a smaller training makes.

    Raises `UnsupportedError` if a token that goes was not made by merges (`trimmed` renumbers such tokens), or if ids
    and merges are in different orders; and `ArgumentError`.

    >>> import dstok
    >>> trainer = dstok.BpeTrainer(vocab_size=259, initial_alphabet=dstok.BpeTrainer.byte_alphabet())
    >>> tok = dstok.train_from_iterator(["low lower lowest", "low low"], trainer, like="gpt-2")
    >>> tok.truncated(258).vocabulary()[256:]
    [b'lo', b'low']
    """
    size, model = whole_number("vocab_size", vocab_size, most=self.vocab_size), byte_model(self)
    if size == self.vocab_size:
        return self._of_description(model)
    merged = model.merges[2::3]
    new = [i for i in merged if i >= size]
    others = sorted({*range(size, self.vocab_size)} - {*new} - _holes(model, self.vocab_size))
    if others:
        raise UnsupportedError(f"a vocab_size of {size} without {_named(model, others)}, which no merge makes: trimmed "
                               "keeps such tokens", "vocab_size")
    if new != sorted(new):
        raise UnsupportedError("merges that are in another order than the ids that they make", "merges")
    last = max((rank for rank, i in enumerate(merged) if i == size - 1), default=-1)
    kept = last + 1 if last >= 0 else next(rank for rank, i in enumerate(merged) if i >= size)
    return self._of_description(replace(model, tokens=model.tokens[:size], merges=model.merges[: 3 * kept]))


@explained
def trimmed(self: M, keep: Iterable[int]) -> tuple[M, npt.NDArray[np.int64]]:
    """(a tokenizer with the tokens `keep`, from old ids to new ones).

    keep: ids. They keep their order, and count from 0 on. The map is int64[vocab_size], -1 for an id that goes: row i
        of an embedding becomes row `map[i]`.

    Raises `UnsupportedError`, with their names, if tokens would lose their parts, a byte its token, or a setting such
    as BOS its token; and `ArgumentError`.

    >>> import dstok
    >>> trainer = dstok.BpeTrainer(vocab_size=259, initial_alphabet=dstok.BpeTrainer.byte_alphabet())
    >>> tok = dstok.train_from_iterator(["low lower lowest", "low low"], trainer, like="gpt-2")
    >>> small, new_ids = tok.trimmed([*range(256), 257, 256])
    >>> small.vocab_size, new_ids[256:].tolist()
    (258, [256, 257, -1])
    """
    import numpy as np

    model, kept = byte_model(self), _ids(keep, self.vocab_size)
    _check_bytes(model, kept)
    merges = _kept_merges(model, kept)
    new = {old: number for number, old in enumerate(sorted(kept))}
    tokens = [model.tokens[old] if old < len(model.tokens) else None for old in new]
    while tokens and tokens[-1] is None:  # added tokens alone
        tokens.pop()
    added = tuple(token._replace(id=new[token.id]) for token in model.added_tokens if token.id in new)
    raw = frozenset(new[i] for i in model.raw_ids if i in new)
    config = _config(model, {token.content: token.id for token in added}, new)
    trimmed_model = replace(model, tokens=tuple(tokens), raw_ids=raw, merges=array("I", [new[i] for i in merges]),
                            added_tokens=added, config=config)
    ids = np.full(self.vocab_size, -1, np.int64)
    ids[list(new)] = list(new.values())
    small = self._of_description(trimmed_model)
    _check_reached(self, small, new)
    return small, ids


def _holes(model: ModelDescription, size: int) -> set[int]:
    """The ids that no token has."""
    added = {token.id for token in model.added_tokens}
    return {i for i in range(size) if (i >= len(model.tokens) or model.tokens[i] is None) and i not in added}


def _named(model: ModelDescription, ids: Iterable[int]) -> str:
    """Some tokens, for an error."""
    texts = {token.id: token.content for token in model.added_tokens}
    names = [shown(texts[i] if i in texts else spelling(model.tokens[i] or b"")) for i in ids]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _ids(keep: Any, size: int) -> set[int]:
    if not isinstance(keep, Iterable):
        raise ArgumentError(f"expected ids to keep, found {type(keep).__name__}", "keep")
    return {whole_number("keep", i, most=size - 1) for i in keep}


def _config(model: ModelDescription, by_text: dict[str, int], new: dict[int, int]) -> TokenizerConfig:
    """The settings with new ids. Refuses the loss of a token that they name."""
    config = model.config
    ends = {name: i for name in ENDS if (i := getattr(config, name)) is not None}
    lost = [i for i in ends.values() if i not in new]
    if lost:
        raise UnsupportedError(f"a vocabulary without {_named(model, lost)}, which settings name", "keep")
    renewed: Any = {name: new[i] for name, i in ends.items()}
    return replace(config, **renewed, **around(config, by_text))


def _check_reached(self: Model, small: Model, new: dict[int, int]) -> None:
    """Refuses the loss of a token that merging its bytes gave before."""
    after = _reached(small)
    lost = [old for old in _reached(self) if old in new and new[old] not in after]
    if lost:
        raise UnsupportedError(f"a vocabulary in which no merging gives {_named(self._describe(), lost)}", "keep")


def _reached(self: Model) -> set[int]:
    """The ids that merging their bytes gives."""
    model = self._describe()
    return {i for i, token in enumerate(model.tokens)
            if token and i not in model.raw_ids and self._bpe.encodes_to_itself(i)}


def _check_bytes(model: ModelDescription, kept: set[int]) -> None:
    letters = [i for i, token in enumerate(model.tokens) if token and len(token) == 1 and i not in model.raw_ids]
    lost = [i for i in letters if i not in kept and (model.tokens[i] or b"")[0] not in NOT_IN_UTF_8]
    if lost:
        raise UnsupportedError(f"a vocabulary without {_named(model, lost)}: no token could spell these bytes", "keep")


def _kept_merges(model: ModelDescription, kept: set[int]) -> array[int]:
    """The merges of kept tokens. Refuses kept tokens that a merge made, if no merge can make them any more."""
    merges, made, lost = array("I"), set[int](), dict[int, int]()
    for left, right, merged in model.merge_rules():
        if merged in kept and left in kept and right in kept:
            merges.extend((left, right, merged))
            made.add(merged)
        elif merged in kept:
            lost.setdefault(merged, right if left in kept else left)
    alone = [i for i in lost if i not in made]
    if alone:
        parts = dict.fromkeys(lost[i] for i in alone)
        raise UnsupportedError(f"a vocabulary with {_named(model, alone)}, but without {_named(model, parts)}, from "
                               "which merges make them", "keep")
    return merges
