"""Pre-tokenizers of models whose patterns no automaton can follow from the left alone, and texts that are hard for them.

Source: the published files, as llama.cpp v0.5.0 has their patterns (dstok/pretokenizer/pre_types.json).
"""

from __future__ import annotations

import json
import random
from typing import Any

import dstok

GPT_4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
          r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
          r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DIGITS = r"\d{1,3}(?=(?:\d{3})*\b)"
ASIAN = "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+"
WORDS = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
         r"\s*[\r\n]+|\s+(?!\S)|\s+")


def _steps(*patterns: str, last: bool = False) -> list[dict[str, Any]]:
    """Splits, and a ByteLevel; `last`: it has its own regex."""
    found: list[dict[str, Any]] = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False} for pattern in patterns]
    return [*found, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": last}]


_CHAMELEON = _steps("<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", last=True)
FAMILIES = {  # those of Tiny Aya are those of Cohere2-MoE, too
    "tiny-aya": _steps(DIGITS, GPT_4O),
    "afmoe": _steps(DIGITS, ASIAN, WORDS),
    "afmoe, all numbers": _steps(DIGITS.replace(r"\d", r"\p{N}"), ASIAN, WORDS),
    "superbpe": _steps(r"\p{N}+", r"(?=(\d{3})+(?!\d))"),
    "chameleon": [*_CHAMELEON[:-1], {"type": "Digits", "individual_digits": True},
                  {"type": "Punctuation", "behavior": "Isolated"}, _CHAMELEON[-1]],
}
PARTS = ["0", "1", "12", "123", "1234", "999999", "٣", "½", "²", "Ⅻ", "๐", " ", "  ", "\t", "\n", "\r\n", "a", "B", "aB", "'s", "'LL",
         "é", "漢", "中文", "ไทย", "_", "!", ".", "/", "-", "IMGIMG", "A", "AAAAZ", "<sentinel:1>", "ſ", "\u200d", "\u0301", "🦙"]


def splitter(name: str) -> dstok.Splitter:
    return dstok.Splitter.from_str(json.dumps({"type": "Sequence", "pretokenizers": FAMILIES[name]}))


def hostile(chance: random.Random, parts: list[str] = PARTS, most: int = 30) -> str:
    """A text of a few digits, blanks, letters and signs, in any order."""
    return "".join(chance.choices(chance.sample(parts, chance.choice((2, 4, len(parts)))), k=chance.randint(1, most)))
