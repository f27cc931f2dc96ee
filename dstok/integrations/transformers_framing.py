"""The steps after encoding: templates, truncation, padding.

In: a post-processor of upstream, the truncation and padding of a backend. Out: `CallSettings`, with the `Framing`s: the
ids that the post-processor puts around texts.
Invariant: there is a framing only if the post-processor does nothing except put ids around texts. Upstream's own code
does the rest (`finish`).
Source: upstream's `post_process`, called here with an empty vocabulary. Its post-processors read only tokens and
offsets of an encoding, so an encoding of two ids shows the effect on all.
"""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import numpy as np
import tokenizers
from tokenizers import Encoding

from dstok.calls.pairs import kept_lengths
from dstok.errors import UnsupportedError
from dstok.integrations.transformers_engine import joined, state_of, truncate

__all__ = ["CallSettings", "Framing", "KeptSettings", "finisher"]

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
        self.room, self._pair_room = self._room(False), self._room(True)

    def _room(self, is_pair: bool) -> int | None:
        """The most ids of texts that a row can have."""
        if self._truncation is None:
            return None
        extra = self._finisher.num_special_tokens_to_add(is_pair) if self._add_special else 0
        return int(self._truncation["max_length"]) - extra

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

    def finish(self, first: Encoding, second: Encoding | None) -> Encoding:
        """Truncates and post-processes, with upstream's code."""
        made: Encoding = self._finisher.post_process(first, second, self._add_special)
        return made

    def pad(self, encoding: Encoding, length: int | None) -> None:
        """Pads an encoding, and its overflowing parts, up to `length`."""
        if length is not None and self.padding is not None:
            keys = ("direction", "pad_id", "pad_type_id", "pad_token")
            encoding.pad(length, **{key: self.padding[key] for key in keys})


class KeptSettings:
    """The `CallSettings` of a tokenizer's calls. Equal calls share one."""

    def __init__(self) -> None:
        self._kept: dict[Any, CallSettings] = {}

    def get(
        self, processor: Any, truncation: dict[str, Any] | None, padding: dict[str, Any] | None, split_special: bool,
        add_special: bool,
    ) -> CallSettings:
        settings = (None, None) if truncation is padding is None else (_frozen(truncation), _frozen(padding))
        key = (state_of(processor), *settings, split_special, add_special)
        made = self._kept.get(key)
        if made is None:
            if len(self._kept) >= MAX_SETTINGS:
                self._kept.clear()
            made = self._kept[key] = CallSettings(processor, truncation, padding, split_special, add_special)
        return made

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return KeptSettings, ()  # copies and pickles make their own


def _frozen(settings: dict[str, Any] | None) -> tuple[Any, ...] | None:
    return None if settings is None else tuple(settings.items())
