"""The model of a test that has its number and its steps."""

from __future__ import annotations

import random
from typing import Any

import pytest
import tokenizers
from normalized_models import ADDED, both, sequence

import dstok
from dstok.errors import UnsupportedError


@pytest.fixture
def model(number: int, steps: list[dict[str, Any]]) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer, random.Random]:
    rng = random.Random(number)
    try:
        return *both(sequence(*steps), [token for token in ADDED if rng.random() < 0.6]), rng
    except UnsupportedError as error:
        assert "when normalized" in str(error) or "leaves nothing" in str(error)
        pytest.skip(str(error))
