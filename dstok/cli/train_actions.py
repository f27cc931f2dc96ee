"""`dstok train count`, `merge`, `extend`, `trim`: counts files, and other vocabularies of a model.

In: files of text, counts files, models. Out: a counts file, a tokenizer.json, a line for people.
Invariant: a file with its name is complete.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from dstok.base.faults import file_faults
from dstok.base.paths import WholeFile
from dstok.cli.arguments import add_actions, add_command, add_model, add_upstream, at_least_0
from dstok.cli.corpus_progress import watching_shards
from dstok.cli.errors import CommandError, complain, interruptible
from dstok.cli.models import load_model
from dstok.cli.train import add_counting, base_named, counting_of, tell_of_fewer
from dstok.cli.train_report import add_report
from dstok.files.outputs import write_lines

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands, Parser
    from dstok.counts.file import CountsFile
    from dstok.tokenizer import Tokenizer

__all__ = ["add_commands"]


def add_commands(commands: Commands) -> None:
    actions = add_actions(commands, "train", "vocabularies, trained on files of text", "Counts and vocabularies.")
    count = add_command(actions, "count", _count, "count the pieces of files, for trainings",
                        "dstok train count data --like deepseek-v3 --out data.counts")
    add_counting(count)
    count.add_argument("--out", required=True, metavar="FILE", help="the counts file to write")
    merge = add_command(actions, "merge", _merge, "add up counts files",
                        "dstok train merge web.counts code.counts --weights 1,3 --out all.counts")
    merge.add_argument("files", nargs="+", metavar="COUNTS", help="counts files")
    merge.add_argument("--weights", metavar="N,...", help="whole numbers: how often each file counts (default 1)")
    merge.add_argument("--out", required=True, metavar="FILE", help="the counts file to write")
    extend = add_command(actions, "extend", _extend, "give a model more tokens; it keeps its ids and merges",
                         "dstok train extend ru.counts -m deepseek-v3 --vocab-size 140000 --out more.json")
    _add_change(extend)
    trim = add_command(actions, "trim", _trim, "keep the tokens of a model that counts use most",
                       "dstok train trim my.counts -m deepseek-v3 --vocab-size 50000 --out less.json --map map.npy")
    _add_change(trim)
    trim.add_argument("--map", metavar="FILE", help="write the map from old to new ids: .npy, int64, -1 for a lost one")
    add_report(actions)


def _add_change(parser: Parser) -> None:
    parser.add_argument("counts", metavar="COUNTS", help="a counts file of pieces that the model cuts")
    add_model(parser)
    add_upstream(parser)
    parser.add_argument("--vocab-size", type=at_least_0, required=True, metavar="N", help="ids of the new vocabulary")
    parser.add_argument("--out", required=True, metavar="FILE", help="the tokenizer.json to write, or a folder")


def _count(arguments: Namespace) -> None:
    from dstok.corpus.run import find_engine

    counting, engine = counting_of(arguments, base_named(arguments.like)), find_engine(arguments.engine)
    with interruptible(), watching_shards(counting.shards) as progress:
        counts, records = counting.count_to(arguments.out, arguments.workers, arguments.memory, progress, engine)
    documents = sum(record["documents"] for record in records)
    write_lines(None, [f"{documents:,} documents, {_sizes(counts)}: {arguments.out}"])


def _sizes(counts: CountsFile) -> str:
    return f"{counts.totals.occurrences:,} pieces, {counts.totals.distinct:,} distinct"


def _merge(arguments: Namespace) -> None:
    from dstok.counts.merging import merge_counts

    weights = None
    if arguments.weights is not None:
        try:
            weights = [int(weight) for weight in arguments.weights.split(",")]
        except ValueError:
            raise CommandError(f"--weights: expected whole numbers, found {arguments.weights!r}") from None
        if len(weights) != len(arguments.files):
            raise CommandError(f"--weights: expected {len(arguments.files)} numbers, found {len(weights)}")
    merged = merge_counts(arguments.files, arguments.out, weights)
    write_lines(None, [f"{_sizes(merged)}: {arguments.out}"])


def _change(arguments: Namespace) -> tuple[Any, CountsFile]:
    """The model, and counts of the pieces that it cuts."""
    from dstok.counts.file import CountsFile
    from dstok.errors import FileError
    from dstok.vocabularies.usage import pieces_of

    tok, counts = load_model(arguments.model, arguments.upstream), CountsFile(arguments.counts)
    if counts.made_by and counts.made_by != pieces_of(tok):
        raise FileError(f"{counts.path}: expected counts of the pieces that {arguments.model} cuts (dstok train count "
                        f"--like {arguments.model}), found those of other steps")
    return tok, counts


def _extend(arguments: Namespace) -> None:
    tok, counts = _change(arguments)
    more = tok.extend(counts, arguments.vocab_size)
    _write(more, arguments.out)
    tell_of_fewer(more.vocab_size, arguments.vocab_size)
    write_lines(None, [f"{more.vocab_size - tok.vocab_size:,} new tokens, {more.vocab_size:,} ids: {arguments.out}"])


def _write(tok: Tokenizer, out: str) -> None:
    for sentence in tok.to_json(out):
        complain(f"{out}: note: {sentence}: an existing folder as --out gets a tokenizer_config.json, too")


def _trim(arguments: Namespace) -> None:
    import numpy as np

    from dstok.vocabularies.usage import most_used

    tok, counts = _change(arguments)
    less, ids = tok.trimmed(most_used(tok, counts, arguments.vocab_size))
    _write(less, arguments.out)
    if arguments.map is not None:
        with file_faults(arguments.map), WholeFile(arguments.map) as file:
            np.save(file, ids)
    write_lines(None, [f"{tok.vocab_size - less.vocab_size:,} tokens fewer, {less.vocab_size:,} ids: {arguments.out}"])
