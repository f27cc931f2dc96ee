"""llguidance's tokenizer of a dstok tokenizer: generation that a grammar, a JSON schema or a regular expression binds.

In: a tokenizer. Out: an `LLTokenizer`, for `LLMatcher` and `LLInterpreter`.
Invariant: its masks, and its ids of texts, are those of the `LLTokenizer` that llguidance makes of the same model's
tokenizer.json. There is one exception: llguidance loses some added tokens, with a warning, those that are not special
and not spelled in the byte-level alphabet, such as V3.2's `｜DSML｜`. Here these are their text. Texts that a grammar
forces are encoded by dstok.
Source: llguidance 1.9.1, whose wrapper's source says what it asks for; what it takes for special was measured.

>>> import dstok
>>> from dstok.integrations.llguidance import ll_tokenizer
>>> tokenizer = ll_tokenizer(dstok.load("deepseek-v3"))
>>> tokenizer.tokenize_str("Hello world"), tokenizer.vocab_size
([19923, 2058], 128815)
"""

from __future__ import annotations

from dataclasses import dataclass

from dstok.base.extras import of_extra
from dstok.errors import DstokError
from dstok.integrations.special import special_ids, stop_ids
from dstok.protocol import TokenizerProtocol

with of_extra("llguidance", __name__):
    from llguidance import LLTokenizer, TokenizerWrapper

__all__ = ["ll_tokenizer"]


def ll_tokenizer(
    tokenizer: TokenizerProtocol, *, n_vocab: int | None = None, eos_token: int | list[int] | None = None,
    slices: list[str] | None = None,
) -> LLTokenizer:
    """The `LLTokenizer` of a tokenizer; make it once, it takes a second.

    n_vocab: how many ids the model's logits have, if they are more. eos_token: the ids that end a text; without it the
    tokenizer's EOS. slices: as llguidance's. Raises `DstokError` if there is no EOS or `n_vocab` is too small, and what
    llguidance raises.
    """
    ends, tokens = stop_ids(tokenizer, eos_token), list(tokenizer.vocabulary())
    if n_vocab is not None and n_vocab < len(tokens):
        raise DstokError(f"expected n_vocab to be at least the tokenizer's {len(tokens)} ids, found {n_vocab}")
    beyond = range(len(tokens), n_vocab or 0)  # named as llguidance names ids that no text has
    special = [*_special(tokenizer), *beyond]
    tokens += [b"<[%d]>" % id for id in beyond]
    source = _Source(tokenizer, ends[0], tokenizer.bos_id, tokens, special)
    return LLTokenizer(TokenizerWrapper(source), eos_token=ends, slices=slices)


def _special(tokenizer: TokenizerProtocol) -> list[int]:
    """llguidance's rule: what the model marks so, and every added token in angle brackets, as `<think>`.

    A grammar names these by their text, and no text that it allows makes one.
    """
    in_brackets = {id for text, id in tokenizer.special_tokens.items() if text.startswith("<") and text.endswith(">")}
    return sorted(in_brackets.union(special_ids(tokenizer)))


@dataclass(frozen=True)
class _Source:
    """What llguidance's wrapper asks for, by its names."""

    tokenizer: TokenizerProtocol
    eos_token_id: int
    bos_token_id: int | None
    tokens: list[bytes]
    special_token_ids: list[int]

    def __call__(self, text: bytes) -> list[int]:
        return self.tokenizer.encode(text)
