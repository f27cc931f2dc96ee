"""Other vocabularies of a model: extended, truncated, trimmed, trained anew; how often each of its tokens is used.

In: a tokenizer, and counted pieces, texts, or the tokens to keep. Out: a tokenizer; for `trim_vocab` also the map from
old to new ids; a number for each id.
Invariant: extended, all old ids and merges stay, and the new merges are those that a training would make next whose
words stand as the model encodes them: for a training that made the old merges these are its words. That needs ranks in
which the parts of a token come before the token (`BPE.monotone`).
Truncated or trimmed, each token that merging could make it can still make, by the same merges; a set that would leave a
token without its parts is refused. Trained anew, the rules are transformers': the special tokens of the old tokenizer
come first, then new ones; all bytes have ids; ids around texts are renewed, in a post-processor of several steps, too
(transformers 5.24.0 leaves the old ones there). Usage is that of encoding all texts that were counted, but for added
tokens in them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import explained, thread_count, whole_number
from dstok._util.json_value import shown
from dstok.compiled.build import build_tables
from dstok.compiled.tables import make_bpe, make_finder
from dstok.core.counts.merge_loop import MergeLoop, id_counts
from dstok.core.text.model_json import pack_tokens
from dstok.errors import ArgumentError, UnsupportedError
from dstok.formats.byte_alphabet import NOT_IN_UTF_8, spelling
from dstok.formats.description import ENDS, ModelDescription
from dstok.tokenizer import Tokenizer, tokenizer_of_description
from dstok.training.learn import NO_LIMIT, Progress, finished, learn
from dstok.training.piece_counts import Texts, counted
from dstok.training.template import around, base_of, byte_model, rows_of
from dstok.training.trainer import RANKS, BpeTrainer, taken

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SHOWN = 5  # tokens that an error names


@explained
def extend(
    tok: Tokenizer, counts: Any, vocab_size: int, *, min_frequency: int = 0, max_token_length: int | None = None,
    num_threads: int = 1, memory: int = 1 << 62, progress: Progress | None = None,
) -> Tokenizer:
    r"""A tokenizer with more merges, learned from counted pieces. All ids and merges stay; new ids follow the last id.

    counts: of pieces that this model cuts, as `count_pieces` or a counts file has them. Superwords are learned so:
        `tok.replace(pre_tokenizer=...)` cuts pieces of several words, which begin as the ids of their words.
    vocab_size: one more than the largest id, then; at least what it was, and less if no pairs are left.
    memory: for pairs and the places where they are, in bytes; with less, they are counted more often.
    min_frequency, max_token_length, num_threads: as of `BpeTrainer` and `train_from_iterator`. progress: called now and
        then with the number of tokens, and with `vocab_size`.

    Raises `UnsupportedError` for a model whose merges are in no order of a training, `ArgumentError`, `DstokError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> counts = dstok.training.count_pieces(dstok.Splitter.from_tokenizer(tok), [" Zarquon, Zarquon"])
    >>> more = dstok.training.extend(tok, counts, tok.vocab_size + 5)
    >>> [more.decode([i]) for i in more.encode(" Zarquon, Zarquon")]
    [' Zarquon', ',', ' Zarquon']
    """
    rare = whole_number("min_frequency", min_frequency)
    longest = NO_LIMIT if max_token_length is None else whole_number("max_token_length", max_token_length)
    size = whole_number("vocab_size", vocab_size, tok.vocab_size, ", the number of ids that there are")
    rows, model = rows_of(counts)(), byte_model(tok)
    if not tok._bpe.monotone:
        raise UnsupportedError("extending a model with a merge before the merges of its parts", "merges")
    tokens = [*model.tokens, *[None] * (tok.vocab_size - len(model.tokens))]
    known = pack_tokens([token and token.translate(RANKS) for token in tokens])
    loop = MergeLoop(known.starts, known.blob, taken(model.tokens, model.raw_ids), size, rare, longest,
                     threads=thread_count(num_threads), pairs_room=whole_number("memory", memory))
    lost = tok._bpe.lost is not None  # words leave lost bytes out, even if a token stands for them in a text
    bpe = make_bpe(build_tables(model._replace(unknown=None))) if lost else tok._bpe
    for pieces, offsets, numbers in rows:
        loop.add(pieces, offsets, numbers, [-1] * 256, bpe)
    merges, _ = finished(loop, size, progress)
    used = {*model.merges[::3], *model.merges[1::3]}
    for left, right, merged in zip(merges[::3], merges[1::3], merges[2::3]):
        if merged < len(model.tokens) and merged in used:  # it would come first, and undo what was counted
            raise UnsupportedError(f"a new merge that makes {shown(spelling(model.tokens[merged] or b''))}, which old "
                                   "merges use and none makes", "merges")
        if merged == len(tokens):
            tokens.append((tokens[left] or b"") + (tokens[right] or b""))
    while tokens[-1] is None:  # added tokens alone
        tokens.pop()
    return tokenizer_of_description(model._replace(tokens=pack_tokens(tokens), merges=model.merges + merges))


@explained
def retrain(
    tok: Tokenizer, texts: Texts, vocab_size: int, *, length: int | None = None,
    new_special_tokens: Iterable[Any] | None = None, special_tokens_map: Mapping[str, str] | None = None,
    num_threads: int = 1, memory: int = 1 << 30, **settings: Any,
) -> Tokenizer:
    """A tokenizer that reads texts as this one does, with a new vocabulary, by the rules of transformers' call.

    texts: `str` or UTF-8 bytes, or lists of them. length: how many; it changes nothing.
    new_special_tokens: after those of this tokenizer. special_tokens_map: from their texts to new ones.
    num_threads, memory: as of `dstok.training.train_from_iterator`. settings: other keywords of `BpeTrainer`.

    Raises as `dstok.training.train_from_iterator`.

    >>> import dstok
    >>> from dstok.training import BpeTrainer
    >>> trainer = BpeTrainer(special_tokens=["<s>"], initial_alphabet=BpeTrainer.byte_alphabet())
    >>> tok = dstok.training.train_from_iterator(["one two"], trainer, like="gpt-2")
    >>> new = dstok.training.retrain(tok, ["low lower lowest", "low low"], 259, new_special_tokens=["</s>"])
    >>> new.added_tokens, new.inspect().token_bytes()[258:]
    ({'<s>': 0, '</s>': 1}, [b'lo'])
    """
    model, names = byte_model(tok), special_tokens_map or {}
    specials = [token._replace(content=names.get(token.content, token.content)) for token in model.added_tokens
                if token.special]
    trainer = BpeTrainer(vocab_size=vocab_size, special_tokens=[*specials, *(new_special_tokens or ())],
                         initial_alphabet=BpeTrainer.byte_alphabet(), **settings)
    base = base_of(model).renamed(names)
    config = base.model.config._replace(  # the special tokens stay, and so do these
        chat_template=model.config.chat_template, chat_templates=model.config.chat_templates)
    base = base._replace(model=base.model._replace(config=config))
    base.check(trainer)
    with counted(make_finder(tok._tables).without_cuts(), tok._normalizer, texts, num_threads, memory) as rows:
        return tokenizer_of_description(base.trained(learn(rows, trainer, memory=memory, num_threads=num_threads)))


@explained
def truncate_vocab(tok: Tokenizer, vocab_size: int) -> Tokenizer:
    """A tokenizer with the ids below `vocab_size`: after a training, the one that a smaller training makes.

    Raises `UnsupportedError` if a token that goes was not made by merges (`trim_vocab` renumbers such tokens), or if
    ids and merges are in different orders; and `ArgumentError`.

    >>> import dstok
    >>> from dstok.training import BpeTrainer
    >>> trainer = BpeTrainer(vocab_size=259, initial_alphabet=BpeTrainer.byte_alphabet())
    >>> tok = dstok.training.train_from_iterator(["low lower lowest", "low low"], trainer, like="gpt-2")
    >>> dstok.training.truncate_vocab(tok, 258).inspect().token_bytes()[256:]
    [b'lo', b'low']
    """
    size, model = whole_number("vocab_size", vocab_size, most=tok.vocab_size), byte_model(tok)
    if size == tok.vocab_size:
        return tokenizer_of_description(model)
    merged = model.merges[2::3]
    new = [i for i in merged if i >= size]
    known = {i for i, token in enumerate(model.tokens) if token is not None} | {one.id for one in model.added_tokens}
    others = sorted((known & {*range(size, tok.vocab_size)}) - {*new})
    if others:
        raise UnsupportedError(f"a vocab_size of {size} without {_named(model, others)}, which no merge makes: "
                               "trim_vocab keeps such tokens", "vocab_size")
    if new != sorted(new):
        raise UnsupportedError("merges that are in another order than the ids that they make", "merges")
    last = max((rank for rank, i in enumerate(merged) if i == size - 1), default=-1)
    kept = last + 1 if last >= 0 else next(rank for rank, i in enumerate(merged) if i >= size)
    tokens = pack_tokens([*model.tokens][:size])
    return tokenizer_of_description(model._replace(tokens=tokens, merges=model.merges[: 3 * kept]))


@explained
def trim_vocab(tok: Tokenizer, keep: Iterable[int]) -> tuple[Tokenizer, npt.NDArray[np.int64]]:
    """(a tokenizer with the tokens `keep`, from old ids to new ones).

    keep: ids. They keep their order, and count from 0 on. The map is int64[vocab_size], -1 for an id that goes: row i
        of an embedding becomes row `map[i]`.

    Raises `UnsupportedError`, with their names, if tokens would lose their parts, a byte its token, or a setting such
    as BOS its token; and `ArgumentError`.

    >>> import dstok
    >>> from dstok.training import BpeTrainer
    >>> trainer = BpeTrainer(vocab_size=259, initial_alphabet=BpeTrainer.byte_alphabet())
    >>> tok = dstok.training.train_from_iterator(["low lower lowest", "low low"], trainer, like="gpt-2")
    >>> small, new_ids = dstok.training.trim_vocab(tok, [*range(256), 257, 256])
    >>> small.vocab_size, new_ids[256:].tolist()
    (258, [256, 257, -1])
    """
    import numpy as np

    if not isinstance(keep, Iterable):
        raise ArgumentError(f"expected ids to keep, found {type(keep).__name__}", "keep")
    model, kept = byte_model(tok), {whole_number("keep", i, most=tok.vocab_size - 1) for i in keep}
    letters = [i for i, token in enumerate(model.tokens) if token and len(token) == 1 and i not in model.raw_ids]
    lost = [i for i in letters if i not in kept and (model.tokens[i] or b"")[0] not in NOT_IN_UTF_8]
    if lost:
        raise UnsupportedError(f"a vocabulary without {_named(model, lost)}: no token could spell these bytes", "keep")
    merges = _kept_merges(model, kept)
    new = {old: number for number, old in enumerate(sorted(kept))}
    tokens = [model.tokens[old] if old < len(model.tokens) else None for old in new]
    while tokens and tokens[-1] is None:  # added tokens alone
        tokens.pop()
    added = tuple(token._replace(id=new[token.id]) for token in model.added_tokens if token.id in new)
    ends = {name: i for name in ENDS if (i := getattr(model.config, name)) is not None}
    lost = [i for i in ends.values() if i not in new]
    if lost:
        raise UnsupportedError(f"a vocabulary without {_named(model, lost)}, which settings name", "keep")
    renewed: Any = {name: new[i] for name, i in ends.items()}
    config = model.config._replace(**renewed, **around(model.config, {token.content: token.id for token in added}))
    small = tokenizer_of_description(model._replace(
        tokens=pack_tokens(tokens), raw_ids=frozenset(new[i] for i in model.raw_ids if i in new),
        merges=array("I", [new[i] for i in merges]), added_tokens=added, config=config))
    after = _reached(small)
    lost = [old for old in _reached(tok) if old in new and new[old] not in after]
    if lost:
        raise UnsupportedError(f"a vocabulary in which no merging gives {_named(model, lost)}", "keep")
    ids = np.full(tok.vocab_size, -1, np.int64)
    ids[list(new)] = list(new.values())
    return small, ids


def _named(model: ModelDescription, ids: Iterable[int]) -> str:
    """Some tokens, for an error."""
    texts = {token.id: token.content for token in model.added_tokens}
    names = [shown(texts[i] if i in texts else spelling(model.tokens[i] or b"")) for i in ids]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _reached(tok: Tokenizer) -> set[int]:
    """The ids that merging their bytes gives."""
    model = tok._describe()
    return {i for i, token in enumerate(model.tokens)
            if token and i not in model.raw_ids and tok._bpe.encodes_to_itself(i)}


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


def usage(tok: Tokenizer, counts: Any) -> list[int]:
    """How often each id occurs. Raises `ArgumentError`, and `FileError` of a counts file."""
    totals = [0] * tok.vocab_size
    for pieces, offsets, numbers in rows_of(counts)():
        found = id_counts(tok._bpe, tok.vocab_size, pieces, offsets, numbers)
        totals = [total + count for total, count in zip(totals, found)]
    return totals


def pieces_of(tok: Tokenizer) -> str:
    """The SHA-256 of all that decides the model's pieces, as counts files have it."""
    return base_of(byte_model(tok)).made_by()


def most_used(tok: Tokenizer, counts: Any, vocab_size: int) -> list[int]:
    """The `vocab_size` ids that the counts use most, with all parts of each; bytes and added tokens are among them.

    A token counts as often as it is used, or a token that is made of it. Of equally frequent ones the earlier merges
    are taken. Raises `UnsupportedError` if bytes and added tokens are more, and `ArgumentError` if the model has fewer.
    """
    size, model = whole_number("vocab_size", vocab_size, most=tok.vocab_size), byte_model(tok)
    always = {i for i, token in enumerate(model.tokens) if token and len(token) == 1 and i not in model.raw_ids}
    always |= {token.id for token in model.added_tokens}
    always |= {getattr(model.config, name) for name in ENDS} - {None}
    if tok._bpe.lost is not None and tok._bpe.lost.unknown >= 0:
        always.add(tok._bpe.lost.unknown)
    if size < len(always):
        raise UnsupportedError(f"a vocab_size of {size}, where bytes and added tokens are {len(always)}", "vocab_size")
    needed, rank = usage(tok, counts), dict[int, int]()
    rules = model.merge_rules()
    for number, (left, right, merged) in reversed([*enumerate(rules)]):
        rank[merged] = number
        needed[left], needed[right] = max(needed[left], needed[merged]), max(needed[right], needed[merged])
    order = sorted(rank.keys() - always, key=lambda i: (-needed[i], rank[i]))
    return sorted([*always, *order[: size - len(always)]])
