"""The results of a batch: ids at once; all else that upstream's `Encoding` says when it is asked for.

In: an engine, a post-processor, the settings of one call. Out: for each input an `Encoding`, or a
`Row` that becomes one.
Invariant: a row's members are those of the `Encoding` that upstream gives for the same input and settings. What is done
after merging (templates, truncation in its strategies, offsets that are trimmed) upstream's own code does: by the
post-processor on an encoding that is made of dstok's columns.
Source: upstream's `post_process`, the same with an empty vocabulary.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import tokenizers
from tokenizers import Encoding

from dstok.errors import UnsupportedError
from dstok.integrations.transformers_engine import Engine, joined

__all__ = ["Batch", "Encodings", "Row", "Settings", "finisher"]

NOT_PARALLEL = frozenset({"", "off", "false", "f", "no", "n", "0"})  # of TOKENIZERS_PARALLELISM, as upstream reads it
try:
    CORES = len(os.sched_getaffinity(0))
except AttributeError:  # not on every system
    CORES = os.cpu_count() or 1

_PROBE = joined([{"ids": [0, 1], "type_ids": [0, 0], "tokens": ["a", "b"], "words": [0, 1],
                  "offsets": [[0, 1], [1, 2]]}])


class Frame(NamedTuple):
    """What a post-processor puts around the ids of a text: ids and type ids before and after; the text's type id."""

    before: list[int]
    after: list[int]
    before_types: list[int]
    after_types: list[int]
    type_id: int


def frame_of(processor: Any, add_special: bool) -> Frame | None:
    """What `processor` does to a single text; None if that is more than to put something around it.

    Upstream's post-processors look at nothing in an encoding but its offsets, so two ids tell what happens to all.
    """
    if processor is None:
        return Frame([], [], [], [], 0)
    made = processor.process(_PROBE, None, add_special)
    own = [at for at, is_special in enumerate(made.special_tokens_mask) if not is_special]
    if len(own) != 2 or own[1] != own[0] + 1 or made.overflowing:
        return None
    start, end = own[0], own[1] + 1
    return Frame(made.ids[:start], made.ids[end:], made.type_ids[:start], made.type_ids[end:], made.type_ids[start])


def finisher(processor: Any, truncation: dict[str, Any] | None) -> tokenizers.Tokenizer:
    """Upstream's tokenizer with no vocabulary: it post-processes and truncates encodings that others made."""
    found = tokenizers.Tokenizer(tokenizers.models.BPE())
    if processor is not None:
        found.post_processor = pickle.loads(pickle.dumps(processor))  # a copy: the one in the backend may be changed
    if truncation is not None:
        found.enable_truncation(**truncation)
    return found


class Settings:
    """How one call, or many that are alike, encode. Never changes."""

    def __init__(
        self, processor: Any, truncation: dict[str, Any] | None, padding: dict[str, Any] | None, split_special: bool,
        add_special: bool,
    ) -> None:
        self.frame = frame_of(processor, add_special)
        self.split_special, self.add_special, self.padding = split_special, add_special, padding
        self.finisher = finisher(processor, truncation)
        self.room, self.from_right, self.stride = self._room(truncation)

    def _room(self, truncation: dict[str, Any] | None) -> tuple[int | None, bool, int]:
        """How many ids of a single text are kept, whether from its start, and the stride of what is left over."""
        if truncation is None or self.frame is None:
            return None, True, 0
        if truncation["strategy"] == "only_second":
            self.frame = None  # an error, which upstream raises
        extra = self.finisher.num_special_tokens_to_add(False) if self.add_special else 0
        return truncation["max_length"] - extra, truncation["direction"] == "right", truncation["stride"]

    def cut(self, ids: list[int]) -> list[int]:
        """The ids of a text that is truncated alone. Raises `UnsupportedError` where upstream has a case of its own."""
        room = self.room
        if room is None or len(ids) <= room:
            return ids
        if room < 1 or self.stride >= room:
            raise UnsupportedError("truncation that leaves no room for a new id")
        return ids[:room] if self.from_right else ids[-room:]

    def padded_length(self, longest: int) -> int | None:
        """How many ids a row is filled up to, of a batch whose longest has so many. None: it is not."""
        padding = self.padding
        if padding is None:
            return None
        length = longest if padding["length"] is None else padding["length"]
        multiple = padding["pad_to_multiple_of"]
        return -(-length // multiple) * multiple if multiple else length

    def finish(self, first: Encoding, second: Encoding | None) -> Encoding:
        """Truncates and post-processes."""
        made: Encoding = self.finisher.post_process(first, second, self.add_special)
        return made

    def pad(self, encoding: Encoding, length: int | None) -> None:
        """Fills an encoding, and what is left over of it, up to `length`."""
        if length is not None and self.padding is not None:
            keys = ("direction", "pad_id", "pad_type_id", "pad_token")
            encoding.pad(length, **{key: self.padding[key] for key in keys})


def threads() -> int:
    """How many threads upstream would use."""
    setting = os.environ.get("TOKENIZERS_PARALLELISM")
    return CORES if setting is None or setting.lower() not in NOT_PARALLEL else 1


class Batch:
    """The inputs of one call: what their rows have in common."""

    __slots__ = ("_engine", "_length", "_settings")

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        self._length: int | None = None

    def of_texts(self, texts: list[str]) -> list[Row] | list[Encoding]:
        """A row for each text, which is not one of a pair. Raises `DstokError` for what upstream has to answer."""
        settings = self._settings
        frame = settings.frame
        if frame is None:
            return self.of_inputs([([text], None) for text in texts], False)
        tok, special = self._engine.tok, self._engine.policy(settings.split_special)
        if len(texts) == 1:
            lists = [tok.encode(texts[0], special=special)]
        else:
            lists = tok.encode_batch(texts, special=special, threads=threads())
        rows = [Row(self, frame, text, settings.cut(ids)) for text, ids in zip(texts, lists)]
        if settings.padding is not None and rows:
            self._length = settings.padded_length(max(len(row.ids) for row in rows))
            for row in rows:
                row.fill(self._length or 0, settings.padding)
        return rows

    def of_inputs(self, inputs: Sequence[tuple[list[str], list[str] | None]], is_split: bool) -> list[Encoding]:
        """The encoding of each input: a text or its words, and those of the other one of a pair.

        Raises as `of_texts`, and what upstream's truncation raises.
        """
        made = [self._unpadded(first, second, is_split) for first, second in inputs]
        if self._settings.padding is not None and made:
            self._length = self._settings.padded_length(max(len(encoding.ids) for encoding in made))
            for encoding in made:
                self._settings.pad(encoding, self._length)
        return made

    def encoding(self, text: str) -> Encoding:
        """The encoding of one text of the batch, whose length is known."""
        made = self._unpadded([text], None, False)
        self._settings.pad(made, self._length)
        return made

    def _unpadded(self, first: list[str], second: list[str] | None, is_split: bool) -> Encoding:
        own = self._raw(first, 0, is_split)
        other = None if second is None else self._raw(second, 1, is_split)
        return self._settings.finish(own, other)

    def _raw(self, words: list[str], type_id: int, is_split: bool) -> Encoding:
        settings = self._settings
        return joined([self._engine.columns(word, settings.split_special, type_id, number if is_split else None)
                       for number, word in enumerate(words)])


class Row:
    """The encoding of one text: ids at once, the rest when it is asked for."""

    __slots__ = ("_batch", "_count", "_filled", "_frame", "_made", "_right", "_text", "_type_id", "ids")
    n_sequences = 1

    def __init__(self, batch: Batch, frame: Frame, text: str, ids: list[int]) -> None:
        self._batch, self._frame, self._text, self._count = batch, frame, text, len(ids)
        self._filled, self._right, self._type_id = 0, True, 0
        self._made: Encoding | None = None
        self.ids = [*frame.before, *ids, *frame.after] if frame.before or frame.after else ids

    def fill(self, length: int, padding: dict[str, Any]) -> None:
        """Pads the row up to `length`."""
        self._filled = max(length - len(self.ids), 0)
        self._right, self._type_id = padding["direction"] == "right", padding["pad_type_id"]
        self.ids = self._padded(self.ids, padding["pad_id"])

    @property
    def attention_mask(self) -> list[int]:
        return self._padded([1] * (len(self.ids) - self._filled), 0)

    @property
    def type_ids(self) -> list[int]:
        frame = self._frame
        return self._padded([*frame.before_types, *[frame.type_id] * self._count, *frame.after_types], self._type_id)

    @property
    def special_tokens_mask(self) -> list[int]:
        frame = self._frame
        return self._padded([1] * len(frame.before) + [0] * self._count + [1] * len(frame.after), 1)

    def encoding(self) -> Encoding:
        """Upstream's `Encoding` of the text."""
        if self._made is None:
            self._made = self._batch.encoding(self._text)
        return self._made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoding(), name)

    def _padded(self, values: list[int], filling: int) -> list[int]:
        if not self._filled:
            return values
        return values + [filling] * self._filled if self._right else [filling] * self._filled + values


class Encodings(list[Any]):
    """A list of `Encoding`s, each made when it is taken out."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return [_made(each) for each in found] if isinstance(index, slice) else _made(found)

    def __iter__(self) -> Iterator[Encoding]:
        return map(_made, super().__iter__())

    def __reduce_ex__(self, protocol: Any) -> tuple[Callable[..., Any], tuple[list[Encoding]]]:
        return list, (list(self),)


def _made(each: Row | Encoding) -> Encoding:
    return each.encoding() if isinstance(each, Row) else each
