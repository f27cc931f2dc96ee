"""`dstok corpus info`, `verify`, `merge`, `stats`: commands on finished corpora.

In: folders that `dstok corpus` wrote. Out: lines for people, or with --json an object. The exit code is 1 if `verify`
found an error. Invariant: only `merge` writes.
"""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections import Counter
from typing import TYPE_CHECKING, Any

from dstok.cli.arguments import add_actions, add_command, add_json, at_least_0
from dstok.cli.errors import CommandError
from dstok.cli.models import load_model
from dstok.files.outputs import write_lines

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands

__all__ = ["add_commands"]

DIFFERENT = 1


def add_commands(commands: Commands) -> None:
    actions = add_actions(commands, "corpus", "files of ids, for training", "Finished corpora.")
    info = add_command(actions, "info", _info, "describe a corpus", "dstok corpus info ids")
    verify = add_command(actions, "verify", _verify, "check that a corpus and its inputs are unchanged",
                         "dstok corpus verify ids || echo damaged")
    verify.add_argument("--no-inputs", action="store_true", help="check the corpus alone, without its inputs")
    verify.add_argument("--sample", type=at_least_0, default=8, metavar="N",
                        help="encode documents of N shards again (default 8)")
    stats = add_command(actions, "stats", _stats, "show tokens a document, bytes a token, frequent ids",
                        "dstok corpus stats ids --plot ids.svg")
    stats.add_argument("--top", type=at_least_0, default=20, metavar="N", help="the number of ids to show (default 20)")
    stats.add_argument("--plot", metavar="FILE", help="draw a picture (.svg or .png)")
    for action in (info, verify, stats):
        action.add_argument("folder", metavar="DIR", help="the corpus")
    for action in (verify, stats):
        action.add_argument("-m", "--model", metavar="NAME|PATH", help="the tokenizer, if it has moved")
    merge = add_command(actions, "merge", _merge, "merge corpora into one", "dstok corpus merge a b c --out all")
    merge.add_argument("folders", nargs="+", metavar="DIR", help="the corpora, in order")
    merge.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    merge.add_argument("--tokens-per-shard", type=at_least_0, default=0, metavar="N",
                       help="begin another file where one would have more ids")
    for action in (info, verify, stats, merge):
        add_json(action, "print JSON instead of words")


def _info(arguments: Namespace) -> None:
    from dstok.corpus.folder import read_corpus, read_manifest, read_plan
    from dstok.corpus.names import CORPUS

    (plan, _), whole = read_plan(arguments.folder), os.path.exists(os.path.join(arguments.folder, CORPUS))
    corpus = read_corpus(arguments.folder) if whole else {"shards": []}
    outputs = [output for shard in corpus["shards"]
               for output in read_manifest(arguments.folder, shard)["outputs"]]
    shape = {"complete": whole, "dstok": plan["dstok"], "tokenizer": plan["tokenizer"], "settings": plan["settings"],
             "inputs": len(plan["inputs"]), "files": len(outputs), "bytes": sum(output["size"] for output in outputs),
             **corpus, "shards": len(corpus["shards"])}
    write_lines(None, [json.dumps(shape)] if arguments.json else _words(shape))


def _words(shape: dict[str, Any]) -> list[str]:
    settings = {key: value for key, value in shape["settings"].items() if value not in ("", None, False, 0)}
    rows = {"tokenizer": f"{shape['tokenizer']['model'] or 'without a name'}, {shape['tokenizer']['fingerprint'][:16]}",
            **settings, "inputs": f"{shape['inputs']:,} files"}
    if shape["complete"]:
        rows |= {key: f"{shape[key]:,}" for key in ("documents", "tokens", "rows", "padding", "skipped", "shards")}
        rows["files"] = f"{shape['files']:,} of {shape['bytes'] / 1e6:,.1f} MB"
    else:
        rows["state"] = "not whole: the command that makes it goes on where it stopped"
    return [f"{key:<16} {value}" for key, value in rows.items()]


def _verify(arguments: Namespace) -> int:
    from dstok.corpus.checking import verify

    problems = list(verify(arguments.folder, inputs=not arguments.no_inputs, sample=arguments.sample,
                           model=arguments.model))
    words = problems or ["all is as it should be"]
    write_lines(None, [json.dumps({"problems": problems})] if arguments.json else words)
    return DIFFERENT if problems else 0


def _merge(arguments: Namespace) -> None:
    from dstok.corpus.merging import merge

    manifest = merge(arguments.folders, arguments.out, tokens_per_file=arguments.tokens_per_shard)
    sums = {key: manifest[key] for key in ("documents", "tokens")}
    words = f"{sums['documents']:,} documents, {sums['tokens']:,} tokens"
    write_lines(None, [json.dumps(sums) if arguments.json else words])


def _stats(arguments: Namespace) -> None:
    from dstok.corpus.figures import PERCENTS, figures, plot
    from dstok.corpus.folder import read_plan
    from dstok.corpus.reading import open_corpus

    corpus = open_corpus(arguments.folder)
    model = arguments.model or read_plan(arguments.folder)[0]["tokenizer"]["model"]
    if not model:
        raise CommandError(f"{arguments.folder}: does not tell its model (--model names it)")
    tokenizer = load_model(model)
    summary = figures(corpus, tokenizer)
    if arguments.plot:
        plot(summary, arguments.plot)
    frequent = [(id, tokenizer.decode_bytes([id]).decode("utf-8", "replace"), count)
                for id, count in summary.frequent(arguments.top)]
    shape = {"documents": summary.documents, "tokens": summary.tokens, "bytes": summary.bytes,
             "distinct_ids": Counter((summary.counts > 0).tolist())[True],
             "tokens_a_document": dict(zip(map(str, PERCENTS), summary.percentiles)), "frequent": frequent}
    write_lines(None, [json.dumps(shape)] if arguments.json else _table(shape))


def _table(shape: dict[str, Any]) -> list[str]:
    tokens = max(1, shape["tokens"])
    lines = [f"documents        {shape['documents']:,}", f"tokens           {shape['tokens']:,}",
             f"distinct ids     {shape['distinct_ids']:,}", f"bytes a token    {shape['bytes'] / tokens:.3f}",
             "", "tokens a document"]
    lines += [f"{f'{percent} %':>8} {count:>12,}" for percent, count in shape["tokens_a_document"].items()]
    lines += ["", f"{'id':>8} {'how often':>12} {'share':>7}   token"]
    lines += [f"{id:>8} {count:>12,} {count / tokens:>7.2%}   {text!r}" for id, text, count in shape["frequent"]]
    return lines
