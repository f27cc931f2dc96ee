"""`dstok train` and its actions: texts -> counts of pieces -> a vocabulary; and `dstok pieces --count`.

In: paths of files, folders and globs, counts files, models. Out: the folder of --out with tokenizer.json, train.json
and, if BOS and the like are named, tokenizer_config.json; a counts file; a row a tokenizer or a distinct piece; a line
of totals, or JSON. Invariants: the same command continues where it stopped, and writes the same bytes anywhere; a file
with its name is complete. The counts of `pieces --count` equal those of whole texts in one call of
`dstok.training.count_pieces`: a file is read in blocks, and passed on in parts that are cut only where every text may
be cut (`Analysis.may_cut`). Memory holds tables of --memory, a block of text for each thread, and the text between two
such places. With --work the counts go to disk after each `SEGMENT` of text, and a journal names the spills and the
place where their texts end: both at once or not at all, so nothing is counted twice or left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.arguments import not_utf8, thread_count, utf8
from dstok._util.files import (
    WholeFile,
    available_cpus,
    file_faults,
    reason,
    write_at_once,
)
from dstok._util.resumable import ResumableFolder
from dstok.cli.arguments import (
    Parser,
    add_actions,
    add_command,
    add_json,
    add_json_and_output,
    add_model,
    add_reading,
    add_texts_of_corpora,
    at_least_0,
    field_of,
    inputs_of,
    load_model,
    load_splitter,
    refuse_unless,
)
from dstok.cli.errors import CommandError, about_input, complain, interruptible
from dstok.cli.output import (
    OF_MERGES,
    WORDS,
    Bar,
    json_bytes,
    watching,
    watching_shards,
    write_result,
)
from dstok.core.text.utf8 import first_invalid
from dstok.errors import FileError
from dstok.io.id_files import Output
from dstok.io.text_files import Source, checked_change, open_source, records
from dstok.training.piece_counts import PieceCounter, count_together
from dstok.training.template import made_by

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.cli.output import Progress
    from dstok.tokenizer import Tokenizer
    from dstok.training.corpus_counts import Counting
    from dstok.training.learn import Forecast
    from dstok.training.piece_counts import CountsFile
    from dstok.training.template import Base
    from dstok.training.trainer import BpeTrainer

MAY_CUT_WITHIN = 4096  # bytes from the end of the text read; the first place is mostly a few from it
MayCut = Callable[[str, str], bool]
State = tuple[str, int, int]


class Place(NamedTuple):
    """A byte of an input, unpacked: all before it has been taken."""

    file: int
    offset: int


class Inputs:
    """The texts of the command's inputs from `place` on, which moves with each text that is taken.

    states: the path, size and time of change of each input, None for one that is no file. An input that has another
    state when it has been read is a `FileError`.
    """

    def __init__(
        self, arguments: Namespace, may_cut: MayCut, progress: Progress, place: Place, states: Sequence[State | None],
    ) -> None:
        self.place, self.done = place, False
        self._texts = self._all(arguments, may_cut, progress, states)

    def segment(self, size: int) -> Iterator[bytes]:
        """The next texts, of `size` bytes or somewhat more; the last ones if this sets `done`."""
        taken = 0
        for text, place in self._texts:
            self.place = place
            taken += len(text)
            yield text
            if taken >= size:
                return
        self.done = True

    def _all(
        self, arguments: Namespace, may_cut: MayCut, progress: Progress, states: Sequence[State | None],
    ) -> Iterator[tuple[bytes, Place]]:
        first, begun = self.place
        for number, path in enumerate(arguments.files[first:], first):
            with open_source(path, progress) as source:
                after = begun if number == first else 0
                if not arguments.jsonl:
                    for text, end in parts(source, may_cut, arguments.errors, after=after):
                        yield text, Place(number, end)
                else:
                    for record in records(source, arguments.field, arguments.errors, after):
                        with about_input(record.name):  # JSON's escapes can spell lone surrogates
                            text = utf8(record.text, False)
                        yield text, Place(number, source.bytes_read)
            state = states[number]
            if state is not None:
                checked_change(*state)


def parts(
    source: Source, may_cut: MayCut, errors: str = "strict", block: int = 0, after: int = 0
) -> Iterator[tuple[bytes, int]]:
    """The text of a file from byte `after` on in parts, which split as within the whole, each with its end.

    The end is a place in the bytes as they are in the file, before faults are replaced.
    """
    held, end = bytearray(), 0
    for data in source.blocks(block):
        end += len(data)
        if end <= after:
            source.gave(1)
            continue
        held += memoryview(data)[max(0, len(data) - (end - after)) :] if not held else data
        at = _cut(held, may_cut)
        source.gave(at)
        if at:
            yield _checked(source.name, bytes(held[:at]), end - len(held), errors), end - len(held) + at
            del held[:at]
    if held:
        yield _checked(source.name, bytes(held), end - len(held), errors), end


def _cut(text: bytearray, may_cut: MayCut) -> int:
    """The last place where the text may be cut, if it is near the end; else 0. Never beside a byte that is no UTF-8."""
    tail = bytes(text[-MAY_CUT_WITHIN:]).decode("utf-8", "surrogateescape")
    after = 0
    for at in range(len(tail) - 1, 0, -1):
        after += 1 if tail[at] >= "\udc80" and tail[at] <= "\udcff" else len(tail[at].encode())
        if not any("\ud800" <= char <= "\udfff" for char in tail[at - 1 : at + 1]) and may_cut(tail[at - 1], tail[at]):
            return len(text) - after
    return 0


def _checked(name: str, text: bytes, start: int, errors: str) -> bytes:
    """Valid UTF-8, of a part of an input that begins at byte `start`."""
    at = first_invalid(text)
    if at < 0:
        return text
    if errors == "replace":
        return text.decode("utf-8", "replace").encode()
    with about_input(name):
        raise not_utf8(text[at], start + at)


JOURNAL, LOCK = "journal.json", ".lock"


class Work(ResumableFolder):
    """The work in `folder`: `place` and `spills`. `settings`: JSON of all that decides the counts."""

    def __init__(self, folder: str, settings: dict[str, Any]) -> None:
        super().__init__(folder, LOCK, "another dstok command is at work here")
        self.folder, self.settings = folder, settings
        self.place = Place(0, 0)
        self.spills: list[str] = []

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Locks the folder, and begins or continues its work; removes the folder in the end. Raises `FileError`."""
        with self.locked():
            with file_faults(self.folder):
                self._begin()
            yield
            self.record(Place(0, 0), [])  # the counts are written: whoever is stopped below begins anew
            with file_faults(self.folder):
                self._remove_others()
                os.unlink(os.path.join(self.folder, JOURNAL))
        shutil.rmtree(self.folder, ignore_errors=True)

    def record(self, place: Place, spills: Sequence[str]) -> None:
        """Notes that everything up to `place` is in `spills`, which are on the disk. Raises `FileError`."""
        self.place, self.spills = place, list(spills)
        journal = {"settings": self.settings, "place": place, "spills": [os.path.basename(path) for path in spills]}
        with file_faults(self.folder):
            write_at_once(os.path.join(self.folder, JOURNAL), json.dumps(journal).encode())

    def _begin(self) -> None:
        path = os.path.join(self.folder, JOURNAL)
        if not os.path.exists(path):
            other = next((name for name in os.listdir(self.folder) if name[:1] != "."), None)
            if other is not None:
                raise FileError(f"{self.folder}: expected an empty folder or the work of this command, found {other}")
            self.record(self.place, [])
        try:
            with open(path, "rb") as file:
                journal = json.loads(file.read())
            settings, (number, offset), spills = journal["settings"], journal["place"], journal["spills"]
            self.place = Place(int(number), int(offset))
            self.spills = [os.path.join(self.folder, os.path.basename(name)) for name in spills]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise FileError(f"{path}: not the journal of a count: {reason(error)}") from error
        different = [key for key in self.settings if settings.get(key) != self.settings[key]]
        if different:
            raise FileError(f"{self.folder}: expected the work of this command, found that with other {different[0]} "
                            "(name another folder, or remove this one)")
        self._remove_others()

    def _remove_others(self) -> None:
        """Removes what the journal does not name: a spill that was not noted, a half-written file."""
        kept = {JOURNAL, LOCK, *map(os.path.basename, self.spills)}
        for name in os.listdir(self.folder):
            if name not in kept:
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.folder, name))


LINES_AT_ONCE = 4096
MEMORY = 1024  # MB
SEGMENT = 1 << 28  # bytes of text


def count_pieces(arguments: Namespace) -> None:
    """Counts pieces, and writes the counts, as `dstok pieces --count` wants it."""
    from dstok.pretokenizer.splitter import Splitter, span_pass_of

    refuse_unless(arguments.special in (None, "none"), "--special", "pieces without --count, which counts plain text")
    arguments.field, files = field_of(arguments), arguments.files
    if arguments.splitter is not None:
        splitter = load_splitter(arguments.splitter, arguments.upstream)
    else:
        splitter = Splitter.from_tokenizer(load_model(arguments.model, arguments.upstream))
    made, work, states = made_by(splitter.unicode_version, splitter.splits), None, list[State | None]()
    for path in files:
        status = os.stat(path) if os.path.isfile(path) else None
        states.append(status and (os.path.abspath(path), status.st_size, status.st_mtime_ns))
        if status is None and arguments.work is not None:
            raise FileError(f"{path}: expected a file, which can be read again (--work)")
    if arguments.work is not None:
        work = Work(arguments.work, {"splitter": made, "files": [[*state] for state in states if state],
                                     "field": arguments.field, "errors": arguments.errors})
    folder = arguments.work or os.path.join(tempfile.gettempdir(), f"dstok-{os.urandom(8).hex()}")
    threads = thread_count(1 if arguments.threads is None else arguments.threads)
    memory = (MEMORY if arguments.memory is None else arguments.memory) << 20
    counters = [PieceCounter(span_pass_of(splitter).finder, memory // threads, folder, made) for _ in range(threads)]
    try:
        with work.entered() if work else nullcontext(), Output(arguments.output, files) as output:
            counters[0].spills += work.spills if work else []
            with watching(files) as progress:
                inputs = Inputs(arguments, splitter.analyze().may_cut, progress,
                                work.place if work else Place(0, 0), states)
                while not inputs.done:
                    count_together(counters, ([text] for text in inputs.segment(SEGMENT)))
                    if work is not None:
                        for counter in counters:
                            counter.spill()
                        work.record(inputs.place, [path for counter in counters for path in counter.spills])
            _write(output, arguments, counters)
    finally:
        if work is None:
            shutil.rmtree(folder, ignore_errors=True)


def _write(output: Output, arguments: Namespace, counters: Sequence[PieceCounter]) -> None:
    """Adds up the counts of all threads, and writes them."""
    first, *others = counters
    for other in others:
        first.take(other)
    first.limit(first.memory * len(counters))
    table = arguments.format == "table"
    for pieces, offsets, counts in first.most_frequent_first(keep=arguments.work is not None):
        for at in range(0, len(counts), LINES_AT_ONCE):
            ends = offsets[at : at + LINES_AT_ONCE + 1]
            rows = ((pieces[start:end].decode(), count)
                    for start, end, count in zip(ends, ends[1:], counts[at : at + LINES_AT_ONCE]))
            output.write("".join(f"{count:>12}  {piece!r}\n" for piece, count in rows).encode() if table else
                         b"".join(json_bytes({"text": piece, "count": count}) for piece, count in rows))


DIFFERENT = 1
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
INPUTS = """\
Inputs: .jsonl (.ndjson, .json; a document a line), .txt .md (a document a file, or with --lines a
line), .parquet, .arrow; .gz .zst .bz2 .xz of text and JSON lines. Folders are read recursively.
The alphabet is always all 256 bytes, so that the tokenizer can spell every text.

  dstok train count FILE...     count pieces, to train from at many settings
  dstok train merge COUNTS...   add up counts files, with weights
  dstok train extend COUNTS     more tokens for a model, which keeps its ids
  dstok train trim COUNTS       fewer tokens for a model, by use
  dstok train report FILE...    compare tokenizers: tokens, bytes a token, tokens a word

"""


def add_train(commands: Commands) -> None:
    parser = add_command(commands, "train", run, "train a vocabulary on files of text, exactly as upstream does",
                         "dstok train data --like deepseek-v3 --vocab-size 32000 --special '<s>' --out tok", INPUTS)
    _add_counting(parser)
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
    add_json(parser, "print JSON instead of words")


def _add_counting(parser: Parser) -> None:
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
    from dstok.training.trainer import BpeTrainer

    if arguments.repeat:
        return _repeat(arguments)
    if arguments.out is None:
        raise CommandError("expected --out DIR")
    began = time.monotonic()
    base, ends = _base_named(arguments.like), {end: getattr(arguments, end) for end in ("bos", "eos", "pad", "unk")}
    ends = {end: text for end, text in ends.items() if text is not None}
    base = base._replace(ends={**base.ends, **{f"{end}_id": text for end, text in ends.items()}})
    trainer = BpeTrainer(vocab_size=arguments.vocab_size, min_frequency=arguments.min_frequency,
                         special_tokens=[*dict.fromkeys([*arguments.special, *ends.values()])],
                         max_token_length=arguments.max_token_length, drop_below=arguments.drop_below or 0)
    manifest = _train(arguments, arguments.out, base, trainer)
    counts = manifest["counts"]
    found = {key: manifest[key] for key in ("vocab_size", "merges", "last_count")}
    found |= {key: counts[key] for key in ("distinct", "occurrences")}
    write_result(arguments, {**found, "out": arguments.out}, [
        f"{manifest['vocab_size']:,} tokens, {manifest['merges']:,} merges, the last of "
        f"{manifest['last_count'] or 0:,} pairs; {counts['distinct']:,} distinct of {counts['occurrences']:,} pieces, "
        f"in {time.monotonic() - began:.1f} s: {arguments.out}"])
    _tell_of_fewer(manifest["vocab_size"], manifest["trainer"]["vocab_size"])
    if manifest["upstream_overflows"]:
        complain("a pair occurs more than 2**31 - 1 times: upstream's counts would overflow, these do not")
    if manifest["dropped"]:
        pieces, length = manifest["dropped"]["pieces"], manifest["dropped"]["bytes"]
        complain(f"--drop-below left out {pieces['dropped']:,} pieces: {pieces['share']:.1%} of the distinct ones, "
                 f"{length['share']:.2%} of the bytes")
    return 0


def _tell_of_fewer(found: int, wanted: int) -> None:
    if found < wanted:
        complain(f"{found:,} tokens instead of {wanted:,}: no other pair may be merged. More text has more pairs")


def _base_named(name: str) -> Base:
    """The model or splitter that --like names."""
    from dstok.training.template import find_base

    with file_faults(name):
        return find_base(name)


def _counting_of(arguments: Namespace, base: Base) -> Counting:
    """The counting of the files that the command names."""
    from dstok.corpus.settings import CorpusSettings
    from dstok.training.corpus_counts import Counting

    dataset, field = inputs_of(arguments)
    if arguments.workers == 0:
        raise CommandError("--workers: expected at least 1")
    settings = CorpusSettings(kind=arguments.input_format or "", lines=arguments.lines, field=field)
    return Counting(arguments.files, settings, base, dataset)


def _train(arguments: Namespace, out: str, base: Base, trainer: BpeTrainer) -> dict[str, Any]:
    """Trains, or finds that it is done; the manifest."""
    from dstok._util.resumable import file_hash, read_json
    from dstok.corpus.engines import find_engine
    from dstok.training.folder import MANIFEST, TrainingFolder
    from dstok.training.piece_counts import CountsFile
    from dstok.training.run import check, check_made_by, plan_of, trained_in

    def learn(counts: CountsFile, found: dict[str, Any]) -> None:
        def progress(tokens: int, wanted: int) -> None:
            if bar.due():
                bar.draw(OF_MERGES, min(tokens, wanted), wanted, f"{tokens:,} tokens")

        with Bar() as bar:
            trained_in(folder, base, trainer, plan, counts, progress, found, arguments.workers or available_cpus(),
                       arguments.memory, _announce)

    check(base, trainer)
    folder = TrainingFolder(out)
    if arguments.counts is not None:
        if arguments.files:
            raise CommandError("expected files to read or --counts, found both")
        counts = CountsFile(arguments.counts)
        check_made_by(counts, base)
        _refuse_nothing(counts, counts.path)
        plan = plan_of(base, trainer, [{"counts": file_hash(counts.path)}])
        if folder.finished(plan) is None:
            with interruptible(), folder.entered(plan, None):
                learn(counts, {})
    else:
        counting = _counting_of(arguments, base)
        plan = plan_of(base, trainer, counting.inputs())
        if folder.finished(plan) is None:
            with interruptible(), folder.entered(plan, counting.changes):
                with watching_shards(counting.shards) as progress:
                    counts, records = counting.count(folder, arguments.workers, arguments.memory, progress,
                                                     find_engine(arguments.engine))
                _refuse_nothing(counts, "the files")
                learn(counts, {"documents": sum(record["documents"] for record in records), "shards": records})
    return read_json(os.path.join(out, MANIFEST))


def _refuse_nothing(counts: CountsFile, where: str) -> None:
    """A vocabulary without a merge is hardly what the user wants: most often a path or a field is wrong."""
    if not counts.totals.distinct:
        raise CommandError(f"expected text to learn from, found none in {where}")


def _announce(expected: Forecast) -> None:
    complain(f"merging takes at most {expected.total / 10**6:,.0f} MB of memory: {expected.words / 10**6:,.0f} MB for "
             "the pieces, the rest for pairs and tokens")


def _repeat(arguments: Namespace) -> int:
    """Trains with the settings of a manifest in a folder of its own, and names what differs."""
    from dstok._util.resumable import read_json
    from dstok.formats.description import AddedToken
    from dstok.training.folder import TOKENIZER
    from dstok.training.trainer import BpeTrainer

    if arguments.drop_below is not None:
        raise CommandError("--repeat takes the settings from the manifest: expected no --drop-below")
    known = read_json(arguments.repeat)
    try:
        settings = dict(known["trainer"])
        specials = [AddedToken(**{**token, "id": -1}) for token in settings.pop("special_tokens")]
        trainer, ends = BpeTrainer(**settings, special_tokens=specials), dict(known.get("ends", {}))
    except (KeyError, TypeError) as error:
        raise CommandError(f"{arguments.repeat}: expected a train.json: {error}") from error
    base = _base_named(os.path.join(os.path.dirname(os.path.abspath(arguments.repeat)), TOKENIZER))._replace(ends=ends)
    with TemporaryDirectory(prefix="dstok-") as out:
        found = _train(arguments, out, base, trainer)
    different = sorted(name for name in {*known, *found} if known.get(name) != found.get(name))
    words = f"different: {', '.join(different)}" if different else "the same tokenizer, from the same pieces"
    write_result(arguments, {"different": different}, [words])
    return DIFFERENT if different else 0


NOTES = """\
Beside the models and files of dstok, -m takes what `dstok verify` takes: tokenizers:FILE, tiktoken:NAME,
transformers:FOLDER, llama_cpp:FILE, MODULE:NAME and others. A word is a run of characters without white space.

"""


def _report(arguments: Namespace) -> None:
    from dstok.conformance.comparison import compare

    if not (arguments.files or arguments.dataset) or not arguments.model:
        raise CommandError("expected texts and at least one --model")
    dataset, field = inputs_of(arguments)

    def progress(name: str, read: int) -> None:
        if bar.due():
            bar.draw(WORDS, read, None, f"{name}: {read / 1e6:,.0f} MB")

    with Bar() as bar, interruptible():
        found = compare(arguments.files, {name: name for name in arguments.model}, language=arguments.language,
                        dataset=dataset, kind=arguments.input_format or "", lines=arguments.lines, field=field,
                        progress=progress)
    write_result(arguments, found.as_json(), str(found).split("\n"), indent=1)
    if arguments.plot is not None:
        found.plot(arguments.plot)


def add_train_actions(commands: Commands) -> None:
    actions = add_actions(commands, "train", "vocabularies, trained on files of text", "Counts and vocabularies.")
    count = add_command(actions, "count", _count, "count the pieces of files, for trainings",
                        "dstok train count data --like deepseek-v3 --out data.counts")
    _add_counting(count)
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
    for action in (count, merge, extend, trim):
        add_json(action, "print JSON instead of words")
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
    add_json_and_output(report)


def _add_change(parser: Parser) -> None:
    parser.add_argument("counts", metavar="COUNTS", help="a counts file of pieces that the model cuts")
    add_model(parser)
    parser.add_argument("--vocab-size", type=at_least_0, required=True, metavar="N", help="ids of the new vocabulary")
    parser.add_argument("--out", required=True, metavar="FILE", help="the tokenizer.json to write, or a folder")


def _count(arguments: Namespace) -> None:
    from dstok.corpus.engines import find_engine

    counting, engine = _counting_of(arguments, _base_named(arguments.like)), find_engine(arguments.engine)
    with interruptible(), watching_shards(counting.shards) as progress:
        counts, records = counting.count_to(arguments.out, arguments.workers, arguments.memory, progress, engine)
    _tell(arguments, counts, documents=sum(record["documents"] for record in records))


def _tell(arguments: Namespace, counts: CountsFile, **more: int) -> None:
    """Writes how much a new counts file has."""
    totals, out = counts.totals, arguments.out
    words = [*(f"{count:,} {what}" for what, count in more.items()), f"{totals.occurrences:,} pieces",
             f"{totals.distinct:,} distinct: {out}"]
    write_result(arguments, {**more, "occurrences": totals.occurrences, "distinct": totals.distinct, "out": out},
                 [", ".join(words)])


def _merge(arguments: Namespace) -> None:
    from dstok.training.piece_counts import merge_counts

    weights = None
    if arguments.weights is not None:
        try:
            weights = [int(weight) for weight in arguments.weights.split(",")]
        except ValueError:
            raise CommandError(f"--weights: expected whole numbers, found {arguments.weights!r}") from None
        if len(weights) != len(arguments.files):
            raise CommandError(f"--weights: expected {len(arguments.files)} numbers, found {len(weights)}")
    _tell(arguments, merge_counts(arguments.files, arguments.out, weights))


def _change(arguments: Namespace) -> tuple[Tokenizer, CountsFile]:
    """The model, and counts of the pieces that it cuts."""
    from dstok.errors import FileError
    from dstok.training.edit import pieces_of
    from dstok.training.piece_counts import CountsFile

    tok, counts = load_model(arguments.model, arguments.upstream), CountsFile(arguments.counts)
    if counts.made_by and counts.made_by != pieces_of(tok):
        raise FileError(f"{counts.path}: expected counts of the pieces that {arguments.model} cuts (dstok train count "
                        f"--like {arguments.model}), found those of other steps")
    return tok, counts


def _extend(arguments: Namespace) -> None:
    from dstok.training.edit import extend

    tok, counts = _change(arguments)
    more = extend(tok, counts, arguments.vocab_size)
    _write_json(more, arguments.out)
    _tell_of_fewer(more.vocab_size, arguments.vocab_size)
    new = more.vocab_size - tok.vocab_size
    write_result(arguments, {"new_tokens": new, "vocab_size": more.vocab_size, "out": arguments.out},
                 [f"{new:,} new tokens, {more.vocab_size:,} ids: {arguments.out}"])


def _write_json(tok: Tokenizer, out: str) -> None:
    for sentence in tok.to_json(out):
        complain(f"{out}: note: {sentence}: an existing folder as --out gets a tokenizer_config.json, too")


def _trim(arguments: Namespace) -> None:
    import numpy as np

    from dstok.training.edit import most_used, trim_vocab

    tok, counts = _change(arguments)
    less, ids = trim_vocab(tok, most_used(tok, counts, arguments.vocab_size))
    _write_json(less, arguments.out)
    if arguments.map is not None:
        with file_faults(arguments.map), WholeFile(arguments.map) as file:
            np.save(file, ids)
    lost = tok.vocab_size - less.vocab_size
    write_result(arguments, {"lost_tokens": lost, "vocab_size": less.vocab_size, "out": arguments.out},
                 [f"{lost:,} tokens fewer, {less.vocab_size:,} ids: {arguments.out}"])
