"""The results of a batch: ids at once, and the rest of upstream's `Encoding` on demand.

In: an engine, the settings of one call, its inputs. Out: for each input a `Row`, which becomes an `Encoding` when it is
taken out; or, for some calls, the `Encoding` at once.
Invariant: a row's members equal those of upstream's `Encoding` for the same input and settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from tokenizers import Encoding

from dstok.base.platform import available_cpus
from dstok.calls.offsets import encode_char_spans
from dstok.integrations.transformers_engine import Engine, joined
from dstok.integrations.transformers_framing import CallSettings, Framing

__all__ = ["CallInputs", "Input", "LazyEncodings", "Row"]

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
        return tok.encode_batch(texts, special=special, threads=threads())

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
        first, second = one
        return self.settings.finish(self._raw(first, 0), None if second is None else self._raw(second, 1))

    def _raw(self, words: list[str], type_id: int) -> Encoding:
        split_special = self.settings.split_special
        return joined([self._engine.columns(word, split_special, type_id, number if self._is_split else None)
                       for number, word in enumerate(words)])


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
