"""benchmarks/tokbench/run.py, with a stand-in for the harness that tokbench has beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from small_models import model_json

import dstok

ADAPTER = Path(__file__).resolve().parents[2] / "benchmarks" / "tokbench" / "run.py"
HARNESS = """
import argparse, json, pathlib
def args_parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    return parser
def unsupported(version, lang, why):
    print(json.dumps({"version": version, "unsupported": why}))
def run(name, version, lang, load, encode, args):
    ids = encode(load(), args.corpus.read_text(encoding="utf-8"))
    print(json.dumps({"name": name, "version": version, "ids": [i & 0xFFFFFFFF for i in ids]}))
"""


def run(folder: Path, file: str) -> dict[str, object]:
    """The output of the adapter where tokbench would have it."""
    for path in ("engines/dstok", "python", "model"):
        (folder / path).mkdir(parents=True)
    shutil.copy(ADAPTER, folder / "engines" / "dstok")
    (folder / "python" / "harness.py").write_text(HARNESS, encoding="utf-8")
    (folder / "model" / "tokenizer.json").write_text(file, encoding="utf-8")
    (folder / "corpus.txt").write_text("ab é ab", encoding="utf-8")
    done = subprocess.run([sys.executable, str(folder / "engines" / "dstok" / "run.py"), "--model", str(folder / "model"),
                           "--corpus", str(folder / "corpus.txt")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_cell(tmp_path: Path) -> None:
    file = model_json([(b"a", b"b")], [])
    assert run(tmp_path, file) == {"name": "dstok", "version": f"dstok {dstok.__version__}",
                                   "ids": dstok.Tokenizer.from_str(file).encode("ab é ab")}


def test_a_model_that_is_refused(tmp_path: Path) -> None:
    found = run(tmp_path, '{"model": {"type": "Unigram", "vocab": []}}')
    assert "expected the model type 'BPE', found 'Unigram'" in str(found["unsupported"])
