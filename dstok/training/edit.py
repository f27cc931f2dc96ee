"""A vocabulary extended: more merges, learned where the model's own have ended.

In: a tokenizer, counted pieces, a size. Out: a tokenizer with all old ids and merges, and new ones after them.
Invariant: the new merges are those that a training would make next whose words stand as the model encodes them. So a
vocabulary of V1 tokens that is extended to V2 by the counts that it was trained from is the vocabulary of V2 tokens.
A text gets other ids only by new merges: these come after all old ones.

Why: the model's merges in the order of their ranks leave words in the state in which a training that made them stands
(core/train/_merge_loop.h). That needs ranks in which the parts of a token come before the token (`BPE.monotone`).

A new vocabulary for a tokenizer, learned from other texts.

In: a tokenizer, texts, a size. Out: a tokenizer that reads texts as the old one, with its special tokens.
Invariant: the rules of transformers' call of this name: the special tokens of the old tokenizer come first, in their
order, then new ones; all 256 bytes have ids; ids around texts are renewed.
Source: transformers 5.24.0. It leaves the old ids in a post-processor of several steps; here these are renewed, too.

A vocabulary with fewer tokens: the first ones, or any set that can build itself.

In: a tokenizer, and the tokens to keep. Out: a tokenizer with these; for `trimmed` also the map from old to new ids.
Invariant: each token that merging could make it can still make, by the same merges. The first tokens of a trained
vocabulary are the vocabulary of a smaller training. A set that would leave a token without its parts is refused.

How often each token is used: by counted pieces, as a tokenizer encodes them.

In: a tokenizer, counted pieces. Out: a number for each id; the ids to keep in a smaller vocabulary.
Invariant: the numbers are those of encoding all texts that were counted, but for added tokens in them. A set to keep is
one that `trimmed` takes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import explained, whole_number
from dstok._util.json_value import shown
from dstok.compiled.build import build_tables
from dstok.compiled.tables import make_bpe, make_plain_finder
from dstok.core.train._merge_loop import MergeLoop, id_counts
from dstok.errors import ArgumentError, UnsupportedError
from dstok.formats.byte_alphabet import NOT_IN_UTF_8, spelling
from dstok.formats.description import ENDS, ModelDescription, TokenizerConfig
from dstok.training.learn import NO_LIMIT, Progress, Rows, finished, learn, packed
from dstok.training.piece_counts import Texts, counted
from dstok.training.template import Base, M, Model, around, base_of, byte_model, rows_of
from dstok.training.trainer import BpeTrainer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["extend", "extended", "most_used", "pieces_of", "train_new_from_iterator", "trimmed", "truncated", "usage"]

def extend(
    self: M, counts: Any, vocab_size: int, *, min_frequency: int = 0, max_token_length: int | None = None,
) -> M:
    r"""A tokenizer with more merges, learned from counted pieces. All ids and merges stay; new ids follow the last id.

    counts: of pieces that this model cuts, as `Splitter.count_pieces` or a counts file has them.
    vocab_size: one more than the largest id, then; at least what it was, and less if no pairs are left. The other
        keywords are `BpeTrainer`'s.

    Raises `UnsupportedError` for a model whose merges are in no order of a training, `ArgumentError`, `DstokError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> counts = dstok.Splitter.from_tokenizer(tok).count_pieces([" Zarquon, Zarquon"])
    >>> more = tok.extend(counts, tok.vocab_size + 5)
    >>> [more.decode([i]) for i in more.encode(" Zarquon, Zarquon")]
    [' Zarquon', ',', ' Zarquon']
    """
    merges = MergeRules(min_frequency, max_token_length)
    size = whole_number("vocab_size", vocab_size, self.vocab_size, ", the number of ids that there are")
    model = extended(self, rows_of(counts)(), size, merges)[0]
    return self._of_description(model)


class MergeRules:
    """The settings of merges: those of `BpeTrainer` with these names."""

    def __init__(self, min_frequency: int = 0, max_token_length: int | None = None) -> None:
        self.min_frequency = whole_number("min_frequency", min_frequency)
        self.longest = NO_LIMIT if max_token_length is None else whole_number("max_token_length", max_token_length)


def extended(
    self: Model, rows: Iterable[Rows], vocab_size: int, rules: MergeRules, progress: Progress | None = None,
) -> tuple[ModelDescription, array[int]]:
    """(description, counts of the new merges' pairs)."""
    model = byte_model(self)
    if not self._bpe.monotone:
        raise UnsupportedError("extending a model with a merge before the merges of its parts", "merges")
    size = self.vocab_size
    tokens = [*model.tokens, *[None] * (size - len(model.tokens))]
    loop = MergeLoop(*packed(tokens), _taken(model), vocab_size, rules.min_frequency, rules.longest)
    lost = self._bpe.lost is not None  # words leave lost bytes out, even if a token stands for them in a text
    bpe = make_bpe(build_tables(replace(model, unknown=None))) if lost else self._bpe
    for pieces, offsets, counts in rows:
        loop.add(pieces, offsets, counts, [-1] * 256, bpe)
    merges, pair_counts = finished(loop, vocab_size, progress)
    _check_sides(model, merges)
    for left, right, merged in zip(merges[::3], merges[1::3], merges[2::3]):
        if merged == len(tokens):
            tokens.append((tokens[left] or b"") + (tokens[right] or b""))
    while tokens[-1] is None:  # added tokens alone
        tokens.pop()
    return replace(model, tokens=tuple(tokens), merges=model.merges + merges), pair_counts


def _taken(model: ModelDescription) -> array[int]:
    """The ids that a merge may spell, by length and bytes."""
    found = [i for i, token in enumerate(model.tokens) if token and len(token) > 1 and i not in model.raw_ids]
    return array("I", sorted(found, key=lambda i: (len(model.tokens[i] or b""), model.tokens[i] or b"")))


def _check_sides(model: ModelDescription, merges: array[int]) -> None:
    """Refuses new merges that make a token of old merges: these would come first, and undo what was counted."""
    used = {*model.merges[::3], *model.merges[1::3]}
    for merged in merges[2::3]:
        if merged < len(model.tokens) and merged in used:
            raise UnsupportedError(f"a new merge that makes {shown(spelling(model.tokens[merged] or b''))}, which old "
                                   "merges use and none makes", "merges")


@explained
def train_new_from_iterator(
    self: M, texts: Texts, vocab_size: int, *, length: int | None = None,
    new_special_tokens: Iterable[Any] | None = None, special_tokens_map: Mapping[str, str] | None = None,
    threads: int = 1, memory: int = 1 << 30, **settings: Any,
) -> M:
    """A tokenizer that reads texts as this one does, with a new vocabulary, by the rules of transformers' call.

    texts: `str` or UTF-8 bytes, or lists of them. length: how many; it changes nothing.
    new_special_tokens: after those of this tokenizer. special_tokens_map: from their texts to new ones.
    threads, memory: as of `dstok.train_from_iterator`. settings: other keywords of `BpeTrainer`.

    Raises as `dstok.train_from_iterator`.

    >>> import dstok
    >>> trainer = dstok.BpeTrainer(special_tokens=["<s>"], initial_alphabet=dstok.BpeTrainer.byte_alphabet())
    >>> tok = dstok.train_from_iterator(["one two"], trainer, like="gpt-2")
    >>> new = tok.train_new_from_iterator(["low lower lowest", "low low"], 259, new_special_tokens=["</s>"])
    >>> new.special_tokens, new.vocabulary()[258:]
    ({'<s>': 0, '</s>': 1}, [b'lo'])
    """
    model, names = byte_model(self), special_tokens_map or {}
    specials = [token._replace(content=names.get(token.content, token.content)) for token in model.added_tokens
                if token.special]
    trainer = BpeTrainer(vocab_size=vocab_size, special_tokens=[*specials, *(new_special_tokens or ())],
                         initial_alphabet=BpeTrainer.byte_alphabet(), **settings)
    base = _with_chats(base_of(model).renamed(names), model)
    base.check(trainer)
    with counted(make_plain_finder(self._tables), self._normalizer, texts, threads, memory) as rows:
        return self._of_description(base.trained(learn(rows, trainer, memory=memory, threads=threads)))


def _with_chats(base: Base, model: ModelDescription) -> Base:
    """The same with the chat templates of the model, whose special tokens stay."""
    config = replace(base.model.config, chat_template=model.config.chat_template,
                     chat_templates=model.config.chat_templates)
    return base._replace(model=replace(base.model, config=config))


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


def usage(self: Model, counts: Any) -> list[int]:
    """How often each id occurs. Raises `ArgumentError`, and `FileError` of a counts file."""
    totals = [0] * self.vocab_size
    for pieces, offsets, numbers in rows_of(counts)():
        found = id_counts(self._bpe, self.vocab_size, pieces, offsets, numbers)
        totals = [total + count for total, count in zip(totals, found)]
    return totals


def pieces_of(self: Model) -> str:
    """The SHA-256 of all that decides the model's pieces, as counts files have it."""
    return base_of(byte_model(self)).made_by()


def most_used(self: Model, counts: Any, vocab_size: int) -> list[int]:
    """The `vocab_size` ids that the counts use most, with all parts of each; bytes and added tokens are among them.

    A token counts as often as it is used, or a token that is made of it. Of equally frequent ones the earlier merges
    are taken. Raises `UnsupportedError` if bytes and added tokens are more, and `ArgumentError` if the model has fewer.
    """
    size, model = whole_number("vocab_size", vocab_size, most=self.vocab_size), byte_model(self)
    always = {i for i, token in enumerate(model.tokens) if token and len(token) == 1 and i not in model.raw_ids}
    always |= {token.id for token in model.added_tokens}
    always |= {getattr(model.config, name) for name in ENDS} - {None}
    if self._bpe.lost is not None and self._bpe.lost.unknown >= 0:
        always.add(self._bpe.lost.unknown)
    if size < len(always):
        raise UnsupportedError(f"a vocab_size of {size}, where bytes and added tokens are {len(always)}", "vocab_size")
    needed, rank = usage(self, counts), dict[int, int]()
    rules = model.merge_rules()
    for number, (left, right, merged) in reversed([*enumerate(rules)]):
        rank[merged] = number
        needed[left], needed[right] = max(needed[left], needed[merged]), max(needed[right], needed[merged])
    order = sorted(rank.keys() - always, key=lambda i: (-needed[i], rank[i]))
    return sorted([*always, *order[: size - len(always)]])
