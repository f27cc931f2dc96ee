"""A finished corpus -> its errors.

In: the folder. Out: a line for each difference from the manifests, none if all is well. Invariant: all files of the
corpus are read whole, and so are all inputs unless they are left out. In some shards the first documents are encoded
again and compared id by id. Nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

import dstok
from dstok._util.files import reason, visible
from dstok._util.resumable import file_hash
from dstok.corpus.documents import Faults, reader_of
from dstok.corpus.encoding import BatchEncoder
from dstok.corpus.folder import read_corpus, read_manifest, read_plan
from dstok.corpus.inputs import InputFile, Shard, least_shards, plan_shards
from dstok.corpus.readers import token_files
from dstok.corpus.settings import CORPUS, PLAN, SUMS, CorpusSettings
from dstok.errors import DstokError, FileError

if TYPE_CHECKING:
    from dstok._util.files import StrPath
    from dstok.tokenizer import Tokenizer


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
    whole = os.path.join(folder, CORPUS)
    if not os.path.exists(whole):
        yield f"{folder}: not whole: the command that makes it goes on where it stopped"
        return
    corpus = read_corpus(folder)
    manifests = [read_manifest(folder, shard) for shard in corpus["shards"]]
    for key in SUMS:
        total = sum(manifest[key] for manifest in manifests)
        if corpus[key] != total:
            yield f"{whole}: expected {total} {key}, as the manifests say, found {corpus[key]}"
    if not settings.skip:  # skipped documents may be the rest of a file
        ends = dict[str, int]()
        for record in [record for manifest in manifests for record in manifest["inputs"]]:
            if ends.get(record["file"], 0) == record["start"]:
                ends[record["file"]] = record["stop"]
        for file in plan["inputs"]:
            if file["kind"] in ("jsonl", "lines", "text") and ends.get(file["name"]) != file["size"]:
                yield (f"{whole}: expected all {file['size']} bytes of {file['path']}, found the first "
                       f"{ends.get(file['name'], 0)} alone")
    for manifest in manifests:
        yield from _outputs(folder, settings, manifest)
    if inputs and plan["inputs"]:
        yield from _inputs(folder, plan, settings, manifests, sample, model)


def _outputs(folder: str, settings: CorpusSettings, manifest: dict[str, Any]) -> Iterator[str]:
    """The errors in the files of a shard: sizes and checksums, then their structure."""
    is_right = True
    for output in manifest["outputs"]:
        path = os.path.join(folder, output["file"])
        try:
            checksum, size = file_hash(path), os.stat(path).st_size
            if size != output["size"]:
                raise FileError(f"{path}: expected {output['size']} bytes, found {size}")
            if checksum != output["sha256"]:
                raise FileError(f"{path}: expected the SHA-256 {output['sha256']}, found {checksum}")
        except FileError as error:
            is_right = False
            yield str(error)
    try:
        files = token_files(folder, settings, manifest) if is_right else []
        found = {"rows": sum(map(len, files)), "ids": sum(file.tokens for file in files)}
    except FileError as error:
        yield str(error)
        return
    expected = {"rows": manifest["rows"], "ids": manifest["tokens"] + manifest["padding"]}
    for what in found if is_right else ():
        if expected[what] != found[what]:
            yield f"{os.path.join(folder, manifest['shard'])}: expected {expected[what]} {what}, found {found[what]}"


def _inputs(
    folder: str, plan: dict[str, Any], settings: CorpusSettings, manifests: list[dict[str, Any]], sample: int,
    model: str | Tokenizer | None,
) -> Iterator[str]:
    """The differences of the inputs, read again; of `sample` shards the first documents are encoded again."""
    files = [InputFile(*(file[key] for key in InputFile._fields)) for file in plan["inputs"]]
    if least_shards(files, settings) > len(manifests):
        raise FileError(f"{os.path.join(folder, PLAN)}: expected inputs of {len(manifests)} shards, found more")
    shards = {shard.name: shard for shard in plan_shards(files, settings)}
    encoder = BatchEncoder(_tokenizer(plan["tokenizer"], model), settings)
    step = max(1, len(manifests) // max(1, sample))
    for number, manifest in enumerate(manifests):
        shard = shards.get(manifest["shard"])
        try:
            if shard is None:  # a table that has changed has others
                for file in files:
                    file.checked_change()
                yield f"{folder}: expected the inputs' shards, found another, {manifest['shard']}"
            else:
                yield from _shard(folder, shard, manifest, settings, encoder if sample and not number % step else None)
        except DstokError as error:
            yield str(error)


def _shard(
    folder: str, shard: Shard, manifest: dict[str, Any], settings: CorpusSettings, encoder: BatchEncoder | None,
) -> Iterator[str]:
    """The differences of a shard: of its inputs, and with an encoder of the ids of its first documents."""
    first = list[Any]()
    for number, (part, record) in enumerate(zip(shard.parts, manifest["inputs"])):
        reader = reader_of(part, settings, Faults((lambda line: None) if settings.skip else None))
        for batches, batch in enumerate(reader.batches()):
            if encoder is not None and number == 0 and batches < 2:
                ids, lengths = encoder.one(reader, batch)
                first += np.split(ids, np.cumsum(lengths)[:-1]) if len(lengths) else []
        if reader.record()["sha256"] != record["sha256"]:
            yield f"{part.file.path}: has changed since the corpus was made, in {shard.name}"
            return
    if settings.pack or settings.shuffle is not None:
        return
    rows = (file.row(row) for file in token_files(folder, settings, manifest) for row in range(len(file)))
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
