"""`dstok train report`: what texts cost tokenizers of all kinds.

In: files of text; models, and specs of others' tokenizers. Out: a row for each tokenizer and file, each language, and
for all texts: a table, JSON, a picture. Invariant: all tokenizers read the same texts.
"""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING

from dstok.cli.arguments import add_command, add_json, add_output, add_texts_of_corpora, dataset_of
from dstok.cli.errors import CommandError, interruptible
from dstok.cli.progress import Bar
from dstok.files.outputs import write_lines

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands

__all__ = ["add_report"]

LAYOUT = "{desc}"
NOTES = """\
Beside the models and files of dstok, -m takes what `dstok verify` takes: tokenizers:FILE, tiktoken:NAME,
transformers:FOLDER, llama_cpp:FILE, MODULE:NAME and others. A word is a run of characters without white space.

"""


def add_report(actions: Commands) -> None:
    report = add_command(actions, "report", _report, "compare tokenizers: tokens, bytes a token, tokens a word",
                         "dstok train report data -m deepseek-v3 -m tiktoken:o200k_base --language lang --plot a.svg",
                         NOTES)
    report.add_argument("files", nargs="*", default=[], metavar="IN", help="files, folders and globs of texts")
    report.add_argument("-m", "--model", action="append", default=[], metavar="NAME|PATH|SPEC",
                        help="a model, or another's tokenizer; may be given several times")
    report.add_argument("--language", default="", metavar="F",
                        help="the key or column with the language of each text: a row for each, too")
    add_texts_of_corpora(report)
    report.add_argument("--plot", metavar="FILE", help="write a picture, too: .svg, .png or .pdf")
    add_output(report)
    add_json(report)


def _report(arguments: Namespace) -> None:
    from dstok.testing.comparison import compare

    if not (arguments.files or arguments.dataset) or not arguments.model:
        raise CommandError("expected texts and at least one --model")
    dataset, field = dataset_of(arguments)
    bar = Bar()

    def progress(name: str, read: int) -> None:
        if bar.due():
            bar.draw(LAYOUT, read, None, f"{name}: {read / 1e6:,.0f} MB")

    try:
        with interruptible():
            found = compare(arguments.files, {name: name for name in arguments.model}, language=arguments.language,
                            dataset=dataset, kind=arguments.input_format or "", lines=arguments.lines, field=field,
                            progress=progress)
    finally:
        bar.close()
    text = json.dumps(found.as_json(), indent=1) if arguments.json else str(found)
    write_lines(arguments.output, text.split("\n"))
    if arguments.plot is not None:
        found.plot(arguments.plot)
