"""Small models with a normalizer: each step alone, and steps in a row; texts that normalizing changes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import tokenizers
from reference import DEEP
from shares import seeds
from small_models import added_token, model_json

import dstok

MERGES = [(b"a", b"b"), (b"\xcc", b"\x81"), (b"\xc3", b"\xa9"), (b" ", b"a"), (b"e", b"\xcc\x81"), (b" ", b" "),
          (b"\xe2", b"\x89")]
NFC, NFD, NFKC = ({"type": form} for form in ("NFC", "NFD", "NFKC"))
LOWERCASE, STRIP_ACCENTS = {"type": "Lowercase"}, {"type": "StripAccents"}
STRIP = {"type": "Strip", "strip_left": True, "strip_right": True}
PREPEND = {"type": "Prepend", "prepend": "é_"}


def replace(pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


STEPS = [NFC, NFD, NFKC, {"type": "NFKD"}, LOWERCASE, STRIP_ACCENTS, replace("a", "xyz"), replace("<", ""),
         replace(r"a+|\s+", "_", "Regex"), PREPEND, STRIP, {**STRIP, "strip_left": False},
         {**STRIP, "strip_right": False}]
ADDED = [added_token("<x>"), added_token("<y>", normalized=True), added_token("XA", normalized=True, lstrip=True),
         added_token("é!", normalized=True, single_word=True), added_token("ab\u0301", single_word=True),
         added_token("<R>", rstrip=True, special=True), added_token("<L>", lstrip=True, special=True),
         added_token("Qq", normalized=True, rstrip=True)]
ODD = ["a", "b", "e", "x", "y", "<x>", "<y>", "<R>", "<L>", "XA", "xa", "ab", "ab\u0301", "Qq", "qq", " ", "  ", "\n",
       "\u3000", "\u0301", "\u0323", "\u0327", "é", "é!", "e\u0301!", "É", "ế", "İ", "\u212b", "\ufb01", "\uff1c",
       "\uff1e", "\u0338", "가", "\u1100", "\u1161", "\u11a8", "中", "\u0344", "<", ">", "A", "\U0001d15e",
       "\U0001f600", "\u0f73", "\u0f71"]


def file_of(normalizer: Any, added: list[dict[str, Any]] | None = None) -> str:
    file = json.loads(model_json(MERGES, ADDED if added is None else added))
    return json.dumps({**file, "normalizer": normalizer})


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(steps)}


def both(normalizer: Any, added: list[dict[str, Any]] | None = None) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    text = file_of(normalizer, added)
    return dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)


@cache
def nfc() -> dstok.Tokenizer:
    return dstok.Tokenizer.from_str(file_of(NFC))


def odd_text(rng: random.Random, most: int = 14) -> str:
    return "".join(rng.choices(ODD, k=rng.randrange(most)))


def seeded_models() -> Iterator[Any]:
    """Each step alone, then steps in a row, outside the deep profile half of them; each with some of the added tokens."""
    rng = random.Random(3)
    count = 200 if DEEP else len(STEPS) + 10
    every = [[STEPS[number]] if number < len(STEPS) else rng.choices(STEPS, k=rng.randrange(2, 4)) for number in range(count)]
    for number in seeds(count, -(-count // 2)):
        yield pytest.param(number, every[number], id=f"{number} {'+'.join(step['type'] for step in every[number])}")
