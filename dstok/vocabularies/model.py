"""The parts of a tokenizer that extending and trimming use, and counted pieces in their two forms.

In: nothing. Out: `Model`, the type of the first argument of these calls; `rows_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from dstok.calls.interface import Parts
from dstok.errors import ArgumentError, UnsupportedError
from dstok.formats.description import ModelDescription
from dstok.tables.flat import Tables
from dstok.vocabularies.learning import Rows

__all__ = ["M", "Model", "byte_model", "rows_of"]


class Model(Parts, Protocol):
    """A tokenizer that another description of itself can be made a tokenizer of."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def _tables(self) -> Tables: ...

    @classmethod
    def _of_description(cls: type[M], model: ModelDescription) -> M: ...


M = TypeVar("M", bound=Model)


def byte_model(self: Model) -> ModelDescription:
    """The description. Raises `UnsupportedError` for a model of characters."""
    model = self._describe()
    if model.characters is not None:
        raise UnsupportedError("another vocabulary of a model of characters: dstok makes those of models of bytes")
    return model


def rows_of(counts: Any) -> Callable[[], Iterable[Rows]]:
    """The blocks of counted pieces: of a counts file (`dstok.counts`) or of `PieceCounts`. Raises `ArgumentError`."""
    if callable(getattr(counts, "rows", None)):
        return counts.rows  # type: ignore[no-any-return]
    if not all(hasattr(counts, name) for name in ("pieces", "offsets", "counts")):
        raise ArgumentError("expected counts, as Splitter.count_pieces or a counts file has them, found "
                            f"{type(counts).__name__}", "counts")
    return lambda: [(counts.pieces, counts.offsets, counts.counts)]
