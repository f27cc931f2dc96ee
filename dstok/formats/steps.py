"""The steps of a component of a tokenizer.json: its sequences, unfolded.

In: a normalizer, pre-tokenizer, decoder or post-processor. Out: its steps with their types, in their order.
Invariant: sequences inside each other are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dstok.formats.json_value import Value

__all__ = ["MAX_DEPTH", "Steps", "steps_of"]

MAX_DEPTH = 64  # sequences inside sequences; upstream's parser stops at 128 brackets
Steps = Sequence[tuple[str, Value]]


def steps_of(component: Value, key: str) -> list[tuple[str, Value]]:
    """A component's steps with their types, sequences unfolded; a sequence's steps are its member `key`."""
    return [] if component.value is None else list(_unfold(component, key, 0))


def _unfold(step: Value, key: str, depth: int) -> Iterator[tuple[str, Value]]:
    kind = step.need("type").text()
    if kind != "Sequence":
        yield kind, step
        return
    if depth == MAX_DEPTH:
        step.unsupported(f"more than {MAX_DEPTH} sequences inside each other")
    for item in step.need(key).array():
        yield from _unfold(item, key, depth + 1)
