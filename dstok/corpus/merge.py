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

from dstok._util.files import file_faults, reason, write_json
from dstok.corpus.folder import Folder, read_corpus, read_manifest, read_plan
from dstok.corpus.inputs import Shard
from dstok.corpus.readers import token_files
from dstok.corpus.settings import CORPUS, SUMS, CorpusSettings, manifest_name
from dstok.corpus.shard_job import rolling_of
from dstok.corpus.writers import Files
from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok._util.files import StrPath

NAME = "merged-00000"
SAME = ("format", "dtype", "pack", "add_bos", "add_eos", "special")  # these settings must be equal


def merge(folders: Sequence[StrPath], out: StrPath, *, tokens_per_file: int = 0) -> dict[str, Any]:
    """Make one corpus of several, and return its manifest. A second call writes nothing.

    Raises `FileError` if one is not whole, if the properties of their files differ, or if `out` holds another corpus.
    """
    sources, plans = [os.path.abspath(folder) for folder in folders], list[dict[str, Any]]()
    for source in sources:
        if not os.path.exists(os.path.join(source, CORPUS)):
            raise FileError(f"{source}: expected a whole corpus, found no {CORPUS}")
        plans.append(read_plan(source)[0])
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
    files, sums = Files(folder.out, folder.scratch), dict.fromkeys(SUMS, 0)
    rolling = rolling_of(files, NAME, settings, tokenizer["model"] or tokenizer["fingerprint"])
    try:
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
    except OSError as error:
        raise FileError(f"{folder.out}: {reason(error)}") from error
    finally:
        files.discard()
    return manifest
