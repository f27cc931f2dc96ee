r"""tiktoken's encodings: their patterns and special tokens, which a rank file does not hold.

In: a name. Out: `ENCODINGS[name]`. Invariant: the same as in `tiktoken_ext.openai_public` (which
tests/formats/test_tiktoken.py compares with the installed tiktoken). o200k_harmony is not in here: two of its special
tokens have one id, 200018, and which of them tiktoken decodes it to is a matter of a hash's order.
Source: tiktoken 0.14.0 (MIT).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ENCODINGS", "TiktokenEncoding"]


@dataclass(frozen=True)
class TiktokenEncoding:
    """What tiktoken knows of an encoding beside its rank file."""

    pattern: str
    special_tokens: Mapping[str, int]


_END, _PROMPT_END = "<|endoftext|>", "<|endofprompt|>"
_FIM = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")

_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
_CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
           r"|\s+(?!\S)|\s")
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K = "|".join([
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SHORT}",
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SHORT}",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])

ENCODINGS = {
    "gpt2": TiktokenEncoding(_GPT2, {_END: 50256}),
    "r50k_base": TiktokenEncoding(_GPT2, {_END: 50256}),
    "p50k_base": TiktokenEncoding(_GPT2, {_END: 50256}),
    "p50k_edit": TiktokenEncoding(_GPT2, {_END: 50256, **dict(zip(_FIM, range(50281, 50284)))}),
    "cl100k_base": TiktokenEncoding(
        _CL100K, {_END: 100257, **dict(zip(_FIM, range(100258, 100261))), _PROMPT_END: 100276}),
    "o200k_base": TiktokenEncoding(_O200K, {_END: 199999, _PROMPT_END: 200018}),
}
