"""How near budgets come to the best there is, and that they stop early."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_models import at_level, levels
from reference import examples
from small_models import added_token, model_json
from text_strategies import special_parts, special_texts, texts

import dstok

TOK = at_level("deepseek-v3", levels()[-1])
with_tokens = st.lists(st.one_of(special_texts, special_parts, texts), max_size=6).map(lambda parts: "".join(parts)[:200])
policies = st.sampled_from(["all", "none", frozenset({"<｜User｜>"})])


@examples(300)
@given(with_tokens, st.integers(0, 40), st.sampled_from(["right", "left"]), policies)
@example("🦙🦙", 2, "right", "all")
@example("🦙🦙", 5, "left", "all")
def test_truncate_against_all_cuts(text: str, budget: int, side: Any, special: Any) -> None:
    """What is found is at most a few characters shorter than the longest part that fits.

    The longest need not be found: a cut may change the ids beside it, so that each longer part would have to be
    tried. What is found ends where an id of the whole text ends, or begins where one begins.
    """
    found = TOK.truncate(text, budget, truncation_side=side, special=special)
    if TOK.count(text, special=special) <= budget:
        assert found == text
        return
    spans = TOK.encode_with_offsets(text, special=special).char_spans
    ends = {0, *spans[:, 1].tolist(), *spans[:, 0].tolist()}
    assert (len(found) if side == "right" else len(text) - len(found)) in ends
    parts = [text[:end] if side == "right" else text[len(text) - end :] for end in range(len(text) + 1)]
    longest = max(len(part) for part in parts if TOK.count(part, special=special) <= budget)
    assert longest - len(found) <= 8


def test_a_cut_may_cost_ids() -> None:
    """The first id of a piece cut there may be two: so each candidate is counted again."""
    tok = dstok.Tokenizer.from_str(model_json([(b"\n", b" "), (b"x", b"y")], pattern=r"\s*\n|\s+|\S+"))
    assert tok.count("\n \n") == tok.count("\n ") == 2
    text = "\n \n" * 20 + "xyxy\n \nx" * 10
    for budget in range(tok.count(text) + 1):
        for side in ("right", "left"):
            assert budget - 3 <= tok.count(tok.truncate(text, budget, truncation_side=side)) <= budget
        if budget:
            parts = list(tok.chunk(text, budget))
            assert "".join(parts) == text and max(map(tok.count, parts)) <= budget


def test_what_fits_is_not_cut() -> None:
    """Also where a start of it has more ids: a token at its end takes the space before it, or is itself long."""
    tok = dstok.Tokenizer.from_str(model_json([], [added_token("<t>", lstrip=True), added_token("<" + "long" * 300 + ">")]))
    for text in (" \n" * 1000 + "<t>", "<" + "long" * 300 + ">", "<" + "long" * 300):
        for budget in (1, 2, 5, tok.count(text)):
            for side in ("right", "left"):
                found = tok.truncate(text, budget, truncation_side=side)
                assert tok.count(found) <= budget
                assert (found == text) == (tok.count(text) <= budget)


def test_ordinary_text_to_the_very_budget() -> None:
    text = "The quick brown fox jumps over the lazy dog, twice or three times a day. " * 40
    for budget in range(1, 300):
        assert TOK.count(TOK.truncate(text, budget)) == budget
        assert TOK.count(TOK.truncate(text, budget, truncation_side="left")) == budget


def test_budgets_stop_early() -> None:
    """Text far after the limit is not read: it may even be broken."""
    text = "word " * 100_000
    assert TOK.count(text, limit=10**9) == TOK.count(text)
    broken = text + "\ud800"
    assert TOK.count(broken, limit=50) == 51
    assert TOK.truncate(broken, 50) == "word" + " word" * 49
    assert next(TOK.chunk(broken, 50)) == "word" + " word" * 49
    for call in (lambda text, most: TOK.count(text, limit=most), TOK.truncate):
        with pytest.raises(dstok.TextError):
            call("word \ud800", 50)
