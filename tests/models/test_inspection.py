"""`Tokenizer.inspect`: what it shows is what encodes, and none of it can be written to."""

from __future__ import annotations

import pytest
from small_models import added_token, model_json

import dstok
from dstok.errors import TextError

TEXT = "it's  42 中文\u00a0naïve<b>x<raw>"
SMALL = dstok.Tokenizer.from_str(model_json([(b"a", b"b"), (b"ab", b"a")], [added_token("<b>"), added_token("<raw>")]))


@pytest.mark.parametrize("tok", [dstok.load("deepseek-v3"), SMALL], ids=["deepseek-v3", "small"])
def test_text_to_ids_by_its_parts(tok: dstok.Tokenizer) -> None:
    """Added tokens, pieces and merges, one after the other, give what `encode` gives."""
    model, data = tok.inspect(), TEXT.encode()
    ids: list[int] = []
    at = 0
    for id, start, end in [*model.added_in(TEXT), (-1, len(data), len(data))]:
        for first, last, tag in model.spans(data[at:start]):
            if not model.automaton.tags[tag].dropped:
                ids += model.merge(data[at + first : at + last])
        ids += [id] if id >= 0 else []
        at = end
    assert ids == tok.encode(TEXT)
    assert model.added_in(TEXT, "none") == []


@pytest.mark.parametrize("tok", [dstok.load("deepseek-v3"), SMALL], ids=["deepseek-v3", "small"])
def test_the_same_as_the_description(tok: dstok.Tokenizer) -> None:
    model, described = tok.inspect(), tok._describe()
    assert (model.splits, model.normalizer, model.added_tokens) == (described.splits, (), described.added_tokens)
    assert list(map(tuple, model.merges.tolist())) == described.merge_rules()
    added = {token.id for token in model.added_tokens}
    known = {i for i, token in enumerate(described.tokens) if token is not None} | added
    assert set(model.ids()) == known and [model.has(i) for i in (-1, tok.vocab_size)] == [False, False]
    assert all(model.token(i) == described.tokens[i] for i in list(known - added)[:1000])
    assert model.automaton is tok.inspect().automaton and model.way


def test_nothing_can_be_written() -> None:
    model = SMALL.inspect()
    assert model.tables["pairs"].nbytes == 8 * 16
    with pytest.raises(TypeError):
        model.tables["pairs"][0] = 1
    with pytest.raises(TypeError):
        model.tables["pairs"] = b""  # type: ignore[index]
    for name in ("merges", "splits", "automaton", "added_tokens", "normalizer", "tables", "way"):
        with pytest.raises(AttributeError):
            setattr(model, name, None)


def test_bad_text() -> None:
    for call in (SMALL.inspect().spans, SMALL.inspect().added_in):
        with pytest.raises(TextError):
            call(b"a\xff")
