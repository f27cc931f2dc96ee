"""benchmarks/gigatoken/run.py with a stand-in for gigatoken's script, and benchmarks/fastokens/run.py with texts of each kind."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from small_models import model_json

import dstok

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# The table of libraries and the options are those of gigatoken's benchmarks/compare/measure.py (commit fac0114).
MEASURE = """
import argparse, json
LIBRARIES = {}
def main():
    parser = argparse.ArgumentParser()
    for option in ("library", "tokenizer", "local-file", "file"):
        parser.add_argument("--" + option)
    options = parser.parse_args()
    load, encode, count = LIBRARIES[options.library]
    documents = open(options.file, encoding="utf-8").read().split("<|endoftext|>")
    print(json.dumps({"library": options.library, "tokens": count(encode(load(options.local_file), documents))}))
"""


def test_in_gigatokens_script(tmp_path: Path) -> None:
    compare = tmp_path / "benchmarks" / "compare"
    compare.mkdir(parents=True)
    (compare / "measure.py").write_text(MEASURE, encoding="utf-8")
    model, text = tmp_path / "tokenizer.json", tmp_path / "text.txt"
    model.write_text(model_json([(b"a", b"b")]), encoding="utf-8")
    text.write_text("ab ab<|endoftext|>abc", encoding="utf-8")
    done = subprocess.run([sys.executable, str(BENCHMARKS / "gigatoken" / "run.py"), str(tmp_path), "--library", "dstok", "--tokenizer", "x",
                           "--local-file", str(model), "--file", str(text)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tok = dstok.load(model)
    assert json.loads(done.stdout) == {"library": "dstok", "tokens": tok.count("ab ab") + tok.count("abc")}


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The script, with upstream in fastokens' place."""
    import tokenizers

    class Tokenizer:
        def __init__(self, file: str) -> None:
            self._tok = tokenizers.Tokenizer.from_file(file)

        from_file = classmethod(lambda cls, file: cls(file))

        def encode(self, text: str, special: bool) -> Any:
            return self._tok.encode(text, add_special_tokens=special)

    stand_in = ModuleType("fastokens")
    vars(stand_in)["Tokenizer"] = Tokenizer
    monkeypatch.setitem(sys.modules, "fastokens", stand_in)
    return runpy.run_path(str(BENCHMARKS / "fastokens" / "run.py"))


def test_samples_as_fastokens_takes_them(fast: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    file.write_text(json.dumps([{"context": "ab"}, {"context": ""}, {}]), encoding="utf-8")
    assert [*fast["samples"](file, "zai-org/LongBench-v2", 9)] == ["ab"]
    talk = [{"from": "human", "value": "Hi"}, {"value": "Yo"}, {"from": "gpt", "value": ""}]
    file.write_text(json.dumps([{"conversations": talk}, {"conversations": []}]), encoding="utf-8")
    assert [*fast["samples"](file, "RyokoAI/ShareGPT52K", 9)] == ["[human]: Hi\n\n[unknown]: Yo"]
    file.write_text("abcde", encoding="utf-8")
    assert [*fast["samples"](file, None, 2)] == ["ab", "cd", "e"]


def test_ids_are_compared(fast: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model, text = tmp_path / "tokenizer.json", tmp_path / "text.txt"
    model.write_text(model_json([(b"a", b"b")]), encoding="utf-8")
    text.write_text("ab cab " * 9, encoding="utf-8")
    assert fast["main"]([str(model), str(text), "--sample", "10"]) == 0
    assert capsys.readouterr().out.startswith("7 samples, 0.0 MB, ")
    monkeypatch.setattr(dstok.Tokenizer, "encode", lambda self, text, **settings: [0])
    assert fast["main"]([str(model), str(text)]) == 1
    assert capsys.readouterr().err == "sample 0: dstok has other ids than tokenizers\n"
