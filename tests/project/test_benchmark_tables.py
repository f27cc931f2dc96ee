"""Tables, charts and documents say what the benchmarks' result files say."""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmark_records import ROOT, WORST, record, results

from benchmarks import calls, load, models, patterns, start, train, verdicts
from benchmarks.cases import select
from benchmarks.chart import chart
from benchmarks.engines import ENGINES
from benchmarks.goals import goals, goals_table
from benchmarks.summary import CaseSummary, EngineSummary, Spread
from benchmarks.table import BEGIN, END, main, replaced, sections, tables


def test_medians_and_spread() -> None:
    found = results(*(record("dstok", speed=speed) for speed in (100, 300, 200)), record("gigatoken"))
    assert "| 200 (100–300) |" in tables(found, spread=True).replace("100 (50.0–150) / ", "")
    assert "| 100 / 200 | 50.0 / 100 | 1.00 / 1.00 |" in tables(found)  # of the one round that has both
    assert "dstok 100%" in tables(found)


def test_ratios_are_medians_of_pairs() -> None:
    """A figure is compared with those that lie beside it: of the same round, of the same turn."""
    ours = [record("dstok", speed=speed) for speed in (200, 100, 50)]  # a machine that becomes slower
    theirs = [record("gigatoken", speed=speed) for speed in (100, 40, 30)]
    ours[0]["turns"], theirs[0]["turns"] = [200.0, 90.0], [100.0, 30.0, 1.0]
    [case] = results(*ours, *theirs)["cases"]
    assert case["ratios"]["cold_mb_s"] == pytest.approx(2.0) and case["ratios"]["warm_mb_s"] == pytest.approx(2.25)
    [alone] = results(*ours)["cases"]
    assert alone["ratios"] == {}
    [case] = results(*ours, record("gigatoken", speed=100), record("fastokens", speed=400), record("tokie", speed=900))["cases"]
    assert case["ratios"]["warm_mb_s"] == pytest.approx((0.5 + 90 / 400) / 2)  # the best exact one counts


def test_growth_is_shown_step_by_step() -> None:
    cases = [*select(["growth/a/*"], True), WORST]
    found = results(*(record("dstok", case, speed=speed) for case, speed in zip(cases, (40, 30, 10, 20))))
    assert "| a | 40.0 / 30.0 / 20.0 / 10.0 |" in tables(found)
    most = next(g for g in goals(found) if g.measure.startswith("growth/a"))
    assert most.found == 2.0 and not most.reached


def test_goals_are_only_for_what_was_measured() -> None:
    found = list(goals(results(record("dstok", speed=150), record("gigatoken"))))
    assert {g.measure: g.reached for g in found} == {
        "wiki/whole cold": True, "wiki/whole warm": False, "import, load and first ids": True, "load alone": True,
        "start, against the best peer": False, "memory after load": True}
    assert "4 of 6 goals reached." in goals_table(results(record("dstok", speed=150), record("gigatoken")))


def test_the_table_in_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, readme = tmp_path / "x.json", tmp_path / "README.md"
    found = results(record("dstok"), record("gigatoken"), record("dstok", WORST), record("gigatoken", WORST))
    result.write_text(json.dumps(found), encoding="utf-8")
    readme.write_text(f"before\n{BEGIN}\n{END}\nafter\n", encoding="utf-8")
    assert main([str(result), "--check", str(readme)]) == 1 and "not current" in capsys.readouterr().err
    assert main([str(result), "--write", str(readme)]) == 0 and main([str(result), "--check", str(readme)]) == 0
    assert readme.read_text(encoding="utf-8") == f"before\n{BEGIN}\n### AVX2\n\n{tables(found)}\n{END}\nafter\n"
    readme.write_text("no markers", encoding="utf-8")
    assert main([str(result), "--write", str(readme)]) == 1 and BEGIN in capsys.readouterr().err


def test_tables_of_two_levels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each under its name, in whatever order they are given; a level that was asked for is told."""
    found = results(record("dstok"), record("gigatoken"))
    wide, held = found | {"level": "avx512"}, found | {"settings": {**found["settings"], "DSTOK_SIMD": "avx2"}}
    for name, one in (("held", held), ("wide", wide)):
        (tmp_path / name).write_text(json.dumps(one), encoding="utf-8")
    assert main([str(tmp_path / "held"), str(tmp_path / "wide")]) == 0
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if line.startswith("### ")] == ["### AVX-512", "### AVX2"]
    assert "0123456789, AVX-512. One core" in shown and "AVX2 (by DSTOK_SIMD; its peers use what" in shown


def test_an_older_result_has_no_level() -> None:
    found = results(record("dstok"))
    del found["level"]  # type: ignore[misc]
    assert sections([found]).startswith("### instruction set not recorded\n")


def test_the_speed_in_the_documents() -> None:
    """The tables of docs/speed.md and the README, and the charts, are those of the newest quick runs, a file for each
    instruction set."""
    folder = ROOT / "benchmarks" / "results"
    newest = max(path.name[:10] for path in folder.glob("*-quick*.json"))
    quick = sorted(folder.glob(f"{newest}-quick*.json"))
    assert main([*map(str, quick), "--short", "--check"]) == 0
    assert main([*map(str, quick), "--brief", "--check"]) == 0
    for page in ("README.md", "docs/index.md", "docs/speed.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert any(f"{file.with_suffix('.svg').name})" in text for file in quick)
    for file in quick:
        made = chart(json.loads(file.read_text(encoding="utf-8")))
        assert file.with_suffix(".svg").read_text(encoding="utf-8") == made


def test_the_calls_in_the_documents() -> None:
    """docs/speed.md has the tables of the newest run, a file for each instruction set."""
    folder = ROOT / "benchmarks" / "results"
    newest = max(path.name[:10] for path in folder.glob("*-calls*.json"))
    assert calls.main(["--table", *map(str, sorted(folder.glob(f"{newest}-calls*.json"))), "--check"]) == 0


def test_the_trainings_in_the_documents() -> None:
    """The tutorial has the tables of the newest run, a file for each instruction set, and no merges in them differ."""
    folder = ROOT / "benchmarks" / "results"
    newest = max(path.name[:10] for path in folder.glob("*-train*.json"))
    files = sorted(folder.glob(f"{newest}-train*.json"))
    assert train.main(["--table", *map(str, files), "--check"]) == 0
    assert not [line for file in files for line in train.differences(json.loads(file.read_text(encoding="utf-8")))]


@pytest.mark.skipif(sys.platform != "linux", reason="the processes read /proc, and choose their cores")
def test_a_training_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a small text, with merges that are compared; an engine that cannot run is a failure, not an end."""
    monkeypatch.setattr(train, "VOCAB_SIZE", 300)
    monkeypatch.setattr(train, "load_text", lambda case: "low lower lowest\nnew é newer 中文\n" * 50)
    versions: dict[str, str] = {}
    found = train._measured(train.CASES["english"], ["dstok", "tokenizers"], 2, tmp_path, versions)
    ours, theirs = found["engines"]["dstok"], found["engines"]["tokenizers"]
    assert ours["merges_sha256"] == theirs["merges_sha256"] and ours["merges"] > 10 and len(ours["cpu_s"]) == 2
    assert versions.keys() == {"dstok", "tokenizers"} and min(ours["cpu_s"]) > 0 and min(theirs["peak_mb"]) > 5
    failed = train._one("no-such", json.dumps({}))
    assert failed["failed"].startswith("exit code 1: ") and "KeyError" in failed["failed"]


def test_trainings_with_other_merges_are_told() -> None:
    def engine(merges: str, *seconds: float) -> dict[str, Any]:
        return {"cpu_s": [*seconds], "peak_mb": [50.0, 60.0, 70.0], "merges_sha256": merges}

    engines = {"dstok": engine("a", 3.0, 1.0, 2.0), "tokenizers": engine("a", 20.0), "gigabpe": engine("b", 1.0), "rustbpe": engine("c", 1.0)}
    found = {"machine": {"cpu": "C"}, "level": "avx2", "python": "P", "versions": {"dstok": "1"}, "commit": None, "date": "D", "rounds": 3,
             "settings": {"DSTOK_SIMD": "avx2"}, "cases": {"english": {"bytes": 12_000_000, "engines": engines}}}
    assert train.differences(found) == ["english: gigabpe has other merges than tokenizers"]
    lines = train.tables([found]).splitlines()
    assert lines[0].startswith("C, AVX2 (by DSTOK_SIMD), P, dstok 1, ") and "medians of 3 rounds" in lines[0]
    assert lines[4] == "| english 12.0 MB, gpt-2, 32,000 | dstok | 2.00 | 1.00 | 60.0 | upstream's |"
    assert [line.split(" | ")[-1] for line in lines[6:]] == ["DIFFERENT |", "others |"]
    engines["dstok"] = {"failed": "exit code 1"}
    assert train.differences(found)[0] == "english: dstok failed: exit code 1"
    assert "| dstok | failed |" in train.tables([found])


def test_the_patterns_in_the_documents() -> None:
    """docs/splitter.md has the table of the newest run, which has every pattern on every text."""
    newest = max((ROOT / "benchmarks" / "results").glob("*-patterns.json"))
    assert patterns.main(["--table", str(newest), "--check"]) == 0
    cases = json.loads(newest.read_text(encoding="utf-8"))["cases"]
    assert [(case["text"], case["pattern"]) for case in cases] == [*product(patterns.TEXTS, patterns.PATTERNS)]


def test_the_verdicts_in_the_documents() -> None:
    """They are what the result file says, and every engine that is timed has its row."""
    result = ROOT / "benchmarks" / "results" / "2026-11-25-verdicts.json"
    for document in ("docs/conformance.md", "benchmarks/README.md"):
        assert verdicts.main(["--table", str(result), "--check", str(ROOT / document)]) == 0
    installed = {name for name, engine in ENGINES.items() if not engine.wheel}
    assert installed <= set(json.loads(result.read_text(encoding="utf-8"))["peers"])


def test_the_chart_is_svg_of_the_figures() -> None:
    made = chart(results(record("dstok", speed=300), record("gigatoken")))
    tree = ElementTree.fromstring(made)
    texts = [node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"wiki", "dstok", "gigatoken", "150 / 300", "50.0 / 100"} <= set(texts)
    assert "prefers-color-scheme: dark" in made and "MB/s on one core, AVX2: " in made


def test_an_empty_result_has_tables_and_a_chart() -> None:
    assert "A Processor" in tables(results())
    ElementTree.fromstring(chart(results()))


def models_result(**changed: Any) -> dict[str, Any]:
    spread = Spread(median=300.0, min=1.0, max=400.0)
    figures = {"cold_mb_s": spread, "warm_mb_s": spread, "load_ms": Spread(median=20.4, min=1.0, max=40.0)}
    case = CaseSummary(name="wiki/whole", group="corpus", source="wiki", mode="whole", bytes=1, tokens=1, upstream=True,
                       ratios={}, engines={"dstok": EngineSummary(equal=True, rounds=1, figures=figures),
                                           "gigatoken": EngineSummary(equal=False, rounds=1),
                                           "fastokens": EngineSummary(failed="no", rounds=1),
                                           "tokenizers": EngineSummary(equal=True, rounds=1, figures=dict.fromkeys(
                                               figures, Spread(median=3.0, min=3.0, max=3.0)))})
    row = {"tokenizer": "d", "names": ["m", "llama2"], "date": "2026-12-01", "texts": 1234, "different": 0, "chats": 1,
           "pieces": "shuffles", "pre_type": "q", "speed": case, **changed}
    return {"machine": {"cpu": "C"}, "level": "AVX2", "python": "P", "commit": None, "versions": {"dstok": "1"}, "rows": [row],
            "pre_types": [{"names": ["p", "q"], "pieces": "automaton"}, {"names": ["r"], "pieces": "shuffles"}]}


def test_models_table() -> None:
    """A row a tokenizer; what is not equal is no peer."""
    lines = models.page(models_result()).splitlines()
    assert lines[0] == "C, AVX2, P, 2026-12-01; commit None; dstok 1."
    assert lines[4].replace("\u00a0", " ") == ("| m, mistral-7b-v0.1 (npm: llama2) | 1,234 | shuffles; q | 300 / 300 | 3.00 / 3.00 tokenizers | 20 / 3 "
                        "| 1 of 2 |")
    assert lines[-2:] == ["| p, q | automaton | m |", "| r | shuffles | – |"]


@pytest.mark.parametrize(("changed", "cell"), [({"different": 3}, "| **3 of 1,234 differ** |"), ({"speed": None}, "| – | – | – | 1 of 2 |"),
                                               ({"refused": "why"}, "| refused: why | – | – | – | – | – |")])
def test_models_that_are_not_as_they_should_be(changed: dict[str, Any], cell: str) -> None:
    assert cell in models.page(models_result(**changed)).splitlines()[4]


def test_the_page_of_models_is_its_result_file() -> None:
    [*_, newest] = sorted((ROOT / "benchmarks" / "results").glob("*-models.json"))
    document = (ROOT / "docs" / "your_model.md").read_text(encoding="utf-8")
    assert replaced(document, models.page(json.loads(newest.read_text(encoding="utf-8")))) == document


def test_files_of_one_tokenizer_share_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other added tokens make no other tokenizer, another merge does; each file's ids are compared."""
    from small_models import model_json

    added = {"id": 257, "content": "<x>", "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    made = [model_json([(b"a", b"b")]), model_json([(b"a", b"b")], [added]), model_json([(b"b", b"a")])]
    paths = [tmp_path / str(number) / "tokenizer.json" for number in range(3)]
    for path, text in zip(paths, made):
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    first, second, third = map(models.same, paths)
    assert first == second != third
    monkeypatch.setattr(models, "_texts", lambda: iter(["ab <x>\n\nba"]))
    monkeypatch.setattr(models, "pre_type", lambda *given: SimpleNamespace(proof="nearest"))  # which takes seconds to find
    found = models.row(first, paths[:2], speed=False)
    assert [found[name] for name in ("names", "texts", "different", "chats", "pre_type")] == [["0", "1"], 6, 0, 0, ""]
    monkeypatch.setattr("dstok.Tokenizer.encode_batch", lambda self, lines: [[0]] * len(lines))
    assert models.row(first, paths[:2], speed=False)["different"] == 6


def test_the_table_of_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An engine that does not load a file, or gives other ids, has no figure; docs/speed.md has the newest result's."""
    seconds = {load.PLAIN: [1.0, 3.0, 2.0], load.SECOND: [0.03] * 3, load.JUDGE: [2.0, 3.0, 8.0]}
    row = {"name": "a", "size": 2_000_000, "seconds": seconds, "peaks": {name: [50.0, 70.4, 60.0] for name in seconds},
           "different": [load.FIRST], "failed": ["gigatoken"]}
    found = {"machine": {"cpu": "C"}, "python": "P", "date": "D", "commit": "c" * 40, "dirty": True, "versions": {"dstok": "1"},
             "rounds": 3, "load_average": 0.25, "rows": [row]}
    lines = load.table(found).splitlines()
    assert lines[0].startswith("C, P, D; commit cccccccccc, with changes; dstok 1; load 0.2.")
    assert lines[2] == "| tokenizer.json | MB | dstok | dstok, first with cache | dstok, second with cache | tokenizers | gigatoken | dstok over tokenizers |"
    assert lines[4] == "| a | 2.0 | 2.00 / 60 | ≠ | 0.030 / 60 | 3.00 / 60 | failed | 0.50 |"
    (tmp_path / "x.json").write_text(json.dumps(found), encoding="utf-8")
    (tmp_path / "x.md").write_text(f"before\n{load.BEGIN}\n{load.END}\nafter\n", encoding="utf-8")
    assert load.main(["--table", str(tmp_path / "x.json"), "--write", str(tmp_path / "x.md")]) == 1  # dstok's ids differ
    assert load.table(found) in (tmp_path / "x.md").read_text(encoding="utf-8")
    assert "a: dstok, first with cache has other ids" in capsys.readouterr().err
    for newest in sorted((ROOT / "benchmarks" / "results").glob("*-load.json"))[-1:]:
        assert load.table(json.loads(newest.read_text(encoding="utf-8"))) in (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")


def test_loads_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from small_models import model_json

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "tokenizer.json").write_text(model_json([(b"l", b"l")]), encoding="utf-8")
    assert load.main([str(tmp_path / "a"), "--rounds", "1", "--output", str(tmp_path / "x.json")]) == 0
    [row] = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))["rows"]
    assert {load.PLAIN, load.FIRST, load.SECOND, load.JUDGE} <= row["seconds"].keys()
    assert row["seconds"][load.SECOND][0] < row["seconds"][load.PLAIN][0]
    assert all(peak > 5 for peaks in row["peaks"].values() for peak in peaks)
    assert "| a | 0.0 |" in capsys.readouterr().out


def test_the_table_of_starts() -> None:
    """Times are medians, beside an empty Python's. The README has the table of the newest result."""
    rows = {name: start.Figures(median_ms=10.0 * count, least_ms=8.0) for count, name in enumerate(start.PROCESSES, 1)}
    lines = start.table(rows).splitlines()
    assert lines[2] == "| empty Python | 10.0 | 8.0 | 1.0 |"
    assert lines[7] == "| import, load, first ids, after numpy in one process | 60.0 | 8.0 | 6.0 |"
    assert lines[-1] == "| dstok count FILE | 70.0 | 8.0 | 7.0 |"
    newest = max((ROOT / "benchmarks" / "results").glob("*-start.json"))
    rows = json.loads(newest.read_text(encoding="utf-8"))["rows"]
    assert start.table(rows) in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
