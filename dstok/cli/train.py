"""`dstok train`: files of text -> a trained tokenizer.

In: paths of files, folders and globs, or a counts file. Out: the folder of --out with tokenizer.json, train.json and,
if BOS and the like are named, tokenizer_config.json; a line of totals.
Invariant: the same command continues where it stopped, and writes the same bytes anywhere.
"""

from __future__ import annotations

import argparse
import os
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dstok.cli.arguments import Parser, add_command, add_reading, at_least_0, dataset_of
from dstok.cli.corpus_progress import watching_shards
from dstok.cli.errors import CommandError, complain, interruptible
from dstok.cli.progress import Bar
from dstok.files.outputs import write_lines

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.corpus.counting import Counting
    from dstok.counts.file import CountsFile
    from dstok.vocabularies.base import Base
    from dstok.vocabularies.forecast import Forecast
    from dstok.vocabularies.trainer import BpeTrainer

__all__ = ["add_commands", "add_counting", "base_named", "counting_of", "learning", "memory_size", "tell_of_fewer"]

DIFFERENT = 1
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
LAYOUT = "{percentage:3.0f}% |{bar}| {remaining} left, {desc}"
WORDS = """\
Inputs: .jsonl (.ndjson, .json; a document a line), .txt .md (a document a file, or with --lines a
line), .parquet, .arrow; .gz .zst .bz2 .xz of text and JSON lines. Folders are read recursively.
The alphabet is always all 256 bytes, so that the tokenizer can spell every text.

  dstok train count FILE...     count pieces, to train from at many settings
  dstok train merge COUNTS...   add up counts files, with weights
  dstok train extend COUNTS     more tokens for a model, which keeps its ids
  dstok train trim COUNTS       fewer tokens for a model, by use
  dstok train report FILE...    compare tokenizers: tokens, bytes a token, tokens a word

"""


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "train", run, "train a vocabulary on files of text, exactly as upstream does",
                         "dstok train data --like deepseek-v3 --vocab-size 32000 --special '<s>' --out tok", WORDS)
    add_counting(parser)
    parser.add_argument("--counts", metavar="FILE", help="train from a counts file, not from texts")
    parser.add_argument("--out", metavar="DIR", help="the folder to write; a started one is continued")
    parser.add_argument("--vocab-size", type=at_least_0, default=30000, metavar="N", help="tokens (default 30000)")
    parser.add_argument("--special", action="append", default=[], metavar="TOKEN",
                        help="a special token; they get the first ids, in their order")
    for end, use in (("bos", "begins texts"), ("eos", "ends texts"), ("pad", "fills rows"), ("unk", "is unknown")):
        parser.add_argument(f"--{end}", metavar="TOKEN", help=f"the special token that {use}, as the files will say")
    parser.add_argument("--min-frequency", type=at_least_0, default=0, metavar="N",
                        help="merge no pair that occurs less often")
    parser.add_argument("--max-token-length", type=at_least_0, metavar="N", help="merged tokens are shorter, in bytes")
    parser.add_argument("--drop-below", type=at_least_0, metavar="N",
                        help="leave out pieces that occur less often, as if the texts had them not (default: none)")
    parser.add_argument("--repeat", metavar="TRAIN.JSON",
                        help="train again with its settings, and compare (exit code 1 if anything differs)")


def add_counting(parser: Parser) -> None:
    """The options of commands that count the pieces of one model in texts."""
    parser.add_argument("files", nargs="*", default=[], metavar="IN", help="files, folders and globs to read")
    parser.add_argument("--like", default="deepseek-v3", metavar="NAME|PATH",
                        help="cut and normalize as this model, tokenizer.json or preset (default deepseek-v3)")
    add_reading(parser)
    parser.add_argument("--memory", type=memory_size, default=10**9, metavar="SIZE",
                        help="for the tables of distinct pieces, such as 4GB (default 1GB); more of them go to disk; "
                             "then for the merges")
    parser.add_argument("--workers", type=at_least_0, metavar="N",
                        help="processes, and threads for the merges (default: one a processor)")


def memory_size(text: str) -> int:
    """Converts an option's value: bytes, or with a unit such as GB.

    >>> memory_size("1.5GB"), memory_size("4096")
    (1500000000, 4096)
    """
    number, unit = text[:-2], text[-2:].upper()
    try:
        return int(float(number) * UNITS[unit]) if unit in UNITS else int(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"not a size such as 500MB or 4GB: {text!r}") from None


def run(arguments: Namespace) -> int:
    if arguments.repeat:
        if arguments.drop_below is not None:
            raise CommandError("--repeat takes the settings from the manifest: expected no --drop-below")
        return _repeat(arguments)
    if arguments.out is None:
        raise CommandError("expected --out DIR")
    began = time.monotonic()
    base, ends = base_named(arguments.like), _ends(arguments)
    base = base._replace(ends={**base.ends, **{f"{end}_id": text for end, text in ends.items()}})
    manifest = _train(arguments, arguments.out, base, _trainer(arguments))
    counts = manifest["counts"]
    write_lines(None, [f"{manifest['vocab_size']:,} tokens, {manifest['merges']:,} merges, the last of "
                       f"{manifest['last_count'] or 0:,} pairs; {counts['distinct']:,} distinct of "
                       f"{counts['occurrences']:,} pieces, in {time.monotonic() - began:.1f} s: {arguments.out}"])
    tell_of_fewer(manifest["vocab_size"], manifest["trainer"]["vocab_size"])
    if manifest["upstream_overflows"]:
        complain("a pair occurs more than 2**31 - 1 times: upstream's counts would overflow, these do not")
    if manifest["dropped"]:
        pieces, length = manifest["dropped"]["pieces"], manifest["dropped"]["bytes"]
        complain(f"--drop-below left out {pieces['dropped']:,} pieces: {pieces['share']:.1%} of the distinct ones, "
                 f"{length['share']:.2%} of the bytes")
    return 0


def tell_of_fewer(found: int, wanted: int) -> None:
    """Says on standard error that a vocabulary is smaller than --vocab-size."""
    if found < wanted:
        complain(f"{found:,} tokens instead of {wanted:,}: no other pair may be merged. More text has more pairs")


def base_named(name: str) -> Base:
    """The model or splitter that --like names."""
    from dstok.training.like import find_base

    try:
        return find_base(name)
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from error


def _ends(arguments: Namespace) -> dict[str, str]:
    """The tokens of --bos, --eos, --pad and --unk."""
    return {end: text for end in ("bos", "eos", "pad", "unk") if (text := getattr(arguments, end)) is not None}


def _trainer(arguments: Namespace) -> BpeTrainer:
    from dstok.vocabularies.trainer import BpeTrainer

    specials = [*dict.fromkeys([*arguments.special, *_ends(arguments).values()])]
    return BpeTrainer(vocab_size=arguments.vocab_size, special_tokens=specials,
                      min_frequency=arguments.min_frequency, max_token_length=arguments.max_token_length,
                      drop_below=arguments.drop_below or 0)


def counting_of(arguments: Namespace, base: Base) -> Counting:
    """The counting of the files that the command names."""
    from dstok.corpus.counting import Counting
    from dstok.corpus.settings import CorpusSettings

    if not arguments.files and arguments.dataset is None:
        raise CommandError("nothing to read: expected files, folders, globs or --dataset")
    if arguments.workers == 0:
        raise CommandError("--workers: expected at least 1")
    dataset, field = dataset_of(arguments)
    settings = CorpusSettings(kind=arguments.input_format or "", lines=arguments.lines, field=field)
    return Counting(arguments.files, settings, base, dataset)


def _train(arguments: Namespace, out: str, base: Base, trainer: BpeTrainer) -> dict[str, Any]:
    """Trains, or finds that it is done; the manifest."""
    from dstok.corpus.run import find_engine
    from dstok.training.folder import MANIFEST, TrainingFolder, read_json
    from dstok.training.from_counts import plan_of, trained_in
    from dstok.training.from_texts import check

    check(base, trainer)
    folder = TrainingFolder(out)
    if arguments.counts is not None:
        return _train_from_counts(arguments, folder, base, trainer)
    counting = counting_of(arguments, base)
    plan = plan_of(base, trainer, counting.inputs())
    if folder.finished(plan) is None:
        with interruptible(), folder.entered(plan, counting.changes):
            with watching_shards(counting.shards) as progress:
                counts, records = counting.count(folder, arguments.workers, arguments.memory, progress,
                                                 find_engine(arguments.engine))
            _refuse_nothing(counts, "the files")
            found = {"documents": sum(record["documents"] for record in records), "shards": records}
            with learning() as progress_of_merges:
                trained_in(folder, base, trainer, plan, counts, progress_of_merges, found, _threads(arguments),
                           arguments.memory, _announce)
    return read_json(os.path.join(out, MANIFEST))


def _train_from_counts(arguments: Namespace, folder: Any, base: Base, trainer: BpeTrainer) -> dict[str, Any]:
    from dstok.counts.file import CountsFile
    from dstok.training.folder import MANIFEST, file_hash, read_json
    from dstok.training.from_counts import check_made_by, plan_of, trained_in

    if arguments.files:
        raise CommandError("expected files to read or --counts, found both")
    counts = CountsFile(arguments.counts)
    check_made_by(counts, base)
    _refuse_nothing(counts, counts.path)
    plan = plan_of(base, trainer, [{"counts": file_hash(counts.path)}])
    if folder.finished(plan) is None:
        with interruptible(), folder.entered(plan, None), learning() as progress:
            trained_in(folder, base, trainer, plan, counts, progress, {}, _threads(arguments), arguments.memory,
                       _announce)
    return read_json(os.path.join(folder.out, MANIFEST))


def _refuse_nothing(counts: CountsFile, where: str) -> None:
    """A vocabulary without a merge is hardly what the user wants: most often a path or a field is wrong."""
    if not counts.totals.distinct:
        raise CommandError(f"expected text to learn from, found none in {where}")


def _announce(expected: Forecast) -> None:
    complain(f"merging takes at most {expected.total / 10**6:,.0f} MB of memory: {expected.words / 10**6:,.0f} MB for "
             "the pieces, the rest for pairs and tokens")


def _threads(arguments: Namespace) -> int:
    """The threads that share the merges: as many as --workers."""
    from dstok.base.platform import available_cpus

    return arguments.workers or available_cpus()


@contextmanager
def learning() -> Iterator[Any]:
    """The progress of merges, on standard error."""
    bar = Bar()

    def progress(tokens: int, wanted: int) -> None:
        if bar.due():
            bar.draw(LAYOUT, min(tokens, wanted), wanted, f"{tokens:,} tokens")

    try:
        yield progress
    finally:
        bar.close()


def _repeat(arguments: Namespace) -> int:
    """Trains with the settings of a manifest in a folder of its own, and names what differs."""
    from dstok.formats.added_token import AddedToken
    from dstok.training.folder import TOKENIZER, read_json
    from dstok.vocabularies.trainer import BpeTrainer

    known = read_json(arguments.repeat)
    try:
        settings = dict(known["trainer"])
        specials = [AddedToken(**{**token, "id": -1}) for token in settings.pop("special_tokens")]
        trainer, ends = BpeTrainer(**settings, special_tokens=specials), dict(known.get("ends", {}))
    except (KeyError, TypeError) as error:
        raise CommandError(f"{arguments.repeat}: expected a train.json: {error}") from error
    base = base_named(os.path.join(os.path.dirname(os.path.abspath(arguments.repeat)), TOKENIZER))._replace(ends=ends)
    with TemporaryDirectory(prefix="dstok-") as out:
        found = _train(arguments, out, base, trainer)
    different = sorted(name for name in {*known, *found} if known.get(name) != found.get(name))
    words = f"different: {', '.join(different)}" if different else "the same tokenizer, from the same pieces"
    write_lines(None, [words])
    return DIFFERENT if different else 0
