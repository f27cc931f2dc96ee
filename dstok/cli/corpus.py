"""`dstok corpus`: files of text -> a folder of files of ids; and `info`, `verify`, `merge`, `stats` of such folders.

In: paths of files, folders and globs; or folders that `dstok corpus` wrote. Out: the folder of --out, and a line of
totals; lines for people, or with --json an object. The exit code is 1 if `verify` found an error. Invariant: the output
equals that of `dstok.corpus.tokenize` with the same options; the same command continues where it stopped. Of the
commands on finished corpora only `merge` writes.
"""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections import Counter
from typing import Any

import numpy as np

from dstok.cli.arguments import DIFFERENT, inputs_of, load_model, refuse_unless
from dstok.cli.output import CommandError, complain, interruptible, watching_shards, write_result
from dstok.corpus.engines import find_engine
from dstok.corpus.folder import Folder, read_corpus, read_manifest, read_plan
from dstok.corpus.readers import open_corpus
from dstok.corpus.run import Run, estimate
from dstok.corpus.settings import CORPUS, SKIPPED, CorpusSettings
from dstok.errors import DstokError


def run_corpus(arguments: Namespace) -> None:
    refuse_unless(arguments.pad_id is None or arguments.pack, "--pad-id", "rows of one length (--pack)")
    began = time.monotonic()
    work = _run(arguments)
    if arguments.dry_run:
        Folder(arguments.out, *arguments.shard).check(work.plan())
        total, files, dtype = estimate(work), len(work.files), work.settings.dtype
        size = total.tokens * np.dtype(dtype).itemsize
        packed = f"; {total.packed / 1e6:,.1f} MB of these are packed, and hold more" if total.packed else ""
        write_result(arguments, {"files": files, **total._asdict(), "ids_bytes": size}, [
            f"{files:,} input files of {total.bytes / 1e6:,.1f} MB, {total.shards:,} shards, about "
            f"{total.documents:,} documents, {total.tokens:,} tokens, {size / 1e6:,.1f} MB of {dtype} ids, by a sample "
            f"of {total.sampled / 1e6:,.1f} MB{packed}"])
        return
    engine = find_engine(arguments.engine)
    with interruptible(), watching_shards(work.shards) as progress:
        totals = work.tokenize(arguments.out, engine, arguments.workers, arguments.shard, progress)
    seconds = time.monotonic() - began
    size = sum(shard.size for shard in work.shards[arguments.shard[0] - 1 :: arguments.shard[1]])
    earlier = f" ({totals.done} of them done before)" if totals.done else ""
    whole = "" if totals.complete else "; the corpus is not whole yet, other parts are missing"
    write_result(arguments, {**totals._asdict(), "bytes": size, "seconds": round(seconds, 3)}, [
        f"{totals.documents:,} documents, {totals.tokens:,} tokens, {totals.skipped:,} skipped, "
        f"{totals.shards:,} shards{earlier}, {size / 1e6:,.1f} MB in {seconds:.1f} s{whole}"])
    if totals.skipped:
        complain(f"{totals.skipped} bad documents skipped, listed in {arguments.out}/{SKIPPED}")


def _run(arguments: Namespace) -> Run:
    dataset, field = inputs_of(arguments)
    special = arguments.special
    given = {key: getattr(arguments, key) for key in ("format", "lines", "pad_id", "shuffle", "shard_bytes")}
    given |= {"dtype": arguments.dtype or "", "kind": arguments.input_format or "", "field": field,
              "special": special if special in ("all", "none", "raise") else tuple(filter(None, special.split(","))),
              "add_bos": arguments.add_bos or arguments.bos is not None,
              "add_eos": arguments.add_eos or arguments.eos is not None, "pack": arguments.pack or 0,
              "skip": arguments.on_bad_document == "skip", "tokens_per_file": arguments.tokens_per_shard}
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


def run_info(arguments: Namespace) -> None:
    (plan, _), whole = read_plan(arguments.folder), os.path.exists(os.path.join(arguments.folder, CORPUS))
    corpus = read_corpus(arguments.folder) if whole else {"shards": []}
    outputs = [output for shard in corpus["shards"]
               for output in read_manifest(arguments.folder, shard)["outputs"]]
    shape: dict[str, Any] = {
        "complete": whole, **{key: plan[key] for key in ("dstok", "tokenizer", "settings")},
        "inputs": len(plan["inputs"]), "files": len(outputs), "bytes": sum(output["size"] for output in outputs),
        **corpus, "shards": len(corpus["shards"])}
    settings = {key: value for key, value in plan["settings"].items() if value not in ("", None, False, 0)}
    model = f"{plan['tokenizer']['model'] or 'without a name'}, {plan['tokenizer']['fingerprint'][:16]}"
    words = {"tokenizer": model, **settings, "inputs": f"{shape['inputs']:,} files"}
    if whole:
        words |= {key: f"{shape[key]:,}" for key in ("documents", "tokens", "rows", "padding", "skipped", "shards")}
        words["files"] = f"{shape['files']:,} of {shape['bytes'] / 1e6:,.1f} MB"
    else:
        words["state"] = "not whole: the command that makes it goes on where it stopped"
    write_result(arguments, shape, [f"{key:<16} {value}" for key, value in words.items()])


def run_verify(arguments: Namespace) -> int:
    from dstok.corpus.finished import verify

    problems = list(verify(arguments.folder, inputs=not arguments.no_inputs, sample=arguments.sample,
                           model=arguments.model))
    write_result(arguments, {"problems": problems}, problems or ["all is as it should be"])
    return DIFFERENT if problems else 0


def run_merge(arguments: Namespace) -> None:
    from dstok.corpus.finished import merge

    manifest = merge(arguments.folders, arguments.out, tokens_per_file=arguments.tokens_per_shard)
    sums = {key: manifest[key] for key in ("documents", "tokens")}
    write_result(arguments, sums, [f"{sums['documents']:,} documents, {sums['tokens']:,} tokens"])


def run_stats(arguments: Namespace) -> None:
    from dstok.corpus.finished import PERCENTS, figures, plot

    corpus = open_corpus(arguments.folder)
    model = arguments.model or read_plan(arguments.folder)[0]["tokenizer"]["model"]
    if not model:
        raise CommandError(f"{arguments.folder}: does not tell its model (--model names it)")
    tokenizer = load_model(model)
    summary = figures(corpus, tokenizer)
    if arguments.plot:
        plot(summary, arguments.plot)
    found = [(id, tokenizer.decode_bytes([id]), count) for id, count in summary.frequent(arguments.top)]
    frequent = [(id, token.decode("utf-8", "replace"), count) for id, token, count in found]
    distinct, per = Counter((summary.counts > 0).tolist())[True], max(1, summary.tokens)
    by_percent = dict(zip(map(str, PERCENTS), summary.percentiles))
    lines = [f"documents        {summary.documents:,}", f"tokens           {summary.tokens:,}",
             f"distinct ids     {distinct:,}", f"bytes a token    {summary.bytes / per:.3f}", "", "tokens a document"]
    lines += [f"{f'{percent} %':>8} {count:>12,}" for percent, count in by_percent.items()]
    lines += ["", f"{'id':>8} {'how often':>12} {'share':>7}   token"]
    lines += [f"{id:>8} {count:>12,} {count / per:>7.2%}   {text if text.encode() == token else token!r}"
              for (id, text, count), (_, token, _) in zip(frequent, found)]
    write_result(arguments, {"documents": summary.documents, "tokens": summary.tokens, "bytes": summary.bytes,
                             "distinct_ids": distinct, "tokens_a_document": by_percent, "frequent": frequent}, lines)
