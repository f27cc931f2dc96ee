r"""tiktoken's encodings: their patterns and special tokens, which a rank file does not hold.

In: a name. Out: `ENCODINGS[name]`. Invariant: the same as in `tiktoken_ext.openai_public`
(tests/formats/test_tiktoken.py compares with the installed tiktoken).
Two special tokens of o200k_harmony have the id 200018. The order of a hash decides to which of them tiktoken decodes
it; dstok decodes it to the first one, <|endofprompt|>, as o200k_base does.
Source: tiktoken 0.14.0 (MIT).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

__all__ = ["ENCODINGS", "TiktokenEncoding", "encoding_of_file"]


@dataclass(frozen=True)
class TiktokenEncoding:
    """tiktoken's data of an encoding beside its rank file; `sha256` of that file, "" if there is none."""

    pattern: str
    special_tokens: Mapping[str, int]
    sha256: str = ""


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

_RESERVED = {f"<|reserved_{number}|>": number for number in (*range(200000, 200012), *range(200013, 201088))}
_NAMED = {200002: "return", 200003: "constrain", 200005: "channel", 200006: "start", 200007: "end", 200008: "message"}
_HARMONY = {f"<|{_NAMED[number]}|>" if number in _NAMED else token: number for token, number in _RESERVED.items()}
_HARMONY["<|call|>"] = 200012

ENCODINGS = {
    "gpt2": TiktokenEncoding(_GPT2, {_END: 50256}),
    "r50k_base": TiktokenEncoding(
        _GPT2, {_END: 50256}, "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"),
    "p50k_base": TiktokenEncoding(
        _GPT2, {_END: 50256}, "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069"),
    "p50k_edit": TiktokenEncoding(_GPT2, {_END: 50256, **dict(zip(_FIM, range(50281, 50284)))}),
    "cl100k_base": TiktokenEncoding(
        _CL100K, {_END: 100257, **dict(zip(_FIM, range(100258, 100261))), _PROMPT_END: 100276},
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
    "o200k_base": TiktokenEncoding(
        _O200K, {_END: 199999, _PROMPT_END: 200018},
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
    "o200k_harmony": TiktokenEncoding(
        _O200K, {_END: 199999, _PROMPT_END: 200018, "<|startoftext|>": 199998, **_HARMONY}),
}


def encoding_of_file(data: bytes) -> str | None:
    """The encoding with these bytes as its published rank file; where p50k_base and p50k_edit share one, p50k_base."""
    checksum = sha256(data).hexdigest()
    return next((name for name, known in ENCODINGS.items() if known.sha256 == checksum), None)
