"""One shard: its documents -> its files, and the manifest that records them.

In: a `Job` and a `Shard`. Out: files, and last the manifest. Invariant: an engine runs only `Job.done`, which depends
only on job and shard, so the files always have the same bytes. No file has its name until all are on the disk; there
is no manifest until all have their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.files import reason, write_json
from dstok.corpus.documents import Faults, reader_of
from dstok.corpus.encoding import BatchEncoder, Rolling, packed, shuffled
from dstok.corpus.inputs import Shard
from dstok.corpus.settings import SKIPPED, CorpusSettings, manifest_name
from dstok.corpus.writers import WRITERS, Batch, Files
from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok._util.files import OutputFile
    from dstok.tokenizer import Tokenizer

Watch = Callable[[int, int, int], None]  # gets bytes read, documents and ids written since the last call


class Job(NamedTuple):
    """The common data of all shards of a corpus. It pickles."""

    out: str
    scratch: str
    settings: CorpusSettings
    tokenizer: Tokenizer

    def done(self, shard: Shard, watch: Watch, ahead: bool = False) -> dict[str, Any]:
        """Writes a shard's files and its manifest, and returns the manifest. Raises `FileError`.

        ahead: whether a shard may use a second core.
        """
        files = Files(self.out, self.scratch)
        try:
            manifest = self._written(shard, files, watch, ahead)
            write_json(self.out, manifest_name(shard.name), manifest, self.scratch)
        except OSError as error:
            raise FileError(f"{self.out}: {reason(error)}") from error
        finally:
            files.discard()
        return manifest

    def _written(self, shard: Shard, files: Files, watch: Watch, ahead: bool) -> dict[str, Any]:
        settings, tokenizer = self.settings, self.tokenizer
        listed: OutputFile | None = None

        def skip(line: bytes) -> None:
            nonlocal listed
            listed = listed or files.new(f"{SKIPPED}{shard.name}.jsonl")  # no file without a skipped document
            listed.write(line)

        faults = Faults(skip if settings.skip else None)
        readers = [reader_of(part, settings, faults) for part in shard.parts]
        ahead = ahead and not settings.skip  # the list of bad documents has the same order on any machine
        documents = tokens = 0

        def encoded() -> Iterator[Batch]:
            nonlocal documents, tokens
            for batch, ids, lengths in BatchEncoder(tokenizer, settings).all(readers, ahead):
                if len(lengths):
                    yield Batch(ids, lengths)
                documents, tokens = documents + len(lengths), tokens + len(ids)
                watch(batch.size, len(lengths), len(ids))

        batches = encoded()
        if settings.shuffle is not None:
            batches = shuffled(batches, settings.shuffle, shard.name, self.scratch)
        if settings.pack:
            batches = packed(batches, settings.pack, settings.pad_id or 0)
        rolling = rolling_of(files, shard.name, settings, tokenizer.name or tokenizer.fingerprint)
        for each in batches:
            rolling.add(each)
        rolling.close()
        inputs, outputs = [reader.record() for reader in readers], [written._asdict() for written in files.commit()]
        return {"shard": shard.name, "documents": documents, "tokens": tokens, "rows": rolling.documents,
                "padding": rolling.tokens - tokens, "skipped": faults.count, "inputs": inputs, "outputs": outputs}


def rolling_of(files: Files, name: str, settings: CorpusSettings, tokenizer: str) -> Rolling:
    """The files called `name` of a corpus with these settings. `tokenizer`: its name."""
    return Rolling(lambda suffix: WRITERS[settings.format](files, name + suffix, settings.dtype, tokenizer,
                                                           settings.pack > 0), settings.tokens_per_file)
