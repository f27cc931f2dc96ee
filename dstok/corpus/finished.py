"""Finished corpora: their errors, their figures, several as one.

In: folders of whole corpora; a `Corpus` and its tokenizer. Out: a line for each difference from the manifests, none if
all is well; `Figures`; a folder of the same form with one shard.
Invariant: `verify` reads all files of the corpus, and all inputs unless they are left out. It encodes the first
documents of some shards again, and compares id by id. Only `merge` writes: it copies the ids in the order of the
folders, and in each folder in the order of its shards. Figures count all ids. A packed corpus does not record where
documents were cut: its rows count as documents, and its pad ids count, too.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import dstok
from dstok._util.files import absolute, file_faults, reason, visible, write_at_once, write_json
from dstok._util.imports import needed
from dstok._util.resumable import file_hash
from dstok.corpus.documents import Faults, reader_of
from dstok.corpus.encoding import BatchEncoder, Rolling
from dstok.corpus.folder import Folder, read_corpus, read_manifest, read_plan
from dstok.corpus.inputs import InputFile, Shard, least_shards, plan_shards
from dstok.corpus.readers import token_files
from dstok.corpus.settings import CORPUS, PLAN, SUMS, CorpusSettings, manifest_name
from dstok.corpus.writers import Files
from dstok.errors import DstokError, FileError, UnknownIdError

if TYPE_CHECKING:
    from dstok._util.files import StrPath
    from dstok.corpus.readers import Corpus
    from dstok.corpus.writers import Array
    from dstok.tokenizer import Tokenizer

NAME = "merged-00000"
SAME = ("format", "dtype", "pack", "add_bos", "add_eos", "special")  # these settings must be equal
PERCENTS = (0, 1, 5, 25, 50, 75, 95, 99, 100)


def verify(
    out: StrPath, *, inputs: bool = True, sample: int = 8, model: str | Tokenizer | None = None,
) -> Iterator[str]:
    """Returns the errors of the corpus in `out`, a line each. Raises `FileError` if there is no corpus.

    `inputs`: whether the inputs are there, to be compared with their checksums; `sample`: the number of shards whose
    first documents are encoded again (first the shards with an input file that was read whole in one shard); `model`:
    the tokenizer, if it has moved.
    """
    folder = absolute(out)
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


def merge(folders: Sequence[StrPath], out: StrPath, *, tokens_per_file: int = 0) -> dict[str, Any]:
    """Make one corpus of several, and return its manifest. A second call writes nothing.

    Raises `FileError` if one is not whole, if the properties of their files differ, or if `out` holds another corpus.
    """
    sources = [absolute(folder) for folder in folders]
    for source in sources:
        read_corpus(source)  # refuses one that is not whole
    plans = [read_plan(source)[0] for source in sources]
    first = plans[0]
    for source, plan in zip(sources, plans):
        for key in ("tokenizer", *SAME):
            expected, found = ([one["tokenizer"]["fingerprint"] if key == "tokenizer" else one["settings"][key]
                                for one in (first, plan)])
            if expected != found:
                raise FileError(f"{source}: expected {key} {expected}, as in {sources[0]}, found {found}")
    settings = replace(read_plan(sources[0])[1], tokens_per_file=tokens_per_file)
    folder = Folder(out)
    plan = {**first, "settings": settings.as_json(), "inputs": [], "merged": [
        {"corpus": source, "sha256": _checksum(source)} for source in sources]}
    with folder.entered(plan):
        manifest = folder.manifest(Shard(NAME, (), 0)) or _merged(folder, sources, settings, first["tokenizer"])
        folder.finish([manifest])
    return manifest


def _checksum(source: str) -> str:
    """The checksum of a corpus' manifests, which hold the checksums of its files."""
    whole = sha256()
    for name in (CORPUS, *map(manifest_name, read_corpus(source)["shards"])):
        with file_faults(source), open(os.path.join(source, name), "rb") as file:
            whole.update(file.read())
    return whole.hexdigest()


def _merged(
    folder: Folder, sources: Sequence[str], settings: CorpusSettings, tokenizer: dict[str, Any],
) -> dict[str, Any]:
    """Copies the ids of all, and writes the manifest."""
    sums = dict.fromkeys(SUMS, 0)
    with Files(folder.out, folder.scratch) as files:
        rolling = Rolling(files, NAME, settings, (tokenizer["model"], tokenizer["fingerprint"]))
        for source in sources:
            for shard in read_corpus(source)["shards"]:
                known, before = read_manifest(source, shard), rolling.documents
                sums = {key: sums[key] + known[key] for key in SUMS}
                for file in token_files(source, settings, known):
                    for batch in file.many():
                        rolling.add(batch)
                if rolling.documents - before != known["rows"]:
                    raise FileError(f"{source}: expected {known['rows']} rows in {known['shard']}, found "
                                    f"{rolling.documents - before} (dstok corpus verify tells more)")
        rolling.close()
        manifest = {"shard": NAME, **sums, "inputs": [], "outputs": [one._asdict() for one in files.commit()]}
        write_json(folder.out, manifest_name(NAME), manifest, folder.scratch)
    return manifest


class Figures(NamedTuple):
    """documents, tokens; bytes: of the tokens' texts; percentiles: tokens a document at each of `PERCENTS`.

    counts: how often each id occurs, int64[vocab_size]; lengths: the number of documents with 2**i to below 2**(i +
    1) tokens, in the first place that of documents with none or one.
    """

    documents: int
    tokens: int
    bytes: int
    percentiles: list[int]
    counts: Array
    lengths: list[int]

    def frequent(self, most: int) -> list[tuple[int, int]]:
        """The most frequent ids, each with its count. Of equally frequent ids the smallest comes first."""
        ids = np.argsort(-self.counts, kind="stable")[:most].tolist()
        return [(id, int(self.counts[id])) for id in ids if self.counts[id]]


def figures(corpus: Corpus, tokenizer: Tokenizer) -> Figures:
    """The figures of a corpus. Raises `FileError`, and `UnknownIdError` for ids that the tokenizer lacks."""
    counts, lengths = np.zeros(tokenizer.vocab_size, np.int64), list["Array"]()
    for file in corpus.files:
        for many in file.many():
            if len(many.ids) and int(many.ids.max()) >= tokenizer.vocab_size:
                raise UnknownIdError(int(many.ids.max()), int(many.ids.argmax()), tokenizer.vocab_size)
            counts += np.bincount(many.ids, minlength=len(counts))
            starts = None if many.rows is None else np.cumsum(many.rows) - many.rows
            rows = many.lengths if starts is None else np.add.reduceat(many.lengths, starts)
            lengths.append(rows.astype(np.uint32))
    each = np.concatenate([np.zeros(0, np.uint32), *lengths])
    used = np.flatnonzero(counts).tolist()
    size = sum(int(counts[id]) * len(tokenizer.decode_bytes([id])) for id in used)
    percentiles = np.percentile(each, PERCENTS, method="lower").tolist() if len(each) else []
    powers = np.bincount(np.frexp(np.maximum(each, 1))[1] - 1).tolist() if len(each) else []
    return Figures(len(each), int(counts.sum()), size, percentiles, counts, powers)


def plot(found: Figures, path: StrPath) -> None:
    """Plot tokens a document, and the count of ids by their rank. Raises as `picture`."""
    with picture(path, (10, 4)) as (_, left, right):
        left.bar([str(2**power) for power in range(len(found.lengths))], found.lengths)
        left.set(xlabel="tokens, from", ylabel="documents", title=f"{found.documents:,} documents")
        left.tick_params(axis="x", rotation=60)
        counts = np.sort(found.counts[found.counts > 0])[::-1]
        right.loglog(np.arange(1, len(counts) + 1), counts)
        right.set(xlabel="rank of the id", ylabel="how often", title=f"{found.tokens:,} tokens, {len(counts):,} ids")


@contextmanager
def picture(path: StrPath, size: tuple[float, float]) -> Iterator[tuple[Any, Any, Any]]:
    """Give a figure of two diagrams, in inches, and write it as a whole at the end of the `with`.

    Raises `FileError`, also without matplotlib, and for a suffix that it cannot write.
    """
    path = os.fspath(path)
    needed("matplotlib", "plot").use("Agg")
    pyplot = needed("matplotlib.pyplot", "plot")
    figure, axes = pyplot.subplots(1, 2, figsize=size, layout="constrained")
    data, suffix = io.BytesIO(), os.path.splitext(path)[1].removeprefix(".").lower()
    try:
        if suffix not in figure.canvas.get_supported_filetypes():
            raise FileError(f"{path}: expected a suffix such as .svg, .png or .pdf, found {suffix or 'none'}")
        yield figure, *axes
        figure.savefig(data, format=suffix)
    finally:
        pyplot.close(figure)
    with file_faults(path):
        write_at_once(path, data.getvalue())
