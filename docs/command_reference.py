"""The Sphinx directive `command-reference`: every command with its options, as its parser has them.

In: the parser of `dstok`. Out: a section for each command: what it does, its usage, its options, an example. Invariant:
nothing is written here that the parser does not say, so the page cannot be out of date.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dstok.cli.app import commands

Action = argparse.Action


class CommandReference(SphinxDirective):
    """Without content: the page is the parser's."""

    def run(self) -> list[nodes.Node]:
        lines = [line for name, parser in commands() for line in section(name, parser)]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def section(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """A command as Markdown."""
    yield from [f"## {name}", "", parser.description or "", "", "```text"]
    yield from re.sub(r"^usage: ", "", parser.format_usage()).rstrip().splitlines()
    yield from ["```", ""]
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS and action.dest != "help"]
    if shown:
        yield from ["| argument | |", "|---|---|"]
        yield from (f"| {spelled(action)} | {cell(action)} |" for action in shown)
    yield from ["", "```text", *(parser.epilog or "").splitlines(), "```", ""]


def spelled(action: Action) -> str:
    """`-m`, `--model NAME|PATH`."""
    value = "" if action.nargs == 0 else str(action.metavar or "|".join(map(str, action.choices or [action.dest])))
    names = action.option_strings or [value]
    last = f"{names[-1]} {value}" if action.option_strings and value else names[-1]
    return ", ".join(f"`{name}`" for name in [*names[:-1], last]).replace("|", "\\|")


def cell(action: Action) -> str:
    """What an argument means, as one cell of a table of Markdown."""
    words: dict[str, Any] = {**vars(action), "prog": "dstok"}
    return re.sub(r"([|*<>\[\]_])", r"\\\1", (action.help or "") % words)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True}
