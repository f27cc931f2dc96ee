"""xgrammar's `TokenizerInfo` of a dstok tokenizer.

In: a tokenizer. Out: a `TokenizerInfo`, for `GrammarCompiler`.
Invariant: its masks equal those of `TokenizerInfo.from_huggingface` of the same model.
Source: xgrammar 0.2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok._util.arguments import explained
from dstok._util.imports import of_extra
from dstok.integrations.special import stop_ids
from dstok.protocols import TokenizerProtocol

if TYPE_CHECKING:
    from xgrammar import TokenizerInfo

__all__ = ["tokenizer_info"]


@explained
def tokenizer_info(
    tokenizer: TokenizerProtocol, *, vocab_size: int | None = None, stop_token_ids: int | list[int] | None = None,
) -> TokenizerInfo:
    """The `TokenizerInfo` of a tokenizer.

    vocab_size: the number of ids in the model's logits, if it differs from the tokenizer's. stop_token_ids: the ids
    that end a text; by default the tokenizer's EOS. Raises `DstokError` if there is no EOS, and `ImportError`.
    """
    with of_extra("xgrammar", __name__):
        from xgrammar import TokenizerInfo, VocabType

    size = tokenizer.vocab_size if vocab_size is None else vocab_size
    tokens = list(tokenizer.inspect().token_bytes())[:size]
    tokens += [b""] * (size - len(tokens))
    return TokenizerInfo(tokens, VocabType.RAW, vocab_size=size, stop_token_ids=stop_ids(tokenizer, stop_token_ids))
