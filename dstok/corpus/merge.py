"""Several corpora -> one corpus with one shard.

In: folders of whole corpora with one tokenizer, format, dtype and row length. Out: a folder of the same form.
Invariant: documents come in the order of the folders, and in each folder in the order of its shards. Their ids are
copied, not computed again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from dstok._util.files import reason, write_json
from dstok.corpus.encoding import Rolling
from dstok.corpus.folder import Folder, read_corpus, read_manifest, read_plan
from dstok.corpus.plan import Shard
from dstok.corpus.readers import token_files
from dstok.corpus.settings import CORPUS, SUMS, CorpusSettings, manifest_name
from dstok.corpus.shard_job import writer_maker
from dstok.corpus.writers import Files
from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok._util.files import StrPath

__all__ = ["merge"]

NAME = "merged-00000"
SAME = ("format", "dtype", "pack", "add_bos", "add_eos", "special")  # these settings must be equal


def merge(folders: Sequence[StrPath], out: StrPath, *, tokens_per_file: int = 0) -> dict[str, Any]:
    """Make one corpus of several, and return its manifest. A second call writes nothing.

    Raises `FileError` if one is not whole, if the properties of their files differ, or if `out` holds another corpus.
    """
    sources = [os.path.abspath(folder) for folder in folders]
    plans, own = zip(*map(_plan, sources))
    for source, plan in zip(sources, plans):
        _compare(sources[0], plans[0], source, plan)
    settings = replace(own[0], tokens_per_file=tokens_per_file)
    folder = Folder(os.fspath(out), 1, 1)
    plan = {**plans[0], "settings": settings.as_json(), "inputs": [], "merged": [
        {"corpus": source, "sha256": _checksum(source)} for source in sources]}
    with folder.entered(plan):
        manifest = folder.manifest(Shard(NAME, (), 0)) or _merged(folder, sources, settings, plans[0]["tokenizer"])
        folder.finish([manifest])
    return manifest


def _plan(source: str) -> tuple[dict[str, Any], CorpusSettings]:
    if not os.path.exists(os.path.join(source, CORPUS)):
        raise FileError(f"{source}: expected a whole corpus, found no {CORPUS}")
    return read_plan(source)


def _compare(first: str, one: dict[str, Any], second: str, other: dict[str, Any]) -> None:
    told = [("tokenizer", one["tokenizer"]["fingerprint"], other["tokenizer"]["fingerprint"])]
    told += [(key, one["settings"][key], other["settings"][key]) for key in SAME]
    for key, expected, found in told:
        if expected != found:
            raise FileError(f"{second}: expected {key} {expected}, as in {first}, found {found}")


def _checksum(source: str) -> str:
    """The checksum of a corpus' manifests, which hold the checksums of its files."""
    names = [CORPUS, *map(manifest_name, read_corpus(source)["shards"])]
    whole = sha256()
    for name in names:
        try:
            with open(os.path.join(source, name), "rb") as file:
                whole.update(file.read())
        except OSError as error:
            raise FileError(f"{error.filename}: {reason(error)}") from error
    return whole.hexdigest()


def _merged(
    folder: Folder, sources: Sequence[str], settings: CorpusSettings, tokenizer: dict[str, Any],
) -> dict[str, Any]:
    files = Files(folder.out, folder.scratch)
    rolling = Rolling(writer_maker(files, NAME, settings, tokenizer["model"] or tokenizer["fingerprint"]),
                      settings.tokens_per_file)
    sums = dict.fromkeys(SUMS, 0)
    try:
        for source in sources:
            for shard in read_corpus(source)["shards"]:
                _copy(source, read_manifest(source, shard), settings, rolling, sums)
        rolling.close()
        manifest = {"shard": NAME, **sums, "inputs": [], "outputs": [one._asdict() for one in files.commit()]}
        write_json(folder.out, manifest_name(NAME), manifest, folder.scratch)
    except OSError as error:
        raise FileError(f"{folder.out}: {reason(error)}") from error
    finally:
        files.discard()
    return manifest


def _copy(
    source: str, manifest: dict[str, Any], settings: CorpusSettings, rolling: Rolling, sums: dict[str, int],
) -> None:
    for key in SUMS:
        sums[key] += manifest[key]
    before = rolling.documents
    for file in token_files(source, settings, manifest):
        for many in file.many():
            rolling.add(*many)
    if rolling.documents - before != manifest["rows"]:
        raise FileError(f"{source}: expected {manifest['rows']} rows in {manifest['shard']}, found "
                        f"{rolling.documents - before} (dstok corpus verify tells more)")
