"""litellm's custom tokenizer on dstok: `token_counter`, `encode` and `decode` with DeepSeek's ids.

In: a tokenizer. Out: a value for `custom_tokenizer=` of these calls.
Invariant: the results equal those with upstream's tokenizer of the same model, without the tokens that a template puts
around a text, such as BOS. The files of DeepSeek V3 and later have no such template.
Source: litellm 1.110.2, `token_counter` and `encode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dstok._util.arguments import explained
from dstok.protocols import TokenizerProtocol

__all__ = ["custom_tokenizer"]


@explained
def custom_tokenizer(tokenizer: TokenizerProtocol) -> dict[str, Any]:
    """The dictionary that litellm's calls take as `custom_tokenizer`.

    >>> import dstok
    >>> made = custom_tokenizer(dstok.load("deepseek-v3"))
    >>> made["type"], [len(each) for each in made["tokenizer"].encode_batch_fast(["Hello world"])]
    ('huggingface_tokenizer', [2])
    """
    return {"type": "huggingface_tokenizer", "tokenizer": _Upstreams(tokenizer)}


class _Ids(list[int]):
    """Ids; `ids` gives them too, as in upstream's encoding."""

    @property
    def ids(self) -> list[int]:
        return self


@dataclass(frozen=True)
class _Upstreams:
    """The calls of upstream's tokenizer that litellm uses."""

    tokenizer: TokenizerProtocol

    def encode(self, text: str) -> _Ids:
        return _Ids(self.tokenizer.encode(text))

    def encode_batch_fast(self, texts: Sequence[str]) -> list[_Ids]:
        return [_Ids(ids) for ids in self.tokenizer.encode_batch(texts)]

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)
