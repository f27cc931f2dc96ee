"""Models of characters: 1.0.0rc3 gives the ids of 0.23.3, in each known shape."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from character_models import ALPHABET, SHAPES, added_token, character_json
from newer_upstream import NAME, newer_of
from shares import SEED

from dstok import Tokenizer


@pytest.mark.parametrize(("normalizer", "pre_tokenizer"), SHAPES)
def test_shapes(normalizer: Any, pre_tokenizer: Any) -> None:
    file = json.dumps(character_json(normalizer, pre_tokenizer, added=[added_token(1, "<s>", special=True, rstrip=True)]))
    chance = random.Random(SEED)
    texts = ["".join(chance.choices([*ALPHABET, "  ", "Ω", "<s>"], k=chance.randrange(30))) for _ in range(500)]
    tok = Tokenizer.from_str(file, upstream=NAME)
    with newer_of(file) as newer:
        assert [tok.encode(text) for text in texts] == newer.encode(texts)
