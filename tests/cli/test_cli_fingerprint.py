"""`dstok fingerprint`: the exit code, and a text that shows why two models differ. `dstok info`: llama.cpp's name."""

from __future__ import annotations

import json
from pathlib import Path

import character_models
import pytest
from cli_process import ok, run
from small_models import added_token, model_json

import dstok

MERGES = [(b"a", b"b"), (b"ab", b"c"), (b"b", b"c"), (b"\xc3", b"\xa9"), (b"\xc3\xa9", b"a")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**files: str) -> list[str]:
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    return [*files]


def test_equal_ones(folder: Path) -> None:
    names = write(one=model_json(MERGES), other=json.dumps(json.loads(model_json(MERGES)), indent=3))
    fingerprint = dstok.load("one").fingerprint
    assert ok("fingerprint", *names).decode() == f"{fingerprint}  one\n{fingerprint}  other\n"
    assert json.loads(ok("fingerprint", "one", "--json")) == {
        "models": [{"name": "one", "fingerprint": fingerprint}], "difference": None}


@pytest.mark.parametrize(("text", "other"), [
    ("abc", model_json([MERGES[0], MERGES[2], MERGES[1], *MERGES[3:]])),  # other ids of tokens
    ("<x>", model_json(MERGES, [added_token("<x>")])),
    ("éa", model_json(MERGES, pattern=r"\s+|[a-z]+|[^\sa-z]+")),  # a splitter, by a token across its border
    (None, model_json(MERGES, pattern=r"\s+|\w+|[^\w\s]+")),          # another spelling
])
def test_the_text_that_shows_it(folder: Path, text: str | None, other: str) -> None:
    write(first=model_json(MERGES), other=other)
    done = run("fingerprint", "first", "other", "first", "--json")
    assert (done.returncode, done.stderr) == (1, b"")
    shown = json.loads(done.stdout)["difference"]
    assert shown["models"] == ["first", "other"]
    if text is None:
        assert (shown["text"], shown["ids"], shown["settings"]) == (None, None, {})
        assert b"which is no proof" in run("fingerprint", "first", "other").stdout
        return
    assert shown["ids"] == [dstok.load(name).encode(shown["text"]) for name in ("first", "other")]
    assert shown["ids"][0] != shown["ids"][1] and len(shown["text"]) <= len(text)
    assert f"text {shown['text']!r}" in run("fingerprint", "first", "other").stdout.decode()


def test_settings(folder: Path) -> None:
    dstok.Tokenizer.from_str(model_json()).replace(bos_id=5).to_image("first")
    write(other=model_json())
    done = run("fingerprint", "first", "other")
    assert done.returncode == 1 and "bos_id: 5 and None" in done.stdout.decode()


def test_the_pre_type(folder: Path) -> None:
    found = json.loads(ok("info", "deepseek-v3", "--json"))["pre_type"]
    assert (found["names"][0], found["proof"], found["text"], found["llama_cpp"]) == ("deepseek-v3", "own", None, "v0.5.0")
    assert "pre type         deepseek-v3, hunyuan-dense, joyai-llm, hy_v4\n" in ok("info", "deepseek-v3").decode()
    write(small=model_json(), characters=json.dumps(character_models.character_json()))
    assert json.loads(ok("info", "small", "--json"))["pre_type"]["proof"] == "nearest"
    assert json.loads(ok("info", "characters", "--json"))["pre_type"] is None
