r"""Text files -> a trained tokenizer, as upstream's `Tokenizer.train` reads them.

In: paths. Out: a `Tokenizer`, and with `folder` its files. Invariant: each line, with its ending, is a text. So two
line feeds never become one token. A training in a folder that was killed goes on when it is called again.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dstok.base.arguments import explained
from dstok.base.faults import file_faults
from dstok.base.paths import StrPath
from dstok.counts.file import CountsFile
from dstok.errors import ArgumentError, FileError, TextError
from dstok.files.inputs import checked_change
from dstok.tokenizer import Tokenizer, tokenizer_of_description
from dstok.training.folder import TOKENIZER, TrainingFolder
from dstok.training.from_counts import plan_of, trained_in
from dstok.training.from_texts import check, checked_trainer, readers_of
from dstok.training.like import Like, Normalizing, find_base
from dstok.vocabularies.base import Base
from dstok.vocabularies.counting import counted, counted_file
from dstok.vocabularies.learning import Progress, learn
from dstok.vocabularies.trainer import BpeTrainer

__all__ = ["train"]

_LIST = 1 << 16  # bytes of the lines that are read at once


@explained
def train(
    files: Sequence[StrPath], trainer: BpeTrainer | None = None, *, like: Like, normalizer: Normalizing = None,
    threads: int = 1, memory: int = 1 << 30, folder: StrPath | None = None, progress: Progress | None = None,
) -> Tokenizer:
    r"""A tokenizer with a new vocabulary, as upstream's `Tokenizer.train` learns it from the same files.

    files: paths of UTF-8 text. Each line, with its ending, is a text: normalized and cut by itself.
    folder: where the tokenizer.json, the manifest train.json and, until all is done, the work are written. If the
        call is killed, the same call goes on from there. None: nothing is kept.
    progress: called now and then with the number of tokens, and with `vocab_size`. Other arguments as of
        `dstok.train_from_iterator`.

    Raises `FileError`, also for text that is not UTF-8, for a folder with another training, and for files that have
    changed since the training began; else as `dstok.train_from_iterator`.

    >>> import dstok, os, tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     path = os.path.join(place, "a.txt")
    ...     with open(path, "w") as file:
    ...         _ = file.write("low lower\nlowest low\n")
    ...     trainer = dstok.BpeTrainer(vocab_size=258, initial_alphabet=dstok.BpeTrainer.byte_alphabet())
    ...     tok = dstok.train([path], trainer, like="gpt-2", folder=os.path.join(place, "tok"))
    ...     sorted(os.listdir(os.path.join(place, "tok"))), tok.vocabulary()[256:]
    (['tokenizer.json', 'train.json'], [b'lo', b'low'])
    """
    if isinstance(files, str | bytes | os.PathLike):
        raise ArgumentError("expected a list of paths, found one path", "files")
    settings, base = checked_trainer(trainer), find_base(like, normalizer)
    check(base, settings)
    paths = [os.fspath(path) for path in files]
    if folder is not None:
        return _trained(TrainingFolder(folder), _Lines(paths), base, settings, threads, memory, progress)
    lines = _Lines(paths)
    with lines.named_in_errors(), counted(*readers_of(base), lines, threads, memory) as rows:
        learned = learn(rows, settings, progress=progress, memory=memory, threads=threads)
        return tokenizer_of_description(base.trained(learned))


def _trained(
    folder: TrainingFolder, lines: _Lines, base: Base, trainer: BpeTrainer, threads: int, memory: int,
    progress: Progress | None,
) -> Tokenizer:
    plan = plan_of(base, trainer, [{"file": path, "size": status.st_size} for path, status in lines.files])
    if folder.finished(plan):
        return Tokenizer.from_json(os.path.join(folder.out, TOKENIZER))
    with folder.entered(plan, [status.st_mtime_ns for _, status in lines.files]):
        counts = folder.counts() or _count(folder, lines, base, threads, memory)
        return trained_in(folder, base, trainer, plan, counts, progress, {}, threads, memory)


def _count(folder: TrainingFolder, lines: _Lines, base: Base, threads: int, memory: int) -> CountsFile:
    spills = os.path.join(folder.work, "spills")
    shutil.rmtree(spills, ignore_errors=True)  # of a call that was killed
    with lines.named_in_errors():
        return counted_file(*readers_of(base), lines, threads, memory, spills, base.made_by(), folder.counts_path)


class _Lines:
    """The lines of files, with their endings, in lists. path, line, number: of the first line of the last list.

    `line` counts from 1 in each file, `number` from 0 in all of them. A file that is changed is a `FileError`.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.path, self.line, self.number = "", 0, 0
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
            line = self.line + (error.batch_index or 0) - self.number
            raise FileError(f"{self.path}: line {line}: {error.message}") from None

    def __iter__(self) -> Iterator[list[bytes]]:
        size = 0
        for path, status in self.files:
            self.path, self.line, self.number, size = path, 1, self.number + size, 0
            with file_faults(path), open(os.fspath(path), "rb", buffering=1 << 20) as file:
                while lines := file.readlines(_LIST):
                    self.line, self.number, size = self.line + size, self.number + size, len(lines)
                    yield lines
            if stat.S_ISREG(status.st_mode):
                checked_change(path, status.st_size, status.st_mtime_ns)
