"""Tokenizers of all kinds, compared by what texts cost: tokens, bytes a token, tokens a word.

In: files of texts; tokenizers, as the kit's adapters take them. Out: a `Comparison`: a row for each tokenizer and
file, for each language if the texts name theirs, and for all texts.
Invariant: all tokenizers get the same texts, each document by itself, with added tokens matched in it. Memory holds a
batch of documents and the rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any, NamedTuple

import dstok
from dstok._util.files import StrPath, visible
from dstok.conformance.engines import OPENERS, CandidateError, Engine, engine_of, library_faults, open_engine
from dstok.corpus.documents import Faults, reader_of
from dstok.corpus.finished import picture
from dstok.corpus.inputs import InputFile, dataset_file, find_inputs, plan_shards
from dstok.corpus.settings import CorpusSettings
from dstok.errors import ArgumentError, FileError

KINDS = ("file", "language", "all")
MOST_LANGUAGES, MOST_SHOWN = 1000, 100
Texts = list[tuple[str, str]]  # with their languages


class Row(NamedTuple):
    """What the texts of one file, one language, or all cost one tokenizer. by: "file", "language" or "all".

    bytes: of the UTF-8. words: runs of characters other than white space; a Chinese or Thai sentence is one.
    """

    tokenizer: str
    by: str
    of: str
    documents: int
    bytes: int
    words: int
    tokens: int

    @property
    def bytes_per_token(self) -> float:
        """0 for texts without tokens."""
        return self.bytes / self.tokens if self.tokens else 0.0

    @property
    def tokens_per_word(self) -> float:
        """0 for texts without words."""
        return self.tokens / self.words if self.words else 0.0


class Comparison(NamedTuple):
    """The rows: files in their order, languages by name, then all; of each, a row a tokenizer. `str` makes a table."""

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        lines = [f"{row.tokens:>14,}  {row.bytes_per_token:>11.3f}  {row.tokens_per_word:>11.3f}  {row.tokenizer}, "
                 + visible(f"{row.by}{': ' * bool(row.of)}{row.of}") for row in self.rows]
        return "\n".join(["        tokens  bytes/token  tokens/word  tokenizer, texts", *lines])

    def as_json(self) -> list[dict[str, Any]]:
        """The rows as JSON has them, with their quotients."""
        return [{**row._asdict(), "bytes_per_token": round(row.bytes_per_token, 6),
                 "tokens_per_word": round(row.tokens_per_word, 6)} for row in self.rows]

    def plot(self, path: StrPath) -> None:
        """Writes a picture (.svg, .png, .pdf) of the languages, or else of the files. It needs the extra `plot`.

        Raises `FileError`, also for another suffix, and for more than 100 languages or files.
        """
        by = next((kind for kind in ("language", "file") if any(row.by == kind for row in self.rows)), "all")
        rows = [row for row in self.rows if row.by == by]
        groups, names = list(dict.fromkeys(row.of for row in rows)), list(dict.fromkeys(row.tokenizer for row in rows))
        if len(groups) > MOST_SHOWN:
            raise FileError(f"{os.fspath(path)}: expected at most {MOST_SHOWN} of each {by} in a picture, found "
                            f"{len(groups)}")
        height = 0.8 / max(1, len(names))
        with picture(path, (11, 1.6 + 0.25 * len(groups) * (1 + len(names)))) as (figure, *parts):
            for part, what in zip(parts, ("bytes_per_token", "tokens_per_word")):
                for number, name in enumerate(names):
                    values = [getattr(row, what) for row in rows if row.tokenizer == name]
                    places = [at + height * (number + 0.5) - 0.4 for at in range(len(values))]
                    part.barh(places, values, height, label=name)
                part.set(xlabel=what.replace("_per_", " a "), yticks=range(len(groups)), yticklabels=groups)
                part.invert_yaxis()
            figure.legend(*parts[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def compare(
    inputs: StrPath | Sequence[StrPath], tokenizers: Mapping[str, Any], *, language: str = "",
    dataset: str | None = None, kind: str = "", lines: bool = False, field: str = "text",
    progress: Callable[[str, int], None] | None = None,
) -> Comparison:
    r"""Compares tokenizers, by the texts of files, folders or globs.

    tokenizers: a name for each; a name or path of `dstok.load`, a spec of `dstok.conformance.engines`
        ("tiktoken:o200k_base"), or an object or function that `verify` takes.
    language: the field, or column, with the language of each document, in JSON lines, tables and data sets.
    dataset, kind, lines, field: as of `dstok.training.count`. progress: gets a file's name and the bytes read there.

    Raises `FileError` for bad inputs and documents, with file and line; `CandidateError` for a tokenizer that is not
    there, or fails; `ArgumentError` for none.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = folder.name + "/a.jsonl"
    >>> _ = open(path, "w").write('{"text": "Hello world", "lang": "en"}\n{"text": "Hallo Welt", "lang": "de"}\n')
    >>> found = compare(path, {"v3": "deepseek-v3", "bytes": lambda text: list(text.encode())}, language="lang")
    >>> print(found)
            tokens  bytes/token  tokens/word  tokenizer, texts
                 5        4.200        1.250  v3, file: a.jsonl
                21        1.000        5.250  bytes, file: a.jsonl
                 3        3.333        1.500  v3, language: de
                10        1.000        5.000  bytes, language: de
                 2        5.500        1.000  v3, language: en
                11        1.000        5.500  bytes, language: en
                 5        4.200        1.250  v3, all
                21        1.000        5.250  bytes, all
    """
    if not tokenizers:
        raise ArgumentError("expected at least one tokenizer, found none", "tokenizers")
    settings = CorpusSettings(kind=kind, lines=lines, field=field)
    settings.check()
    paths = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    files = [*(find_inputs([os.fspath(path) for path in paths], settings) if paths else ()),
             *(() if dataset is None else (dataset_file(dataset),))]
    engines = {name: _engine(name, given) for name, given in tokenizers.items()}
    sums = dict[tuple[str, str], list[int]]()  # documents, bytes, words, and the tokens of each tokenizer
    for file in files:
        read = 0
        sums["file", file.name] = [0] * (3 + len(engines))
        for size, texts in _texts(file, settings, language):
            for key, costs in _costs(file, texts, engines, bool(language)):
                total = sums.setdefault(key, [0] * len(costs))
                total[:] = map(int.__add__, total, costs)
            if len(sums) > MOST_LANGUAGES + len(files) + 1:
                raise FileError(f"{file.path}: expected at most {MOST_LANGUAGES} languages in the field {language!r}, "
                                "found more")
            read += size
            if progress is not None:
                progress(file.name, read)
    keys = sorted(sums, key=lambda key: (KINDS.index(key[0]), key[1] * (key[0] == "language")))
    return Comparison(tuple(Row._make((name, *key, *sums[key][:3], cost)) for key in keys
                            for name, cost in zip(engines, sums[key][3:])))


def _engine(name: str, given: Any) -> Engine:
    """The engine of what `compare` takes."""
    if not isinstance(given, str):
        return engine_of(given, name)
    kind, colon, _ = given.partition(":")
    with library_faults(given):
        if kind in OPENERS or (colon and not os.path.exists(given) and kind.isidentifier() and len(kind) > 1):
            return open_engine(given)
        return engine_of(dstok.load(given))


def _texts(file: InputFile, settings: CorpusSettings, language: str) -> Iterator[tuple[int, Texts]]:
    """(bytes read, texts with their languages), a batch of documents at a time. Raises `FileError`."""
    if language and file.kind in ("text", "lines"):
        raise FileError(f"{file.path}: expected JSON lines or a table, whose documents name a language, found text")
    languages = (text for _, texts in _texts(file, replace(settings, field=language), "")
                 for text, _ in texts) if language else repeat("")
    for part in (part for shard in plan_shards([file], settings) for part in shard.parts):
        reader = reader_of(part, settings, Faults(None))
        for batch in reader.batches():
            texts = Texts()
            values = batch.texts if isinstance(batch.texts, list) else batch.texts.to_pylist()
            for number, text in zip(batch.numbers, values):
                try:
                    texts.append((text if isinstance(text, str) else text.decode(), next(languages)))
                except UnicodeDecodeError as error:
                    found = f"byte 0x{text[error.start]:02x} at byte offset {error.start}"
                    reader.bad(number, f"expected utf-8, found {found}")
            yield batch.size, texts


def _costs(
    file: InputFile, texts: Texts, engines: Mapping[str, Engine], by_language: bool,
) -> Iterator[tuple[tuple[str, str], list[int]]]:
    """(what to add to, what to add) for each text: documents, bytes, words, and the tokens of each tokenizer."""
    plain = [text for text, _ in texts]
    tokens = list[list[int]]()
    for name, engine in engines.items():
        with library_faults(f"{name}: {file.path}"):
            found = list(engine.batch(plain) if engine.batch else map(engine.encode, plain))
            tokens.append([len(ids) if isinstance(ids, Sequence) else len([*ids]) for ids in found])
        if len(tokens[-1]) != len(plain):
            raise CandidateError(f"{name}: expected the ids of {len(plain)} texts, found those of {len(tokens[-1])}")
    for (text, language), *costs in zip(texts, *tokens):
        for key in (("file", file.name), ("all", ""), *([("language", language)] if by_language else ())):
            yield key, [1, len(text.encode()), len(text.split()), *costs]
