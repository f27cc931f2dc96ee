"""The versions of upstream: which Unicode version each of its tables has.

Older wheels are asked where DSTOK_JUDGES names the folder that tests/fetch_judges left them in; the installed one
in any case.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from compiled import compiled
from judges import WHEELS, judge
from reference import DEEP
from shares import seeds
from smaller_models import smaller_json

import dstok
from dstok.errors import ArgumentError, UnsupportedError
from dstok.formats.upstream import NEWEST, VERSIONS, upstream_version
from dstok.unicode import CodePointSet, general_category, white_space, word

TODAY = [WHEELS[number] for number in seeds(len(WHEELS), 2)]
SURROGATES = set(range(0xD800, 0xE000))
# Outside the deep profile without the planes in which no version has a character but for private use.
SHOWN = sorted(set(range(0x110000) if DEEP else [*range(0x34000), *range(0xE0000, 0xE1000)]) - SURROGATES)

# Run with the wheel's folder first on the path: what each table holds, as lists of code points.
ASK = r"""
import json, sys, tokenizers
from tokenizers import Regex, pre_tokenizers as P
scalars = json.load(sys.stdin)
def cut_out(step):
    found = []
    for at in range(0, len(scalars), 2048):
        text = "x" + "".join(chr(c) + "x" for c in scalars[at:at + 2048])
        spans = [span for _, span in step.pre_tokenize_str(text)]
        found += [ord(text[a]) for a, b in spans if b - a == 1 and text[a] != "x"]
    return found
def dropped(step):
    found = []
    for at in range(0, len(scalars), 2048):
        text = "x" + "".join(chr(c) + "x" for c in scalars[at:at + 2048])
        held = {i for _, (a, b) in step.pre_tokenize_str(text) for i in range(a, b)}
        found += [ord(c) for i, c in enumerate(text) if i not in held]
    return found
def joined(step):
    found = []
    for at in range(0, len(scalars), 2048):
        text = " ".join(f"x{chr(c)}x" for c in scalars[at:at + 2048])
        found += [ord(text[a + 1]) for _, (a, b) in step.pre_tokenize_str(text) if b - a == 3]
    return found
print(json.dumps({
    "version": tokenizers.__version__,
    "patterns": cut_out(P.Split(Regex(r"\p{N}"), "isolated")),
    "digits": cut_out(P.Digits(True)),
    "spaces": dropped(P.WhitespaceSplit()),
    "words": joined(P.Whitespace()),
}))
"""


def wheel(version: str) -> Path:
    """Where a wheel is, unpacked; skips the test if wheels have not been fetched."""
    return judge(f"tokenizers/{version}")


@cache
def asked(folder: Path | None) -> dict[str, object]:
    """The tables of a wheel; of the installed one if there is no folder."""
    environment = os.environ | ({"PYTHONPATH": str(folder)} if folder else {})
    result = subprocess.run([sys.executable, "-c", ASK], input=json.dumps(SHOWN), capture_output=True, text=True, check=True,
                            env=environment)
    tables: dict[str, object] = json.loads(result.stdout)
    return tables | {name: set(value) for name, value in tables.items() if isinstance(value, list)}


@pytest.mark.parametrize("version", ["installed", *TODAY])
def test_the_tables_of_a_wheel(version: str) -> None:
    tables = asked(None if version == "installed" else wheel(version))
    known = upstream_version(f"tokenizers-{tables['version']}")
    assert version in ("installed", tables["version"])
    assert tables["patterns"] == set(general_category("N", known.patterns)).intersection(SHOWN)
    assert tables["digits"] == set(general_category("N", known.digits)).intersection(SHOWN)
    assert tables["spaces"] == set(white_space(known.patterns))
    joiners = CodePointSet.from_chars("\u200c\u200d")
    assert tables["words"] == set(word(known.words, in_class=True) | joiners).intersection(SHOWN)


def test_the_installed_wheel_is_the_newest_stable_one() -> None:
    assert asked(None)["version"] == NEWEST.removeprefix("tokenizers-")
    stable = [name for name in VERSIONS if "rc" not in name]
    assert stable[-1] == NEWEST


FILE: dict[str, Any] = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True},
        {"type": "Split", "pattern": {"Regex": "\\p{L}+"}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
    "post_processor": None,
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
}


def small_file() -> str:
    from dstok.formats.byte_alphabet import BYTE_TO_CHAR

    vocab = {char: i for i, char in enumerate(BYTE_TO_CHAR)}
    return json.dumps(FILE | {"model": {"type": "BPE", "vocab": vocab, "merges": []}})


@pytest.mark.parametrize(("name", "letters", "digits"), [
    ("tokenizers-0.21.0", False, False), ("tokenizers-0.21.1", False, True), ("tokenizers-0.21.4", True, True),
])
def test_pieces_by_version(name: str, letters: bool, digits: bool) -> None:
    """U+1C89, a letter since 16.0; U+10D40, a digit since 16.0."""
    tok = dstok.Tokenizer.from_str(small_file(), upstream=name)
    assert tok.inspect().unicode_version == upstream_version(name).patterns
    assert len(tok.inspect().pretokenize("a\u1c89")) == 2 - letters
    assert len(tok.inspect().pretokenize("!\U00010d40!")) == (3 if digits else 1)


@pytest.mark.parametrize("name", ["tokenizers-0.15.2", "tokenizers-0.21.1", "tokenizers-1.0.0rc3"])
def test_a_tokenizer_of_another_version_is_as_if_read_by_it(tmp_path: Path, name: str) -> None:
    """By `replace`, and by `load` from a file and an image."""
    read = dstok.Tokenizer.from_str(small_file(), upstream=name)
    tok = dstok.Tokenizer.from_str(small_file())
    (tmp_path / "tokenizer.json").write_text(small_file(), encoding="utf-8")
    tok.to_image(tmp_path / "image")
    loaded = [dstok.load(tmp_path / file, upstream=name) for file in ("tokenizer.json", "image")]
    loaded += [tok.replace(upstream=name), dstok.load(tmp_path / "image", upstream=name)]
    assert {each.fingerprint for each in loaded} == {read.fingerprint}
    assert read.replace(upstream=NEWEST).fingerprint == tok.fingerprint != read.fingerprint


@pytest.mark.parametrize("model", ["deepseek-v3", "qwen-3"])
def test_gguf_of_another_version(tmp_path: Path, model: str) -> None:
    """Qwen normalizes, by tables of the version, too."""
    name, tok = "tokenizers-1.0.0rc3", compiled(smaller_json(model))
    tok.to_gguf(tmp_path / "x.gguf")
    moved = dstok.load(tmp_path / "x.gguf").replace(upstream=name)
    for read in (dstok.load(tmp_path / "x.gguf", upstream=name), dstok.load(tmp_path / "x.gguf", upstream=name)):
        assert read == moved != tok
        assert read.inspect().normalizer == moved.inspect().normalizer


def test_an_image_holds_its_own_version(tmp_path: Path) -> None:
    """Or takes another, unless a step is one that the other version reads in another way: that is refused."""
    file = json.loads(small_file())
    file["pre_tokenizer"]["pretokenizers"][0] = {"type": "Punctuation", "behavior": "Isolated"}
    tok = dstok.Tokenizer.from_str(json.dumps(file))
    tok.to_image(tmp_path / "image")
    assert dstok.load(tmp_path / "image") == tok
    with pytest.raises(UnsupportedError, match="tokenizers-1.0.0rc3 reads by another pattern"):
        dstok.load(tmp_path / "image", upstream="tokenizers-1.0.0rc3")


def test_a_built_in_model_of_another_version() -> None:
    tok = dstok.load("deepseek-v3", upstream="tokenizers-1.0.0rc3")
    assert (tok.name, tok.inspect().unicode_version) == ("deepseek-v3", "17.0")
    assert (tok.encode(" \u20c1"), dstok.load("deepseek-v3").encode(" \u20c1")) == ([1327, 228, 226], [223, 23368, 226])
    with pytest.raises(UnsupportedError, match="unicode_version that a tokenizer.json cannot say"):
        tok.to_json("never written")


def test_rank_files_have_no_version(tmp_path: Path) -> None:
    path = tmp_path / "cl100k_base.tiktoken"
    path.write_bytes(b"".join(b"%s %d\n" % (b64encode(bytes([byte])), byte) for byte in range(256)))
    with pytest.raises(ArgumentError, match="a rank file, whose ids are tiktoken's"):
        dstok.load(path, upstream=NEWEST)
    tok = dstok.Tokenizer.from_tiktoken({bytes([byte]): byte for byte in range(256)}, r"\p{L}+")
    with pytest.raises(UnsupportedError, match="patterns of Unicode 17.0, where tiktoken has 16.0"):
        tok.replace(upstream="tokenizers-1.0.0rc3").to_tiktoken(tmp_path / "never written")


def test_the_version_is_kept(tmp_path: Path) -> None:
    tok = dstok.Tokenizer.from_str(small_file(), upstream="tokenizers-0.21.1")
    tok.to_image(tmp_path / "image")
    opened = dstok.load(tmp_path / "image")
    assert opened.inspect().unicode_version == "14.0"
    assert opened.encode("a\u1c89 \U00010d40") == tok.encode("a\u1c89 \U00010d40")
    assert tok.fingerprint == opened.fingerprint != dstok.Tokenizer.from_str(small_file()).fingerprint


def test_the_version_of_a_normal_form_is_kept(tmp_path: Path) -> None:
    file = json.dumps(json.loads(small_file()) | {"normalizer": {"type": "NFC"}})
    tok = dstok.Tokenizer.from_str(file, upstream="tokenizers-1.0.0rc3")
    tok.to_image(tmp_path / "image")
    opened, text = dstok.load(tmp_path / "image"), "\u0c15\u0c4d\u0c3c"
    assert opened.encode(text) == tok.encode(text) != dstok.Tokenizer.from_str(file).encode(text)
    assert opened.fingerprint == tok.fingerprint and opened.inspect().normalizer == tok.inspect().normalizer


@pytest.mark.parametrize("name", ["tokenizers-0.1", "0.23.3", ""])
def test_an_unknown_version_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedError, match=r"out of tokenizers-0\.13\.3, .*, tokenizers-1\.0\.0rc3, found"):
        dstok.Tokenizer.from_str(small_file(), upstream=name)


@pytest.mark.parametrize("version", TODAY)
def test_ids_of_older_wheels(version: str) -> None:
    """On every code point that one of the versions classes in another way than the newest."""
    differing = set[int]()
    for letter in "LNMPSZC":
        sets: list[set[int]] = [set(general_category(letter, version)) for version in ("14.0", "15.0", "16.0", "17.0")]
        differing |= set[int]().union(*sets) - sets[0].intersection(*sets) - SURROGATES
    text = "".join(f"a{chr(c)}1{chr(c)}b" for c in sorted(differing))
    ask = ("import sys, tokenizers; data, text = sys.stdin.read().split('\\0'); "
           "print(*tokenizers.Tokenizer.from_str(data).encode(text).ids)")
    environment = os.environ | {"PYTHONPATH": str(wheel(version)), "PYTHONUTF8": "1"}
    result = subprocess.run([sys.executable, "-c", ask], input=f"{small_file()}\0{text}", capture_output=True,
                            encoding="utf-8", check=True, env=environment)
    ours = dstok.Tokenizer.from_str(small_file(), upstream=f"tokenizers-{version}")
    assert ours.encode(text) == [int(i) for i in result.stdout.split()]
