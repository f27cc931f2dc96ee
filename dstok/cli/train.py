"""`dstok train` and its actions: texts -> counts of pieces -> a vocabulary; and `dstok pieces --count`.

In: paths of files, folders and globs, counts files, models. Out: the folder of --out; a counts file; a row a tokenizer
or a distinct piece; a line of totals, or JSON. Invariants: the same command continues where it stopped, and writes the
same bytes anywhere; a file with its name is complete. The counts of `pieces --count` equal those of whole texts in one
call: a file is read in blocks, and cut only where every text may be cut (`Analysis.may_cut`). With --work the counts go
to disk after each `SEGMENT` of text, and a journal names the spills and the place where their texts end: both at once.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import dstok
from dstok._util.arguments import not_utf8, thread_count, utf8
from dstok._util.files import WholeFile, absolute, available_cpus, file_faults, reason, write_at_once
from dstok._util.resumable import ResumableFolder, as_json, file_hash, read_json
from dstok.cli import output as screen
from dstok.cli.arguments import DIFFERENT, inputs_of, load_model, load_splitter, refuse_unless
from dstok.cli.output import Bar, CommandError, about_input, complain, interruptible, write_result
from dstok.core.text.utf8 import first_invalid
from dstok.errors import FileError
from dstok.formats import AddedToken
from dstok.io.id_files import Output
from dstok.io.text_files import Source, checked_change, open_source, records
from dstok.pretokenizer.splitter import Splitter, span_pass_of
from dstok.training.edit import extend, most_used, pieces_of, trim_vocab
from dstok.training.parity import train_parity
from dstok.training.piece_counts import CountsFile, PieceCounter, count_together, merge_counts
from dstok.training.run import MANIFEST, TOKENIZER, TrainingFolder, check, check_made_by, plan_of, trained_in
from dstok.training.template import Base, base_of, byte_model, find_base, made_by
from dstok.training.trainer import BpeTrainer

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer
    from dstok.training.corpus_counts import Counting
    from dstok.training.learn import Forecast

JOURNAL, LOCK = "journal.json", ".lock"
LINES_AT_ONCE = 4096
MAY_CUT_WITHIN = 4096  # bytes from the end of the text read; the first place is mostly a few from it
MEMORY = 1024  # MB
SEGMENT = 1 << 28  # bytes of text
MayCut = Callable[[str, str], bool]
State = tuple[str, int, int]  # of an input: path, size, time of change


class Place(NamedTuple):
    """A byte of an input, unpacked: all before it has been taken."""

    file: int
    offset: int


def _texts(
    arguments: Namespace, may_cut: MayCut, progress: screen.Progress, place: Place, states: Sequence[State | None],
) -> Iterator[tuple[bytes, Place]]:
    """The texts of the inputs from `place` on, each with its end. An input of another state by then is refused."""
    for number, path in enumerate(arguments.files[place.file:], place.file):
        with open_source(path, progress) as source:
            after = place.offset if number == place.file else 0
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

    def part(size: int) -> tuple[bytes, int]:
        text, start = bytes(held[:size]), end - len(held)
        at = first_invalid(text)
        if at >= 0 and errors == "replace":
            text = text.decode("utf-8", "replace").encode()
        elif at >= 0:
            with about_input(source.name):
                raise not_utf8(text[at], start + at)
        del held[:size]
        return text, start + size

    for data in source.blocks(block):
        end += len(data)
        if end <= after:
            source.gave(1)
            continue
        held += memoryview(data)[max(0, len(data) - (end - after)) :] if not held else data
        # The last place where the text may be cut, if it is near the end, and not beside a byte that is no UTF-8; or 0.
        tail = bytes(held[-MAY_CUT_WITHIN:]).decode("utf-8", "surrogateescape")
        at = next((at for at in range(len(tail) - 1, 0, -1) if may_cut(tail[at - 1], tail[at])
                   and not any("\ud800" <= char <= "\udfff" for char in tail[at - 1 : at + 1])), 0)
        size = at and len(held) - len(tail[at:].encode("utf-8", "surrogateescape"))
        source.gave(size)
        if size:
            yield part(size)
    if held:
        yield part(len(held))


class Work(ResumableFolder):
    """The work in `folder`: `place` and `spills`. `settings`: JSON of all that decides the counts."""

    def __init__(self, folder: str, settings: dict[str, Any]) -> None:
        super().__init__(folder, LOCK, "another dstok command is at work here")
        self.settings, self.place, self.spills = settings, Place(0, 0), list[str]()
        self.journal = os.path.join(folder, JOURNAL)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Locks the folder, and begins or continues its work; removes the folder in the end. Raises `FileError`."""
        with self.locked():
            with file_faults(self.out):
                self._begin()
            yield
            self.record(Place(0, 0), [])  # the counts are written: whoever is stopped below begins anew
            with file_faults(self.out):
                self._remove_others()
                os.unlink(self.journal)
        shutil.rmtree(self.out, ignore_errors=True)

    def record(self, place: Place, spills: Sequence[str]) -> None:
        """Notes that everything up to `place` is in `spills`, which are on the disk. Raises `FileError`."""
        self.place, self.spills = place, list(spills)
        value = {"settings": self.settings, "place": place, "spills": [os.path.basename(path) for path in spills]}
        with file_faults(self.out):
            write_at_once(self.journal, json.dumps(value).encode())

    def _begin(self) -> None:
        if not os.path.exists(self.journal):
            other = next((name for name in os.listdir(self.out) if name[:1] != "."), None)
            if other is not None:
                raise FileError(f"{self.out}: expected an empty folder or the work of this command, found {other}")
            self.record(self.place, [])
        value = read_json(self.journal, "the journal of a count")
        try:
            settings, (number, offset), spills = dict(value["settings"]), value["place"], value["spills"]
            self.place = Place(int(number), int(offset))
            self.spills = [os.path.join(self.out, os.path.basename(name)) for name in spills]
        except (ValueError, LookupError, TypeError) as error:
            raise FileError(f"{self.journal}: not the journal of a count: {reason(error)}") from error
        different = [key for key in self.settings if settings.get(key) != self.settings[key]]
        if different:
            raise FileError(f"{self.out}: expected the work of this command, found that with other {different[0]} "
                            "(name another folder, or remove this one)")
        self._remove_others()

    def _remove_others(self) -> None:
        """Removes what the journal does not name: a spill that was not noted, a half-written file."""
        for name in {*os.listdir(self.out)} - {JOURNAL, LOCK, *map(os.path.basename, self.spills)}:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self.out, name))


def count_pieces(arguments: Namespace) -> None:
    """Counts pieces, and writes the counts, as `dstok pieces --count` wants it."""
    refuse_unless(arguments.special in (None, "none"), "--special", "pieces without --count, which counts plain text")
    files = arguments.files
    if arguments.splitter is not None:
        splitter = load_splitter(arguments.splitter, arguments.upstream)
    else:
        splitter = Splitter.from_tokenizer(load_model(arguments.model, arguments.upstream))
    made, states = made_by(splitter.unicode_version, splitter.splits), list[State | None]()
    for path in files:
        status = os.stat(path) if os.path.isfile(path) else None
        states.append(status and (os.path.abspath(path), status.st_size, status.st_mtime_ns))
        if status is None and arguments.work is not None:
            raise FileError(f"{path}: expected a file, which can be read again (--work)")
    work = None if arguments.work is None else Work(arguments.work, {
        "splitter": made, "files": [[*state] for state in states if state], "field": arguments.field,
        "errors": arguments.errors})
    folder = arguments.work or os.path.join(tempfile.gettempdir(), f"dstok-{os.urandom(8).hex()}")
    threads = thread_count(1 if arguments.threads is None else arguments.threads)
    memory = (MEMORY if arguments.memory is None else arguments.memory) << 20
    counters = [PieceCounter(span_pass_of(splitter).finder, memory // threads, folder, made) for _ in range(threads)]
    try:
        with work.entered() if work else nullcontext(), Output(arguments.output) as output:
            counters[0].spills += work.spills if work else []
            with screen.watching(files) as progress:
                may_cut = splitter.analyze().may_cut
                texts = _texts(arguments, may_cut, progress, work.place if work else Place(0, 0), states)
                for first in texts:
                    place = [first[1]]
                    count_together(counters, ([text] for text in _segment(chain([first], texts), place)))
                    if work is not None:
                        for counter in counters:
                            counter.spill()
                        work.record(place[-1], [path for counter in counters for path in counter.spills])
            _write_counts(output, arguments, counters)
    finally:
        if work is None:
            shutil.rmtree(folder, ignore_errors=True)


def _segment(texts: Iterator[tuple[bytes, Place]], places: list[Place]) -> Iterator[bytes]:
    """The next texts, of `SEGMENT` bytes or somewhat more; the end of each becomes the last of `places`."""
    taken = 0
    for text, places[-1] in texts:
        taken += len(text)
        yield text
        if taken >= SEGMENT:
            return


def _write_counts(output: Output, arguments: Namespace, counters: Sequence[PieceCounter]) -> None:
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
                         b"".join(screen.json_bytes({"text": piece, "count": count}) for piece, count in rows))


def run_train(arguments: Namespace) -> int:
    if arguments.repeat:
        return _repeat(arguments)
    if arguments.out is None:
        raise CommandError("expected --out DIR")
    began, base = time.monotonic(), _base_named(arguments.like)
    ends = {end: text for end in ("bos", "eos", "pad", "unk") if (text := getattr(arguments, end)) is not None}
    base = base._replace(ends={**base.ends, **{f"{end}_id": text for end, text in ends.items()}})
    trainer = BpeTrainer(vocab_size=arguments.vocab_size, min_frequency=arguments.min_frequency,
                         special_tokens=[*dict.fromkeys([*arguments.special, *ends.values()])],
                         max_token_length=arguments.max_token_length, drop_below=arguments.drop_below or 0)
    if arguments.superwords:
        return _superwords(arguments, base, trainer)
    manifest = _train(arguments, arguments.out, base, trainer)
    found = {key: manifest[key] for key in ("vocab_size", "merges", "last_count")}
    found |= {key: manifest["counts"][key] for key in ("distinct", "occurrences")}
    write_result(arguments, {**found, "out": arguments.out}, [
        f"{found['vocab_size']:,} tokens, {found['merges']:,} merges, the last of {found['last_count'] or 0:,} pairs; "
        f"{found['distinct']:,} distinct of {found['occurrences']:,} pieces, in {time.monotonic() - began:.1f} s: "
        f"{arguments.out}"])
    _tell_of_fewer(found["vocab_size"], manifest["trainer"]["vocab_size"])
    if manifest["upstream_overflows"]:
        complain("a pair occurs more than 2**31 - 1 times: upstream's counts would overflow, these do not")
    if manifest["dropped"]:
        pieces, length = manifest["dropped"]["pieces"], manifest["dropped"]["bytes"]
        complain(f"--drop-below left out {pieces['dropped']:,} pieces: {pieces['share']:.1%} of the distinct ones, "
                 f"{length['share']:.2%} of the bytes")
    return 0


def _superwords(arguments: Namespace, base: Base, trainer: BpeTrainer) -> int:
    """Trains in two stages: words in the folder `words` of --out, then merges across them in larger pieces."""
    if arguments.words is None or arguments.counts is not None:
        raise CommandError("--superwords needs --words N, the tokens of the first stage, and texts, not --counts")
    if arguments.words >= trainer.vocab_size:
        raise CommandError(f"expected --words below --vocab-size {trainer.vocab_size}, found {arguments.words}")
    out, began, splitter = absolute(arguments.out), time.monotonic(), Splitter(arguments.superwords)
    plan = {"dstok": dstok.__version__, "superwords": arguments.superwords, "vocab_size": trainer.vocab_size}
    known = read_json(os.path.join(out, MANIFEST)) if os.path.exists(os.path.join(out, MANIFEST)) else plan
    if any(known.get(name) != value for name, value in plan.items()):
        raise CommandError(f"{out}: expected the training of this call, found another (name another folder, or remove "
                           "this one)")
    _train(arguments, os.path.join(out, "words"), base, replace(trainer, vocab_size=arguments.words))
    words = load_model(os.path.join(out, "words", TOKENIZER)).replace(pre_tokenizer=splitter)
    path, counting = os.path.join(out, "superwords.counts"), _counting_of(arguments, base_of(byte_model(words)))
    with interruptible():
        if not os.path.exists(path) or CountsFile(path).made_by != counting.base.made_by():
            _counted(arguments, counting, path)
        with Bar() as bar:
            tok = extend(words, CountsFile(path), trainer.vocab_size, min_frequency=trainer.min_frequency,
                         max_token_length=trainer.max_token_length, num_threads=arguments.workers or available_cpus(),
                         memory=arguments.memory, progress=bar.learns)
    for sentence in tok.to_json(out):
        complain(f"{out}: note: {sentence}")
    made = {name: file_hash(os.path.join(out, name)) for name in (f"words/{MANIFEST}", "superwords.counts", TOKENIZER)}
    with file_faults(out):
        write_at_once(os.path.join(out, MANIFEST), as_json({**plan, **made}))
    found = {"words": words.vocab_size, "vocab_size": tok.vocab_size, "out": arguments.out}
    write_result(arguments, found, [f"{tok.vocab_size:,} tokens, {tok.vocab_size - words.vocab_size:,} of them learned "
                                    f"across words, in {time.monotonic() - began:.1f} s: {arguments.out}"])
    _tell_of_fewer(tok.vocab_size, trainer.vocab_size)
    return 0


def _tell_of_fewer(found: int, wanted: int) -> None:
    if found < wanted:
        complain(f"{found:,} tokens instead of {wanted:,}: no other pair may be merged. More text has more pairs")


def _base_named(name: str) -> Base:
    """The model or splitter that --like names."""
    with file_faults(name):
        return find_base(name)


def _counting_of(arguments: Namespace, base: Base) -> Counting:
    """The counting of the files that the command names."""
    from dstok.corpus.settings import CorpusSettings
    from dstok.training.corpus_counts import Counting

    dataset, field = inputs_of(arguments)
    settings = CorpusSettings(kind=arguments.input_format or "", lines=arguments.lines, field=field)
    return Counting(arguments.files, settings, base, dataset)


def _train(arguments: Namespace, out: str, base: Base, trainer: BpeTrainer) -> dict[str, Any]:
    """Trains, or finds that it is done; the manifest."""
    def announce(expected: Forecast) -> None:
        complain(f"merging takes at most {sum(expected) / 10**6:,.0f} MB of memory: {expected.words / 10**6:,.0f} MB "
                 "for the pieces, the rest for pairs and tokens")

    check(base, trainer)
    folder, counting = TrainingFolder(out), None
    counts: Any = None
    if arguments.counts is not None:
        if arguments.files:
            raise CommandError("expected files to read or --counts, found both")
        counts = CountsFile(arguments.counts)
        check_made_by(counts, base)
        _refuse_nothing(counts, counts.path)
        plan = plan_of(base, trainer, [{"counts": file_hash(counts.path)}])
    else:
        counting = _counting_of(arguments, base)
        plan = plan_of(base, trainer, counting.inputs())
    if folder.finished(plan) is None:
        with interruptible(), folder.entered(plan, counting and counting.changes):
            found: dict[str, Any] = {}
            if counting is not None:
                counts, records = _counted(arguments, counting, folder)
                _refuse_nothing(counts, "the files")
                found = {"documents": sum(record["documents"] for record in records), "shards": records}
            with Bar() as bar:
                trained_in(folder, base, trainer, plan, counts, bar.learns, found,
                           arguments.workers or available_cpus(), arguments.memory, announce)
    return read_json(os.path.join(out, MANIFEST))


def _refuse_nothing(counts: CountsFile, where: str) -> None:
    """A vocabulary without a merge is hardly what the user wants: most often a path or a field is wrong."""
    if not counts.totals.distinct:
        raise CommandError(f"expected text to learn from, found none in {where}")


def _counted(arguments: Namespace, counting: Counting, to: Any) -> tuple[CountsFile, list[dict[str, Any]]]:
    """The counts, in the folder of a training or in a file, and the records of the shards."""
    from dstok.corpus.engines import find_engine

    engine, count = find_engine(arguments.engine), counting.count_to if isinstance(to, str) else counting.count
    with screen.watching_shards(counting.shards) as progress:
        return count(to, arguments.workers, arguments.memory, progress, engine)


def _repeat(arguments: Namespace) -> int:
    """Trains with the settings of a manifest in a folder of its own, and names what differs."""
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
    with tempfile.TemporaryDirectory(prefix="dstok-") as out:
        found = _train(arguments, out, base, trainer)
    different = sorted(name for name in {*known, *found} if known.get(name) != found.get(name))
    words = f"different: {', '.join(different)}" if different else "the same tokenizer, from the same pieces"
    write_result(arguments, {"different": different}, [words])
    return DIFFERENT if different else 0


def run_report(arguments: Namespace) -> None:
    from dstok.conformance.comparison import compare

    if not (arguments.files or arguments.dataset) or not arguments.model:
        raise CommandError("expected texts and at least one --model")
    dataset, field = inputs_of(arguments)

    with Bar() as bar, interruptible():
        found = compare(arguments.files, {name: name for name in arguments.model}, language=arguments.language or "",
                        dataset=dataset, kind=arguments.input_format or "", lines=arguments.lines, field=field,
                        progress=lambda name, read: bar.draw(screen.WORDS, read, None, f"{name}: {read / 1e6:,.0f} MB"))
    write_result(arguments, found.as_json(), str(found).split("\n"), indent=1)
    if arguments.plot is not None:
        found.plot(arguments.plot)


def run_count(arguments: Namespace) -> None:
    counting = _counting_of(arguments, _base_named(arguments.like))
    with interruptible():
        counts, records = _counted(arguments, counting, arguments.out)
    _tell(arguments, counts, documents=sum(record["documents"] for record in records))


def _tell(arguments: Namespace, counts: CountsFile, **more: int) -> None:
    """Writes how much a new counts file has."""
    totals, out = counts.totals, arguments.out
    words = [*(f"{count:,} {what}" for what, count in more.items()), f"{totals.occurrences:,} pieces",
             f"{totals.distinct:,} distinct: {out}"]
    write_result(arguments, {**more, "occurrences": totals.occurrences, "distinct": totals.distinct, "out": out},
                 [", ".join(words)])


def run_merge(arguments: Namespace) -> None:
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
    tok, counts = load_model(arguments.model, arguments.upstream), CountsFile(arguments.counts)
    if counts.made_by and counts.made_by != pieces_of(tok):
        raise FileError(f"{counts.path}: expected counts of the pieces that {arguments.model} cuts (dstok train count "
                        f"--like {arguments.model}), found those of other steps")
    return tok, counts


def _write_changed(arguments: Namespace, tok: Tokenizer, key: str, number: int, words: str) -> None:
    """Writes a changed model, and the `number` of tokens that were changed."""
    out = arguments.out
    for sentence in tok.to_json(out):
        complain(f"{out}: note: {sentence}: an existing folder as --out gets a tokenizer_config.json, too")
    write_result(arguments, {key: number, "vocab_size": tok.vocab_size, "out": out},
                 [f"{number:,} {words}, {tok.vocab_size:,} ids: {out}"])


def run_parity(arguments: Namespace) -> None:
    trainer = BpeTrainer(vocab_size=arguments.vocab_size, min_frequency=arguments.min_frequency,
                         special_tokens=[*dict.fromkeys(arguments.special)],
                         max_token_length=arguments.max_token_length)
    window = {} if arguments.window is None else {"variant": "window", "window_size": arguments.window}
    languages = [*map(CountsFile, arguments.files)]
    for counts in languages:
        _refuse_nothing(counts, counts.path)
    with Bar() as bar:
        tok = train_parity(
            languages, trainer, like=arguments.like, alpha=arguments.alpha, **window,
            dev=[*map(CountsFile, arguments.dev)] or None, ratio=arguments.ratio or None,
            global_merges=arguments.global_merges, num_threads=arguments.workers or available_cpus(),
            progress=bar.learns)
    _write_changed(arguments, tok, "languages", len(languages), f"language{'s' * (len(languages) > 1)}")
    _tell_of_fewer(tok.vocab_size, arguments.vocab_size)


def run_extend(arguments: Namespace) -> None:
    tok, counts = _change(arguments)
    more = extend(tok, counts, arguments.vocab_size)
    _write_changed(arguments, more, "new_tokens", more.vocab_size - tok.vocab_size, "new tokens")
    _tell_of_fewer(more.vocab_size, arguments.vocab_size)


def run_trim(arguments: Namespace) -> None:
    tok, counts = _change(arguments)
    less, ids = trim_vocab(tok, most_used(tok, counts, arguments.vocab_size))
    _write_changed(arguments, less, "lost_tokens", tok.vocab_size - less.vocab_size, "tokens fewer")
    if arguments.map is not None:
        with file_faults(arguments.map), WholeFile(arguments.map) as file:
            np.save(file, ids)
