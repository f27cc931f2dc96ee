"""outlines and outlines-core: the vocabulary of a dstok tokenizer, and a tokenizer for outlines' models.

In: a tokenizer. Out: an `outlines_core.Vocabulary`; an `OutlinesTokenizer`, which has outlines' protocol.
Invariant: the vocabulary has each token by its bytes, so that a mask is right even for tokens that hold a part of a
character; outlines itself knows these only as U+FFFD. No mask has a token that the model marks as special.
Source: outlines-core 0.2.14, outlines 1.3.3.

>>> import dstok
>>> from dstok.integrations.outlines import OutlinesTokenizer, vocabulary
>>> vocabulary(dstok.load("deepseek-v3")).get(b" world")
[2058]
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from dstok._util.arguments import explained
from dstok._util.imports import of_extra
from dstok.errors import ArgumentError
from dstok.integrations.special import special_ids, stop_ids
from dstok.padding import filled
from dstok.protocols import TokenizerProtocol

if TYPE_CHECKING:
    import numpy.typing as npt
    from outlines_core import Vocabulary

__all__ = ["OutlinesTokenizer", "vocabulary"]


@explained
def vocabulary(tokenizer: TokenizerProtocol, *, eos_token_id: int | None = None) -> Vocabulary:
    """outlines-core's vocabulary, for its index of a pattern. `eos_token_id`: by default the tokenizer's EOS.

    Raises `ArgumentError` if there is no EOS.
    """
    with of_extra("outlines", __name__):
        from outlines_core import Vocabulary

    [end] = stop_ids(tokenizer, eos_token_id)
    left_out = {end, *special_ids(tokenizer)}
    tokens: dict[bytes, list[int]] = {}
    for id, token in enumerate(tokenizer.vocabulary()):
        if token and id not in left_out:
            tokens.setdefault(token, []).append(id)
    return Vocabulary(end, tokens)


class OutlinesTokenizer:
    """A tokenizer for outlines' models. Two of equal tokenizers are equal, and hash alike in every process.

    `pad_token_id` is EOS if the model names no padding. Raises `ArgumentError` for a model without EOS.

    >>> import dstok
    >>> tokenizer = OutlinesTokenizer(dstok.load("deepseek-v3"))
    >>> ids, mask = tokenizer.encode(["Hello world", "Hello"])
    >>> ids.tolist(), mask.tolist(), tokenizer.decode(ids)
    ([[19923, 2058], [1, 19923]], [[1, 1], [0, 1]], ['Hello world', 'Hello'])
    """

    @explained
    def __init__(self, tokenizer: TokenizerProtocol) -> None:
        self.tokenizer = tokenizer
        [self.eos_token_id] = stop_ids(tokenizer, None)
        self.eos_token = tokenizer.id_to_token(self.eos_token_id)
        self.pad_token_id = self.eos_token_id if tokenizer.config.pad_id is None else tokenizer.config.pad_id
        self.vocabulary = tokenizer.get_vocab()
        self.special_tokens = {tokenizer.id_to_token(id) for id in special_ids(tokenizer)}

    def encode(self, prompt: str | list[str], **options: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(ids, mask), int64[texts, length] each; shorter texts are padded on the left, where the mask is 0.

        Raises `ArgumentError` for options, which only a model of transformers would take.
        """
        if options:
            raise ArgumentError(f"expected no options of encode, found {', '.join(options)}", "options")
        prompts = [prompt] if isinstance(prompt, str) else prompt
        rows = self.tokenizer.encode_batch(prompts)
        lengths = np.array(list(map(len, rows)), np.int64)
        flat = np.fromiter(chain.from_iterable(rows), np.uint32)
        return filled(flat, lengths, max(lengths, default=0), "left", self.pad_token_id)

    def decode(self, token_ids: Iterable[Iterable[int]]) -> list[str]:
        """The texts of rows of ids, without special tokens."""
        return self.tokenizer.decode_batch(token_ids, skip_special_tokens=True)

    def convert_token_to_string(self, token: str) -> str:
        """The text of a token spelled as in the vocabulary; U+FFFD for parts of a character."""
        return self.tokenizer.decode_bytes([self.tokenizer.token_to_id(token)]).decode("utf-8", "replace")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OutlinesTokenizer):
            return NotImplemented
        return self.tokenizer.fingerprint == other.tokenizer.fingerprint

    def __hash__(self) -> int:
        return int(self.tokenizer.fingerprint[:15], 16)

    def __getstate__(self) -> TokenizerProtocol:
        return self.tokenizer

    def __setstate__(self, tokenizer: TokenizerProtocol) -> None:
        self.__dict__.update(OutlinesTokenizer(tokenizer).__dict__)
