from typing import Any, TypeAlias

from dstok.core.split._scan import Scanner

Reason: TypeAlias = tuple[int | None, int | None]

def add_pieces(
    pieces: list[Any], cls: type[Any], scanner: Scanner, reasons: list[Reason | None], text: bytes, at: int, stop: int,
    chars: int,
) -> int:
    """Adds the pieces of `text[at:stop]`, which begins at character `chars`; returns the character at its end.

    `cls` is a NamedTuple: text, start, end, char_start, char_end, step, alternative, token_id. `reasons` has the step
    and the alternative of each tag, and None for dropped text.
    """
