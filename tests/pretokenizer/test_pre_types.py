"""llama.cpp's names for splitters: the data made anew, real files by their hashes, and what is named for unknown ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from judges import judge
from kept import kept
from real_models import real_json
from shares import share
from upstream import model_names

import dstok
from dstok.formats.llama_cpp import CHECK_TEXT, HASHES, check_hash
from dstok.pretokenizer import pre_types
from dstok.pretokenizer.pre_types import _data, pre_type

ENTRIES = _data()["pre_types"]
NAMES = [name for entry in ENTRIES for name in entry["names"]]


@kept()
def compiled(patterns: tuple[str, ...]) -> dstok.Splitter:
    """A splitter of llama.cpp's patterns, which the tests of unknown ones compare each with."""
    return dstok.Splitter([*patterns])


def published(entry: dict[str, Any]) -> dstok.Splitter:
    """The splitter of the published files of an entry; a pattern is a Split that isolates its matches."""
    steps = [step if isinstance(step, dict) else {"type": "Split", "pattern": {"Regex": step}, "behavior": "Isolated", "invert": False}
             for step in entry["published"]]
    return dstok.Splitter.from_str(json.dumps({"type": "Sequence", "pretokenizers": steps}))


@pytest.mark.parametrize("entry", [*share(ENTRIES, 2)], ids=lambda entry: entry["names"][0])
def test_the_data_made_anew(entry: dict[str, Any]) -> None:
    if not entry["patterns"]:
        assert entry["names"] in (["kimi-k2"], ["afmoe"])
        theirs = published(entry)
        assert theirs.analyze().fingerprint == entry["published_fingerprint"]
        found = pre_type(theirs)
        assert (found.proof, found.names, found.difference) == ("published", entry["names"], None)
        return
    own = dstok.Splitter(entry["patterns"])
    assert own.analyze().fingerprint == entry["fingerprint"]
    found = pre_type(own, entry["ignore_merges"])
    assert found.proof == "own" and {*entry["names"]} <= {*found.names} and found.difference is None
    if "published" in entry:
        theirs = published(entry)
        assert theirs.analyze().fingerprint == entry["published_fingerprint"] != entry["fingerprint"]
        found = pre_type(theirs, entry["ignore_merges"])
        assert found.proof == "published" and {*entry["names"]} <= {*found.names}
        assert found.difference is not None and len(found.difference.text) == len(entry["differs"])
        for text in (found.difference.text, entry["differs"]):
            assert own.split(text) != theirs.split(text)


def test_names_with_the_models_own_ignore_merges_come_first() -> None:
    splitter = published(next(entry for entry in ENTRIES if "glm4" in entry["names"]))
    assert (pre_type(splitter, True).names[0], pre_type(splitter, False).names[0]) == ("llama-bpe", "dbrx")
    assert {*pre_type(splitter, True).names} == {*pre_type(splitter, False).names} >= {"glm4", "llama3"}


def test_the_names_are_llama_cpps() -> None:
    """Its library has each of them as a string; no name stands twice."""
    assert len(NAMES) == len({*NAMES}) == 86
    assert {*HASHES.values()} <= {*NAMES}
    library = next(judge("llama.cpp").glob(f"libllama.{_data()['version']}.so")).read_bytes()
    assert [name for name in NAMES if f"{name}\0".encode() not in library] == []


@pytest.mark.parametrize("name", [*share(model_names(), 3)])
def test_real_files_as_the_converter_names_them(name: str) -> None:
    """The converter of llama.cpp goes by the hash of the ids of one text; the proof names the same, for every text."""
    file = json.loads(real_json(name))
    tok = dstok.Tokenizer.from_str(json.dumps(file))
    ids = tok.encode(CHECK_TEXT)
    hashes = [check_hash(ids), *(check_hash([token["id"], *ids]) for token in file["added_tokens"])]
    found = pre_type(dstok.Splitter.from_tokenizer(tok), tok.inspect().takes_whole_tokens)
    assert found.proof != "nearest"
    for hashed in filter(HASHES.get, hashes):
        assert HASHES[hashed] in found.names


@pytest.mark.parametrize("pattern", [r"\p{N}{1,2}|\p{L}+|.", r"\s+(?!\S)|\s+|\S+"])
def test_an_unknown_splitter_has_a_nearest_name(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pre_types, "Splitter", lambda patterns: compiled(tuple(patterns)))
    splitter = dstok.Splitter(pattern)
    found = pre_type(splitter)
    assert found.proof == "nearest" and found.difference is not None
    assert repr(found.difference.text) in found.sentences()[2]
    other = next(compiled(tuple(entry["patterns"])) for entry in ENTRIES if entry["names"] == found.names)
    assert splitter.split(found.difference.text) == found.difference.pieces != found.difference.others == other.split(
        found.difference.text)
    nearer = [entry for entry in ENTRIES if entry["patterns"]]
    lengths = [len(difference.text) for entry in nearer
               if (difference := splitter.analyze().difference(compiled(tuple(entry["patterns"])))) is not None]
    assert len(found.difference.text) == max(lengths)
