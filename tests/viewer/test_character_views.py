"""Models of characters in `explain` and in the view: the parts of a text, and merges that start from characters."""

from __future__ import annotations

import json

from character_models import ALPHABET, character_json, metaspace, random_models
from hypothesis import given
from hypothesis import strategies as st

from dstok import Tokenizer
from dstok.errors import UnsupportedError
from dstok.inspection.explain import explain
from dstok.viewer.reading import merge_steps


def test_explain() -> None:
    tok = Tokenizer.from_str(json.dumps(character_json(None, metaspace("first", True))))
    lines = explain(tok.inspect(), "ab abc").splitlines()
    assert "  1. a space before the text that begins with none" in lines
    assert "text between added tokens is one piece, cut before each space" in lines
    assert lines[-1] == "  ' ab' ' abc'"


@given(random_models(), st.text(st.sampled_from([*ALPHABET, " ", "Ω"])))
def test_merges_of_a_piece(file: dict[str, object], text: str) -> None:
    """Each step joins two symbols, and the last ones leave the tokens of the piece: `merge_steps` compares."""
    try:
        tok = Tokenizer.from_str(json.dumps(file))
    except UnsupportedError:
        return
    model = tok.inspect()
    piece = model.normalize(text).encode()
    for step in merge_steps(tok, piece):
        assert model.token(step.id) == piece[step.start : step.end]
