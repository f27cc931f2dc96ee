"""The parts of a transformers tokenizer that run on dstok: text -> ids, with all of upstream's fields, and back.

In: a `tokenizers.Tokenizer`, which others may change. Out: its `Backing`, with an `Engine` or the reason why there is
none; for each input of a call a `Row`: ids at once, the rest of upstream's `Encoding` on demand.
Invariants: an engine never changes, and gives the backend's results at the time when it was made; each call compares
the backend with the engine's source (`marks`, `deep_marks`), and each added token is tried in both before an engine is
given out. The backend has the settings of the last call; a call reads them under the lock, and then goes on without it.
Upstream's post-processors read only tokens and offsets, so two ids show the effect on all (`Framing`).
Source: upstream 0.23.3 and its `post_process`; the calls of transformers 4.57.6 and 5.24.0.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from hashlib import sha256
from itertools import chain, islice
from operator import attrgetter
from threading import RLock
from typing import Any, NamedTuple
from weakref import WeakSet, ref

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
from dstok.methods import offsets
from dstok.padding import kept_lengths
from dstok.tokenizer import Tokenizer, tokenizer_of

ATTRIBUTE = "_dstok"  # the `Backing` of a tokenizer of transformers, and a weak reference to it in its backend
KNOWN = "_dstok_known"  # the marks of a backend that has an engine; copies and pickles of a backend lose both
PROBES = 64  # entries of the vocabulary that tell another model from the engine's
MAX_TABLES = 4  # models that are kept while no tokenizer uses them, for a caller that loads the same again
MAX_SETTINGS = 256  # settings of calls that are kept
COLUMNS = ("ids", "type_ids", "tokens", "words", "offsets")  # of upstream's `Encoding`, before post-processing
NOT_PARALLEL = frozenset({"", "off", "false", "f", "no", "n", "0"})  # of TOKENIZERS_PARALLELISM, as upstream reads it
Input = str | tuple[Sequence[str], ...]  # a text, or its words, or those of a pair's texts; a whole text is one
flatten = chain.from_iterable
_tables: dict[bytes, Tables] = {}
_backings: WeakSet[Backing] = WeakSet()


def threads() -> int:
    """The number of threads that upstream would use."""
    setting = os.environ.get("TOKENIZERS_PARALLELISM")
    return available_cpus() if setting is None or setting.lower() not in NOT_PARALLEL else 1


class Segmented(str):
    """A text with the segments that it is joined of, each with whether it is trusted."""

    __slots__ = ("segments",)
    segments: list[tuple[str, bool]]


class Engine:
    """dstok's tokenizer in the place of a backend's normalizer, pre-tokenizer, model and decoder."""

    def __init__(self, tok: Tokenizer, added: tuple[AddedToken, ...]) -> None:
        self.tok, self._added, self._spelling = tok, added, cache(tok.id_to_token)
        self._takes_blanks = {token.id for token in added if token.lstrip or token.rstrip}

    @lazy
    def ordinary(self) -> frozenset[str] | None:
        """The added tokens that stay when special ones are text; None if upstream and dstok differ there.

        Upstream finds all tokens and then passes over the special ones, so that a special one hides those it overlaps.
        """
        special, others = ([t.content for t in self._added if t.special == kind] for kind in (True, False))
        if any(_may_overlap(one, other) for one in special for other in others):
            return None
        return frozenset(others)

    def policy(self, split_special: bool) -> Any:
        """dstok's `special=` for upstream's `encode_special_tokens`."""
        if split_special and self.ordinary is None:
            raise UnsupportedError("an added token that may overlap a special one, while special tokens are text")
        return self.ordinary if split_special else "all"

    def encoding(self, text: str, special: Any) -> offsets.Encoding:
        """The ids of a text with their spans."""
        if isinstance(text, Segmented):
            return self.tok.encode_segments_with_offsets(text.segments, special=special)
        return self.tok.encode_with_offsets(text, special=special)

    def columns(self, text: str, special: Any, type_id: int, word: int | None) -> dict[str, Any]:
        """The `COLUMNS` of a text. `word`: every id's word; None: the number of its piece."""
        encoding = self.encoding(text, special)
        ids, spans = encoding.ids.tolist(), encoding.char_spans.tolist()
        # Upstream's token is all the text that it took.
        tokens = [text[slice(*span)] if is_added and id in self._takes_blanks else self._spelling(id)
                  for id, span, is_added in zip(ids, spans, encoding.special.tolist())]
        words = encoding.pieces.tolist() if word is None else [word] * len(ids)
        return {"ids": ids, "type_ids": [type_id] * len(ids), "tokens": tokens, "words": words, "offsets": spans}


@lru_cache(maxsize=4096)
def _may_overlap(one: str, other: str) -> bool:
    """Whether the two can share characters in a text."""
    shifts = range(1, min(len(one), len(other)))
    return one in other or other in one or any(one.endswith(other[:n]) or other.endswith(one[:n]) for n in shifts)


# A backend, and its engine


class Wanted(NamedTuple):
    """The settings of a call. The backend has them after it."""

    truncation: dict[str, Any] | None = None
    padding: dict[str, Any] | None = None
    split_special: bool = False

    @classmethod
    def of(cls, real: tokenizers.Tokenizer) -> Wanted:
        return cls(real.truncation, real.padding, real.encode_special_tokens)

    def put(self, real: tokenizers.Tokenizer) -> None:
        """Gives the backend these settings, which were accepted once, whatever its post-processor is now.

        Upstream accepts a stride up to `max_length` less the special tokens of the post-processor at that time. If
        `max_length` is smaller than their number, upstream takes the difference for a large number.
        """
        if self.truncation is None:
            real.no_truncation()
        elif self.truncation != real.truncation:
            processor, longest = real.post_processor, self.truncation["max_length"]
            real.post_processor = None if self.truncation["stride"] <= longest else (
                tokenizers.processors.TemplateProcessing(single="$A" + " x" * (longest + 1), special_tokens=[("x", 0)]))
            real.enable_truncation(**self.truncation)
            real.post_processor = processor
        if self.padding is None:
            real.no_padding()
        else:
            real.enable_padding(**self.padding)
        real.encode_special_tokens = self.split_special


PLAIN = Wanted()


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


def _looked(look: Callable[[Any], Any], real: tokenizers.Tokenizer) -> Any:
    """The marks; None for a backend that has none: a component of the user's may raise anything."""
    try:
        return look(real)
    except Exception:
        return None


def is_known(real: Any) -> bool:
    """Whether dstok can do a backend with these components, as an accelerated tokenizer found."""
    seen = getattr(real, KNOWN, None)
    return seen is not None and bool(_looked(marks, real) == seen)


def _live_tokens(real: tokenizers.Tokenizer) -> tuple[AddedToken, ...]:
    fields = attrgetter("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return tuple(AddedToken(id, *fields(token)) for id, token in sorted(real.get_added_tokens_decoder().items()))


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
        own, at = real.model.id_to_token(token.id), f"$.added_tokens[{number}]"
        if own not in (None, token.content):
            raise UnsupportedError(f"the added token {token.content!r}, whose id is also that of {own!r}", at)
        if normalizer is not None and token.normalized and (token.lstrip or token.rstrip):  # what they took is unknown
            raise UnsupportedError("an added token with lstrip or rstrip that is looked for in normalized text", at)
    raw = raw_tokens(tables.normalizer, added)
    engine = Engine(tokenizer_of(tables, raw, None, None), raw)
    wanted = Wanted.of(real)
    PLAIN.put(real)
    try:
        _compare(real, engine.tok, added)
    finally:
        wanted.put(real)
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


def _compare(real: tokenizers.Tokenizer, tok: Tokenizer, added: Sequence[AddedToken]) -> None:
    """Refuses a backend that does not find its added tokens as its own file says.

    Example: a token that was added twice, with other flags, is searched for with its first flags.
    """
    for number, token in enumerate(added):
        text = f"a {token.content} a{token.content}a {token.content}"
        ours, theirs = tok.encode(text), real.encode(text, add_special_tokens=False).ids
        skipped = tok.decode(ours, skip_special_tokens=True), real.decode(ours, skip_special_tokens=True)
        if theirs[: len(ours)] != ours or skipped[0] != skipped[1]:
            raise UnsupportedError(f"the added token {token.content!r}, which the backend finds otherwise than it says",
                                   f"$.added_tokens[{number}]")


class Backing:
    """A backend, what is known of it, and the calls for it. All tokenizers of transformers that hold it share this."""

    def __init__(self, real: tokenizers.Tokenizer) -> None:
        self.real, self.lock = real, RLock()
        _backings.add(self)
        self.engine: Engine | None = None
        self.reason = ""  # why there is no engine
        self._handed_out = False  # whether someone may hold the backend, or change it before it is next compared
        self._calls: Counter[str] = Counter()
        self._settings: dict[Any, CallSettings] = {}  # of equal calls
        self._seen: Any = ""
        self._deep: Any = None

    @staticmethod
    def of(real: tokenizers.Tokenizer) -> Backing:
        """The one of a backend, made on first use."""
        known = getattr(real, ATTRIBUTE, None)
        backing = (known and known()) or Backing(real)
        setattr(real, ATTRIBUTE, ref(backing))
        return backing

    def __getattr__(self, name: str) -> Any:  # `datasets` hashes a tokenizer without its truncation and padding
        return getattr(self.real, name)

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The `dstok.Tokenizer`, without post-processing; None if dstok cannot do the present backend."""
        return None if self.engine is None else self.engine.tok

    def explain(self) -> str:
        """The calls that went to dstok and to the backend, with the reason."""
        lines = [f"{call}, {count} calls" for call, count in sorted(self._calls.items())]
        lines.sort(key=lambda line: line.startswith("backend"))
        if self.reason:
            lines.append(f"dstok cannot do this tokenizer: {self.reason}")
        return "\n".join(lines) or "no calls yet"

    def tell(self, what: str, reason: str = "") -> None:
        """Notes a call that dstok did, or, with a reason, one that the backend did."""
        with self.lock:
            self._calls[f"backend: {what}: {reason}" if reason else f"dstok: {what}"] += 1

    def hand_out(self) -> tokenizers.Tokenizer:
        """The backend, for a caller that may keep or change it."""
        self._handed_out = True
        return self.real

    def ready(self) -> Engine | None:
        """The engine, if the backend is unchanged, else a new one made from the present backend."""
        others = sys.getrefcount(self.real) - ALONE
        same = _looked(marks, self.real) == self._seen
        if not same or self._handed_out or others > 0:
            with self.lock:
                if not same or _looked(deep_marks, self.real) != self._deep:
                    self._remake()
                self._handed_out = self._handed_out and others > 0  # last: until then other threads come here, and wait
        return self.engine

    def settings(self, wanted: Wanted, add_special: bool) -> CallSettings:
        """How a call with these settings encodes."""
        processor = self.real.post_processor
        truncation, padding, split_special = wanted
        key = (state_of(processor), truncation and tuple(truncation.items()), padding and tuple(padding.items()),
               split_special, add_special)
        made = self._settings.get(key)
        if made is None:
            if len(self._settings) >= MAX_SETTINGS:
                self._settings.clear()
            made = self._settings[key] = CallSettings(processor, wanted, add_special)
        return made

    def _remake(self) -> None:
        """Makes an engine from the present backend."""
        seen, deep = _looked(marks, self.real), _looked(deep_marks, self.real)
        try:
            self._note(engine_of(self.real), "", seen, deep)
        except DstokError as error:
            self._note(None, str(error), seen, deep)
        except Exception as error:
            self._note(None, f"a component that cannot be read: {error}", seen, deep)

    def _note(self, engine: Engine | None, reason: str, seen: Any, deep: Any) -> None:
        self.engine, self.reason, self._deep = engine, reason, deep
        setattr(self.real, KNOWN, engine and seen)
        self._seen = seen  # last, so that no thread uses the old engine

    def __reduce__(self) -> Any:
        return Backing.of, (self.real,)

    def __deepcopy__(self, memo: dict[int, Any]) -> Backing:
        with self.lock:
            self.ready()
            made = Backing.of(copy.deepcopy(self.real, memo))
            made._note(self.engine, self.reason, self._seen, self._deep)  # noqa: SLF001 (the same class)
            made.hand_out()  # it is compared when it is used
        return made


def _renew_locks() -> None:  # of which another thread may have held one when this process was forked
    for backing in _backings:
        backing.lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
_alone = Backing(tokenizers.Tokenizer(tokenizers.models.BPE()))
ALONE = sys.getrefcount(_alone.real)  # of a backend that nothing else holds


# How a call encodes


class Framing(NamedTuple):
    """The ids around one text, or around the two of a pair.

    fixed: ids before the first text, between, after the last. fixed_types: their type ids. text_types: the type ids of
    each text. trims: whether spans of tokens lose the white space at their ends.
    """

    fixed: list[list[int]]
    fixed_types: list[list[int]]
    text_types: list[int]
    trims: bool

    @classmethod
    def of(cls, processor: Any, texts: int, add_special: bool) -> Framing | None:
        """The framing of `processor` for one text or two; None if it does more, such as to give a text twice."""
        if processor is None:
            return cls([[]] * (texts + 1), [[]] * (texts + 1), list(range(texts)), False)
        spans = [[0, 2], [2, 4]]  # of tokens that begin or end in a space, which trimming removes from the span
        probes = [joined([{"ids": [first, first + 1], "type_ids": [first // 2] * 2, "tokens": ["Ġa", "bĠ"],
                           "words": [0, 1], "offsets": spans}]) for first in (0, 2)[:texts]]
        made = processor.process(probes[0], probes[1] if texts == 2 else None, add_special)
        own = [at for at, is_special in enumerate(made.special_tokens_mask) if not is_special]
        starts = own[::2]
        if [made.ids[at] for at in own] != list(range(2 * texts)) or own[1::2] != [start + 1 for start in starts]:
            return None
        bounds = list(zip([0, *(start + 2 for start in starts)], [*starts, len(made.ids)]))
        fixed, types = ([values[first:last] for first, last in bounds] for values in (made.ids, made.type_ids))
        trims = [list(made.offsets[at]) for at in own[:2]] != spans
        return cls(fixed, types, [made.type_ids[start] for start in starts], trims)


def joined(columns: Sequence[dict[str, Any]]) -> Encoding:
    """Upstream's `Encoding` of the texts, or the words of one text, with these `COLUMNS`."""
    state = {key: [value for each in columns for value in each[key]] for key in COLUMNS}
    count = len(state["ids"])
    encoding = Encoding()
    encoding.__setstate__(json.dumps({**state, "special_tokens_mask": [0] * count, "attention_mask": [1] * count,
                                      "overflowing": [], "sequence_ranges": {}}).encode())
    return encoding


class CallSettings:
    """How one call, or many equal ones, encode. Never changes."""

    def __init__(self, processor: Any, wanted: Wanted, add_special: bool) -> None:
        self.truncation, self.padding, self.split_special = wanted
        self._left = self.truncation is not None and self.truncation["direction"] == "left"
        self.framings = [Framing.of(processor, texts, add_special) for texts in (1, 2)]
        # upstream's tokenizer without a vocabulary: it post-processes and truncates encodings made by others
        self._finisher = tokenizers.Tokenizer(tokenizers.models.BPE())
        Wanted(self.truncation).put(self._finisher)
        if processor is not None:
            self._finisher.post_processor = pickle.loads(pickle.dumps(processor))  # a copy: the backend's may change
        self._add_special = add_special
        self._limits: list[tuple[int, str, int]] = []  # for one text, for a pair: the most ids; strategy; stride
        if self.truncation is not None:
            longest, strategy, stride = (self.truncation[key] for key in ("max_length", "strategy", "stride"))
            self._limits = [(longest - add_special * self._finisher.num_special_tokens_to_add(pair), strategy, stride)
                            for pair in (False, True)]

    def cut(self, texts: Sequence[list[int]]) -> Sequence[list[int]] | None:
        """The ids of a text, or of both of a pair, truncated; None where upstream has a special case."""
        room, strategy, stride = self._limits[len(texts) - 1]
        lengths, kept = list(map(len, texts)), [room]
        if sum(lengths) <= room:
            return texts
        if len(texts) == 2:
            try:
                (kept,) = kept_lengths(np.array([lengths]), room, strategy).tolist()
            except ValueError:
                return None
        elif strategy == "only_second":
            return None
        if room < 1 or any(stride >= count for length, count in zip(lengths, kept) if count < length):
            return None
        return [self.end(ids, count) for ids, count in zip(texts, kept)]

    def end(self, values: list[Any], count: int) -> list[Any]:
        """The values that stay when `count` do."""
        return values[len(values) - count :] if self._left else values[:count]

    def finish(self, texts: list[Encoding], length: int | None) -> Encoding:
        """Truncates and post-processes, with upstream's code; pads it, and its overflowing parts, up to `length`."""
        made: Encoding = self._finisher.post_process(texts[0], texts[1] if len(texts) == 2 else None, self._add_special)
        if length is not None and self.padding is not None:
            keys = ("direction", "pad_id", "pad_type_id", "pad_token")
            made.pad(length, **{key: self.padding[key] for key in keys})
        return made


def _texts(one: Input) -> tuple[Sequence[str], ...]:
    return ((one,),) if isinstance(one, str) else one


class CallInputs:
    """The inputs of one call: the common data of their rows. `is_split`: they are lists of words."""

    __slots__ = ("_engine", "_is_split", "_special", "length", "settings")

    def __init__(self, engine: Engine, settings: CallSettings, is_split: bool = False) -> None:
        self.settings, self._engine, self._is_split = settings, engine, is_split
        self._special = engine.policy(settings.split_special)
        self.length: int | None = None  # of the padded rows

    def rows(self, inputs: Sequence[Input]) -> list[Any]:
        """A row, or an encoding, for each input.

        Raises `DstokError` for inputs that upstream has to answer, and the errors of upstream's truncation.
        """
        settings, framings = self.settings, self.settings.framings
        texts_of: Iterable[Sequence[list[int]]]
        if {*map(type, inputs)} == {str}:
            texts_of = zip(self._ids(inputs))  # type: ignore[arg-type]
        else:
            inputs = list(map(_texts, inputs))
            ids = iter(self._ids(list(flatten(flatten(inputs)))))
            texts_of = [[list(flatten(islice(ids, len(words)))) for words in one] for one in inputs]
        kept = texts_of if settings.truncation is None else map(settings.cut, texts_of)
        rows = [self.encoding(one) if texts is None or (framing := framings[len(texts) - 1]) is None else
                Row(self, framing, one, texts) for one, texts in zip(inputs, kept)]
        padding = settings.padding
        if padding is not None and rows:
            wanted, multiple = padding["length"], padding["pad_to_multiple_of"] or 1
            wanted = max([len(row.ids) for row in rows]) if wanted is None else wanted
            length = self.length = -(-wanted // multiple) * multiple
            rows = [row.padded(length, padding) if type(row) is Row else self.encoding(one)
                    for row, one in zip(rows, inputs)]
        return rows

    def _ids(self, words: Sequence[str]) -> list[list[int]]:
        tok, special = self._engine.tok, self._special
        if any(isinstance(word, Segmented) for word in words):
            return [tok.encode_segments(word.segments, special=special) for word in words]  # type: ignore[attr-defined]
        return ([tok.encode(words[0], special=special)] if len(words) == 1 else
                tok.encode_batch(words, special=special, num_threads=threads()))

    def encoding(self, one: Input) -> Encoding:
        """Upstream's encoding of an input, padded if the length is known."""
        raw = [joined([self._engine.columns(word, self._special, type_id, number if self._is_split else None)
                       for number, word in enumerate(words)]) for type_id, words in enumerate(_texts(one))]
        return self.settings.finish(raw, self.length)

    def spans(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """The spans of the ids of a text or of its words, in code points."""
        pairs: list[tuple[int, int]] = []
        for word in words:
            spans = self._engine.encoding(word, self._special).char_spans
            pairs += zip(spans[:, 0].tolist(), spans[:, 1].tolist())
        return pairs


class Row:
    """The encoding of one input: ids at once, the rest on demand."""

    __slots__ = ("_call", "_counts", "_encoding", "_framing", "_input", "_pad_type", "_pads", "ids")

    def __init__(self, call: CallInputs, framing: Framing, one: Input, texts: Sequence[list[int]]) -> None:
        self._call, self._framing, self._input, self._counts = call, framing, one, [len(each) for each in texts]
        self._pads, self._pad_type = 0, 0  # the number of pads, negative for those on the left, and their type
        self._encoding: Encoding | None = None
        self.ids = self._laid(framing.fixed, texts, 0)

    def padded(self, length: int, padding: dict[str, Any]) -> Row:
        """The row, which is now as long as that at least."""
        count = length - len(self.ids)
        if count > 0:
            self._pads = count if padding["direction"] == "right" else -count
            self._pad_type = padding["pad_type_id"]
            self.ids = self._filled(self.ids, padding["pad_id"])
        return self

    @property
    def n_sequences(self) -> int:
        return len(self._counts)

    @property
    def attention_mask(self) -> list[int]:
        return self._filled([1] * (len(self.ids) - abs(self._pads)), 0) if self._pads else [1] * len(self.ids)

    @property
    def type_ids(self) -> list[int]:
        types = [[type_id] * count for type_id, count in zip(self._framing.text_types, self._counts)]
        return self._laid(self._framing.fixed_types, types, self._pad_type)

    @property
    def special_tokens_mask(self) -> list[int]:
        return self._laid([[1] * len(each) for each in self._framing.fixed], [[0] * count for count in self._counts], 1)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        if self._framing.trims or self._encoding is not None:
            return self.encoding().offsets
        call = self._call
        spans = [call.settings.end(call.spans(words), count) for words, count in zip(_texts(self._input), self._counts)]
        return self._laid([[(0, 0)] * len(each) for each in self._framing.fixed], spans, (0, 0))

    def encoding(self) -> Encoding:
        """Upstream's `Encoding` of the input."""
        if self._encoding is None:
            self._encoding = self._call.encoding(self._input)
        return self._encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoding(), name)

    def _laid(self, fixed: list[Any], texts: Sequence[Any], filling: Any) -> list[Any]:
        """The values of the ids around the texts, of the texts, and of the pads, in their order."""
        values = [*fixed[0], *texts[0], *fixed[1]] if fixed[0] or fixed[1] else texts[0]
        if len(texts) == 2:
            values = [*values, *texts[1], *fixed[2]]
        return self._filled(values, filling) if self._pads else values

    def _filled(self, values: list[Any], filling: Any) -> list[Any]:
        return values + [filling] * self._pads if self._pads > 0 else [filling] * -self._pads + values


class LazyEncodings(list[Any]):
    """A list of `Encoding`s. Each is made when it is taken out."""

    def __getitem__(self, index: Any) -> Any:
        taken = super().__getitem__(index)
        return list(map(_taken, taken)) if isinstance(index, slice) else _taken(taken)

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
