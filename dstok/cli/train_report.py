"""`dstok train report`: how well models fit texts; the counts of a training as a picture.

In: files of text, which are counted once for all models that cut alike, or counts files; models. Out: a row for each
input and model, for people or as JSON; or an SVG picture. Invariant: all models of a row's input read the same texts.
"""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dstok.cli.arguments import add_command, add_json
from dstok.cli.corpus_progress import watching_shards
from dstok.cli.errors import CommandError
from dstok.cli.models import load_model
from dstok.cli.train import add_resources, reading_of
from dstok.files.outputs import write_lines, write_text

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.corpus.finding import InputFile
    from dstok.counts.file import CountsFile
    from dstok.tokenizer import Tokenizer
    from dstok.training.reports import FitRow

__all__ = ["add_report"]

TITLES = "bytes/token  chars/token  tokens/piece       tokens  unused  model, input"


def add_report(actions: Commands) -> None:
    report = add_command(actions, "report", _report, "how well models fit texts; the counts of a training as a picture",
                         "dstok train report data -m deepseek-v3 -m tok/tokenizer.json")
    report.add_argument("files", nargs="*", default=[], metavar="IN",
                        help="files, folders and globs of texts, or counts files: a row for each file and model")
    report.add_argument("-m", "--model", action="append", default=[], metavar="NAME|PATH",
                        help="a model; may be given several times")
    add_resources(report)
    report.add_argument("--plot", metavar="DIR", help="the folder of a training: its counts as a picture, to --output")
    report.add_argument("-o", "--output", metavar="FILE", help="write to FILE, not to standard output")
    add_json(report)


def _report(arguments: Namespace) -> None:
    if arguments.plot is not None:
        write_text(arguments.output, _picture(arguments.plot))
        return
    if not (arguments.files or arguments.dataset) or not arguments.model:
        raise CommandError("expected texts or counts files and --model, or --plot")
    rows = list(_rows(arguments))
    if arguments.json:
        write_text(arguments.output, json.dumps([row._asdict() for row in rows], indent=1))
        return
    lines = [f"{row.bytes_per_token:>11.3f}  {row.characters_per_token:>11.3f}  {row.tokens_per_piece:>12.3f}  "
             f"{row.tokens:>11,}  {row.unused:>6,}  {row.tokenizer}, {row.input}" for row in rows]
    write_lines(arguments.output, [TITLES, *lines])


def _rows(arguments: Namespace) -> Iterator[FitRow]:
    from dstok.corpus.finding import find_inputs
    from dstok.corpus.tables import dataset_file
    from dstok.counts.file import CountsFile, is_counts
    from dstok.training.reports import fit

    settings, dataset = reading_of(arguments)
    models = {name: load_model(name) for name in arguments.model}
    for path in filter(is_counts, arguments.files):
        yield from (fit(tok, name, CountsFile(path), path) for name, tok in models.items())
    texts = [path for path in arguments.files if not is_counts(path)]
    inputs = [*find_inputs(texts, settings), *([] if dataset is None else [dataset_file(dataset)])]
    for input_file in inputs:
        with TemporaryDirectory(prefix="dstok-") as folder:
            yield from (fit(tok, name, _counted(arguments, input_file, tok, folder), input_file.name)
                        for name, tok in models.items())


def _counted(arguments: Namespace, input_file: InputFile, tok: Tokenizer, folder: str) -> CountsFile:
    """The counts of a file's pieces, as a model cuts them. `folder` keeps them for models that cut alike."""
    from dstok.corpus.counting import Counting
    from dstok.corpus.run import find_engine
    from dstok.counts.file import CountsFile
    from dstok.training.like import find_base

    base, (settings, _) = find_base(tok), reading_of(arguments)
    path = os.path.join(folder, base.made_by())
    if os.path.exists(path):
        return CountsFile(path)
    paths, dataset = ([], input_file.path) if input_file.kind == "dataset" else ([input_file.path], None)
    counting = Counting(paths, settings, base, dataset)
    with watching_shards(counting.shards) as progress:
        return counting.count_to(path, arguments.workers, arguments.memory, progress, find_engine(arguments.engine))[0]


def _picture(folder: str) -> str:
    from dstok.training.folder import MANIFEST, read_json
    from dstok.training.reports import picture_of_counts

    manifest = read_json(os.path.join(folder, MANIFEST))
    points = [(int(rank), int(count)) for rank, count in manifest.get("counts_of_merges", [])]
    if not points:
        raise CommandError(f"{folder}: this training made no merges")
    return picture_of_counts(points, f"{manifest['vocab_size']:,} tokens: how often the pair of each merge occurs")
