"""The settings of a corpus, and the names and shapes of its own files.

    OUT/NAME-00000.bin ...                      the files of a shard
    OUT/__dstok__/plan.json                     first: dstok, tokenizer, settings, inputs
    OUT/__dstok__/manifests/NAME-00000.json     proof that a shard's files are there, with their checksums
    OUT/__dstok__/skipped/NAME-00000.jsonl      the shard's bad documents, if they are skipped
    OUT/__dstok__/corpus.json                   last, when all shards are there: the totals, and all shards in order
    OUT/__dstok__/.1-of-1.lock, .1-of-1.tmp     the lock of a running job; its files that have no names yet

In: the keywords of `dstok.corpus.tokenize`. Out: `CorpusSettings`, checked against the tokenizer, and as JSON.
Invariant: two runs with equal settings, inputs and tokenizers write equal bytes; what only affects speed (workers,
engine) is no setting. Everything but ids is in one folder, which readers of tables pass over: pyarrow passes over names
that begin with "_", `datasets` over folders that begin with "__".
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from types import NoneType
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import explained
from dstok.errors import ArgumentError
from dstok.io.text_files import json_kind

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

OWN = "__dstok__"
PLAN, CORPUS, SKIPPED = f"{OWN}/plan.json", f"{OWN}/corpus.json", f"{OWN}/skipped/"
SUMS = ("documents", "tokens", "rows", "padding", "skipped")  # these are summed over manifests
FORMATS = ("raw", "megatron", "datatrove", "parquet", "arrow", "jsonl")
TABLES = ("parquet", "arrow")  # which pyarrow writes
DTYPES = ("uint32", "int32", "int64", "uint16")
KINDS = ("jsonl", "lines", "text", "parquet", "arrow")
SPECIAL = ("all", "none", "raise")
SMALL = 1 << 16  # uint16 holds ids below this
LARGEST = 256 << 20  # bytes of a document; a worker's memory is at most a few times that
_TAKES = {"megatron": ("int32", "uint16"), "datatrove": ("uint32", "uint16"), "raw": DTYPES,
          **dict.fromkeys(("parquet", "arrow", "jsonl"), DTYPES[:3])}
_TYPES: dict[Any, tuple[type, ...]] = {  # by a field's annotation
    "str": (str,), "bool": (bool,), "int": (int,), "int | None": (int, NoneType),
    "str | tuple[str, ...]": (str, tuple),
}


def manifest_name(shard: str) -> str:
    """The file of a shard's manifest, below the folder of its corpus."""
    return f"{OWN}/manifests/{shard}.json"


def is_corpus(folder: str) -> bool:
    """Whether a corpus was begun in `folder`."""
    return os.path.isdir(os.path.join(folder, OWN))


@dataclass(frozen=True)
class CorpusSettings:
    """The options of a corpus.

    format: one of `FORMATS`; dtype: of its ids, "" for the format's own (int32 for megatron, uint32 for all others).
    kind: of the inputs, one of `KINDS`, or "" to go by their suffixes. lines: a text file holds a document a line.
    field: the key or column of the text. special, add_bos, add_eos: as in `Tokenizer.encode`. skip: documents that
    cannot be encoded are listed and are not an error. pack: ids a row, 0 for a row a document. pad_id: fills the last
    row of a shard. shuffle: the seed of the order of each shard's documents, or None. tokens_per_file: at most so
    many ids in one file, unless one document has more; 0 for no limit. shard_bytes: bytes of input a shard, 0 to
    choose by the size of all inputs. largest: bytes a document may have.
    """

    format: str = "raw"
    dtype: str = ""
    kind: str = ""
    lines: bool = False
    field: str = "text"
    special: str | tuple[str, ...] = "none"
    add_bos: bool = False
    add_eos: bool = False
    skip: bool = False
    pack: int = 0
    pad_id: int | None = None
    shuffle: int | None = None
    tokens_per_file: int = 0
    shard_bytes: int = 0
    largest: int = LARGEST

    @explained
    def resolved(self, tokenizer: Tokenizer) -> CorpusSettings:
        """These settings with every open value filled in for `tokenizer`. Raises `ArgumentError`."""
        special = self.special if isinstance(self.special, str) else tuple(sorted(self.special))
        settings = replace(self, special=special)
        settings.check()
        for name, wanted, end in ("bos", self.add_bos, tokenizer.bos_id), ("eos", self.add_eos, tokenizer.eos_id):
            if wanted and end is None:
                raise ArgumentError(f"expected a model that names its {name.upper()} token, found one that does not: "
                                    f"name it with --{name} TOKEN, tok.replace({name}_id=...), or as {name}_token in a "
                                    "tokenizer_config.json beside the model's file", f"add_{name}")
        dtype = self.dtype or _TAKES[self.format][0]
        if dtype == "uint16" and tokenizer.vocab_size > SMALL:
            raise ArgumentError(f"expected a vocabulary of at most {SMALL} ids for uint16, found "
                                f"{tokenizer.vocab_size}: ids would be cut off", "dtype")
        for token in () if isinstance(special, str) else special:
            if token not in tokenizer.added_tokens:
                raise ArgumentError(f"expected texts of added tokens as special, found {token!r}, which the model has "
                                    "not", "special")
        pad = None
        if self.pack:  # the model's pad token, else its EOS, fills the last row of a shard
            pads = (self.pad_id, tokenizer.config.pad_id, tokenizer.eos_id)
            pad = next((id for id in pads if id is not None), None)
            if pad is None or not 0 <= pad < tokenizer.vocab_size:
                raise ArgumentError(f"expected an id from 0 to {tokenizer.vocab_size - 1} to fill rows with (pad_id), "
                                    f"found {pad}", "pad_id")
        return replace(settings, dtype=dtype, pad_id=pad)

    def check(self) -> None:
        """Raises `ArgumentError` for values that no corpus has, whatever the tokenizer."""
        for field in fields(self):
            name, value, kinds = field.name, getattr(self, field.name), _TYPES[field.type]
            if type(value) not in kinds:
                raise ArgumentError(f"expected {name} to be {' or '.join(kind.__name__ for kind in kinds)}, found "
                                    f"{json_kind(value)}", name)
            if isinstance(value, int) and value < 0:
                raise ArgumentError(f"expected {name} to be 0 or more, found {value}", name)
        if self.pack >> 40:
            raise ArgumentError(f"expected pack to be below 2**40, found {self.pack}", "pack")
        _check_choice("format", "format", self.format, FORMATS)
        if self.dtype:
            _check_choice("dtype", f"the dtype of {self.format} files", self.dtype, _TAKES[self.format])
        if self.kind:
            _check_choice("kind", "the format of the inputs", self.kind, KINDS)
        if isinstance(self.special, str):
            _check_choice("special", "special", self.special, SPECIAL)
        elif not all(isinstance(token, str) for token in self.special):
            raise ArgumentError("expected special to be texts of added tokens", "special")

    def as_json(self) -> dict[str, Any]:
        values = asdict(self)
        return values | {"special": list(self.special)} if isinstance(self.special, tuple) else values

    @classmethod
    @explained
    def from_json(cls, values: dict[str, Any]) -> CorpusSettings:
        """The settings from the result of `as_json`. Raises `ValueError`."""
        if values.keys() != {field.name for field in fields(cls)}:
            raise ValueError(f"expected the settings of this version of dstok, found {', '.join(sorted(values))[:200]}")
        special = values["special"]
        settings = cls(**{**values, "special": tuple(special) if isinstance(special, list) else special})
        settings.check()
        _check_choice("dtype", "dtype", settings.dtype, _TAKES[settings.format])
        return settings


def _check_choice(name: str, what: str, found: str, known: Iterable[str]) -> None:
    if found not in known:
        raise ArgumentError(f"expected {what} to be one of {', '.join(known)}, found {found!r}", name)
