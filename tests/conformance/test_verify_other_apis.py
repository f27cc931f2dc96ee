"""`verify` of models with a normalizer, and of tokenizers that lack calls of upstream's, or have them otherwise."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from normalized_models import NFC, ODD, STEPS, file_of, nfc

import dstok
from dstok.conformance import verify
from dstok.conformance.automaton_guide import Guide
from dstok.conformance.engines import CandidateError, engine_of
from dstok.conformance.hypotheses import _ascii_case
from dstok.conformance.naive import normal_form
from dstok.conformance.worker import Runner

TOK = nfc()
CALLS = {"batch": "batches", "decode": "decoding", "offsets": "offsets", "plain": "added tokens as text"}


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_the_models_own_splitter_predicts_its_ids(step: Any) -> None:
    tok, chance = dstok.Tokenizer.from_str(file_of(step)), random.Random(1)
    guide = Guide(tok)
    for _ in range(300):
        text = "".join(chance.choice(ODD) for _ in range(chance.randrange(9)))
        assert guide.with_splitter(guide.pieces, text) == tuple(tok.encode(text)), text


def test_a_model_with_a_normalizer_equals_itself() -> None:
    report = verify(TOK, model=TOK, seconds=20, checks=["odd texts", "decoding", "offsets", "added tokens as text"])
    assert report.equal and not report.not_run, f"\n{report}"


def test_ids_of_a_normalized_text_are_not_called_lost() -> None:
    """Two tokens instead of their merge: that is another order of merges, whatever the text was before NFC."""
    whole, parts = TOK.encode("é"), [0xC3, 0xA9]
    assert len(whole) == 1 and TOK.decode(parts) == "é"

    def candidate(text: str) -> list[int]:
        return [part for id in TOK.encode(text) for part in (parts if [id] == whole else [id])]

    report = verify(candidate, model=TOK, seconds=20, corpus=["e\u0301", "e\u0301<x>a", "a e\u0301"], checks=["corpora"])
    assert [(finding.cause, finding.text) for finding in report.findings] == [("merge order", "e\u0301")], f"\n{report}"


class Upstream:
    """An object of a library called tokenizers, with these of its calls."""

    __module__ = "tokenizers"

    def __init__(self, *lacks: str) -> None:
        self._lacks = lacks
        if "setting" not in lacks:
            self.encode_special_tokens = False

    def __getattr__(self, name: str) -> Any:
        if name in self._lacks or name not in ("to_str", "decode", "encode_batch"):
            raise AttributeError(name)
        return getattr(self, f"_{name}")

    def encode(self, text: str, add_special_tokens: bool = True, **keywords: bool) -> Any:
        if keywords and "keyword" in self._lacks:
            raise TypeError("encode() got an unexpected keyword argument")
        is_plain = keywords.get("encode_special_tokens", getattr(self, "encode_special_tokens", False))
        kept = frozenset(token.content for token in TOK.inspect().added_tokens if not token.special)
        found = TOK.encode_with_offsets(text, special=kept if is_plain else "all")
        offsets = {} if "offsets" in self._lacks else {"offsets": found.char_spans.tolist()}
        return SimpleNamespace(ids=found.ids.tolist(), **offsets)

    def _encode_batch(self, texts: list[str], add_special_tokens: bool = True) -> list[Any]:
        return [self.encode(text) for text in texts]

    def _decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return TOK.decode(ids, skip_special_tokens=skip_special_tokens)

    def _to_str(self) -> str:
        return file_of(NFC)


LACKING = {
    "": (), "offsets": ("offsets",), "setting": (), "setting keyword": ("plain",), "encode_batch": ("batch",),
    "decode": ("decode",), "offsets setting": ("offsets",),
    "offsets setting keyword encode_batch decode": ("batch", "decode", "offsets", "plain"),
}


@pytest.mark.parametrize("lacks", LACKING)
def test_a_call_that_upstream_has_not_is_not_run(lacks: str) -> None:
    engine = engine_of(Upstream(*lacks.split()))
    assert tuple(call for call in CALLS if getattr(engine, call) is None) == LACKING[lacks]
    missing = [CALLS[call] for call in LACKING[lacks]]
    report = verify(engine, model=TOK, seconds=20, checks=[*missing, "class cover, k = 1"])
    assert report.equal, f"\n{report}"
    assert [check.name for check in report.checks if check.note == "the candidate has no such call"] == missing


@pytest.mark.parametrize("lacks", ["", "setting"])
def test_special_tokens_are_text_by_setting_or_by_keyword(lacks: str) -> None:
    plain = engine_of(Upstream(*lacks.split())).plain
    assert plain and list(plain("<R><x>")) == TOK.encode("<R>", special="none") + TOK.encode("<x>")


@pytest.mark.parametrize(("call", "check"), [("encode", "odd texts"), ("encode_batch", "batches"), ("decode", "decoding")])
def test_a_call_that_raises_is_a_finding(call: str, check: str) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("of another version")

    made = Upstream()
    engine = engine_of(made)
    setattr(made, call, fails)
    report = verify(engine, model=TOK, seconds=20, checks=[check])
    faults = {finding.fault for finding in report.findings}
    assert report.verdict == "different" and any("RuntimeError: of another version" in fault for fault in faults), f"\n{report}"


def test_an_object_that_cannot_be_written_to_a_file() -> None:
    with pytest.raises(CandidateError, match="cannot be written to a file: name it by tokenizers:FILE"):
        Runner(Upstream("to_str"))


def test_plain_forms_of_patterns_and_texts() -> None:
    assert _ascii_case("'(?i:[st]|ll)") == "'(?:[sStT]|[lL][lL])"
    assert normal_form("e\u0323\u0301", "NFC") == "\u1eb9\u0301"
