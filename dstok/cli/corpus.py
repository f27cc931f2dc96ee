"""`dstok corpus`: files of text -> a folder of files of ids.

In: paths of files, folders and globs. Out: the folder of --out, and a line of totals. Invariant: the output equals that
of `dstok.corpus.tokenize` with the same options; the same command continues where it stopped.

`dstok corpus info`, `verify`, `merge`, `stats`: commands on finished corpora.

In: folders that `dstok corpus` wrote. Out: lines for people, or with --json an object. The exit code is 1 if `verify`
found an error. Invariant: only `merge` writes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from argparse import Namespace
from collections import Counter
from typing import TYPE_CHECKING, Any

from dstok.cli.arguments import (
    Parser,
    add_actions,
    add_command,
    add_json,
    add_model,
    add_reading,
    add_upstream,
    at_least_0,
    dataset_of,
    load_model,
    refuse_unless,
)
from dstok.cli.errors import CommandError, complain, interruptible
from dstok.cli.output import watching_shards
from dstok.errors import DstokError
from dstok.io.id_files import write_lines

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.corpus.run import Run, Totals

__all__ = ["add_corpus", "add_corpus_folders"]

FORMATS = ("raw", "megatron", "datatrove", "parquet", "arrow", "jsonl")
WORDS = """\
Inputs: .jsonl (.ndjson, .json; a document a line), .txt .md (a document a file, or with --lines a
line), .parquet, .arrow; .gz .zst .bz2 .xz of text and JSON lines. Folders are read recursively.
Added tokens in texts are plain text, unless --special is set: a corpus is data.

  dstok corpus info DIR      describe a corpus
  dstok corpus verify DIR    check that its files and its inputs are unchanged (exit code 1 if not)
  dstok corpus merge DIR...  merge several corpora into one
  dstok corpus stats DIR     show tokens a document, bytes a token, frequent ids

"""


def add_corpus(commands: Commands) -> None:
    parser = add_command(commands, "corpus", run, "turn files of text into files of ids, for training",
                         "dstok corpus data/*.jsonl.zst --out ids --format megatron --add-eos", WORDS)
    parser.add_argument("files", nargs="*", default=[], metavar="IN", help="files, folders and globs to read")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write; a started one is continued")
    add_model(parser)
    add_upstream(parser)
    _add_inputs(parser)
    _add_outputs(parser)
    _add_work(parser)


def _add_inputs(parser: Parser) -> None:
    add_reading(parser)
    parser.add_argument("--special", default="none", metavar="HOW",
                        help="how to read texts of added tokens: none as tokens (default), all as tokens, raise "
                             "refuses them, TOKEN,... only these as tokens")
    parser.add_argument("--add-bos", action="store_true", help="begin each document with the model's BOS token")
    parser.add_argument("--add-eos", action="store_true", help="end each document with the model's EOS token")
    for end, does in (("bos", "begin"), ("eos", "end")):
        parser.add_argument(f"--{end}", metavar="TOKEN",
                            help=f"{does} each document with this token, also of a model that names no {end.upper()}")
    parser.add_argument("--on-bad-document", choices=("fail", "skip"), default="fail",
                        help="for a document that cannot be encoded: fail (default), or list and count it")
    parser.add_argument("--max-document", type=at_least_0, metavar="BYTES",
                        help="a larger document counts as bad (default 268435456)")


def _add_outputs(parser: Parser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="raw", help="the format of the files of ids (default raw)")
    parser.add_argument("--dtype", choices=("uint32", "int32", "int64", "uint16"),
                        help="type of ids (default: the format's)")
    parser.add_argument("--tokens-per-shard", type=at_least_0, default=0, metavar="N",
                        help="begin another file where one would have more ids")
    parser.add_argument("--shard-bytes", type=at_least_0, default=0, metavar="N",
                        help="bytes of input in a shard (default: by the size of all)")
    parser.add_argument("--pack", type=at_least_0, default=0, metavar="LENGTH", help="rows of LENGTH ids")
    parser.add_argument("--pad-id", type=at_least_0, metavar="ID",
                        help="with --pack: the id that fills the last row of a shard")
    parser.add_argument("--shuffle", type=at_least_0, metavar="SEED",
                        help="shuffle the documents of each shard; the same seed gives the same order")


def _add_work(parser: Parser) -> None:
    parser.add_argument("--workers", type=at_least_0, metavar="N", help="processes (default: one a processor)")
    parser.add_argument("--shard", type=_shard, default=(1, 1), metavar="I/N",
                        help="process the I-th of N equal parts, I from 1 on: for arrays of jobs")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, sum up what would be written")
    add_json(parser, "print the totals as JSON")


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"not a part I/N, with I from 1 to N: {text!r}")
    return int(number), int(count)


def run(arguments: Namespace) -> None:
    if not arguments.files and arguments.dataset is None:
        raise CommandError("nothing to read: expected files, folders, globs or --dataset")
    refuse_unless(arguments.pad_id is None or arguments.pack, "--pad-id", "rows of one length (--pack)")
    began = time.monotonic()
    work = _run(arguments)
    if arguments.dry_run:
        write_lines(None, [_dry(arguments, work)])
        return
    totals = _tokenize(arguments, work)
    seconds = time.monotonic() - began
    size = sum(shard.size for shard in work.shards[arguments.shard[0] - 1 :: arguments.shard[1]])
    write_lines(None, [(_json if arguments.json else _line)(totals, size, seconds)])
    if totals.skipped:
        from dstok.corpus.settings import SKIPPED

        complain(f"{totals.skipped} bad documents skipped, listed in {arguments.out}/{SKIPPED}")


def _run(arguments: Namespace) -> Run:
    from dstok.corpus.run import Run
    from dstok.corpus.settings import CorpusSettings

    dataset, field = dataset_of(arguments)
    given = {"format": arguments.format, "dtype": arguments.dtype or "", "kind": arguments.input_format or "",
             "lines": arguments.lines, "field": field, "special": _special(arguments.special),
             "add_bos": arguments.add_bos or arguments.bos is not None,
             "add_eos": arguments.add_eos or arguments.eos is not None,
             "skip": arguments.on_bad_document == "skip", "pack": arguments.pack, "pad_id": arguments.pad_id,
             "shuffle": arguments.shuffle, "tokens_per_file": arguments.tokens_per_shard,
             "shard_bytes": arguments.shard_bytes}
    given |= {} if arguments.max_document is None else {"largest": arguments.max_document}
    tok = load_model(arguments.model, arguments.upstream)  # its own error comes before those of the settings
    named = {f"{end}_id": getattr(arguments, end) for end in ("bos", "eos")}
    ends: Any = {name: tok.token_to_id(text) for name, text in named.items() if text is not None}
    model, upstream = (tok.replace(**ends), None) if ends else (arguments.model, arguments.upstream)
    try:
        return Run(arguments.files, model, CorpusSettings(**given), dataset, upstream)
    except DstokError:
        raise
    except ValueError as error:
        raise CommandError(str(error)) from error


def _special(how: str) -> str | tuple[str, ...]:
    return how if how in ("all", "none", "raise") else tuple(filter(None, how.split(",")))


def _tokenize(arguments: Namespace, work: Run) -> Totals:
    from dstok.corpus.engines import find_engine

    if arguments.workers == 0:
        raise CommandError("--workers: expected at least 1")
    engine = find_engine(arguments.engine)
    with interruptible(), watching_shards(work.shards) as progress:
        return work.tokenize(arguments.out, engine, arguments.workers, arguments.shard, progress)


def _line(totals: Totals, size: int, seconds: float) -> str:
    earlier = f" ({totals.done} of them done before)" if totals.done else ""
    whole = "" if totals.complete else "; the corpus is not whole yet, other parts are missing"
    return (f"{totals.documents:,} documents, {totals.tokens:,} tokens, {totals.skipped:,} skipped, "
            f"{totals.shards:,} shards{earlier}, {size / 1e6:,.1f} MB in {seconds:.1f} s{whole}")


def _json(totals: Totals, size: int, seconds: float) -> str:
    return json.dumps({**totals._asdict(), "bytes": size, "seconds": round(seconds, 3)})


def _dry(arguments: Namespace, work: Run) -> str:
    import numpy as np

    from dstok.corpus.folder import Folder
    from dstok.corpus.stats import estimate

    Folder(arguments.out, *arguments.shard).check(work.plan())
    total, files, dtype = estimate(work), len(work.files), work.settings.dtype
    size = total.tokens * np.dtype(dtype).itemsize
    if arguments.json:
        return json.dumps({"files": files, **total._asdict(), "ids_bytes": size})
    packed = f"; {total.packed / 1e6:,.1f} MB of these are packed, and hold more" if total.packed else ""
    return (f"{files:,} input files of {total.bytes / 1e6:,.1f} MB, {total.shards:,} shards, about "
            f"{total.documents:,} documents, {total.tokens:,} tokens, {size / 1e6:,.1f} MB of {dtype} ids, by a sample "
            f"of {total.sampled / 1e6:,.1f} MB{packed}")


DIFFERENT = 1


def add_corpus_folders(commands: Commands) -> None:
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
    from dstok.corpus.settings import CORPUS

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
    from dstok.corpus.verify import verify

    problems = list(verify(arguments.folder, inputs=not arguments.no_inputs, sample=arguments.sample,
                           model=arguments.model))
    words = problems or ["all is as it should be"]
    write_lines(None, [json.dumps({"problems": problems})] if arguments.json else words)
    return DIFFERENT if problems else 0


def _merge(arguments: Namespace) -> None:
    from dstok.corpus.merge import merge

    manifest = merge(arguments.folders, arguments.out, tokens_per_file=arguments.tokens_per_shard)
    sums = {key: manifest[key] for key in ("documents", "tokens")}
    words = f"{sums['documents']:,} documents, {sums['tokens']:,} tokens"
    write_lines(None, [json.dumps(sums) if arguments.json else words])


def _stats(arguments: Namespace) -> None:
    from dstok.corpus.folder import read_plan
    from dstok.corpus.readers import open_corpus
    from dstok.corpus.stats import PERCENTS, figures, plot

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
