"""`verify` judges 1.0.0rc3: right causes, no internal error, and "not run" for the calls that it does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from compiled import compiled
from newer_upstream import NAME, newer_path
from real_models import real_json
from smaller_models import smaller_json

from dstok.conformance import verify
from dstok.conformance.report import NO_CALL, Report
from dstok.loading import load

TABLES = "tables of another Unicode version", "Unicode 17.0 in place of 16.0"
LONG_S = "character set", "(?i:...) takes ASCII letters only, and U+017F for no s"
ORDER = "merge order", "pairs are merged in another order"
FORM = "normalization", "NFC of Unicode 17.0 in place of 9.0"


@pytest.fixture(autouse=True)
def newer_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidate's process gets this path, and imports 1.0.0rc3."""
    monkeypatch.syspath_prepend(str(newer_path()))


def report_of(
    model: str, folder: Path, checks: list[str], upstream: str | None = None, texts: Sequence[str] = (),
) -> Report:
    path = folder / "tokenizer.json"
    path.write_text(smaller_json(model), encoding="utf-8")
    report = verify(f"tokenizers:{path}", model=load(path), corpus=texts, seconds=20, upstream=upstream, checks=checks)
    assert report.candidate == "tokenizers 1.0.0rc3"
    return report


def test_a_model_with_a_normalizer(tmp_path: Path) -> None:
    """Texts with added tokens, which the normalizer makes shorter and longer, and both kinds of change."""
    texts = ["e\u0301<|im_start|>\u212b<|im_end|> \u0344", "\U000102e0\U000113d0", "a\U00033325b", "<|im_end|>\U00033325't"]
    found = report_of("qwen-2.5", tmp_path, ["odd texts", "corpora", "offsets", "decoding", "added tokens as text"],
                      texts=[*texts, *(f"{text}<|im_end|>e\u0301 {text}" for text in texts)])
    assert found.verdict == "different"
    assert {(each.cause, each.title) for each in found.findings} <= {TABLES, FORM}
    assert FORM in {(each.cause, each.title) for each in found.findings}
    assert [check.name for check in found.checks if check.note == NO_CALL] == ["offsets"]


@pytest.mark.parametrize(("model", "file", "check"), [
    ("glm-4.7-flash", smaller_json, "vocabulary"), ("minimax-m3", real_json, "odd texts")])
def test_a_contraction_that_it_does_not_take_is_named(tmp_path: Path, model: str, file: Callable[[str], str], check: str) -> None:
    """U+017F after a quote, by texts that verify makes itself."""
    path = tmp_path / "tokenizer.json"
    path.write_text(file(model), encoding="utf-8")
    found = verify(f"tokenizers:{path}", model=compiled(file(model)), seconds=120, checks=[check, "added tokens as text"])
    assert [(each.cause, each.title) for each in found.findings] == [LONG_S], str(found)


def test_merges_in_another_order_are_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(real_json("glm-4.7-flash"), encoding="utf-8")
    found = verify(f"tokenizers:{path}", model=compiled(real_json("glm-4.7-flash")), seconds=120, checks=["corpora"], corpus=["\uc784\u4ef6"])
    assert [(each.cause, each.title) for each in found.findings] == [ORDER], str(found)


def test_no_difference_from_its_own_version(tmp_path: Path) -> None:
    checks = ["odd texts", "added tokens", "class cover, k = 2", "some random texts", "batches", "offsets", "decoding",
              "concatenation at safe cuts"]
    found = report_of("qwen-2.5", tmp_path, checks, NAME)
    assert found.verdict == "equal", str(found)


def test_a_model_on_which_every_call_fails(tmp_path: Path) -> None:
    """One cause, by its name: no second one for the other calls."""
    found = report_of("qwen-3.5", tmp_path, ["odd texts", "growth", "batches", "decoding", "added tokens as text"])
    assert {each.cause for each in found.findings} == {"error"}
