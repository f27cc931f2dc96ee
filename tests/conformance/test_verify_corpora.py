"""`verify` over corpora that are handed in, and over texts whose added tokens are to be plain text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_process import run
from real_models import V3 as TOK
from real_models import real_json

from dstok.conformance import verify
from dstok.conformance.engines import CandidateError, Engine
from dstok.conformance.texts import rows

AS_TEXT = ["added tokens as text"]


def without_phrase(text: str) -> list[int]:
    return TOK.encode(text.replace("rare phrase", "x"))


def folder_of(path: Path, column: str = "text") -> str:
    """A data set as a folder: a split `test` of three rows."""
    path.mkdir()
    texts = ["", "A rare phrase.\n", "Another line"]
    (path / "test.jsonl").write_text("".join(json.dumps({column: text}) + "\n" for text in texts), encoding="utf-8")
    return str(path)


def test_texts_handed_in() -> None:
    found = verify(without_phrase, corpus=iter(["", "A rare phrase.", "b"]), checks=["corpora"])
    assert [finding.text for finding in found.findings] == ["rare phrase"]
    assert [(check.name, check.texts) for check in found.checks] == [("corpora", 3)]
    assert verify(TOK.encode, corpus=["", "A rare phrase."], checks=["corpora"]).equal


def test_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    folder = folder_of(tmp_path / "rows")
    assert list(rows(folder)) == ["", "A rare phrase.\n", "Another line"]
    found = verify(without_phrase, corpus=rows(f"{folder}::test:text"), checks=["corpora"])
    assert [finding.text for finding in found.findings] == ["rare phrase"]
    done = run("verify", "dstok:deepseek-v3", "--dataset", folder, "--seconds", "1", "--json",
               "--allow-incomplete")
    assert done.returncode == 0 and "corpora" in {check["name"] for check in json.loads(done.stdout)["checks"]}
    assert "Another" not in done.stderr.decode()
    with pytest.raises(CandidateError, match="expected a text in the column 'text' of row 0, found the columns 'body'"):
        next(rows(folder_of(tmp_path / "other", "body")))
    with pytest.raises(CandidateError, match="nosplit"):
        rows(f"{folder}::nosplit")


@pytest.mark.parametrize("spec", ["dstok:deepseek-v3", "tokenizers:{}"])
def test_added_tokens_as_text(spec: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(real_json("deepseek-v3"), encoding="utf-8")
    report = verify(spec.format(file), checks=AS_TEXT)
    assert report.equal and report.checks[0].complete, f"\n{report}"


def test_added_tokens_that_are_matched_all_the_same() -> None:
    careless = Engine("careless", "", TOK.encode, plain=TOK.encode)
    [finding] = verify(careless, checks=AS_TEXT).findings
    assert finding.cause == "added-token policy" and finding.text in TOK.added_tokens
    assert verify(lambda text: TOK.encode(text), checks=AS_TEXT).checks[0].note == "the candidate has no such call"


def test_concatenation_at_safe_cuts() -> None:
    """A faulty join of texts shows as a difference of the whole."""
    check = ["concatenation at safe cuts"]
    found = verify(TOK.encode, checks=check)
    assert found.equal and found.checks[0].complete and found.checks[0].texts > 1000
    halves = verify(lambda text: TOK.encode(text[:20]) + TOK.encode(text[20:]), checks=check, seconds=1)
    assert not halves.equal


def test_texts_are_compared_also_when_time_is_short() -> None:
    """They come before the checks that take all the time there is."""
    found = verify(without_phrase, corpus=["A rare phrase."], seconds=2)
    assert [finding.text for finding in found.findings] == ["rare phrase"], f"\n{found}"
