"""`dstok train` and its actions: the trainings of the library, on the files of `dstok corpus`."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dstok
from dstok import Tokenizer
from dstok.cli.app import main
from dstok.cli.arguments import memory_size
from dstok.training import BpeTrainer
from dstok.training import corpus_counts as counting
from dstok.training.piece_counts import CountsFile, merge_counts

DONE, DIFFERENT, BAD, FAULT = 0, 1, 2, 70
LIKE = ["--like", "gpt-2", "--workers", "1"]  # a process of its own takes half a second
SETTINGS = [*LIKE, "--vocab-size", "400", "--special", "<s>", "--special", "</s>"]


def documents() -> list[str]:
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefé中", k=chance.randint(1, 8))) for _ in range(300)]
    return [" ".join(chance.choices(words, k=chance.randint(0, 12))) + chance.choice(["", "\n\nx"]) for _ in range(300)]


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with JSON lines, texts and a table."""
    import pyarrow
    import pyarrow.parquet

    monkeypatch.chdir(tmp_path)
    folder, texts = tmp_path / "data", documents()
    (folder / "sub").mkdir(parents=True)
    (folder / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts[:100]), encoding="utf-8")
    for number, text in enumerate(texts[100:110]):
        (folder / "sub" / f"{number}.txt").write_text(text, encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.table({"text": texts[110:]}), folder / "t.parquet")
    return folder


def run(*words: str, code: int = DONE) -> None:
    assert main(["train", *words]) == code


def of_library() -> Tokenizer:
    trainer = BpeTrainer(vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=BpeTrainer.byte_alphabet())
    return dstok.training.train_from_iterator(documents(), trainer, like="gpt-2")


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_train(inputs: Path, tmp_path: Path, workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("data", *SETTINGS, "--out", "tok", "--workers", workers)
    assert "400 tokens, 142 merges" in capsys.readouterr().out
    assert Tokenizer.from_json("tok/tokenizer.json") == of_library()
    manifest = json.loads(Path("tok/train.json").read_bytes())
    assert manifest["documents"] == 300 and manifest["inputs"][0]["file"] == "a.jsonl"
    before = written(tmp_path / "tok")
    run("data", *SETTINGS, "--out", "tok")
    assert written(tmp_path / "tok") == before
    run("data", *LIKE, "--out", "tok", code=BAD)
    assert "found one with other trainer" in capsys.readouterr().err


def test_named_ends(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tokenizer_config.json beside says them, so that a corpus can end its documents."""
    ends = ["--bos", "<s>", "--eos", "<e>", "--pad", "<p>", "--unk", "<u>"]
    run("data", *SETTINGS, *ends, "--out", "tok")
    tok = dstok.load("tok")
    assert [tok.id_to_token(i or 0) for i in (tok.bos_id, tok.eos_id, tok.config.pad_id, tok.config.unk_id)] == ["<s>", "<e>", "<p>", "<u>"]
    assert list(tok.added_tokens) == ["<s>", "</s>", "<e>", "<p>", "<u>"]
    run("--repeat", "tok/train.json", "data", "--workers", "1")
    run("data", *SETTINGS, *ends[:2], "--out", "tok", code=BAD)
    assert "found one with other trainer, ends" in capsys.readouterr().err
    assert main(["corpus", "data/a.jsonl", "-m", "tok", "--add-eos", "--out", "ids"]) == DONE
    assert [ids.tolist()[-1] for ids in dstok.corpus.open("ids")] == [tok.eos_id] * 100
    run("data", *SETTINGS, "--out", "plain")
    assert not Path("plain/tokenizer_config.json").exists()
    assert main(["corpus", "data/a.jsonl", "-m", "plain", "--add-eos", "--out", "more"]) == BAD
    assert "found one that does not: name it with --eos TOKEN, " in capsys.readouterr().err
    assert main(["corpus", "data/a.jsonl", "-m", "plain", "--bos", "<s>", "--eos", "</s>", "--out", "more"]) == DONE
    assert all((ids.tolist()[0], ids.tolist()[-1]) == (0, 1) for ids in dstok.corpus.open("more"))
    assert main(["corpus", "data/a.jsonl", "-m", "plain", "--eos", "<no>", "--out", "none"]) == BAD
    assert "no token is '<no>'" in capsys.readouterr().err


def test_sizes_that_are_not_what_was_asked_for(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("data", *LIKE, "--vocab-size", "100", "--out", "tok", code=BAD)
    assert "expected a vocab_size of at least 256, since 0 special tokens and 256 bytes" in capsys.readouterr().err
    assert not Path("tok").exists()
    Path("a.txt").write_text("low lower", encoding="utf-8")
    run("a.txt", *LIKE, "--vocab-size", "5000", "--out", "tok")
    size = dstok.load("tok").vocab_size
    assert f"dstok: {size} tokens instead of 5,000: no other pair may be merged" in capsys.readouterr().err
    run("count", "a.txt", *LIKE, "--out", "a.counts")
    for action, bound in (("extend", "at least"), ("trim", "at most")):
        wanted = str(size + (1 if action == "trim" else -1))
        run(action, "a.counts", "-m", "tok", "--vocab-size", wanted, "--out", "x.json", code=BAD)
        assert f"expected vocab_size to be {bound} {size}" in capsys.readouterr().err
    run("extend", "a.counts", "-m", "tok", "--vocab-size", str(size + 1), "--out", "x.json")
    assert f"dstok: {size} tokens instead of {size + 1}" in capsys.readouterr().err


def test_the_same_bytes_after_a_stop(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shards that were done are not counted again."""
    run("data", *SETTINGS, "--out", "whole")
    write = counting.write_at_once  # type: ignore[attr-defined]
    done: list[str] = []

    def stopping(path: Any, data: bytes) -> None:
        write(path, data)
        done.append(path)
        if len(done) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(counting, "write_at_once", stopping)
    assert main(["train", "data", *SETTINGS, "--out", "tok", "--workers", "1"]) == 130
    assert os.listdir("tok") == ["work"]
    run("data", *SETTINGS, "--out", "tok", "--workers", "1")
    assert len(done) == len(set(done)) == 3 and written(tmp_path / "tok") == written(tmp_path / "whole")


def test_counts(inputs: Path, tmp_path: Path) -> None:
    """Counted in parts, and added up: the counts of all."""
    run("count", "data", *LIKE, "--out", "all.counts")
    run("count", "data/a.jsonl", "data/sub", *LIKE, "--out", "one.counts", "--memory", "200MB")
    run("count", "data/t.parquet", *LIKE, "--out", "two.counts", "--workers", "1")
    run("merge", "one.counts", "two.counts", "--out", "both.counts")
    assert Path("both.counts").read_bytes() == Path("all.counts").read_bytes()
    assert sorted(os.listdir()) == ["all.counts", "both.counts", "data", "one.counts", "two.counts"]
    run("--counts", "both.counts", *SETTINGS, "--out", "tok")
    assert Tokenizer.from_json("tok/tokenizer.json") == of_library()
    run("merge", "one.counts", "two.counts", "--weights", "2,0", "--out", "twice.counts")
    assert CountsFile("twice.counts").totals.occurrences == 2 * CountsFile("one.counts").totals.occurrences


def test_repeat(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("data", *SETTINGS, "--out", "tok", "--min-frequency", "3", "--max-token-length", "6")
    run("data", "--repeat", "tok/train.json", "--workers", "1")
    assert capsys.readouterr().out.endswith("the same tokenizer, from the same pieces\n")
    (inputs / "sub" / "0.txt").write_text("other words, other words", encoding="utf-8")
    run("data", "--repeat", "tok/train.json", "--workers", "1", code=DIFFERENT)
    assert "different: counts" in capsys.readouterr().out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has names of files that are no text")
def test_a_name_that_is_no_utf_8(inputs: Path) -> None:
    (inputs / "a.jsonl").rename(inputs / os.fsdecode(b"\xff.jsonl"))
    for _ in "ab":
        run("data", *SETTINGS, "--out", os.fsdecode(b"tok\xff"))
    run("data", "--repeat", os.fsdecode(b"tok\xff/train.json"))
    run("count", "data", *LIKE, "--out", "a.counts")


def test_drop_below(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rare pieces are left out; the manifest says how many, and their share."""
    run("data", *SETTINGS, "--out", "tok", "--drop-below", "5")
    assert "--drop-below left out " in capsys.readouterr().err
    counts = dstok.training.count_pieces(dstok.Splitter.preset("gpt-2"), documents()).to_dict()
    rare = {piece: count for piece, count in counts.items() if count < 5}
    dropped = json.loads(Path("tok/train.json").read_bytes())["dropped"]
    assert dropped["pieces"] == {"dropped": len(rare), "share": round(len(rare) / len(counts), 6)}
    assert dropped["occurrences"]["dropped"] == sum(rare.values()) > 0
    size = sum(len(piece.encode()) * count for piece, count in counts.items())
    lost = sum(len(piece.encode()) * count for piece, count in rare.items())
    assert dropped["bytes"] == {"dropped": lost, "share": round(lost / size, 6)}
    run("data", "--repeat", "tok/train.json")
    assert capsys.readouterr().out.endswith("the same tokenizer, from the same pieces\n")
    run("data", *SETTINGS, "--out", "tok", code=BAD)
    run("data", *SETTINGS, "--out", "all")
    assert json.loads(Path("all/train.json").read_bytes())["dropped"] is None
    run("data", "--repeat", "tok/train.json", "--drop-below", "5", code=BAD)
    run("data", *SETTINGS, "--out", "none", "--drop-below", "100000", code=BAD)
    assert "expected pieces that occur at least 100000 times, found none" in capsys.readouterr().err


def test_memory(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says before the merges what memory they take, or refuses; the counts are kept."""
    run("data", *SETTINGS, "--out", "tok", "--memory", "1MB", "--workers", "1", code=BAD)
    assert "of memory for the merges of" in capsys.readouterr().err and Path("tok", "work", "pieces.counts").exists()
    run("data", *SETTINGS, "--out", "tok", "--workers", "1")
    assert "dstok: merging takes at most " in capsys.readouterr().err
    assert Tokenizer.from_json("tok/tokenizer.json") == of_library()


def test_extend_and_trim(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("count", "data", *LIKE, "--out", "all.counts")
    run("--counts", "all.counts", *SETTINGS[:-4], "--out", "tok")
    tok = Tokenizer.from_json("tok/tokenizer.json")
    run("extend", "all.counts", "-m", "tok/tokenizer.json", "--vocab-size", "420", "--out", "more.json")
    more = Tokenizer.from_json("more.json")
    assert more.vocab_size == 420 and dstok.training.truncate_vocab(more, 400) == tok
    run("trim", "all.counts", "-m", "more.json", "--vocab-size", "300", "--out", "less.json", "--map", "map.npy")
    less, ids = Tokenizer.from_json("less.json"), np.load("map.npy")
    assert less.vocab_size == 300 and ids.shape == (420,) and np.count_nonzero(ids >= 0) == 300
    assert [less.inspect().token_bytes()[new] for new in ids if new >= 0] == [more.inspect().token_bytes()[old] for old in np.flatnonzero(ids >= 0)]
    text = documents()[5]
    assert less.decode(less.encode(text)) == text and len(less.encode(text)) >= len(more.encode(text))
    run("trim", "all.counts", "-m", "more.json", "--vocab-size", "100", "--out", "less.json", code=BAD)
    assert "a vocab_size of 100, where bytes and added tokens are 256" in capsys.readouterr().err
    run("extend", "all.counts", "-m", "deepseek-v3", "--vocab-size", "130000", "--out", "x.json", code=BAD)
    assert "expected counts of the pieces that deepseek-v3 cuts" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "fault"), [
    (["--out", "tok"], "nothing to read"),
    (["data"], "expected --out DIR"),
    (["data", "--out", "tok", "--like", "no-such"], "no-such"),
    (["data", "--out", "tok", "--workers", "0"], "--workers: not a whole number from 1 on: '0'"),
    (["data", "--counts", "x.counts", "--out", "tok"], "found both"),
    (["data", "--out", "tok", "--memory", "big"], "not a size such as 500MB or 4GB: 'big'"),
    (["data/none", "--out", "tok"], "no such file"),
    (["report"], "expected texts and at least one --model"),
    (["report", "data"], "expected texts and at least one --model"),
    (["report", "data", "-m", "gemma-3"], "gemma-3"),
    (["merge", "a.counts", "--weights", "1,2", "--out", "b"], "expected 1 numbers, found 2"),
    (["merge", "a.counts", "--weights", "x", "--out", "b"], "expected whole numbers"),
])
def test_errors(words: list[str], fault: str, inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(*words, code=BAD)
    assert fault in capsys.readouterr().err and not os.path.exists("tok")


def test_bad_documents(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inputs / "sub" / "0.txt").write_bytes(b"a\xff")
    run("data", *SETTINGS, "--out", "tok", code=BAD)
    fault = capsys.readouterr().err
    assert "0.txt: expected utf-8, found byte 0xff" in fault and "--on-bad-document" not in fault  # `dstok corpus` has it
    shutil.rmtree("tok")
    run("data/a.jsonl", *SETTINGS, "--field", "body", "--out", "tok", code=BAD)
    fault = capsys.readouterr().err
    assert "(--field names another)" in fault and "--on-bad-document" not in fault
    shutil.rmtree("tok")


def test_a_folder_of_others(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("tok").mkdir()
    Path("tok/tokenizer.json").write_text("{}", encoding="utf-8")
    run("data", *SETTINGS, "--out", "tok", code=BAD)
    assert "expected no tokenizer.json in this folder" in capsys.readouterr().err
    shutil.rmtree("tok")
    run("data", *SETTINGS, "--out", "tok")
    for folder in (Path("tok", "work"), Path("new", "work"), Path("a.counts.work")):
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("notes")
    run("data", *SETTINGS, "--out", "tok")
    run("data", *SETTINGS, "--out", "new", code=BAD)
    run("count", "data", *LIKE, "--out", "a.counts")
    assert len([*Path().glob("**/notes.txt")]) == 3 and not Path("a.counts.work", "work").exists()


@pytest.mark.parametrize("words", [
    ["data", "--out", "data"], ["count", "data/a.jsonl", "--out", "data/a.jsonl"], ["count", "data", "--out", "data/a.jsonl"],
    ["merge", "a.counts", "--out", "a.counts"], ["extend", "a.counts", "--vocab-size", "9", "--out", "a.counts"],
    ["trim", "a.counts", "--vocab-size", "9", "--out", "b", "--map", "a.counts"],
    ["report", "data/a.jsonl", "-m", "gpt-2", "--plot", "data/a.jsonl"]])
def test_an_input_is_never_overwritten(words: list[str], inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.counts").write_text("counts")
    before = [path.read_bytes() for path in sorted(inputs.glob("**/*.*"))]
    run(*words, code=BAD)
    assert f"{words[-1]}: is both input and output" in capsys.readouterr().err
    assert [path.read_bytes() for path in sorted(inputs.glob("**/*.*"))] == before and Path("a.counts").read_text() == "counts"


def test_memory_sizes() -> None:
    assert [memory_size(text) for text in ("12", "4GB", "1.5mb", "0.5KB")] == [12, 4 * 10**9, 1_500_000, 500]


def test_no_text_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file gives no vocabulary of bytes alone."""
    (tmp_path / "empty.txt").write_text("")
    run(str(tmp_path / "empty.txt"), "--out", str(tmp_path / "out"), code=2)
    assert "expected text to learn from, found none in the files" in capsys.readouterr().err
    assert not (tmp_path / "out" / "tokenizer.json").exists()


@pytest.mark.parametrize("words", [["data", *SETTINGS, "--out", "out"], ["count", "data", *LIKE, "--out", "out"]])
def test_two_at_once(words: list[str], inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The second one is refused, and the first one goes on."""
    said: list[str] = []

    def meanwhile(*given: Any) -> CountsFile:
        run(*words, code=BAD)
        said.append(capsys.readouterr().err)
        return merge_counts(*given)

    monkeypatch.setattr(counting, "merge_counts", meanwhile)
    run(*words)
    assert len(said) == 1 and "another training is running in this folder" in said[0] and os.path.exists("out")


@pytest.mark.parametrize("changed", ["size", "time", "fewer"])
def test_a_changed_input(changed: str, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Between a stop and the next start."""
    with monkeypatch.context() as stopped:
        stopped.setattr("dstok.cli.train.trained_in", lambda *_: 1 // 0)
        run("data", *SETTINGS, "--out", "tok", code=FAULT)
    path = inputs / "sub" / "0.txt"
    if changed == "size":
        path.write_text("more", encoding="utf-8")
    elif changed == "time":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
    run("data", *SETTINGS, "--out", "tok", code=BAD)
    assert f"found one with other {'state' if changed == 'time' else 'inputs'}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["a", "\n", "a" * 100_000, "é"])
def test_small_texts(text: str, inputs: Path) -> None:
    Path("small.txt").write_text(text, encoding="utf-8")
    run("small.txt", *SETTINGS, "--out", "tok")
    assert Tokenizer.from_json("tok/tokenizer.json").decode(Tokenizer.from_json("tok/tokenizer.json").encode(text)) == text


def test_json_says_what_the_words_say(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*words: str) -> Any:
        capsys.readouterr()
        run(*words, "--json")
        return json.loads(capsys.readouterr().out)

    counted = told("count", "data", *LIKE, "--out", "a.counts")
    counts = CountsFile("a.counts")
    totals = {"occurrences": counts.totals.occurrences, "distinct": counts.totals.distinct}
    assert counted == {"documents": len(documents()), **totals, "out": "a.counts"}
    assert told("merge", "a.counts", "--out", "b.counts") == {**totals, "out": "b.counts"}
    trained = told("--counts", "a.counts", *SETTINGS, "--out", "out")
    manifest = json.loads(Path("out/train.json").read_text())
    assert trained == {"vocab_size": 400, "merges": manifest["merges"], "last_count": manifest["last_count"],
                       **totals, "out": "out"}
    assert told("--counts", "a.counts", "--workers", "1", "--repeat", "out/train.json") == {"different": []}
    model = "out/tokenizer.json"
    assert told("extend", "a.counts", "-m", model, "--vocab-size", "410", "--out", "more.json") == {
        "new_tokens": 10, "vocab_size": 410, "out": "more.json"}
    assert told("trim", "a.counts", "-m", model, "--vocab-size", "390", "--out", "less.json") == {
        "lost_tokens": 10, "vocab_size": 390, "out": "less.json"}
