"""The benchmarks say what they measured. No speed is checked here.

Texts are the same everywhere and of the size they claim. One measurement is a whole record. Ids that differ are
reported, do not count, and make the run fail. What is made of the records: test_benchmark_tables.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from benchmark_records import ROOT, WHOLE, WORST, record, results
from real_models import levels

from benchmarks import event_loop, patterns, prefixes, process, qemu, run, splitter, splitter_results, texts, wikitext
from benchmarks.cases import (
    DISTINCT_SIZE,
    KINDS,
    MODES,
    PUBLIC,
    SLICES,
    WORST_SIZE,
    Case,
    all_cases,
    items,
    load_text,
    select,
    slices,
)
from benchmarks.engines import ENGINES, LEVELS, Call, Engine
from benchmarks.measure import TURNS, Record, measure
from benchmarks.summary import FIGURES, Results, best_peer, summarise
from benchmarks.table import SHORT_MODES, tables

# SHA-256 (8 digits) of the worst cases: a change here makes old results incomparable.
TEXTS = {
    "a": "cdc76e5c", "spaces": "7e80c213", "digits": "f7c350ea", "one-ideograph": "4a571346",
    "ideographs": "c27e9147", "letters": "42efd523", "equals": "cf6eb53f", "newlines": "39b2fdfb",
    "base64": "98b6b959", "ab": "88858caf", "marks": "1b02d07f", "special": "d6975997", "less-than": "b0e631dd",
}


# Texts


@pytest.mark.parametrize("kind", KINDS)
def test_worst_case_texts(kind: str) -> None:
    text = load_text(Case(f"worst/{kind}", "worst", kind, "whole", WORST_SIZE))
    data = text.encode()
    unit = {"special": 99, "base64": 4, "ab": 2}.get(kind, 4)
    assert WORST_SIZE - unit < len(data) <= WORST_SIZE
    assert sha256(data).hexdigest()[:8] == TEXTS[kind]
    assert text.startswith(KINDS[kind](10_000)), "a smaller text is the start of a larger one"


def test_distinct_words() -> None:
    words = load_text(Case("distinct/docs", "memory", "distinct", "docs", 600_000)).split()
    assert len(set(words)) == len(words) == 100_000 and {len(word) for word in words} == {5}
    assert next(case for case in all_cases() if case.group == "memory").size == DISTINCT_SIZE == 6 * 4_000_000


@pytest.mark.parametrize("mode", [*MODES, "batch2"])
def test_items_hold_the_whole_text(mode: str) -> None:
    text = "line\n\né中\r\n" * 1000
    found = items(text, mode)
    assert ("\n" if mode == "lines" else "").join(found) == text
    assert mode not in ("docs", "batch2") or {len(item) for item in found[:-1]} == {4096}


def test_slices_are_disjoint_and_have_all_documents() -> None:
    documents = [str(number) for number in range(100)]
    found = slices(documents)
    assert len(found) == SLICES and sorted((text for part in found for text in part), key=int) == documents
    assert found[0][:2] == ["0", "6"] and found[1][:2] == ["1", "7"]


def test_no_document_of_slices_is_encoded_twice_before_the_figures(tmp_path: Path) -> None:
    """Its ids are taken after the last timed pass."""
    seen: list[str] = []
    documents = items("".join(f"{number:9}" for number in range(10_000)), "slices")
    engine = Engine("dstok", lambda *_: Call(seen.append, lambda _: np.zeros(1, np.uint32)))
    found = measure(engine, Case("wiki/slices", "corpus", "wiki", "slices"), "".join(documents), tmp_path)
    assert len(found["turns"]) == SLICES - 1
    assert sorted(seen[1 : 1 + len(documents)]) == sorted(documents) and seen[1 + len(documents) :] == documents


def test_names_are_unique_and_selected_by_pattern() -> None:
    names = [case.name for case in all_cases()]
    assert len(set(names)) == len(names)
    assert [case.name for case in select(["growth/a/*"], False)] == ["growth/a/10kB", "growth/a/100kB", "growth/a/10MB"]
    assert not any(case.group == "growth" for case in select([], False))
    with pytest.raises(ValueError, match="nope"):
        select(["nope/*"], True)


# One measurement


def test_one_measurement_of_dstok(tmp_path: Path) -> None:
    import dstok

    launcher = process.Launcher(tmp_path, process.default_cores(), 60)
    (tmp_path / "wiki.txt").write_text("Hello world\n" * 50, encoding="utf-8")  # where the launcher keeps the text
    [found] = launcher.measure([ENGINES["dstok"]], WHOLE)
    ids = dstok.load("deepseek-v3").encode_array("Hello world\n" * 50).astype("<u4")
    assert (found["engine"], found["case"], found["bytes"], found["tokens"]) == ("dstok", "wiki/whole", 600, len(ids))
    assert found["ids_sha256"] == sha256(len(ids).to_bytes(8, "little") + ids.tobytes()).hexdigest()
    assert found["version"] == dstok.__version__ and len(found["turns"]) == TURNS
    assert set(found) >= set(FIGURES) and found["cold_mb_s"] > 0 and found["warm_mb_s"] > 0 and found["load_ms"] > 0
    assert found["level"] == levels()[-1]
    assert summarise(WHOLE, [found])[1] == []


def test_the_level_is_the_one_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wiki.txt").write_text("Hello world\n", encoding="utf-8")
    launcher = process.Launcher(tmp_path, process.default_cores(), 60)
    monkeypatch.setattr(process, "TURNS", 1)
    for level in levels():
        monkeypatch.setenv("DSTOK_SIMD", level)
        assert launcher.measure([ENGINES["dstok"]], WHOLE)[0]["level"] == level
    assert set(levels()) <= set(LEVELS)


def test_an_engine_that_is_not_there_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_START", process._START.replace("sys.exit", "import benchmarks.measure as m; "
                        "m.importlib.import_module = lambda name: __import__('no_' + name); sys.exit"))
    launcher = process.Launcher(tmp_path, [], 60)
    launcher.text_file(WORST)
    assert "no_dstok" in launcher.measure([ENGINES["dstok"]], WORST)[0]["absent"]


def test_a_measurement_that_does_not_end_is_a_failure(tmp_path: Path) -> None:
    [found] = process.Launcher(tmp_path, [], 0.01).measure([ENGINES["dstok"]], WORST)
    assert found["failed"] == "no end in 0.01 s"


def test_warm_passes_of_the_worst_cases_are_not_seen_before() -> None:
    seen: list[str] = []

    def opened(module: Any, path: Path, mode: str, threads: int) -> Call:
        def encode(text: str) -> None:
            seen.append(text)
            sum(range(200_000))

        return Call(encode, lambda _: np.empty(0, np.uint32))

    found = measure(Engine("json", opened), WORST, "a" * 1000, Path(), range(2))
    passes = seen[1:-1]  # after "hi", before the pass that takes the ids
    assert len(set(passes)) == len(passes) > len(found["turns"]) == 2


# Ids that differ


def test_nothing_counts_where_exact_engines_disagree() -> None:
    summary, wrong = summarise(WHOLE, [record("dstok"), record("gigatoken", ids="wrong")])
    assert len(wrong) == 1 and "wiki/whole" in wrong[0] and "dstok" in wrong[0] and "gigatoken" in wrong[0]
    assert not any(engine.get("figures") for engine in summary["engines"].values())


def test_upstream_is_the_judge() -> None:
    found = [record("dstok", ids="wrong"), record("gigatoken"), record("tokenizers")]
    summary, wrong = summarise(WHOLE, found)
    assert wrong == ["wiki/whole: dstok does not give the ids of tokenizers"]
    assert summary["upstream"] and "figures" not in summary["engines"]["dstok"]
    assert summary["engines"]["gigatoken"]["figures"]["warm_mb_s"] == {"median": 100.0, "min": 100.0, "max": 100.0}


def test_ids_that_change_between_rounds_do_not_count() -> None:
    found = [record("dstok"), record("dstok", ids="wrong"), record("gigatoken"), record("tokenizers")]
    summary, wrong = summarise(WHOLE, found)
    assert len(wrong) == 1 and summary["engines"]["dstok"]["equal"] is False


def test_an_inexact_engine_may_differ_but_is_no_peer() -> None:
    summary, wrong = summarise(WHOLE, [record("dstok"), record("gigatoken"), record("tokie", ids="wrong", speed=900)])
    assert wrong == [] and best_peer(summary, "warm_mb_s") == ("gigatoken", 100.0)
    assert "450 / 900 ≠" in tables(results(record("dstok"), record("tokie", ids="wrong", speed=900)))


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Record]:
    """What the launcher answers, by engine."""
    answers: dict[str, Record] = {}
    monkeypatch.setattr(process.Launcher, "text_file", lambda self, case: Path())
    monkeypatch.setattr(process.Launcher, "measure", lambda self, engines, case: [answers[engine.name].copy() for engine in engines])
    return answers


def a_run(*words: str) -> int:
    return run.main(["--cases", "wiki/whole", "--rounds", "1", "--engines", "dstok", "gigatoken", *words])


def test_a_run_with_other_ids_fails(faked: dict[str, Record], capsys: pytest.CaptureFixture[str]) -> None:
    faked |= {"dstok": record("dstok"), "gigatoken": record("gigatoken", ids="wrong")}
    assert a_run() == 1
    shown = capsys.readouterr()
    assert "the engines give different ids" in shown.err and "IDS DIFFER" in shown.out


def test_a_run(faked: dict[str, Record], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    faked |= {"dstok": record("dstok", speed=300), "gigatoken": record("gigatoken")}
    assert a_run("--output", str(tmp_path / "results" / "x.json")) == 0
    shown = capsys.readouterr()
    assert "| 3.00 / 3.00 |" in shown.out and "| wiki/whole warm | 3.00 x | at least 2 x | reached |" in shown.out
    assert "round 1" in shown.err
    written: Results = json.loads((tmp_path / "results" / "x.json").read_text(encoding="utf-8"))
    assert written["cases"][0]["engines"]["dstok"]["figures"]["warm_mb_s"]["median"] == 300
    assert written["machine"]["cores"] and written["python"] and set(written) == set(Results.__annotations__)
    assert written["machine"]["cpu"] and written["level"] == "avx2"


def test_an_absent_peer_is_reported(faked: dict[str, Record], capsys: pytest.CaptureFixture[str]) -> None:
    faked |= {"dstok": record("dstok"), "gigatoken": Record(engine="gigatoken", case="wiki/whole", absent="not here")}
    assert a_run() == 0
    assert "Absent: gigatoken (not here)" in capsys.readouterr().out


def test_a_failure_of_dstok_fails_the_run(faked: dict[str, Record], capsys: pytest.CaptureFixture[str]) -> None:
    faked |= {"dstok": Record(engine="dstok", case="wiki/whole", failed="boom"), "gigatoken": record("gigatoken")}
    assert a_run() == 1
    assert "dstok failed: boom" in capsys.readouterr().err


def test_a_text_is_the_one_that_was_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another one under its name is refused, with the remedy; so is what a package gives that has changed."""
    monkeypatch.setenv("DSTOK_TEXTS", str(tmp_path / "texts"))
    archive = tmp_path / "a.whl"
    with ZipFile(archive, "w") as made:
        made.writestr("django/b.py", "b = 1\n")
        made.writestr("django/a.py", "a = 中\n")
        made.writestr("django/de.po", 'msgid "Yes"\nmsgstr ""\n"Ja "\n"\\"doch\\"\\n"\n')
    download = lambda command, **_: (shutil.copy(archive, command[-2]), subprocess.CompletedProcess(command, 0, "", ""))[1]  # noqa: E731
    monkeypatch.setattr(subprocess, "run", download)
    for name, expected in (("python", "a = 中\nb = 1\n"), ("languages", 'Ja "doch"\n\n')):
        with pytest.raises(ValueError, match=sha256(expected.encode()).hexdigest()):
            texts.fetch(name)
        monkeypatch.setitem(texts.FETCHED, name, replace(texts.FETCHED[name], sha256=sha256(expected.encode()).hexdigest()))
        with pytest.raises(FileNotFoundError, match="python -m benchmarks.texts"):
            texts.load(name)
        assert texts.fetch(name) == texts.load(name) == load_text(Case(f"{name}/whole", "corpus", name, "whole")) == expected


def test_cases_without_their_corpus_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The table says what to do about it."""
    monkeypatch.setenv("DSTOK_SHARED", str(tmp_path))
    monkeypatch.setattr(wikitext, "find", lambda: None)
    run.main(["--cases", "wiki/whole", "code/docs", "--rounds", "1", "--engines", "dstok"])
    shown = capsys.readouterr().out
    assert f"- Left out (no wiki.test.raw: {wikitext.HOW}): wiki/whole." in shown
    assert "- Left out (no code.txt.xz: set DSTOK_SHARED to the folder with data/): code/docs." in shown


def test_a_quick_run(faked: dict[str, Record], capsys: pytest.CaptureFixture[str]) -> None:
    """One round of the README's table: each text that anyone can fetch, as an array, a list, and a list a line."""
    faked |= {name: record(name) for name in ENGINES}
    assert run.main(["--quick"]) == 0
    measured = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert measured == [f"{source}/{mode}" for source in PUBLIC for mode in MODES if mode in SHORT_MODES]
    with pytest.raises(SystemExit):
        run.main(["--quick", "--full"])


def test_an_unknown_case_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--cases", "nope"]) == 2
    assert "nope" in capsys.readouterr().err


# The other measurements


def test_the_command_names_its_options() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "--full" in done.stdout


def test_instructions_of_a_log_of_qemu() -> None:
    """Two passes: a block of two instructions, run twice; that one and a new one of three; the log of a start before."""
    block = b"----------------\nIN: \n0x0010:  d503233f  paciasp  \n0x0014:  d65f03c0  ret      \n\n"
    new = b"----------------\nIN: f\n0x0020:  d503233f  paciasp  \n0x0024:  d503233f  paciasp  \n0x0028:  d65f03c0  ret\n\n"
    ran, ran_new = b"Trace 0: 0x7f [81/0000000000000010/1/82] \n", b"Trace 0: 0x7f [81/0000000000000020/1/82] f\n"
    log = block + ran + qemu.MARK + ran + ran + qemu.MARK + ran + new + ran_new + qemu.MARK
    assert list(qemu._totals(log.splitlines(keepends=True))) == [2, 6, 11]


def test_splitting_is_compared_before_it_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    gpt_2, text = splitter.splitter_of("gpt-2"), "It's 42\n\n caf\u00e9 "
    assert float(splitter.measured("dstok", gpt_2, text)) > 0
    assert float(splitter.measured("regex", gpt_2, text)) > 0
    other = (len, lambda text: [text])
    monkeypatch.setitem(splitter.ENGINES, "other", ("dstok", lambda _: other))
    monkeypatch.setitem(splitter.ENGINES, "gone", ("no_such_module", lambda _: other))
    monkeypatch.setitem(splitter.ENGINES, "picky", ("dstok", lambda _: 1 / 0))
    assert [splitter.measured(name, gpt_2, text) for name in ("other", "gone", "picky")] == ["differs", "absent", "refuses"]


def test_matches_are_compared_before_they_are_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = "id=42, é 7\n"
    monkeypatch.setattr(patterns, "LEAST_SECONDS", 0.001)
    for name, pattern in patterns.PATTERNS.items():
        found = patterns.measured("dstok", pattern, text)
        assert isinstance(found, float), (name, found)
        assert patterns.measured("re", pattern, text) != "differs", name
    monkeypatch.setitem(patterns.ENGINES, "json", lambda _: lambda text: [(0, 1)])
    assert patterns.measured("json", r"\d+", text) == "differs"
    monkeypatch.setitem(patterns.ENGINES, "no_such_module", lambda _: len)
    assert patterns.measured("no_such_module", r"\d+", text) == "absent"
    assert patterns.measured("re", r"\p{L}", text) == "refuses"
    monkeypatch.setattr(patterns, "SIZE", 2000)
    monkeypatch.setattr(patterns, "load_text", lambda case: "low 12 lower 3.5 é\n" * 500)
    written = str(tmp_path / "patterns.json")
    assert patterns.main(["--texts", "log", "english", "--patterns", "numbers", "--output", written]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].startswith("| pattern | way | log: dstok | re |")
    assert shown.splitlines()[2].startswith(r"| numbers `\d+(?:\.\d+)?` | shuffles, ")
    assert patterns.main(["--table", written]) == 0 and capsys.readouterr().out == shown
    assert patterns.main(["--table", written, "--check"]) == 1


def test_results_of_splitting_are_added_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run replaces its own cases only; a file of another commit is refused."""
    file = tmp_path / "splitter.json"
    cases = [splitter_results.SplitCase(corpus=corpus, pattern="gpt-2", bytes=4, spans={"dstok": figure, "re2": "refuses"},
                                        count_pieces={"dstok": 2.0}) for corpus, figure in (("wiki", 1.0), ("code", 2.0))]
    splitter_results.added(file, cases)
    splitter_results.added(file, [{**cases[0], "spans": {"dstok": 3.0, "re2": "refuses"}}])
    assert splitter.main(["--table", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == ["| wiki | gpt-2 | 3.0 | refuses | 2.0 |",
                                                        "| code | gpt-2 | 2.0 | refuses | 2.0 |"]
    file.write_text(json.dumps({**json.loads(file.read_text()), "commit": "other"}))
    with pytest.raises(ValueError, match="found other"):
        splitter_results.opened(file)


def test_requests_that_share_a_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each request of a conversation begins with the one before; an engine with other ids fails the run."""
    monkeypatch.setattr(prefixes, "load_text", lambda case: f"{case.name} of the model, 1 + 1; " * 400)
    [some] = prefixes.requests(1)
    assert 2 <= len(some) <= 64 and all(after.startswith(before) for before, after in zip(some, some[1:]))
    assert len({len(text) for texts in prefixes.requests(3) for text in texts}) > len(some)
    cache = tmp_path / "cache.py"
    cache.write_text("class PrefixCache:\n    def __init__(self, tok):\n        self.encode = tok.encode\n")
    assert prefixes.main(["--count", "2", "--rounds", "1", "--threads", "1", "2", "--cache", str(cache)]) == 0
    shown = capsys.readouterr().out
    assert "| dstok, whole, array | 2 |" in shown and "| dstok, prefix cache | 1 |" in shown
    cache.write_text("class PrefixCache:\n    def __init__(self, tok):\n        self.encode = lambda text: [1]\n")
    with pytest.raises(SystemExit, match="the same number of ids"):
        prefixes.main(["--count", "1", "--rounds", "1", "--cache", str(cache)])


def test_an_event_loop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    encoded = list[int]()
    monkeypatch.setattr(event_loop, "load_text", lambda case: "Some text. " * 100_000)
    monkeypatch.setattr(event_loop, "by_threads", counted(event_loop.by_threads, encoded))
    assert event_loop.main(["--megabytes", "1"]) == 0
    assert encoded == [1_100_000] * 5 and "| 1 MB a call, `to_thread`, arrays |" in capsys.readouterr().out


def counted(by_threads: Any, encoded: list[int]) -> Any:
    async def call(encode: Any, texts: list[str], at_once: int) -> None:
        sizes = list[int]()
        await by_threads(lambda text: sizes.append(len(text)), texts, at_once)
        encoded.append(sum(sizes))

    return call
