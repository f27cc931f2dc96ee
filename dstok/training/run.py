"""Texts, files of lines, or counted pieces -> a trained tokenizer.

In: texts or paths, the settings of a trainer, the model that the training follows. Out: a `Tokenizer`; in a folder also
its files, with a manifest of all that decided it: settings, the SHA-256 of the counts and of the tokenizer.json.
Invariant: the vocabulary and merges that upstream's own `train` and `train_from_iterator` give, of a tokenizer
without added tokens that normalizes and cuts as `like` does. Of files each line, with its ending, is a text. Neither
pyarrow nor `datasets` is imported for other texts than theirs. A training in a folder that was killed goes on when it
is called again. Its folder, in which a file with its name is complete, refuses another training, and a second call:

    tokenizer.json, tokenizer_config.json  the trained tokenizer; its BOS, EOS and the like, if it has them
    train.json          last: all that decided it, and what came out
    work/plan.json      first: the inputs and settings
    work/pieces.counts  the counted pieces
    work/merges.part    the merges so far (training/learn.py)
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from hashlib import sha256
from tempfile import TemporaryDirectory
from typing import Any

import dstok
from dstok._util.arguments import explained, thread_count, whole_number
from dstok._util.files import StrPath, absolute, file_faults, write_at_once
from dstok._util.imports import of_extra
from dstok._util.resumable import ResumableFolder, as_json, digest, file_hash, read_json
from dstok.compiled.build import build_tables
from dstok.compiled.tables import make_bpe
from dstok.core.bpe.merge import BPE
from dstok.core.split.finder import Finder
from dstok.core.text.normalize import Normalizer
from dstok.errors import ArgumentError, FileError, TextError
from dstok.formats.description import ENDS
from dstok.formats.tokenizer_config import write_tokenizer_config
from dstok.formats.tokenizer_json import write_tokenizer_json
from dstok.io.text_files import checked_change
from dstok.normalizers import make_normalizer
from dstok.pretokenizer.pieces import finder_of
from dstok.regex.cascade import compile_cascade
from dstok.tokenizer import Tokenizer, tokenizer_of_description
from dstok.training.learn import OVERFLOW, Forecast, Journal, Learned, Progress, learn
from dstok.training.piece_counts import CountsFile, Texts, counted, counted_file
from dstok.training.template import Base, Like, Normalizing, find_base
from dstok.training.trainer import BpeTrainer

MANIFEST, TOKENIZER, CONFIG = "train.json", "tokenizer.json", "tokenizer_config.json"
ROWS = 1000  # of a column that become objects of Python at a time
LINES = 1 << 16  # bytes of the lines that are read at once


def texts_of(source: Any, field: str) -> Texts:
    """The texts of a source. field: the column of a table.

    Raises `ArgumentError` for a table without this column, or with anything but texts in it. Reading raises
    `TextError` for a row without text, and for a broken array.

    >>> import pyarrow as pa
    >>> list(texts_of(pa.table({"id": [1, 2], "text": ["a", "b"]}), "text"))
    [b'a', b'b']
    """
    if isinstance(source, Mapping):
        raise ArgumentError(f"expected texts, found a {type(source).__name__} with {', '.join(map(str, source))}: name "
                            "one of these", "texts")
    library = sys.modules.get("datasets")
    if library is not None and isinstance(source, library.Dataset | library.IterableDataset):  # it iterates over rows
        return _column_texts(_of_tables(source.with_format("arrow").iter(ROWS), field))
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        with of_extra("arrow", "training from Arrow"):
            import pyarrow as pa

            from dstok.arrow.columns import pieces_of
        if hasattr(source, "__arrow_c_stream__"):
            with suppress(pa.ArrowInvalid):  # a stream of arrays, not of batches
                return _column_texts(_of_tables(pa.RecordBatchReader.from_stream(source), field))
        arrays, kind, _ = pieces_of(source)
        tables = map(pa.RecordBatch.from_struct_array, arrays)
        return _column_texts(_of_tables(tables, field) if pa.types.is_struct(kind) else arrays)
    return source  # type: ignore[no-any-return]


def _of_tables(tables: Iterable[Any], field: str) -> Iterator[Any]:
    """The arrays of a column of tables or record batches. Of a data set the columns are known when it is read."""
    for table in tables:
        names = table.schema.names
        if names.count(field) != 1:
            found = ", ".join(map(repr, names)) or "none"
            raise ArgumentError(f"expected one column {field!r}, found {found}", "field")
        column = table.column(field)
        yield from getattr(column, "chunks", [column])


def _column_texts(arrays: Iterable[Any]) -> Iterator[bytes]:
    from dstok.arrow.columns import as_binary

    row = 0
    for array in arrays:
        for start in range(0, len(array), ROWS):
            for text in as_binary(array.slice(start, ROWS)).to_pylist():
                if text is None:
                    raise TextError("expected text, found null", 0, row)
                yield text
                row += 1


@explained
def train_from_iterator(
    texts: Texts | Any, trainer: BpeTrainer | None = None, *, like: Like,
    normalizer: Normalizing = None, num_threads: int = 1, memory: int = 1 << 30, field: str = "text",
) -> Tokenizer:
    """A tokenizer with a new vocabulary, as upstream's `Tokenizer.train_from_iterator` learns it from the same texts.

    texts: `str` or UTF-8 bytes, or lists of them; a generator serves. Each is normalized and cut by itself. Also a
        table: an Arrow array, record batch, table or reader, those of pandas and Polars, a `Dataset` or
        `IterableDataset` of `datasets`. Each row is a text then.
    field: the column of a table.
    trainer: the settings; None: the defaults.
    like: the model to follow in normalizing and cutting: its name or path; a tokenizer.json as a path, text or dict,
        whose vocabulary may be empty; a `Tokenizer`; a `Splitter`, then with a `normalizer` such as "NFC", or as a
        tokenizer.json has it. Its vocabulary and added tokens are not used.
    num_threads: how many share the work. memory: in bytes, for the distinct pieces; more of them go to temporary files;
        then for the merges.

    Raises `UnsupportedError` for a training that cannot be exact; `TextError` with the number of the text;
    `ArgumentError`, also for a `vocab_size` that special tokens and bytes exceed, and for too little memory for the
    merges; what reading `like` raises.

    >>> import dstok
    >>> trainer = dstok.training.BpeTrainer(vocab_size=260, initial_alphabet=dstok.training.BpeTrainer.byte_alphabet())
    >>> tok = dstok.training.train_from_iterator(["low lower lowest", "low low"], trainer, like="gpt-2")
    >>> [tok.id_to_token(i) for i in tok.encode("lower low")]
    ['low', 'e', 'r', 'Ġlow']
    """
    settings, base = begin(trainer, like, normalizer)
    with counted(*readers_of(base), texts_of(texts, field), num_threads, memory) as rows:
        return trained(base, rows, settings, memory=memory, num_threads=num_threads)


@explained
def count_from_iterator(
    texts: Texts | Any, out: StrPath, *, like: Like, normalizer: Normalizing = None, num_threads: int = 1,
    memory: int = 1 << 30, field: str = "text",
) -> CountsFile:
    """Counts the pieces of texts into the counts file `out`, for `train_from_counts` at many settings.

    The arguments and errors are those of `dstok.training.train_from_iterator`; `dstok.training.count` counts files.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     count_from_iterator(["low low", "lower"], os.path.join(place, "a.counts"), like="gpt-2").totals
    Totals(distinct=3, length=12, occurrences=3, longest=5)
    """
    base = find_base(like, normalizer)
    with TemporaryDirectory(prefix="dstok-") as spills:
        return counted_file(*readers_of(base), texts_of(texts, field), num_threads, memory, spills, base.made_by(), out)


def readers_of(base: Base) -> tuple[Finder, Normalizer | None]:
    """The finder of pieces, and the normalizer."""
    model = base.model
    steps = model.splits, model.unicode_version
    finder = finder_of(*steps, lambda: compile_cascade(*steps))
    return finder, make_normalizer(model.normalizer, model.unicode_version, model.characters)


def begin(trainer: Any, like: Like, normalizer: Normalizing) -> tuple[BpeTrainer, Base]:
    """The trainer, or one with the defaults for None, and the base, checked. Raises `ArgumentError` for upstream's."""
    if trainer is None:
        trainer = BpeTrainer()
    elif not isinstance(trainer, BpeTrainer):
        kind = type(trainer)
        raise ArgumentError(f"expected a dstok.training.BpeTrainer, found {kind.__module__}.{kind.__name__}", "trainer")
    base = find_base(like, normalizer)
    check(base, trainer)
    return trainer, base


def check(base: Base, trainer: BpeTrainer) -> None:
    """Refuses, before any text is read, a model that no vocabulary makes a `Tokenizer`: tries it without merges."""
    base.check(trainer)
    bytes_alone = replace(trainer, limit_alphabet=None, initial_alphabet=tuple(trainer.byte_alphabet()))
    trained(base, lambda: (), bytes_alone, strict=False)


def trained(base: Base, rows: Any, trainer: BpeTrainer, **options: Any) -> Tokenizer:
    """The model with the vocabulary that `learn` gives."""
    return tokenizer_of_description(base.trained(learn(rows, trainer, **options)))


@explained
def train_from_counts(
    counts: StrPath | CountsFile, trainer: BpeTrainer | None = None, *, like: Like, normalizer: Normalizing = None,
    num_threads: int = 1, memory: int = 1 << 30, progress: Progress | None = None,
) -> Tokenizer:
    """A tokenizer with a new vocabulary, learned from a counts file (`dstok train count`).

    trainer, like, normalizer, num_threads, memory: as of `train_from_iterator`. progress: called now and then with the
        number of tokens, and with `vocab_size`.

    Raises `FileError` for a broken file, or counts of pieces that `like` cuts otherwise; else as
    `dstok.training.train_from_iterator`.
    """
    settings, base = begin(trainer, like, normalizer)
    file = counts if isinstance(counts, CountsFile) else CountsFile(counts)
    check_made_by(file, base)
    return trained(base, file.rows, settings, progress=progress, memory=whole_number("memory", memory),
                   num_threads=thread_count(num_threads))


def check_made_by(file: CountsFile, base: Base) -> None:
    """Refuses counts of other pieces."""
    if file.made_by and file.made_by != base.made_by():
        raise FileError(f"{file.path}: expected counts of the pieces that `like` cuts, found those of other steps "
                        f"({file.made_by[:16]}, not {base.made_by()[:16]})")


class TrainingFolder(ResumableFolder):
    """The folder `out`."""

    def __init__(self, out: StrPath) -> None:
        lock = os.path.join("work", ".lock")
        super().__init__(absolute(out), lock, "another training is running in this folder")
        self.work = os.path.dirname(self.lock)
        self.plan = os.path.join(self.work, "plan.json")
        self.counts_path = os.path.join(self.work, "pieces.counts")

    def finished(self, plan: Mapping[str, Any]) -> dict[str, Any] | None:
        """The manifest, if the training of `plan` is done here. Raises `FileError` if another one is."""
        path = os.path.join(self.out, MANIFEST)
        if not os.path.exists(path):
            return None
        manifest = self._known(path, plan)
        if os.path.exists(self.plan):  # of a call that was killed at its very end
            shutil.rmtree(self.work, ignore_errors=True)
        return manifest

    @contextmanager
    def entered(self, plan: Mapping[str, Any], state: Any) -> Iterator[None]:
        """Begins or continues the training of `plan`. `state`: of its inputs; it must stay the same until all is done.

        Raises `FileError`.
        """
        plan = {**plan, "state": state}
        others = [name for name in (TOKENIZER, CONFIG, os.path.join("work", "*"))
                  if glob.glob(os.path.join(glob.escape(self.out), name))]
        if others and not os.path.exists(self.plan):
            raise FileError(f"{self.out}: expected no {others[0]} in this folder, found one that no training here made")
        with self.locked():
            if os.path.exists(self.plan):
                self._known(self.plan, plan)
            else:
                with file_faults(self.out):
                    write_at_once(self.plan, as_json(plan))
            yield

    def _known(self, path: str, plan: Mapping[str, Any]) -> dict[str, Any]:
        """The object in a file. Raises `FileError` if another plan made it."""
        known, wanted = read_json(path), json.loads(as_json(plan))
        different = [name for name in wanted if known.get(name) != wanted[name]]
        if different:
            raise FileError(f"{self.out}: expected the training of this call, found one with other "
                            f"{', '.join(different)} (name another folder, or remove this one)")
        return known

    def counts(self) -> CountsFile | None:
        """The counted pieces, if all are counted."""
        return CountsFile(self.counts_path) if os.path.exists(self.counts_path) else None

    def finish(self, tokenizer: bytes, config: bytes, manifest: Mapping[str, Any]) -> None:
        """Writes the result, and removes the work. config: of a tokenizer_config.json; empty if there is none."""
        with file_faults(self.out):
            for name, data in ((TOKENIZER, tokenizer), (CONFIG, config), (MANIFEST, as_json(manifest))):
                if data:
                    write_at_once(os.path.join(self.out, name), data, self.work)  # a kill leaves its scratch there
        shutil.rmtree(self.work, ignore_errors=True)


def plan_of(base: Base, trainer: BpeTrainer, inputs: Any) -> dict[str, Any]:
    """All that decides a training, as JSON."""
    model = base.model
    steps = [{"pattern": split.pattern, "behavior": split.behavior, "invert": split.invert} for split in model.splits]
    settings = {name: value for name, value in asdict(trainer).items() if name != "show_progress"}
    specials = [token._asdict() for token in trainer.special_tokens]
    named = {token.content for token in trainer.special_tokens}
    ends = {name: text for name, text in base.ends.items() if text in named}
    return {"dstok": dstok.__version__, "unicode_version": model.unicode_version, "splits": steps,
            "normalizer": [step.stored() for step in model.normalizer],
            "trainer": {**settings, "special_tokens": [{**token, "id": None} for token in specials]},
            **({"ends": ends} if ends else {}), "inputs": inputs}


def trained_in(
    folder: TrainingFolder, base: Base, trainer: BpeTrainer, plan: dict[str, Any], counts: CountsFile,
    progress: Progress | None, found: dict[str, Any], num_threads: int, memory: int,
    announce: Callable[[Forecast], None] | None = None,
) -> Tokenizer:
    """The tokenizer of `counts`, which are in `folder`; writes it there. `found`: more for the manifest.

    memory, announce: as of `learn`.
    """
    def encoder(learned: Learned) -> BPE:  # words leave out bytes without a token, whatever stands for these in a text
        return make_bpe(build_tables(base.trained(learned)._replace(unknown=None)))

    hashed = file_hash(counts.path)
    journal = Journal(os.path.join(folder.work, "merges.part"), digest([plan, hashed]))
    try:
        learned = learn(counts.rows, trainer, progress=progress, journal=journal, encoder=encoder, memory=memory,
                        announce=announce, num_threads=num_threads)
    finally:
        journal.close()
    model, survey = base.trained(learned), learned.survey
    text = write_tokenizer_json(model).encode()
    ends = write_tokenizer_config(model.config, {token.id: token.content for token in model.added_tokens})
    config = ends.encode() if any(getattr(model.config, name) is not None for name in ENDS) else b""
    dropped = {"pieces": (survey.dropped_pieces, survey.pieces), "bytes": (survey.dropped_length, survey.length),
               "occurrences": (survey.dropped_occurrences, survey.occurrences)}
    folder.finish(text, config, {
        **plan, **found, "counts": {"sha256": hashed, **counts.totals._asdict()},
        "vocab_size": len(learned.tokens), "merges": len(learned.counts), "highest_count": learned.highest,
        "last_count": learned.counts[-1] if learned.counts else None,
        "upstream_overflows": learned.highest >= OVERFLOW,  # is a pair more frequent than its 32 bits can say?
        "dropped": {name: {"dropped": part, "share": round(part / whole, 6) if whole else 0.0}
                    for name, (part, whole) in dropped.items()} if survey.drop_below else None,
        "lost_bytes": [*model.lost_bytes()], "tokenizer_sha256": sha256(text).hexdigest()})
    return tokenizer_of_description(model)


@explained
def train(
    files: Sequence[StrPath], trainer: BpeTrainer | None = None, *, like: Like, normalizer: Normalizing = None,
    num_threads: int = 1, memory: int = 1 << 30, folder: StrPath | None = None, progress: Progress | None = None,
) -> Tokenizer:
    r"""A tokenizer with a new vocabulary, as upstream's `Tokenizer.train` learns it from the same files.

    files: paths of UTF-8 text. Each line, with its ending, is a text: normalized and cut by itself.
    folder: where the tokenizer.json, the manifest train.json and, until all is done, the work are written. If the
        call is killed, the same call goes on from there. None: nothing is kept.
    progress: called now and then with the number of tokens, and with `vocab_size`. Other arguments as of
        `dstok.training.train_from_iterator`.

    Raises `FileError`, also for text that is not UTF-8, for a folder with another training, and for files that have
    changed since the training began; else as `dstok.training.train_from_iterator`.

    >>> import dstok, os, tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     path = os.path.join(place, "a.txt")
    ...     with open(path, "w") as file:
    ...         _ = file.write("low lower\nlowest low\n")
    ...     trainer = dstok.training.BpeTrainer(vocab_size=258)
    ...     tok = dstok.training.train([path], trainer, like="gpt-2", folder=os.path.join(place, "tok"))
    ...     sorted(os.listdir(os.path.join(place, "tok"))), tok.inspect().token_bytes()[256:]
    (['tokenizer.json', 'train.json'], [b'lo', b'low'])
    """
    if isinstance(files, str | bytes | os.PathLike):
        raise ArgumentError("expected a list of paths, found one path", "files")
    settings, base = begin(trainer, like, normalizer)
    lines = _Lines([os.fspath(path) for path in files])
    if folder is None:
        with lines.named_in_errors(), counted(*readers_of(base), lines, num_threads, memory) as rows:
            return trained(base, rows, settings, progress=progress, memory=memory, num_threads=num_threads)
    work = TrainingFolder(folder)
    plan = plan_of(base, settings, [{"file": path, "size": status.st_size} for path, status in lines.files])
    if work.finished(plan):
        return Tokenizer.from_json(os.path.join(work.out, TOKENIZER))
    with work.entered(plan, [status.st_mtime_ns for _, status in lines.files]):
        counts, spills = work.counts(), os.path.join(work.work, "spills")
        if counts is None:
            shutil.rmtree(spills, ignore_errors=True)  # of a call that was killed
            with lines.named_in_errors():
                counts = counted_file(*readers_of(base), lines, num_threads, memory, spills, base.made_by(),
                                      work.counts_path)
        return trained_in(work, base, settings, plan, counts, progress, {}, num_threads, memory)


class _Lines:
    """The lines of files, with their endings, in lists. A file that is changed is a `FileError`."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.starts = list[tuple[int, str]]()  # of each file: the number of its first line among all, and its path
        self.files = list[tuple[str, os.stat_result]]()
        for path in paths:
            with file_faults(path):
                self.files.append((path, os.stat(path)))

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Raises `FileError` for a line that is not UTF-8."""
        try:
            yield
        except TextError as error:
            number = error.batch_index or 0
            start, path = next(row for row in reversed(self.starts) if row[0] <= number)
            raise FileError(f"{path}: line {number - start + 1}: {error.message}") from None

    def __iter__(self) -> Iterator[list[bytes]]:
        number = 0
        for path, status in self.files:
            self.starts.append((number, path))
            with file_faults(path), open(path, "rb", buffering=1 << 20) as file:
                while lines := file.readlines(LINES):
                    number += len(lines)
                    yield lines
            if stat.S_ISREG(status.st_mode):
                checked_change(path, status.st_size, status.st_mtime_ns)
