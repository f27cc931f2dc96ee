"""The names of a corpus' own files, below its folder.

    OUT/NAME-00000.bin ...                      the files of a shard
    OUT/__dstok__/plan.json                     first: dstok, tokenizer, settings, inputs
    OUT/__dstok__/manifests/NAME-00000.json     proof that a shard's files are there, with their checksums
    OUT/__dstok__/skipped/NAME-00000.jsonl      the shard's bad documents, if they are skipped
    OUT/__dstok__/corpus.json                   last, when all shards are there: the totals, and all shards in order
    OUT/__dstok__/.1-of-1.lock, .1-of-1.tmp     the lock of a running job; its files that have no names yet

Invariant: everything but ids is in one folder, which readers of tables pass over: pyarrow passes over names that begin
with "_", `datasets` over folders that begin with "__".

The settings that decide the bytes of a corpus, beside its inputs and the tokenizer.

In: the keywords of `dstok.corpus.tokenize`. Out: `CorpusSettings`, checked against the tokenizer, and as JSON for the
plan.
Invariant: two runs with equal settings, inputs and tokenizers write equal bytes. CorpusSettings that only affect speed
(workers, engine) are not here.

The shapes of a corpus' JSON files: their keys and types.

In: a value of JSON, and a shape: a type, `[shape]` for a list, `{key: shape}` for an object. Out: nothing, or a
`ValueError` that names the place. Invariant: a value that passes has every key that a reader needs. It may have other
keys.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import PurePosixPath
from types import NoneType
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import explained
from dstok.errors import ArgumentError
from dstok.io.text_files import json_kind

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

__all__ = [
    "CORPUS",
    "CORPUS_SHAPE",
    "DTYPES",
    "FORMATS",
    "LARGEST",
    "MANIFEST_SHAPE",
    "OWN",
    "PLAN",
    "PLAN_SHAPE",
    "SKIPPED",
    "SUMS",
    "TABLES",
    "CorpusSettings",
    "Inside",
    "check_shape",
    "is_corpus",
    "manifest_name",
]

OWN = "__dstok__"
PLAN, CORPUS, SKIPPED = f"{OWN}/plan.json", f"{OWN}/corpus.json", f"{OWN}/skipped/"


def manifest_name(shard: str) -> str:
    """The file of a shard's manifest.

    >>> manifest_name("a.jsonl-00000")
    '__dstok__/manifests/a.jsonl-00000.json'
    """
    return f"{OWN}/manifests/{shard}.json"


def is_corpus(folder: str) -> bool:
    """Whether a corpus was begun in `folder`."""
    return os.path.isdir(os.path.join(folder, OWN))


FORMATS = ("raw", "megatron", "datatrove", "parquet", "arrow", "jsonl")
TABLES = ("parquet", "arrow")  # which pyarrow writes
DTYPES = ("uint32", "int32", "int64", "uint16")
KINDS = ("jsonl", "lines", "text", "parquet", "arrow")
SPECIAL = ("all", "none", "raise")
SMALL = 1 << 16  # uint16 holds ids below this
LARGEST = 256 << 20  # bytes of a document; a worker's memory is at most a few times that
TABLE_DTYPES = DTYPES[:3]
_TAKES = {"megatron": ("int32", "uint16"), "datatrove": ("uint32", "uint16"), "raw": DTYPES}
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("format", "dtype", "kind", "field"), (str,)), "special": (str, tuple),
    **dict.fromkeys(("lines", "add_bos", "add_eos", "skip"), (bool,)),
    **dict.fromkeys(("pad_id", "shuffle"), (int, NoneType)),
    **dict.fromkeys(("pack", "tokens_per_file", "shard_bytes", "largest"), (int,)),
}


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
        """These settings with every open value filled in for `tokenizer`. Raises `ArgumentError`.

        >>> import dstok
        >>> CorpusSettings("megatron").resolved(dstok.load("deepseek-v3")).dtype
        'int32'
        """
        _check_choice("format", "format", self.format, FORMATS)
        self.check_reading()
        self._check_ends(tokenizer)
        dtype = _dtype(self.format, self.dtype, tokenizer.vocab_size)
        return replace(self, dtype=dtype, special=_special(self.special, tokenizer), pad_id=self._pad(tokenizer))

    def check_reading(self) -> None:
        """Raises `ArgumentError` for settings that no reader takes."""
        if self.kind:
            _check_choice("kind", "the format of the inputs", self.kind, KINDS)
        for name in ("pack", "tokens_per_file", "shard_bytes", "largest"):
            if getattr(self, name) < 0:
                raise ArgumentError(f"expected {name} to be 0 or more, found {getattr(self, name)}", name)

    def _check_ends(self, tokenizer: Tokenizer) -> None:
        ends = ((self.add_bos, "BOS", tokenizer.bos_id), (self.add_eos, "EOS", tokenizer.eos_id))
        for wanted, what, end in ends:
            if wanted and end is None:
                name = what.lower()
                raise ArgumentError(f"expected a model that names its {what} token, found one that does not: name it "
                                    f"with --{name} TOKEN, tok.replace({name}_id=...), or as {name}_token in a "
                                    "tokenizer_config.json beside the model's file", f"add_{name}")

    def _pad(self, tokenizer: Tokenizer) -> int | None:
        """The id that fills the last row of a shard: the model's pad token, else its EOS."""
        if not self.pack:
            return None
        pad = next((id for id in (self.pad_id, tokenizer.config.pad_id, tokenizer.eos_id) if id is not None), None)
        if pad is None or not 0 <= pad < tokenizer.vocab_size:
            raise ArgumentError(f"expected an id from 0 to {tokenizer.vocab_size - 1} to fill rows with (pad_id), "
                                f"found {pad}", "pad_id")
        return pad

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
        for name, kinds in _TYPES.items():
            if type(getattr(settings, name)) not in kinds:
                raise ValueError(f"expected {name} to be {' or '.join(kind.__name__ for kind in kinds)}, found "
                                 f"{json_kind(values[name])}")
            if isinstance(getattr(settings, name), int) and getattr(settings, name) < 0:
                raise ValueError(f"expected {name} to be 0 or more, found {getattr(settings, name)}")
        if isinstance(special, str):
            _check_choice("special", "special", special, SPECIAL)
        elif not all(isinstance(token, str) for token in special):
            raise ValueError("expected special to be texts of added tokens")
        _check_choice("format", "format", settings.format, FORMATS)
        _check_choice("dtype", "dtype", settings.dtype, _TAKES.get(settings.format, TABLE_DTYPES))
        return settings


def _check_choice(name: str, what: str, found: str, known: Iterable[str]) -> None:
    if found not in known:
        raise ArgumentError(f"expected {what} to be one of {', '.join(known)}, found {found!r}", name)


def _dtype(format: str, wanted: str, vocab_size: int) -> str:
    takes = _TAKES.get(format, TABLE_DTYPES)
    dtype = wanted or takes[0]
    _check_choice("dtype", f"the dtype of {format} files", dtype, takes)
    if dtype == "uint16" and vocab_size > SMALL:
        raise ArgumentError(f"expected a vocabulary of at most {SMALL} ids for uint16, found {vocab_size}: ids would "
                            "be cut off", "dtype")
    return dtype


def _special(special: Any, tokenizer: Tokenizer) -> str | tuple[str, ...]:
    if isinstance(special, str):
        _check_choice("special", "special", special, SPECIAL)
        return special
    for token in special:
        if token not in tokenizer.special_tokens:
            raise ArgumentError(f"expected texts of added tokens as special, found {token!r}, which the model has not",
                                "special")
    return tuple(sorted(special))


SUMS = ("documents", "tokens", "rows", "padding", "skipped")  # these are summed over manifests


class Inside(str):
    """The shape of a path below the corpus' folder."""


class InputKind(str):
    """The shape of an input's kind."""


INPUT_KINDS = ("jsonl", "lines", "text", "parquet", "arrow", "dataset")
_COUNTS: dict[str, Any] = dict.fromkeys(SUMS, int)
PLAN_SHAPE = {"dstok": str, "tokenizer": {"model": str, "upstream": str, "fingerprint": str}, "settings": dict,
              "inputs": [{"path": str, "name": str, "kind": InputKind, "size": int}]}
CORPUS_SHAPE = {**_COUNTS, "shards": [Inside]}
MANIFEST_SHAPE = {**_COUNTS, "shard": Inside, "inputs": [{"sha256": str}],
                  "outputs": [{"file": Inside, "size": int, "sha256": str}]}
_KINDS = {str: "a string", Inside: "a path below this folder", InputKind: f"one of {', '.join(INPUT_KINDS)}",
          int: "a number of 0 or more", dict: "an object"}


def check_shape(value: Any, shape: Any, path: str = "$") -> None:
    """Raises `ValueError` if `value` does not have the shape.

    >>> check_shape({"shards": ["a", 5]}, {"shards": [str]})
    Traceback (most recent call last):
    ValueError: expected a string, found a number - at $.shards[1]
    """
    if isinstance(shape, dict):
        _check_type(value, dict, path)
        for key, inner in shape.items():
            if key not in value:
                raise ValueError(f"expected the key {key!r}, found none - at {path}")
            check_shape(value[key], inner, f"{path}.{key}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise ValueError(f"expected an array, found {json_kind(value)} - at {path}")
        for index, item in enumerate(value):
            check_shape(item, shape[0], f"{path}[{index}]")
    else:
        _check_type(value, shape, path)


def _check_type(value: Any, kind: type, path: str) -> None:
    right = type(value) is (str if issubclass(kind, str) else kind)
    if not right or not _ALLOWED.get(kind, lambda value: True)(value):
        found = repr(value)[:80] if right else json_kind(value)
        raise ValueError(f"expected {_KINDS[kind]}, found {found} - at {path}")


def _is_inside(path: str) -> bool:
    return "\0" not in path and "\\" not in path and not path.startswith("/") and ".." not in PurePosixPath(path).parts


_ALLOWED: dict[type, Callable[[Any], bool]] = {
    int: lambda value: bool(value >= 0), Inside: _is_inside, InputKind: INPUT_KINDS.__contains__,
}
