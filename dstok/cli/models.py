"""`dstok explain`, `dstok info`, `dstok models`, `dstok fetch`, `dstok cache`: the available models and their parts.

In: a model's name or path. Out: words for people, or one JSON value. Invariant: both say the same, but for `models`:
there only JSON has the source of each model and its hash.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from textwrap import wrap
from typing import Any

import dstok
from dstok._util.columns import aligned
from dstok.cli.arguments import DEFAULT_MODEL, load_model, refuse_unless
from dstok.cli.output import write_result
from dstok.compiled.cache import Cache
from dstok.errors import ModelNotFoundError, UnsupportedError
from dstok.io.id_files import write_text
from dstok.loading import fetched
from dstok.tokenizer import Tokenizer

WIDTH = 79  # of a line of `dstok models`: the narrowest usual terminal has 80 columns


def run_fetch(arguments: Namespace) -> None:
    path = str(fetched(arguments.name, arguments.revision, download=True)[0])
    if arguments.json:
        write_result(arguments, {"name": arguments.name, "path": path}, [], indent=2)
    else:
        write_text(None, f"{path}\n")  # for programs, too: without escapes


def run_explain(arguments: Namespace) -> None:
    from dstok.inspection.explain import automaton_dot, explain, paths
    from dstok.regex.cascade import Program

    model, text = load_model(arguments.model, arguments.upstream).inspect(), arguments.text
    if arguments.dot:
        write_text(arguments.dot, automaton_dot(model.automaton))
    if not arguments.json:
        write_result(arguments, None, explain(model, text).split("\n"))
        return
    cascade, path = model.cascade, None
    if text is not None and isinstance(cascade, Program) and not model.merges_characters:
        path = [{"text": piece.text, "step": piece.tag.step, "alternative": piece.tag.alternative,
                 "moves": [vars(move) for move in piece.moves]} for piece in paths(cascade, model.normalize(text))]
    steps = [{"pattern": split.pattern, "behavior": split.behavior, "invert": split.invert} for split in cascade.splits]
    write_result(arguments, {"unicode_version": cascade.unicode_version, "steps": steps, "path": path,
                             "classes": [members.ranges for members in cascade.alphabet.classes]}, [])


def run_info(arguments: Namespace) -> None:
    from dstok.regex.cascade import Program

    name, *others = (name for name in (arguments.name, arguments.model, DEFAULT_MODEL) if name is not None)
    refuse_unless(len(others) < 2, "--model", "a command without NAME")
    tokenizer = load_model(name, arguments.upstream)
    inspection, cascade = tokenizer.inspect(), tokenizer.inspect().cascade
    states = cascade.boundaries.states if isinstance(cascade, Program) else len(cascade.marked.rows) - 2
    names: dict[int | None, str] = {token_id: token for token, token_id in tokenizer.added_tokens.items()}
    info: dict[str, Any] = {
        "name": tokenizer.name or name, "fingerprint": tokenizer.fingerprint, "vocab_size": tokenizer.vocab_size,
        "added_tokens": len(tokenizer.added_tokens),
        "bos": names.get(tokenizer.bos_id), "bos_id": tokenizer.bos_id,
        "eos": names.get(tokenizer.eos_id), "eos_id": tokenizer.eos_id,
        "lost_bytes": _lost(tokenizer, inspection.lost_bytes),
        "merges": len(inspection.live_merges), "live_merges": int(inspection.live_merges.sum()),
        "unicode_version": inspection.unicode_version, "splits": [split.pattern for split in cascade.splits],
        "states": states, "classes": len(cascade.alphabet.classes), "scan": inspection.way,
        "pre_type": pre_type_of(tokenizer),
    }
    with suppress(ModelNotFoundError):
        known = dstok.model_info(tokenizer.name)
        if tokenizer.fingerprint == dstok.load(known.name).fingerprint:
            info |= {"source": known.source, "sha256": known.sha256, "licence": known.licence}
    # a row for each value; a list's values stand below one another
    shown = info | {"pre_type": info["pre_type"] and info["pre_type"]["words"]}
    rows = [("" if number else key.replace("_", " "), "none" if item is None else str(item))
            for key, value in shown.items()
            for number, item in enumerate(value if isinstance(value, list) else [value])]
    write_result(arguments, info, aligned(rows), indent=2)


def pre_type_of(tokenizer: Tokenizer) -> dict[str, Any] | None:
    """llama.cpp's name for the splitter, by proof; None for a model of characters, and for a too large automaton."""
    from dstok.pretokenizer.pre_types import pre_type
    from dstok.pretokenizer.splitter import Splitter

    if tokenizer.inspect().merges_characters:
        return None
    try:
        found = pre_type(Splitter.from_tokenizer(tokenizer), tokenizer.inspect().takes_whole_tokens)
    except UnsupportedError:
        return None
    text = found.difference and found.difference.text
    return {"names": found.names, "proof": found.proof, "text": text, "llama_cpp": found.version,
            "words": found.sentences()}


def _lost(tokenizer: Tokenizer, lost: bytes) -> str | None:
    """The bytes without a token, as ranges, and what becomes of them."""
    if not lost:
        return None
    ranges = [[byte for _, byte in run] for _, run in groupby(enumerate(lost), lambda each: each[1] - each[0])]
    unknown = tokenizer.inspect().unknown_token
    fate = "left out" if unknown is None else f"each is {tokenizer.id_to_token(unknown)}"
    return f"{len(lost)} ({fate}): " + ", ".join(
        f"{run[0]:02X}" if len(run) == 1 else f"{run[0]:02X}-{run[-1]:02X}" for run in ranges)


def run_models(arguments: Namespace) -> None:
    fields = ("name", "vocab_size", "licence", "source", "sha256", "aliases")
    models = [{field: getattr(dstok.model_info(name), field) for field in fields} for name in dstok.models()]
    write_result(arguments, models, _table(models), indent=2)


def _table(models: list[dict[str, Any]]) -> Iterator[str]:
    """The facts by which people choose a model, in 80 columns, and below each the other names it has."""
    fields = ("name", "vocab_size", "licence")
    head, *lines = aligned([fields, *([str(model[field]) for field in fields] for model in models)])
    yield head
    for model, line in zip(models, lines):
        yield line
        names = ", ".join(model["aliases"])
        yield from wrap(f"also {names}" if names else "", WIDTH, initial_indent="  ", subsequent_indent="    ",
                        break_long_words=False, break_on_hyphens=False)


def run_cache(arguments: Namespace) -> None:
    cache = Cache()
    entries = cache.entries()
    total = sum(entry.size for entry in entries)
    rows = [(f"{entry.size / 1e6:.1f} MB", time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.last_used)),
             entry.model) for entry in entries]
    write_result(arguments, {"path": cache.folder, "limit": cache.limit, "size": total,
                             "entries": [entry._asdict() for entry in entries]}, [
        f"{cache.folder}: {total / 1e6:.1f} of {cache.limit / 1e6:.0f} MB, models: {len(entries)}", *aligned(rows)], 2)


def run_cache_clear(arguments: Namespace) -> None:
    cache = Cache()
    removed = cache.clear()
    write_result(arguments, {"path": cache.folder, "removed": removed}, [f"{cache.folder}: models removed: {removed}"])
