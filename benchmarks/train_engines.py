"""One training by one engine, in a process of its own: `python -m benchmarks.train` starts it.

In: an engine, files of text, a model to follow, a size. Out: a line of JSON: CPU seconds of the training, peak memory
of the process, and the SHA-256 of the merges.
Invariant: one thread on one core. The clock runs from the files to a tokenizer in memory, without the imports, and
without loading the model to follow. The peak is that of the whole process, before the merges are compared.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from importlib.metadata import version
from time import process_time
from typing import Any, NamedTuple

__all__ = ["ENGINES", "Engine", "Merges", "main"]

Merges = list[tuple[str, str]]  # as a tokenizer.json spells them
Training = Callable[[], Callable[[], "Merges | None"]]  # trains; then gives the merges
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


class Task(NamedTuple):
    """like: the model's name. model: its tokenizer.json, without a vocabulary. letters: bytes that the texts have."""

    files: list[str]
    like: str
    model: str
    vocab_size: int
    letters: int


def _dstok(task: Task) -> Training:
    import dstok

    trainer = dstok.training.BpeTrainer(vocab_size=task.vocab_size)  # all bytes get ids
    like = dstok.load(task.like) if task.like in dstok.models() else dstok.Splitter.preset(task.like)
    learn = dstok.training.train  # imports the modules of trainings

    def train() -> Callable[[], Merges]:
        tok = learn(task.files, trainer, like=like)
        return lambda: _written(tok, f"{task.model}.trained")

    return train


def _tokenizers(task: Task) -> Training:
    from tokenizers import Tokenizer, pre_tokenizers, trainers

    trainer = trainers.BpeTrainer(vocab_size=task.vocab_size, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok = Tokenizer.from_file(task.model)

    def train() -> Callable[[], Merges]:
        tok.train(task.files, trainer)
        return lambda: _of_json(tok.to_str())

    return train


def _gigabpe(task: Task) -> Training:
    """It gives ids only to bytes that it saw: the size is smaller by the others."""
    import gigabpe

    def train() -> Callable[[], Merges]:
        _, merges = gigabpe.train_bpe(task.files, task.vocab_size - 256 + task.letters, special_tokens=[],
                                      pretokenizer="bytelevel", threads=1)
        return lambda: [(left, right) for left, right in merges]

    return train


def _rustbpe(task: Task) -> Training:
    """Of equally frequent pairs it takes another one than upstream, so its merges are others."""
    import rustbpe

    tok = rustbpe.Tokenizer()

    def train() -> Callable[[], None]:
        tok.train_from_iterator(_lines(task.files), task.vocab_size, pattern=GPT2)
        return lambda: None

    return train


def _lines(files: Sequence[str]) -> Iterator[str]:
    for path in files:
        with open(path, encoding="utf-8", newline="\n") as file:
            yield from file


def _written(tok: Any, path: str) -> Merges:
    tok.to_json(path)
    with open(path, encoding="utf-8") as file:
        return _of_json(file.read())


def _of_json(text: str) -> Merges:
    return [(left, right) for left, right in json.loads(text)["model"]["merges"]]


class Engine(NamedTuple):
    """exact: whether its merges are upstream's. likes: the models that it can follow; empty: all."""

    prepare: Callable[[Task], Training]
    exact: bool = True
    likes: tuple[str, ...] = ()


ENGINES = {"dstok": Engine(_dstok), "tokenizers": Engine(_tokenizers), "gigabpe": Engine(_gigabpe, likes=("gpt-2",)),
           "rustbpe": Engine(_rustbpe, exact=False, likes=("gpt-2",))}


def main(name: str, task: str, core: int) -> None:
    """Measures, and prints the figures."""
    if core >= 0:
        os.sched_setaffinity(0, {core})
    train = ENGINES[name].prepare(Task(**json.loads(task)))
    before = process_time()
    merges = train()
    seconds, peak = process_time() - before, _peak_mb()
    found = merges()
    hashed = None if found is None else sha256(json.dumps(found).encode()).hexdigest()
    print(json.dumps({"cpu_s": round(seconds, 4), "peak_mb": round(peak, 1), "merges": found and len(found),
                      "merges_sha256": hashed, "version": version(name)}))


def _peak_mb() -> float:
    """The largest memory of the process so far, in 10^6 bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
