"""llguidance's tokenizer from a dstok tokenizer: for output bound by a grammar, a JSON schema or a regular expression.

In: a tokenizer. Out: an `LLTokenizer`, for `LLMatcher` and `LLInterpreter`.
Invariant: its masks, and its ids of texts, equal those of the `LLTokenizer` that llguidance makes from the same model's
tokenizer.json, except that llguidance loses, with a warning, added tokens that are neither special nor spelled in the
byte-level alphabet, such as V3.2's `｜DSML｜`; here they are their text. A text that a grammar forces stands inside of
another one: it gets no space before it, in a model that puts one before each text; after a special token in it there
is one, unlike in llguidance.
Source: llguidance 1.9.1. Its wrapper's source shows the calls; its rule for special tokens was measured.

>>> import dstok
>>> from dstok.integrations.llguidance import ll_tokenizer
>>> tokenizer = ll_tokenizer(dstok.load("deepseek-v3"))
>>> tokenizer.tokenize_str("Hello world"), tokenizer.vocab_size
([19923, 2058], 128815)
"""

from __future__ import annotations

from dataclasses import dataclass

from dstok._util.arguments import explained
from dstok._util.imports import of_extra
from dstok.errors import ArgumentError
from dstok.integrations.special import special_ids, stop_ids
from dstok.protocols import TokenizerProtocol

with of_extra("llguidance", __name__):
    from llguidance import LLTokenizer, TokenizerWrapper

__all__ = ["ll_tokenizer"]


@explained
def ll_tokenizer(
    tokenizer: TokenizerProtocol, *, n_vocab: int | None = None, eos_token: int | list[int] | None = None,
    slices: list[str] | None = None,
) -> LLTokenizer:
    """The `LLTokenizer` of a tokenizer. Making it takes a second, so make it once.

    n_vocab: the number of ids in the model's logits, if larger. eos_token: the ids that end a text; by default the
    tokenizer's EOS. slices: as in llguidance. Raises `ArgumentError` if there is no EOS or `n_vocab` is too small, and
    the errors of llguidance.
    """
    ends, tokens = stop_ids(tokenizer, eos_token), list(tokenizer.inspect().token_bytes())
    if n_vocab is not None and n_vocab < len(tokens):
        raise ArgumentError(f"expected n_vocab to be at least the tokenizer's {len(tokens)} ids, found {n_vocab}",
                            "n_vocab")
    beyond = range(len(tokens), n_vocab or 0)  # llguidance's names for ids without text
    # llguidance's rule: a grammar names by its text what is marked as special, or in angle brackets, such as `<think>`.
    in_brackets = {id for text, id in tokenizer.added_tokens.items() if text.startswith("<") and text.endswith(">")}
    special = [*sorted(in_brackets.union(special_ids(tokenizer))), *beyond]
    tokens += [b"<[%d]>" % id for id in beyond]
    # A byte token joins no other character. So in a model that puts a space before U+0000, and makes a byte token of
    # it, the ids of U+0000 and a text, without those of U+0000, are the text's, without a space.
    zero = tokenizer.encode("\0", special="none")
    spaced = tokenizer.decode_bytes(zero) == b" \0" and tokenizer.id_to_token(zero[-1]) == "<0x00>"
    source = _Source(tokenizer, ends[0], tokenizer.bos_id, tokens, special, len(zero) if spaced else 0)
    return LLTokenizer(TokenizerWrapper(source), eos_token=ends, slices=slices)


@dataclass(frozen=True)
class _Source:
    """The members that llguidance's wrapper reads, under its names."""

    tokenizer: TokenizerProtocol
    eos_token_id: int
    bos_token_id: int | None
    tokens: list[bytes]
    special_token_ids: list[int]
    _before: int  # the number of ids of U+0000, if texts have to follow it

    def __call__(self, text: bytes) -> list[int]:
        return self.tokenizer.encode(b"\0" + text)[self._before :] if self._before else self.tokenizer.encode(text)
