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
# Its calls have the signatures of tokbench's python/harness.py (commit 7586c5b), and print records with the same keys.
HARNESS = """
import argparse, json, pathlib, sys
def args_parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--chunk-bytes", type=int, default=10240)
    parser.add_argument("--max-chunks", type=int, default=100)
    return parser
def unsupported(version, lang, why):
    print(json.dumps({"version": version, "lang": lang, "unsupported": why}))
    sys.exit(0)
def run(name, version, lang, load, encode, args, also_computes="", internally_parallel=False):
    text, tokenizer = args.corpus.read_text(encoding="utf-8", errors="replace"), load()
    print(json.dumps({"version": version, "lang": lang, "ids": [i & 0xFFFFFFFF for i in encode(tokenizer, text)]}))
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
                           "--corpus", str(folder / "corpus.txt"), "--reps", "5", "--chunk-bytes", "10240",
                           "--max-chunks", "100"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_cell(tmp_path: Path) -> None:
    file = model_json([(b"a", b"b")], [])
    assert run(tmp_path, file) == {"version": f"dstok {dstok.__version__}", "lang": "c",
                                   "ids": dstok.Tokenizer.from_str(file).encode("ab é ab")}


def test_a_model_that_is_refused(tmp_path: Path) -> None:
    found = run(tmp_path, '{"model": {"type": "Unigram", "vocab": []}}')
    assert found["lang"] == "c" and "expected the model type 'BPE', found 'Unigram'" in str(found["unsupported"])
