"""`dstok explain`, `dstok info`, `dstok models`: the available models and their parts.

In: a model's name or path. Out: words for people, or one JSON value. Invariant: both say the same, but for `models`:
there only JSON has the source of each model and its hash.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import dstok
from dstok.cli.arguments import (
    DEFAULT_MODEL,
    add_command,
    add_json,
    add_json_and_output,
    add_model,
    add_output,
    add_upstream,
    load_model,
    refuse_unless,
)
from dstok.errors import ModelNotFoundError
from dstok.io.id_files import write_lines, write_text
from dstok.loading import fetched

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

__all__ = ["add_commands"]

WIDTH = 79  # of a line of `dstok models`: the narrowest usual terminal has 80 columns


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "explain", run_explain, "show the automaton of a tokenizer's patterns",
                         "dstok explain --text \"don't 12345\"")
    add_model(parser)
    add_upstream(parser)
    parser.add_argument("--text", metavar="TEXT", help="also show this text's path through the automaton")
    parser.add_argument("--dot", metavar="FILE", help="also write the automaton as a graph, which Graphviz draws")
    add_output(parser)
    parser = add_command(commands, "info", run_info, "describe a model", "dstok info deepseek-v4")
    parser.add_argument("name", nargs="?", metavar="NAME|PATH", help="the model, as with --model")
    add_model(parser)
    parser.set_defaults(model=None)
    add_upstream(parser)
    add_json_and_output(parser)
    parser = add_command(commands, "fetch", run_fetch, "download a model of the hub, or an encoding of tiktoken's",
                         "dstok fetch Qwen/Qwen3-8B", "Prints the path of the file in the cache.\n\n")
    parser.add_argument("name", metavar="NAME", help="a model of the Hugging Face hub (org/name), or o200k_base, ...")
    parser.add_argument("--revision", metavar="R", help="a branch, tag or commit of the hub's model (default: main)")
    add_json(parser, "JSON: the name and the path")
    add_json_and_output(add_command(commands, "models", run_models, "list the built-in models",
                                    "dstok models", "--json also has the source of each, and its hash\n\n"))


def run_fetch(arguments: Namespace) -> None:
    path = str(fetched(arguments.name, arguments.revision, download=True)[0])
    write_text(None, _json({"name": arguments.name, "path": path}) if arguments.json else f"{path}\n")


def run_explain(arguments: Namespace) -> None:
    from dstok.inspection.explain import explain

    model = load_model(arguments.model, arguments.upstream).inspect()
    if arguments.dot:
        from dstok.inspection.graph import automaton_dot

        write_text(arguments.dot, automaton_dot(model.automaton))
    write_lines(arguments.output, explain(model, arguments.text).split("\n"))


def run_info(arguments: Namespace) -> None:
    refuse_unless(arguments.name is None or arguments.model is None, "--model", "a command without NAME")
    name = arguments.name or arguments.model or DEFAULT_MODEL
    info = _info(name, load_model(name, arguments.upstream))
    if arguments.json:
        write_text(arguments.output, _json(info))
        return
    from dstok._util.columns import aligned

    write_lines(arguments.output, aligned(list(_rows(info))))


def _rows(info: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A row for each value; a list's values stand below one another."""
    for key, value in info.items():
        label = key.replace("_", " ")
        for item in value if isinstance(value, list) else [value]:
            yield label, "none" if item is None else str(item)
            label = ""


def _info(name: str, tokenizer: Tokenizer) -> dict[str, Any]:
    names = {token_id: token for token, token_id in tokenizer.special_tokens.items()}
    live, lost = tokenizer.inspect().live_merges, tokenizer.inspect().lost_bytes
    info: dict[str, Any] = {
        "name": tokenizer.name or name,
        "fingerprint": tokenizer.fingerprint,
        "vocab_size": tokenizer.vocab_size,
        "added_tokens": len(tokenizer.special_tokens),
        "bos": names.get(tokenizer.bos_id) if tokenizer.bos_id is not None else None,
        "bos_id": tokenizer.bos_id,
        "eos": names.get(tokenizer.eos_id) if tokenizer.eos_id is not None else None,
        "eos_id": tokenizer.eos_id,
        "lost_bytes": _lost(tokenizer, lost),
        "merges": len(live),
        "live_merges": int(live.sum()),
        "unicode_version": tokenizer.inspect().unicode_version,
        "splits": [split.pattern for split in tokenizer.inspect().automaton.splits],
        "states": tokenizer.inspect().automaton.boundaries.states,
        "classes": len(tokenizer.inspect().automaton.alphabet.classes),
        "scan": tokenizer.inspect().way,
    }
    try:
        known = dstok.model_info(tokenizer.name)
        if tokenizer.fingerprint == dstok.load(known.name).fingerprint:
            info |= {"source": known.source, "sha256": known.sha256, "licence": known.licence}
    except ModelNotFoundError:
        pass
    return info


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
    if arguments.json:
        write_text(arguments.output, _json(models))
        return
    write_lines(arguments.output, _table(models))


def _table(models: list[dict[str, Any]]) -> Iterator[str]:
    """The facts by which people choose a model, in 80 columns, and below each the other names it has."""
    from textwrap import wrap

    from dstok._util.columns import aligned

    fields = ("name", "vocab_size", "licence")
    head, *lines = aligned([fields, *([str(model[field]) for field in fields] for model in models)])
    yield head
    for model, line in zip(models, lines):
        yield line
        names = ", ".join(model["aliases"])
        yield from wrap(f"also {names}" if names else "", WIDTH, initial_indent="  ", subsequent_indent="    ",
                        break_long_words=False, break_on_hyphens=False)


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, indent=2)
