"""A finished corpus -> its errors.

In: the folder. Out: a line for each difference from the manifests, none if all is well. Invariant: all files of the
corpus are read whole, and so are all inputs unless they are left out. In some shards the first documents are encoded
again and compared id by id. Nothing is written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

import dstok
from dstok._util.files import reason, visible
from dstok.corpus.documents import Faults, reader_of
from dstok.corpus.encoding import BatchEncoder
from dstok.corpus.folder import read_corpus, read_manifest, read_plan
from dstok.corpus.inputs import InputFile
from dstok.corpus.plan import FileRange, Shard, least_shards, plan_shards
from dstok.corpus.readers import token_files
from dstok.corpus.settings import CORPUS, PLAN, SUMS, CorpusSettings
from dstok.errors import DstokError, FileError
from dstok.io.text_files import BLOCK

if TYPE_CHECKING:
    from dstok._util.files import StrPath
    from dstok.tokenizer import Tokenizer

__all__ = ["verify"]


def verify(
    out: StrPath, *, inputs: bool = True, sample: int = 8, model: str | Tokenizer | None = None,
) -> Iterator[str]:
    """Returns the errors of the corpus in `out`, a line each. Raises `FileError` if there is no corpus.

    `inputs`: whether the inputs are there, to be compared with their checksums; `sample`: the number of shards whose
    first documents are encoded again (first the shards with an input file that was read whole in one shard); `model`:
    the tokenizer, if it has moved.
    """
    folder = os.path.abspath(out)
    plan, settings = read_plan(folder)
    if not os.path.exists(os.path.join(folder, CORPUS)):
        yield f"{folder}: not whole: the command that makes it goes on where it stopped"
        return
    corpus = read_corpus(folder)
    manifests = [read_manifest(folder, shard) for shard in corpus["shards"]]
    yield from _totals(folder, corpus, manifests)
    if not settings.skip:  # skipped documents may be the rest of a file
        yield from _left_out(folder, plan["inputs"], manifests)
    for manifest in manifests:
        yield from _outputs(folder, settings, manifest)
    if inputs and plan["inputs"]:
        yield from _Inputs(folder, plan, settings, manifests, model).problems(sample)


def _totals(folder: str, corpus: dict[str, Any], manifests: list[dict[str, Any]]) -> Iterator[str]:
    for key in SUMS:
        total = sum(manifest[key] for manifest in manifests)
        if corpus[key] != total:
            yield f"{os.path.join(folder, CORPUS)}: expected {total} {key}, as the manifests say, found {corpus[key]}"


def _left_out(folder: str, files: list[dict[str, Any]], manifests: list[dict[str, Any]]) -> Iterator[str]:
    """The inputs that were not read from their first byte to their last, as the plan has them."""
    ends = dict[str, int]()
    for record in [record for manifest in manifests for record in manifest["inputs"]]:
        if ends.get(record["file"], 0) == record["start"]:
            ends[record["file"]] = record["stop"]
    for file in files:
        if file["kind"] in ("jsonl", "lines", "text") and ends.get(file["name"]) != file["size"]:
            yield (f"{os.path.join(folder, CORPUS)}: expected all {file['size']} bytes of {file['path']}, found the "
                   f"first {ends.get(file['name'], 0)} alone")


def _outputs(folder: str, settings: CorpusSettings, manifest: dict[str, Any]) -> Iterator[str]:
    """The errors in the files of a shard: sizes and checksums, then their structure."""
    wrong = [line for output in manifest["outputs"] for line in _file(os.path.join(folder, output["file"]), output)]
    yield from wrong
    if wrong:
        return
    try:
        files = token_files(folder, settings, manifest)
        rows, tokens = sum(map(len, files)), sum(file.tokens for file in files)
    except FileError as error:
        yield str(error)
        return
    for what, expected, found in (("rows", manifest["rows"], rows),
                                  ("ids", manifest["tokens"] + manifest["padding"], tokens)):
        if expected != found:
            yield f"{os.path.join(folder, manifest['shard'])}: expected {expected} {what}, found {found}"


def _file(path: str, output: dict[str, Any]) -> Iterator[str]:
    try:
        with open(path, "rb") as file:
            size, checksum = os.fstat(file.fileno()).st_size, hashlib.sha256()
            while block := file.read(BLOCK):
                checksum.update(block)
    except OSError as error:
        yield f"{path}: {reason(error)}"
        return
    if size != output["size"]:
        yield f"{path}: expected {output['size']} bytes, found {size}"
    elif checksum.hexdigest() != output["sha256"]:
        yield f"{path}: expected the SHA-256 {output['sha256']}, found {checksum.hexdigest()}"


class _Inputs:
    """The inputs, read again."""

    def __init__(
        self, folder: str, plan: dict[str, Any], settings: CorpusSettings, manifests: list[dict[str, Any]],
        model: str | Tokenizer | None,
    ) -> None:
        self.folder, self.settings = folder, settings
        self.files = [InputFile(*(file[key] for key in InputFile._fields)) for file in plan["inputs"]]
        if least_shards(self.files, settings) > len(manifests):
            raise FileError(f"{os.path.join(folder, PLAN)}: expected inputs of {len(manifests)} shards, found more")
        self.shards = {shard.name: shard for shard in plan_shards(self.files, self.settings)}
        self.manifests = manifests
        self.encoder = BatchEncoder(_tokenizer(plan["tokenizer"], model), settings)

    def problems(self, sample: int) -> Iterator[str]:
        step = max(1, len(self.manifests) // max(1, sample))
        for number, manifest in enumerate(self.manifests):
            shard = self.shards.get(manifest["shard"])
            try:
                if shard is None:  # a table that has changed has others
                    for file in self.files:
                        file.checked_change()
                    yield f"{self.folder}: expected the inputs' shards, found another, {manifest['shard']}"
                    continue
                yield from self._shard(shard, manifest, sample > 0 and number % step == 0)
            except DstokError as error:
                yield str(error)

    def _shard(self, shard: Shard, manifest: dict[str, Any], encode: bool) -> Iterator[str]:
        first = list[Any]()
        for number, (part, record) in enumerate(zip(shard.parts, manifest["inputs"])):
            rows = self._read(part, first if encode and number == 0 else None)
            if rows["sha256"] != record["sha256"]:
                yield f"{part.file.path}: has changed since the corpus was made, in {shard.name}"
                return
        if encode and not self.settings.pack and self.settings.shuffle is None:
            yield from self._compare(shard, manifest, first)

    def _read(self, part: FileRange, first: list[Any] | None) -> dict[str, Any]:
        """Reads a part and returns its record; the ids of its first documents go into `first`."""
        reader = reader_of(part, self.settings, Faults((lambda line: None) if self.settings.skip else None))
        for number, batch in enumerate(reader.batches()):
            if first is not None and number < 2:
                ids, lengths = self.encoder.one(reader, batch)
                first += np.split(ids, np.cumsum(lengths)[:-1]) if len(lengths) else []
        return reader.record()

    def _compare(self, shard: Shard, manifest: dict[str, Any], first: list[Any]) -> Iterator[str]:
        rows = (file.row(row) for file in token_files(self.folder, self.settings, manifest) for row in range(len(file)))
        for number, (expected, again) in enumerate(zip(first, rows)):
            if not np.array_equal(expected, again):
                yield f"{shard.name}: document {number} has other ids than its text"
                return


def _tokenizer(told: dict[str, Any], model: str | Tokenizer | None) -> Tokenizer:
    name = model or told["model"]
    if not name:
        raise FileError("expected the model's name or path, which the corpus does not tell", "model")
    try:
        tokenizer = dstok.load(name, upstream=told["upstream"] or None) if isinstance(name, str) else name
    except DstokError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise FileError(f"{visible(str(name))}: {reason(error)}", "model") from error
    if tokenizer.fingerprint != told["fingerprint"]:
        raise FileError(f"{name}: expected the tokenizer of the fingerprint {told['fingerprint']}, found "
                        f"{tokenizer.fingerprint}", "model")
    return tokenizer
