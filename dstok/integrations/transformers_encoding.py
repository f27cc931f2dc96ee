"""The parts of a transformers tokenizer that run on dstok: text -> ids, with all of upstream's fields, and back.

In: a `tokenizers.Tokenizer`, which others may change. Out: an `Engine` for it, or an `UnsupportedError` with the
reason; for each input of a call a `Row`: ids at once, the rest of upstream's `Encoding` on demand.
Invariants: an engine never changes, and gives the backend's results at the time when it was made; each call compares
the backend with the engine's source (`marks`, `deep_marks`), and each added token is tried in both before an engine is
given out. Truncation, padding and `encode_special_tokens` belong to a call: the backend has those of the last call
whenever others may hold it. A `Framing` says which ids the post-processor puts around texts, if it does nothing else;
upstream's own code does the rest. Its post-processors read only tokens and offsets of an encoding, so one of two ids
shows the effect on all.
Source: upstream 0.23.3 and its `post_process`; the calls of transformers 4.57.6 and 5.24.0.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import chain, islice
from operator import attrgetter
from threading import Lock, RLock
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
import tokenizers
from tokenizers import Encoding

from dstok._util.files import available_cpus
from dstok._util.objects import lazy
from dstok.compiled.build import build_tables
from dstok.compiled.tables import Tables
from dstok.errors import DstokError, UnsupportedError
from dstok.formats.components import raw_tokens
from dstok.formats.description import AddedToken
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.methods.offsets import encode_char_spans
from dstok.padding import kept_lengths
from dstok.tokenizer import Tokenizer, tokenizer_of

PROBES = 64  # entries of the vocabulary that tell another model from the engine's
FIELDS = attrgetter("content", "single_word", "lstrip", "rstrip", "normalized", "special")
MAX_TABLES = 4  # models that are kept while no tokenizer uses them, for a caller that loads the same again
_tables: dict[bytes, Tables] = {}


class Engine:
    """dstok's tokenizer in the place of a backend's normalizer, pre-tokenizer, model and decoder."""

    def __init__(self, tok: Tokenizer, added: tuple[AddedToken, ...]) -> None:
        self.tok, self._added = tok, {token.id: token for token in added}
        self._spellings: dict[int, str] = {}

    @lazy
    def ordinary(self) -> frozenset[str] | None:
        """The added tokens that stay when special ones are text; None if upstream and dstok differ there.

        Upstream finds all tokens and then passes over the special ones, so that a special one hides those it overlaps.
        """
        special, others = ([t.content for t in self._added.values() if t.special == kind] for kind in (True, False))
        if any(_may_overlap(one, other) for one in special for other in others):
            return None
        return frozenset(others)

    def policy(self, split_special: bool) -> Any:
        """dstok's `special=` for upstream's `encode_special_tokens`."""
        if not split_special:
            return "all"
        if self.ordinary is None:
            raise UnsupportedError("an added token that may overlap a special one, while special tokens are text")
        return self.ordinary

    def columns(self, text: str, split_special: bool, type_id: int, word: int | None = None) -> dict[str, Any]:
        """The members of upstream's `Encoding` of a text before post-processing. `word`: every id's word."""
        encoding = self.tok.encode_with_offsets(text, special=self.policy(split_special))
        ids, spans = encoding.ids.tolist(), encoding.char_spans.tolist()
        tokens = [self._token(*each, text) for each in zip(ids, spans, encoding.special.tolist())]
        words = encoding.pieces.tolist() if word is None else [word] * len(ids)
        return {"ids": ids, "type_ids": [type_id] * len(ids), "tokens": tokens, "words": words, "offsets": spans}

    def _token(self, id: int, span: list[int], is_added: bool, text: str) -> str:
        if is_added and (self._added[id].lstrip or self._added[id].rstrip):
            return text[span[0] : span[1]]  # upstream's token is all the text that it took
        token = self._spellings.get(id)
        if token is None:
            token = self._spellings[id] = self.tok.id_to_token(id)
        return token


def joined(columns: Sequence[dict[str, Any]]) -> Encoding:
    """Upstream's `Encoding` of the texts, or the words of one text, with these members."""
    state = {key: [value for each in columns for value in each[key]]
             for key in ("ids", "type_ids", "tokens", "words", "offsets")}
    count = len(state["ids"])
    encoding = Encoding()
    encoding.__setstate__(json.dumps({**state, "special_tokens_mask": [0] * count, "attention_mask": [1] * count,
                                      "overflowing": [], "sequence_ranges": {}}).encode())
    return encoding


def state_of(component: Any) -> bytes | None:
    """The state of a backend's component, as JSON; None if there is none."""
    return None if component is None else component.__getstate__()


def marks(real: tokenizers.Tokenizer) -> tuple[Any, ...]:
    """Tells in two microseconds whether a backend is unchanged, except for its vocabulary and added tokens."""
    model = real.model
    if type(model) is not tokenizers.models.BPE:
        raise UnsupportedError(f"expected the model type BPE, found {type(model).__name__}")
    return (state_of(real.normalizer), state_of(real.pre_tokenizer), state_of(real.decoder), model.dropout,
            model.unk_token, model.continuing_subword_prefix, model.end_of_word_suffix, model.fuse_unk,
            model.byte_fallback, model.ignore_merges)


def deep_marks(real: tokenizers.Tokenizer) -> tuple[Any, ...]:
    """Tells about the rest: all added tokens, and a sample of the vocabulary and of its results for texts."""
    size, model = real.get_vocab_size(with_added_tokens=False), real.model
    spread = [model.id_to_token(size * number // PROBES) for number in range(PROBES)]
    made = [[token.id for token in model.tokenize(text)] for text in spread if text]
    return size, spread, made, _live_tokens(real)


def engine_of(real: tokenizers.Tokenizer) -> Engine:
    """The engine of a backend. Raises `UnsupportedError` and `TokenizerFileError` if dstok cannot do it exactly."""
    normalizer, *_ = marks(real)
    added = _live_tokens(real)
    # A tokenizer.json without truncation, padding, added tokens and post-processor. The keys come in upstream's order,
    # and before the vocabulary, so that the first of each is the right one.
    text = real.to_str()
    before, after, last = (text.index(f',"{key}":') for key in ("normalizer", "post_processor", "decoder"))
    tables = _tables_of('{"version":"1.0","added_tokens":[]' + text[before:after] + text[last:],
                        f"tokenizers-{tokenizers.__version__}")
    for number, token in enumerate(added):
        own = real.model.id_to_token(token.id)
        if own not in (None, token.content):
            raise UnsupportedError(f"the added token {token.content!r}, whose id is also that of {own!r}",
                                   f"$.added_tokens[{number}]")
    for number, token in enumerate(added):
        if normalizer is not None and token.normalized and (token.lstrip or token.rstrip):  # what they took is unknown
            raise UnsupportedError("an added token with lstrip or rstrip that is looked for in normalized text",
                                   f"$.added_tokens[{number}]")
    raw = raw_tokens(tables.normalizer, added)
    engine = Engine(tokenizer_of(tables, raw, None, None), raw)
    truncation, padding, split_special = real.truncation, real.padding, real.encode_special_tokens
    real.no_truncation()
    real.no_padding()
    real.encode_special_tokens = False
    try:
        _compare(real, engine, added)
    finally:
        if truncation is not None:
            truncate(real, truncation)
        if padding is not None:
            real.enable_padding(**padding)
        real.encode_special_tokens = split_special
    return engine


def _tables_of(body: str, upstream: str) -> Tables:
    """The tables of a tokenizer.json. The last few are kept."""
    key = sha256(f"{upstream} {body}".encode()).digest()
    tables = _tables.pop(key, None)
    if tables is None:
        model = read_tokenizer_json(body, None, upstream)
        with model.naming_places():
            tables = build_tables(model)
    _tables[key] = tables  # moves the last used to the end
    for old in list(_tables)[:-MAX_TABLES]:
        _tables.pop(old, None)
    return tables


def _live_tokens(real: tokenizers.Tokenizer) -> tuple[AddedToken, ...]:
    return tuple(AddedToken(id, *FIELDS(token)) for id, token in sorted(real.get_added_tokens_decoder().items()))


def truncate(real: tokenizers.Tokenizer, truncation: dict[str, Any]) -> None:
    """Sets a truncation that was accepted once, whatever the post-processor is now.

    Upstream accepts a stride up to `max_length` less the special tokens of the post-processor at that time. If
    `max_length` is smaller than their number, upstream takes the difference for a large number.
    """
    processor, longest = real.post_processor, truncation["max_length"]
    real.post_processor = None if truncation["stride"] <= longest else tokenizers.processors.TemplateProcessing(
        single="$A" + " x" * (longest + 1), special_tokens=[("x", 0)])
    real.enable_truncation(**truncation)
    real.post_processor = processor


def _compare(real: tokenizers.Tokenizer, engine: Engine, added: Sequence[AddedToken]) -> None:
    """Refuses a backend that does not find its added tokens as its own file says.

    Example: a token that was added twice, with other flags, is searched for with its first flags.
    """
    for number, token in enumerate(added):
        text = f"a {token.content} a{token.content}a {token.content}"
        ours = engine.tok.encode(text)
        theirs = real.encode(text, add_special_tokens=False)
        skipped = engine.tok.decode(ours, skip_special_tokens=True), real.decode(ours, skip_special_tokens=True)
        if theirs.ids[: len(ours)] != ours or skipped[0] != skipped[1]:
            raise UnsupportedError(f"the added token {token.content!r}, which the backend finds otherwise than it says",
                                   f"$.added_tokens[{number}]")


@lru_cache(maxsize=4096)
def _may_overlap(one: str, other: str) -> bool:
    """Whether the two can share characters in a text."""
    if one in other or other in one:
        return True
    shifts = range(1, min(len(one), len(other)))
    return any(one.endswith(other[:n]) or other.endswith(one[:n]) for n in shifts)


MAX_SETTINGS = 256  # settings of calls that are kept

SPANS = [[0, 2], [2, 4]]  # of tokens that begin or end in a space, which trimming removes from the span


def _probe(first_id: int, type_id: int) -> Encoding:
    return joined([{"ids": [first_id, first_id + 1], "type_ids": [type_id] * 2, "tokens": ["Ġa", "bĠ"], "words": [0, 1],
                    "offsets": SPANS}])


class Framing(NamedTuple):
    """The ids around one text, or around the two of a pair.

    fixed: ids before the first text, between, after the last. fixed_types: their type ids. text_types: the type ids of
    each text. trims: whether spans of tokens lose the white space at their ends.
    """

    fixed: list[list[int]]
    fixed_types: list[list[int]]
    text_types: list[int]
    trims: bool


def framing_of(processor: Any, texts: int, add_special: bool) -> Framing | None:
    """The framing of `processor` for one text or two; None if it does more, such as to give a text twice."""
    if processor is None:
        return Framing([[]] * (texts + 1), [[]] * (texts + 1), list(range(texts)), False)
    made = processor.process(_probe(0, 0), _probe(2, 1) if texts == 2 else None, add_special)
    own = [at for at, is_special in enumerate(made.special_tokens_mask) if not is_special]
    starts = own[::2]
    if [made.ids[at] for at in own] != list(range(2 * texts)) or own[1::2] != [start + 1 for start in starts]:
        return None
    bounds = list(zip([0, *(start + 2 for start in starts)], [*starts, len(made.ids)]))
    fixed, types = ([values[first:last] for first, last in bounds] for values in (made.ids, made.type_ids))
    trims = [list(made.offsets[at]) for at in own[:2]] != SPANS
    return Framing(fixed, types, [made.type_ids[start] for start in starts], trims)


def finisher(processor: Any, truncation: dict[str, Any] | None) -> tokenizers.Tokenizer:
    """Upstream's tokenizer without a vocabulary: it post-processes and truncates encodings made by others."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    if truncation is not None:
        truncate(backend, truncation)
    if processor is not None:
        backend.post_processor = pickle.loads(pickle.dumps(processor))  # a copy: the one in the backend may change
    return backend


class CallSettings:
    """How one call, or many equal ones, encode. Never changes."""

    def __init__(
        self, processor: Any, truncation: dict[str, Any] | None, padding: dict[str, Any] | None, split_special: bool,
        add_special: bool,
    ) -> None:
        self.split_special, self.padding = split_special, padding
        self.framing, self.pair_framing = (framing_of(processor, texts, add_special) for texts in (1, 2))
        self.from_right = truncation is None or truncation["direction"] == "right"
        self._truncation, self._add_special = truncation, add_special
        self._finisher = finisher(processor, truncation)
        self.room: int | None = None  # the most ids of texts that a row can have
        self._pair_room: int | None = None
        if truncation is not None:
            self.room, self._pair_room = (
                int(truncation["max_length"]) - (self._finisher.num_special_tokens_to_add(pair) if add_special else 0)
                for pair in (False, True))

    def cut(self, ids: list[int]) -> list[int]:
        """The ids of a single text, truncated. Raises `UnsupportedError` where upstream has a special case."""
        room = self.room
        if room is None or len(ids) <= room:
            return ids
        assert self._truncation is not None
        if self._truncation["strategy"] == "only_second":
            raise UnsupportedError("truncation of a second text that is not there")
        if room < 1 or self._truncation["stride"] >= room:
            raise UnsupportedError("truncation that leaves no room for a new id")
        return ids[:room] if self.from_right else ids[-room:]

    def cut_pair(self, first: list[int], second: list[int]) -> list[list[int]] | None:
        """The ids of both texts of a pair; None where upstream has a special case, or an error."""
        room, truncation = self._pair_room, self._truncation
        if truncation is None or room is None or len(first) + len(second) <= room:
            return [first, second]
        try:
            (kept,) = kept_lengths(np.array([[len(first), len(second)]]), room, truncation["strategy"]).tolist()
        except ValueError:
            return None
        both = list(zip((first, second), kept))
        if room < 1 or any(truncation["stride"] >= count for ids, count in both if count < len(ids)):
            return None
        return [ids[:count] if self.from_right else ids[len(ids) - count :] for ids, count in both]

    def padded_length(self, longest: int) -> int | None:
        """The padded length of the rows of a batch; `longest`: the most ids in a row. None: no padding."""
        padding = self.padding
        if padding is None:
            return None
        length = longest if padding["length"] is None else padding["length"]
        multiple = padding["pad_to_multiple_of"]
        return -(-length // multiple) * multiple if multiple else length

    def finish(self, first: Encoding, second: Encoding | None) -> Any:
        """Truncates and post-processes, with upstream's code."""
        return self._finisher.post_process(first, second, self._add_special)

    def pad(self, encoding: Encoding, length: int | None) -> None:
        """Pads an encoding, and its overflowing parts, up to `length`."""
        if length is not None and self.padding is not None:
            keys = ("direction", "pad_id", "pad_type_id", "pad_token")
            encoding.pad(length, **{key: self.padding[key] for key in keys})


ATTRIBUTE = "_dstok"  # of backend and tokenizer; copies and pickles of a backend lose it


class Wanted(NamedTuple):
    """The settings of a call. The backend has them after it."""

    truncation: dict[str, Any] | None
    padding: dict[str, Any] | None
    split_special: bool


PLAIN = Wanted(None, None, False)


class _Owner:
    def __init__(self) -> None:
        self._tokenizer = object()


_owner = _Owner()
ALONE = sys.getrefcount(_owner.__dict__["_tokenizer"]) - 1  # this count for an object that nothing else holds


class Backing:
    """The known state of one backend. All tokenizers of transformers that hold it share this."""

    def __init__(self, real: tokenizers.Tokenizer, made: tuple[Engine | None, Any, Any] | None = None) -> None:
        self.lock, self._tally_lock = RLock(), Lock()
        self.engine: Engine | None = None
        self.reason = ""  # why there is no engine
        self.handed_out = False  # whether someone may hold the backend, or change it before it is next compared
        self.done: Counter[str] = Counter()  # the work of dstok
        self.given: Counter[str] = Counter()  # the work of the backend
        self._owners: list[ref[Any]] = []
        self._settings: dict[Any, CallSettings] = {}  # of equal calls
        self._seen: Any = None
        self._deep: Any = None
        with self.lock:
            self.wanted = _settings_of(real)
            if made is None:
                self._remake(real)
            else:  # a copy of a backend whose engine exists
                self.engine, self._seen, self._deep = made

    def owned_by(self, owner: Any) -> None:
        """Notes a tokenizer of transformers that holds the backend."""
        self._owners.append(ref(owner, self._owners.remove))

    def left_by(self, owner: Any) -> None:
        """Notes that this tokenizer will hold another backend."""
        with self.lock:
            self._owners[:] = [each for each in self._owners if each() is not owner]

    def ready(self, owner: Any) -> Engine | None:
        """The engine, if the backend is unchanged, else a new one made from the present backend."""
        others = sys.getrefcount(owner.__dict__["_tokenizer"]) - ALONE - len(self._owners)
        real = owner.__dict__["_tokenizer"]
        same = self.has_components_of(real)
        if not same or self.handed_out or others > 0:
            with self.lock:
                self._check(real, same)
                self.handed_out = self.handed_out and others > 0  # last: until then other threads come here, and wait
        return self.engine

    def has_components_of(self, real: tokenizers.Tokenizer) -> bool:
        """Whether the engine, or the lack of one, is that of a backend with these components."""
        try:
            return bool(marks(real) == self._seen)
        except Exception:  # a component of the user's may raise anything when it gives its state
            return self.engine is None

    def want(self, owner: Any, wanted: Wanted) -> None:
        """Notes the settings of a new call."""
        with self.lock:
            self.wanted = wanted
            if self.handed_out:
                self.settle(owner.__dict__["_tokenizer"], wanted)

    def take_out(self, owner: Any) -> tokenizers.Tokenizer:
        """The backend, with the settings of the last call, for a caller that may read or change it."""
        with self.lock:
            real: tokenizers.Tokenizer = owner.__dict__["_tokenizer"]
            self.catch_up(real)
            self.handed_out = True
        return real

    def catch_up(self, real: tokenizers.Tokenizer) -> None:
        """Gives the backend the settings of the last call. The lock is held."""
        if not self.handed_out:  # else it has them, or the settings that others chose
            self.settle(real, self.wanted)

    def settle(self, real: tokenizers.Tokenizer, wanted: Wanted) -> None:
        """Gives the backend these settings. The lock is held."""
        if wanted.truncation != real.truncation:  # setting the same may raise: the post-processor may have changed
            real.no_truncation() if wanted.truncation is None else real.enable_truncation(**wanted.truncation)
        if wanted.padding != real.padding:
            real.no_padding() if wanted.padding is None else real.enable_padding(**wanted.padding)
        if wanted.split_special != real.encode_special_tokens:
            real.encode_special_tokens = wanted.split_special

    def settings(self, owner: Any, wanted: Wanted, add_special: bool) -> CallSettings:
        """How a call with these settings encodes."""
        processor = owner.__dict__["_tokenizer"].post_processor
        truncation, padding = (each and tuple(each.items()) for each in wanted[:2])
        key = (state_of(processor), truncation, padding, wanted.split_special, add_special)
        made = self._settings.get(key)
        if made is None:
            if len(self._settings) >= MAX_SETTINGS:
                self._settings.clear()
            made = self._settings[key] = CallSettings(processor, *wanted, add_special)
        return made

    def pass_on(self, owner: Any, other: Any) -> None:
        """Gives the known state to a copy of `owner`, with a copy of the backend. The lock is held."""
        self.ready(owner)
        real = other.__dict__["_tokenizer"]
        if self.engine is None or marks(real) != self._seen or deep_marks(real) != self._deep:
            return
        setattr(real, ATTRIBUTE, Backing(real, (self.engine, self._seen, self._deep)))

    def tell(self, what: str, reason: str = "") -> None:
        """Notes a call that dstok did, or, with a reason, one that the backend did."""
        with self._tally_lock:
            if reason:
                self.given[f"{what}: {reason}"] += 1
            else:
                self.done[what] += 1

    def _check(self, real: tokenizers.Tokenizer, same: bool) -> None:
        """Compares the backend as a whole. The lock is held."""
        if self.handed_out:
            self.wanted = _settings_of(real)
        try:
            same = same and deep_marks(real) == self._deep
        except Exception:
            same = same and self.engine is None
        if not same:
            self._remake(real)

    def _remake(self, real: tokenizers.Tokenizer) -> None:
        """Makes an engine from the present backend.

        It is noted as seen last, so that no thread uses the old engine for it.
        """
        engine, reason, seen, deep = None, "", None, None
        try:
            seen, deep = marks(real), deep_marks(real)
            engine = engine_of(real)
        except DstokError as error:
            reason = str(error)
        except Exception as error:
            reason = f"a component that cannot be read: {error}"
        self.engine, self.reason, self._deep = engine, reason, deep
        self._seen = seen


def backing_of(owner: Any) -> Backing:
    """The `Backing` of a tokenizer's backend, made on first use."""
    backing: Backing | None = owner.__dict__.get(ATTRIBUTE)
    if backing is not None:
        return backing
    real = owner.__dict__["_tokenizer"]
    backing = getattr(real, ATTRIBUTE, None)
    if backing is None:
        backing = Backing(real)
        setattr(real, ATTRIBUTE, backing)
    backing.owned_by(owner)
    owner.__dict__[ATTRIBUTE] = backing
    return backing


def known_backing(real: Any) -> Backing | None:
    """The `Backing` that an accelerated tokenizer made for a backend; None if its components are others."""
    backing: Backing | None = getattr(real, ATTRIBUTE, None)
    return backing if backing is not None and backing.has_components_of(real) else None


def _settings_of(real: tokenizers.Tokenizer) -> Wanted:
    return Wanted(real.truncation, real.padding, real.encode_special_tokens)


Input = tuple[list[str], list[str] | None]  # a text, or its words, and the other one of a pair
NOT_PARALLEL = frozenset({"", "off", "false", "f", "no", "n", "0"})  # of TOKENIZERS_PARALLELISM, as upstream reads it


def threads() -> int:
    """The number of threads that upstream would use."""
    setting = os.environ.get("TOKENIZERS_PARALLELISM")
    return available_cpus() if setting is None or setting.lower() not in NOT_PARALLEL else 1


class CallInputs:
    """The inputs of one call: the common data of their rows. `is_split`: they are lists of words."""

    __slots__ = ("_engine", "_is_split", "_length", "settings")

    def __init__(self, engine: Engine, settings: CallSettings, is_split: bool = False) -> None:
        self.settings, self._engine, self._is_split = settings, engine, is_split
        self._length: int | None = None

    def of_texts(self, texts: list[str]) -> list[Any]:
        """A row for each single text. Raises `DstokError` for inputs that upstream has to answer."""
        settings, framing = self.settings, self.settings.framing
        if framing is None:
            return self.of_inputs([([text], None) for text in texts])
        rows = self._ids(texts)
        own = rows if settings.room is None else map(settings.cut, rows)
        return self._padded([Row(self, framing, ([text], None), [ids]) for text, ids in zip(texts, own)])

    def of_inputs(self, inputs: Sequence[Input]) -> list[Any]:
        """A row, or an encoding, for each input. Raises as `of_texts`, and the errors of upstream's truncation."""
        words = [list(chain(first, second or ())) for first, second in inputs]
        ids = iter(self._ids(list(chain.from_iterable(words))))
        return self._padded([self._made(one, list(islice(ids, len(own)))) for one, own in zip(inputs, words)])

    def encoding(self, one: Input) -> Encoding:
        """The encoding of one input of the batch. Its length is known."""
        made = self._unpadded(one)
        self.settings.pad(made, self._length)
        return made

    def spans(self, words: list[str]) -> list[tuple[int, int]]:
        """The spans of the ids of a text or of its words, in code points."""
        special = self._engine.policy(self.settings.split_special)
        pairs: list[tuple[int, int]] = []
        for word in words:
            spans = encode_char_spans(self._engine.tok, word, special=special)
            pairs += zip(spans[:, 0].tolist(), spans[:, 1].tolist())
        return pairs

    def _ids(self, texts: list[str]) -> list[list[int]]:
        tok, special = self._engine.tok, self._engine.policy(self.settings.split_special)
        if len(texts) == 1:
            return [tok.encode(texts[0], special=special)]
        return tok.encode_batch(texts, special=special, num_threads=threads())

    def _made(self, one: Input, ids: list[list[int]]) -> Any:
        """The row of an input; its words have these ids."""
        (first, second), settings = one, self.settings
        own = list(chain.from_iterable(ids[: len(first)]))
        if second is None and settings.framing is not None:
            return Row(self, settings.framing, one, [settings.cut(own)])
        other = list(chain.from_iterable(ids[len(first) :]))
        if second is not None and settings.pair_framing is not None:
            cut = settings.cut_pair(own, other)
            if cut is not None:
                return Row(self, settings.pair_framing, one, cut)
        return self._unpadded(one)

    def _padded(self, rows: list[Any]) -> list[Any]:
        padding = self.settings.padding
        if padding is not None and rows:
            self._length = self.settings.padded_length(max(len(row.ids) for row in rows))
            for row in rows:
                if isinstance(row, Row):
                    row.fill(self._length or 0, padding)
                else:
                    self.settings.pad(row, self._length)
        return rows

    def _unpadded(self, one: Input) -> Encoding:
        split_special = self.settings.split_special
        raw = [joined([self._engine.columns(word, split_special, type_id, number if self._is_split else None)
                       for number, word in enumerate(words)])
               for type_id, words in enumerate(one) if words is not None]
        return self.settings.finish(raw[0], raw[1] if len(raw) == 2 else None)  # type: ignore[no-any-return]



class Row:
    """The encoding of one input: ids at once, the rest on demand."""

    __slots__ = ("_call", "_counts", "_encoding", "_filled", "_framing", "_input", "_right", "_type_id", "ids")

    def __init__(self, call: CallInputs, framing: Framing, one: Input, ids: list[list[int]]) -> None:
        self._call, self._framing, self._input, self._counts = call, framing, one, [len(each) for each in ids]
        self._filled, self._right, self._type_id = 0, True, 0
        self._encoding: Encoding | None = None
        self.ids = self._interleaved(framing.fixed, ids)

    def fill(self, length: int, padding: dict[str, Any]) -> None:
        """Pads the row up to `length`."""
        filled = max(length - len(self.ids), 0)
        self._filled, self._right, self._type_id = filled, padding["direction"] == "right", padding["pad_type_id"]
        self.ids = self._padded(self.ids, padding["pad_id"])

    @property
    def n_sequences(self) -> int:
        return len(self._counts)

    @property
    def attention_mask(self) -> list[int]:
        return self._padded([1] * (len(self.ids) - self._filled), 0)

    @property
    def type_ids(self) -> list[int]:
        framing = self._framing
        own = [[type_id] * count for type_id, count in zip(framing.text_types, self._counts)]
        return self._padded(self._interleaved(framing.fixed_types, own), self._type_id)

    @property
    def special_tokens_mask(self) -> list[int]:
        fixed = [[1] * len(each) for each in self._framing.fixed]
        return self._padded(self._interleaved(fixed, [[0] * count for count in self._counts]), 1)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        if self._framing.trims or self._encoding is not None:
            offsets: list[tuple[int, int]] = self.encoding().offsets
            return offsets
        spans = [self._call.spans(words) for words in self._input if words is not None]
        cut = [each[:count] if self._call.settings.from_right else each[len(each) - count :]
               for each, count in zip(spans, self._counts)]
        return self._padded(self._interleaved([[(0, 0)] * len(each) for each in self._framing.fixed], cut), (0, 0))

    def encoding(self) -> Encoding:
        """Upstream's `Encoding` of the input."""
        if self._encoding is None:
            self._encoding = self._call.encoding(self._input)
        return self._encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoding(), name)

    @staticmethod
    def _interleaved(fixed: list[Any], texts: list[Any]) -> list[Any]:
        """The ids around the texts, and the texts, in their order."""
        if len(texts) == 1:
            before, after = fixed
            return [*before, *texts[0], *after] if before or after else texts[0]
        return [*fixed[0], *texts[0], *fixed[1], *texts[1], *fixed[2]]

    def _padded(self, values: list[Any], filling: Any) -> list[Any]:
        if not self._filled:
            return values
        return values + [filling] * self._filled if self._right else [filling] * self._filled + values


class LazyEncodings(list[Any]):
    """A list of `Encoding`s. Each is made when it is taken out."""

    def __getitem__(self, index: Any) -> Any:
        taken = super().__getitem__(index)
        return [_taken(each) for each in taken] if isinstance(index, slice) else _taken(taken)

    def __iter__(self) -> Iterator[Encoding]:
        return map(_taken, super().__iter__())

    def __reversed__(self) -> Iterator[Encoding]:
        return map(_taken, super().__reversed__())

    def __add__(self, other: Any) -> list[Any]:
        return [*self, *other]

    def pop(self, index: Any = -1) -> Any:
        return _taken(super().pop(index))

    def copy(self) -> list[Any]:
        return list(self)

    def __reduce_ex__(self, protocol: Any) -> tuple[Callable[..., Any], tuple[list[Encoding]]]:
        return list, (list(self),)


def _taken(each: Row | Encoding) -> Encoding:
    return each.encoding() if isinstance(each, Row) else each
