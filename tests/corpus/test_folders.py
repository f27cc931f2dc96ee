"""`verify`, `merge`, `stats`, `info`, and the command: what is said of a corpus, and done with it."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_process import fails, ok, run
from corpora_made import checksums, ids_of, many, two_files
from corpora_made import tokenize_two_files as tokenize

import dstok.corpus
from dstok.cli.app import main
from dstok.corpus.finished import figures, merge, verify
from dstok.corpus.run import Run, estimate
from dstok.corpus.settings import PLAN
from dstok.errors import FileError

FORMATS = dstok.corpus.FORMATS


@pytest.fixture(autouse=True)
def _inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    two_files()


@pytest.mark.parametrize("format", FORMATS)
def test_all_is_well(format: str) -> None:
    tokenize(format=format)
    tokenize("packed", format=format, pack=32, shuffle=1)
    assert [*verify("out"), *verify("packed")] == []


def test_an_empty_path_is_not_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenize()
    monkeypatch.chdir("out")
    calls = [lambda: dstok.corpus.open(""), lambda: [*verify("")], lambda: merge([""], "new"), lambda: merge(["."], "")]
    for call in calls:
        with pytest.raises(FileError, match="expected a path, found an empty one"):
            call()
    for words in (["corpus", "info", ""], ["corpus", "../in", "--out", ""], ["train", "../in", "--out", ""]):
        assert "an empty one" in fails(*words)
    assert "no built-in model ''" in fails("info", "") and "no built-in model ''" in fails("pieces", "-m", "", "--text", "a")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has names of files that are no text")
@pytest.mark.parametrize("format", FORMATS)
def test_names_that_are_no_utf_8(format: str) -> None:
    """pyarrow encodes a name that is str strictly."""
    name, texts = os.fsdecode(b"names/\xff"), many(20)
    Path("names").mkdir()
    Path(f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    table = pa.table({"text": texts})
    with open(f"{name}.parquet", "wb") as parquet, open(f"{name}.arrow", "wb") as arrow, pa.ipc.new_file(arrow, table.schema) as file:
        pq.write_table(table, parquet)
        file.write_table(table)
    dstok.corpus.tokenize("names", "odd", format=format, workers=1)
    assert list(verify("odd")) == [] and [ids.tolist() for ids in dstok.corpus.open("odd")] == ids_of(texts) * 3


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_a_package_that_is_missing_leaves_no_folder(monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FileError, match=r"expected the package pyarrow, found none"):
        tokenize(format=format)
    assert not Path("out").exists()
    tokenize(format="raw")


@pytest.mark.parametrize("format", FORMATS)
def test_every_file_that_changes_is_found(format: str) -> None:
    tokenize(format=format)
    for name in checksums(Path("out")):
        path, data = Path("out") / name, (Path("out") / name).read_bytes()
        if name == PLAN:
            continue
        changed = data.replace(b'"tokens": ', b'"tokens": 1') if name.endswith(".json") else data[:-1] + b"?"
        path.write_bytes(changed)
        assert list(verify("out", sample=0, inputs=False)) != [], name
        path.write_bytes(data[:-1] if not name.endswith(".json") else data)
        assert (list(verify("out", sample=0, inputs=False)) != []) == (not name.endswith(".json")), name
        path.write_bytes(data)
    assert list(verify("out")) == []


def test_an_input_that_changes_is_found() -> None:
    tokenize()
    path = Path("in/a.jsonl")
    path.write_bytes(path.read_bytes().replace(b"Hello world 204", b"Hello World 204"))
    [problem] = verify("out")
    assert "in/a.jsonl: has changed since the corpus was made, in a.jsonl-000" in problem
    assert list(verify("out", inputs=False)) == []
    path.unlink()
    assert all("a.jsonl: no such file" in problem for problem in verify("out"))


def test_ids_that_are_not_those_of_the_text_are_found() -> None:
    """Files and manifest agree, but somebody made them of another tokenizer's ids."""
    tokenize()
    [first, *_] = Path("out").glob("a.jsonl-*.bin")
    manifest = Path(f"out/__dstok__/manifests/{first.stem}.json")
    ids = np.fromfile(first, "<u4")
    ids[5] += 1
    old = checksums(Path("out"))[first.name]
    ids.tofile(first)
    manifest.write_text(manifest.read_text().replace(old, checksums(Path("out"))[first.name]))
    assert any("document 0 has other ids than its text" in problem or "other ids" in problem
               for problem in verify("out", sample=1000))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("options", [{}, {"pack": 32}, {"tokens_per_file": 500}], ids=str)
def test_merge(format: str, options: dict[str, Any]) -> None:
    tokenize("one", format=format, **options)
    dstok.corpus.tokenize("in/a.jsonl", "two", format=format, workers=1, shard_bytes=5000, **options)
    manifest = merge(["one", "two"], "both")
    both, parts = dstok.corpus.open("both"), [dstok.corpus.open("one"), dstok.corpus.open("two")]
    assert [ids.tolist() for ids in both] == [ids.tolist() for part in parts for ids in part]
    assert manifest["documents"] == 800 and len(both.files) == 1
    assert [both.lengths(i).tolist() for i in range(len(both))] == [
        part.lengths(i).tolist() for part in parts for i in range(len(part))]
    before = checksums(Path("both"))
    merge(["one", "two"], "both")
    assert checksums(Path("both")) == before and list(verify("both")) == []


def test_what_cannot_be_merged() -> None:
    tokenize("one")
    tokenize("two", add_eos=True)
    tokenize("part", shard=(1, 2))
    for folders, message in ([["one", "two"], "expected add_eos False"], [["one", "part"], "part: expected a corpus, found one that is not whole"],
                             [["one", "none"], "none: expected a corpus, found no "]):
        with pytest.raises(FileError, match=str(message)):
            merge(folders, "both")


@pytest.mark.parametrize("format", FORMATS)
def test_figures(format: str) -> None:
    tokenize(format=format)
    tok, expected = dstok.load("deepseek-v3"), ids_of([*many(300), *many(200)[::-1]])
    found = figures(dstok.corpus.open("out"), tok)
    counts = Counter(id for ids in expected for id in ids)
    assert (found.documents, found.tokens) == (500, sum(counts.values()))
    assert found.bytes == sum(len(text.encode()) for text in [*many(300), *many(200)])
    assert {id: count for id, count in enumerate(found.counts.tolist()) if count} == counts
    assert found.percentiles[0] == min(map(len, expected)) and found.percentiles[-1] == max(map(len, expected))
    assert found.frequent(3) == sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    assert sum(found.lengths) == 500


def test_an_estimate_writes_nothing() -> None:
    work = Run(["in"], "deepseek-v3", dstok.corpus.CorpusSettings(shard_bytes=5000))
    found = estimate(work)
    assert (found.documents, found.tokens) == (500, sum(map(len, ids_of([*many(300), *many(200)]))))
    assert not Path("out").exists() and found.shards == len(work.shards)


def test_the_command() -> None:
    words = ["corpus", "in", "--out", "out", "--shard-bytes", "5000", "--workers", "1"]
    line = ok(*words).decode()
    assert line.startswith("500 documents, ") and "0 skipped" in line
    assert "of them done before" in ok(*words).decode()
    done = json.loads(ok(*words, "--json"))
    assert done["documents"] == 500 and done["complete"] is True and done["done"] == done["shards"]
    assert "500" in ok("corpus", "info", "out").decode() and json.loads(ok("corpus", "info", "out", "--json"))["tokens"]
    assert ok("corpus", "verify", "out") == b"all is as it should be\n"
    assert json.loads(ok("corpus", "stats", "out", "--json"))["documents"] == 500
    assert "bytes a token" in ok("corpus", "stats", "out").decode()
    assert json.loads(ok("corpus", "merge", "out", "--out", "other", "--json"))["documents"] == 500
    summary = ok(*words, "--dry-run").decode()
    assert summary.startswith("2 input files of ") and ", about 500 documents, " in summary and summary.count("\n") == 1
    assert json.loads(ok(*words, "--dry-run", "--json"))["files"] == 2
    Path("in/a.jsonl").write_bytes(b"{}\n")
    assert run("corpus", "verify", "out").returncode == 1
    for dry in ([], ["--dry-run"]):
        assert "expected the corpus of this command" in fails(*words, *dry)


def test_an_interrupted_command_says_how_to_continue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "tokenize", interrupted)
    assert main(["corpus", "in", "--out", "out"]) == 130
    assert capsys.readouterr().err == "dstok: interrupted; the same command goes on where it stopped\n"


@pytest.mark.parametrize(("words", "message"), [
    (["corpus", "--out", "out"], "nothing to read"),
    (["corpus", "in"], "--out"),
    (["corpus", "in", "--out", "out", "--shard", "3/2"], "'3/2'"),
    (["corpus", "in", "--out", "out", "--dtype", "uint16"], "uint16"),
    (["corpus", "in", "--out", "out", "--pad-id", "3"], "--pack"),
    (["corpus", "in", "--out", "out", "--pack", "0"], "--pack: not a whole number from 1 on: '0'"),
    (["corpus", "in", "--out", "out", "--field", "body"], "line 1: expected the field 'body', found 'id', 'text' (--field names another, --on-bad-document skip leaves it out)"),
    (["corpus", "in", "--out", "out", "--special", "<no>"], "'<no>'"),
    (["corpus", "in", "--out", "out", "--model", "none"], "none"),
    (["corpus", "in", "--out", "out", "--workers", "0"], "--workers"),
    (["corpus", "none", "--out", "out"], "none: no such file"),
    (["corpus", "info", "none"], "none: expected a corpus, found no __dstok__/plan.json"),
    (["corpus", "verify", "in"], "in: expected a corpus, found no __dstok__/plan.json"),
    (["corpus", "stats", "in"], "in: expected a corpus, found no __dstok__/plan.json"),
    (["corpus", "stats", "none"], "none: expected a folder or a file of ids (.bin, _text_document.bin, .ds, .parquet, .arrow, .jsonl), found none"),
    (["corpus", "merge", "in", "--out", "out"], "in: expected a corpus, found no __dstok__/corpus.json"),
])
def test_bad_usage(words: list[str], message: str) -> None:
    assert message in fails(*words)


def test_skipped_documents_are_counted() -> None:
    Path("bad.jsonl").write_bytes(b'{"text": "a"}\n{"text": 1}\n[\n')
    done = run("corpus", "bad.jsonl", "--out", "out", "--workers", "1", "--on-bad-document", "skip")
    assert done.returncode == 0 and b"1 documents, 1 tokens, 2 skipped" in done.stdout
    assert b"2 bad documents skipped, listed in out/__dstok__/skipped/" in done.stderr
    listed = [json.loads(line) for line in Path("out/__dstok__/skipped/bad.jsonl-00000.jsonl").read_text().splitlines()]
    assert [(Path(line["file"]).name, line["line"]) for line in listed] == [("bad.jsonl", 2), ("bad.jsonl", 3)]


def test_a_picture() -> None:
    tokenize()
    ok("corpus", "stats", "out", "--plot", "out.svg")
    assert "expected a suffix such as .svg, .png or .pdf, found txt" in fails("corpus", "stats", "out", "--plot", "a.txt")
    assert Path("out.svg").read_text().rstrip().endswith("</svg>")
