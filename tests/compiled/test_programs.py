"""The stored programs: each is what compiling gives, and none counts for other steps, rules or bytes."""

from __future__ import annotations

import json
import runpy
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any
from zlib import compress, decompress

import pytest
from reference import DEEP
from shares import seeds
from upstream import model_names, pre_tokenizer

import dstok
from dstok._util.json_value import Value
from dstok.compiled import programs
from dstok.compiled.programs import find_stored, key_of, program_tables, tables_of
from dstok.core.check.proofs import SOURCES
from dstok.errors import ImageError
from dstok.formats.llama_cpp import FAMILIES, family_base
from dstok.formats.tiktoken import ENCODINGS
from dstok.pretokenizer.sources import preset_names, preset_splits, splits_of_json, tiktoken_splits
from dstok.regex import Split
from dstok.regex.cascade import compile_splits

CHECKOUT = Path(__file__).parents[2]
LINES = Path(programs.FILE).read_text(encoding="ascii").splitlines()
STORED: list[dict[str, Any]] = [json.loads(line) for line in LINES[1:]]
QWEN = preset_splits("qwen-2")


def steps(stored: dict[str, Any]) -> list[Split]:
    return [Split(pattern, behavior, invert, "", version) for pattern, behavior, invert, version in stored["splits"]]


@pytest.mark.parametrize("number", seeds(len(STORED), 8))
def test_a_stored_program_is_what_compiling_gives(number: int) -> None:
    """Its automaton, its shuffles, its rules: the walk proves them again."""
    splits = steps(STORED[number])
    assert find_stored(splits, "") == tables_of(compile_splits(splits, ""))


def test_they_are_of_the_present_sources() -> None:
    made = runpy.run_path(str(CHECKOUT / "release" / "programs.py"))
    assert made["sources_hash"]() == SOURCES.decode() == json.loads(LINES[0])["sources"], "run release/programs.py"
    assert {f"dstok/{source}" for source in (
        "regex/cascade.py", "unicode/ucd.jsonl", "core/split/rules_words.h", "core/check/proofs.pyx", "core/check/walk.h",
        "compiled/kernel_selection.py")} < {*made["SOURCES"]}


def test_known_models_have_one() -> None:
    names = {*model_names()} - {"jiutian-139moe-chat"} if DEEP else {"deepseek-v3", "deepseek-v2.5", "qwen-3.5", "glm-4"}  # that one has no pattern
    known = [*map(preset_splits, preset_names()), *(splits_of_json(Value(pre_tokenizer(name), "$")) for name in names),
             *((tiktoken_splits(name), "16.0") for name in ENCODINGS), ((), "16.0")]
    known += [(base.splits, base.unicode_version) for base in (family_base(family.names[0]) for family in FAMILIES)]
    assert all(find_stored(splits, version) for splits, version in known)


def test_other_steps_have_none() -> None:
    splits, version = QWEN
    assert find_stored(splits, version) is not None
    assert find_stored(splits, "17.0") is None and find_stored([*splits, *splits], version) is None
    assert find_stored([splits[0]._replace(where="$.elsewhere")], version) is not None  # it decides nothing
    for change in ({"pattern": splits[0].pattern + "|x"}, {"behavior": "Removed"}, {"invert": True}, {"unicode_version": "15.0"}):
        assert find_stored([splits[0]._replace(**change)], version) is None
    assert find_stored([splits[0]._replace(unicode_version=version)], "15.0") == find_stored(*QWEN)


def test_other_sources_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = find_stored(*QWEN)
    monkeypatch.setattr(programs, "SOURCES", b"0" * 64)
    assert find_stored(*QWEN) is None
    assert program_tables(*QWEN) == expected


def test_splitters_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dstok.pretokenizer.splitter.compile_cascade", lambda *_: pytest.fail("compiled"))
    splitter = dstok.Splitter.preset("minimax")
    assert splitter.split("it's 42") == ["it's", " ", "42"]
    assert splitter.splits == preset_splits("minimax")[0] and splitter.unicode_version == "16.0"


def tables(change: Any) -> dict[str, Any]:
    """The change to the bytes of the tables."""
    return {"tables": lambda text: b64encode(compress(change(decompress(b64decode(text))))).decode()}


DAMAGES: dict[str, dict[str, Any]] = {
    "no base64": {"tables": lambda text: text[:-1]},
    "no zlib": {"tables": lambda text: text[:-8] + "AAAAAAAA"},
    "a byte less": tables(lambda data: data[:-1]),
    "a byte more": tables(lambda data: data + b"\0"),
    "classes too large": tables(lambda data: b"\xff" + data[1:]),
    "no edges": tables(lambda data: data[:-15360] + bytes(15360)),
    "a page less": {"sizes": lambda sizes: [sizes[0] - 256, sizes[1], sizes[2] + 256, 0]},
    "half an edge row": {"sizes": lambda sizes: [sizes[0] + 512, sizes[1], sizes[2] - 512, 0]},
    "no shuffles": {"sizes": lambda sizes: sizes[:3]},
    "symbols": {"symbols": lambda symbols: symbols + 1},
    "no symbols": {"symbols": lambda symbols: None},
    "unknown rules": {"kernel": lambda kernel: [99, *kernel[1:]]},
    "an unknown kind": {"kernel": lambda kernel: [kernel[0], [0x80, *kernel[1][1:]], kernel[2]]},
    "a kind less": {"kernel": lambda kernel: [kernel[0], kernel[1][1:], kernel[2]]},
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_tables_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of(*QWEN)
    stored = json.loads(next(line for line in LINES if line.startswith(key)))
    for part, change in DAMAGES[name].items():
        stored[part] = change(stored[part])
    path = tmp_path / "programs.jsonl"
    path.write_text(f"{LINES[0]}\n{json.dumps(stored)}\n", encoding="ascii")
    monkeypatch.setattr(programs, "FILE", str(path))
    with pytest.raises(ImageError, match="damaged"):
        find_stored(*QWEN)
