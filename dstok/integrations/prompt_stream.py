"""Upstream's `DecodeStream` that begins with a long prompt: vLLM makes one for each request.

In: the ids of a prompt. Out: a stream, which gives what upstream's stream gives, and raises its errors.
Invariant: a stream after a prompt depends on the end of the prompt alone, from a token on that is whole characters. At
its first step upstream decodes the whole prompt twice: 57 ms for 128,000 ids. Here the stream of upstream
begins with the end of the prompt.
Example: after a prompt that ends with the ids of " sky" and of a special token, which is skipped, the stream begins
with these two. After one that ends inside a character, it begins with the whole prompt, as upstream would.
Source: upstream 0.23.3. Only decoders that dstok can do are known to work so; others get upstream's stream.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import tokenizers

from dstok.integrations.transformers_encoding import is_known

Upstream: Any = tokenizers.decoders.DecodeStream
SHORT = 64  # ids of a prompt that upstream decodes as fast
TAIL = 16  # ids at the end of a prompt that may be skipped
BYTE_TOKEN = "<0x"  # a run of these is decoded together


class PromptStream:
    """A stream after a prompt. Called as upstream's class; for a short prompt it gives upstream's object."""

    _stream: Any
    _skip: bool
    _end: list[int]  # of the prompt

    def __new__(cls, ids: Sequence[int] | None = None, skip_special_tokens: bool = False) -> Any:
        """Raises the errors of upstream's class."""
        stream = Upstream(ids, skip_special_tokens)
        if ids is None or len(ids) < SHORT:
            return stream
        made = super().__new__(cls)
        made._stream, made._skip, made._end = stream, bool(skip_special_tokens), list(ids[-TAIL:])
        return made

    def step(self, tokenizer: Any, id: Any) -> str | None:
        """The text that an id, or a list of ids, makes sure. Later steps call upstream's stream directly."""
        end = _end_of(tokenizer, self._end, self._skip) if is_known(tokenizer) else []
        self._use(Upstream(end, self._skip) if end else self._stream)
        text: str | None = self._stream.step(tokenizer, id)
        return text

    def _use(self, stream: Any) -> None:
        self._stream = stream
        vars(self)["step"] = stream.step

    def __copy__(self) -> PromptStream:
        made: PromptStream = object.__new__(type(self))
        made._stream, made._skip, made._end = copy.copy(self._stream), self._skip, self._end
        if "step" in vars(self):
            made._use(made._stream)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> PromptStream:
        return self.__copy__()


def _end_of(tokenizer: Any, ids: list[int], skip: bool) -> list[int]:
    """The end of `ids` from its last text on; empty: this text is not whole characters, or there is none."""
    for start in range(len(ids) - 1, -1, -1):
        text = tokenizer.decode([ids[start]], skip_special_tokens=skip)
        if text:
            is_part = "\ufffd" in text or tokenizer.id_to_token(ids[start]).startswith(BYTE_TOKEN)
            return [] if is_part else ids[start:]
    return []
