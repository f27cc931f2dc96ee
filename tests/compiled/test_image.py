"""Images: what is opened is what was saved, or an `ImageError`; a file is saved at once, or not at all.

What a file may hold that somebody made by hand is in test_image_hostile.py.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from cli_process import fails, ok
from images import MODELS, TEXTS, TODAY, assert_same
from shares import seeds
from text_strategies import CLASSES

import dstok
from dstok.compiled.image_file import open_image
from dstok.errors import ImageError
from dstok.formats import IMAGE_MAGIC as MAGIC
from dstok.tokenizer import tokenizer_of_image


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with a bit of everything."""
    path = tmp_path_factory.mktemp("image") / "small"
    dstok.Tokenizer.from_str(MODELS["plain"]).to_image(path)
    return path


# There and back


@pytest.mark.parametrize("name", TODAY)
def test_small_models_there_and_back(name: str, tmp_path: Path) -> None:
    """The same in all it gives, pickled too; saved again, also over the file that is mapped, the same bytes."""
    tok = dstok.Tokenizer.from_str(MODELS[name])
    tok.to_image(tmp_path / "one")
    opened = dstok.load(tmp_path / "one")
    data = (tmp_path / "one").read_bytes()
    opened.to_image(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == data
    for other in (opened, pickle.loads(pickle.dumps(opened)), dstok.load(str(tmp_path / "one"), verify=False)):
        assert_same(tok, other, TEXTS)
    assert [opened.id_to_token(i) for i in range(2, 256)] == [tok.id_to_token(i) for i in range(2, 256)]


@pytest.mark.parametrize("name", ["deepseek-v3", "deepseek-v4"])
def test_built_in_models_there_and_back(name: str, tmp_path: Path) -> None:
    tok = dstok.load(name)
    tok.to_image(tmp_path / "one")
    opened = dstok.load(tmp_path / "one")
    rng = random.Random(1)
    chars = "".join(CLASSES) + "aaaa    \n中の1"
    texts = [*TEXTS, *("".join(rng.choices(chars, k=300)) + "<｜User｜>" for _ in range(30))]
    assert_same(tok, opened, texts)
    assert opened.inspect().automaton == tok.inspect().automaton
    opened.to_image(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    (tmp_path / "one").unlink()
    assert_same(tok, pickle.loads(pickle.dumps(opened)), TEXTS)


def test_bos_eos_and_name(tmp_path: Path) -> None:
    """They come from a configuration file, or are set; a name that is no built-in model's is pickled with the rest."""
    tok = dstok.Tokenizer.from_str(MODELS["plain"], json.dumps({"bos_token": "<s>", "eos_token": "<l>"}))
    tok = tok.replace(name="mine")
    tok.to_image(tmp_path / "one")
    opened = dstok.load(tmp_path / "one")
    for other in (opened, pickle.loads(pickle.dumps(opened)), pickle.loads(pickle.dumps(tok))):
        assert_same(tok, other, TEXTS)
        assert other.name == "mine" and other.encode("a", add_bos=True, add_eos=True)[::2] == [tok.bos_id, tok.eos_id]


# Saving


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_mode_is_that_of_a_new_file(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        dstok.Tokenizer.from_str(MODELS["no merges"]).to_image(tmp_path / "one")
        (tmp_path / "two").write_bytes(b"")
    finally:
        os.umask(before)
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "two").stat().st_mode


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_failed_save_leaves_all_as_it_was(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "no space left on device")

    (tmp_path / "one").write_bytes(b"before")
    monkeypatch.setattr(os, name, fail)
    with pytest.raises(OSError, match="no space left"):
        dstok.Tokenizer.from_str(MODELS["no merges"]).to_image(tmp_path / "one")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").read_bytes() == b"before"


def test_where_nothing_can_be_saved(tmp_path: Path) -> None:
    tok = dstok.Tokenizer.from_str(MODELS["no merges"])
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "folder", tmp_path / "file" / "x", tmp_path / "nowhere" / "x", Path(".."), Path("/")):
        with pytest.raises(OSError, match=re.escape(f": {str(path)!r}") + "$"):
            tok.to_image(path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
    assert not list(Path().glob(".dstok-*"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(PermissionError):
        dstok.Tokenizer.from_str(MODELS["no merges"]).to_image(tmp_path / "one")
    assert not list(tmp_path.iterdir())


def test_save_and_open_at_once(tmp_path: Path) -> None:
    """While two threads save over one file, what is opened is always one of the two, whole, and stays so."""
    toks = [dstok.Tokenizer.from_str(MODELS[name]) for name in ("plain", "no merges")]
    texts = {tuple(tok.encode("ab ab <s>")) for tok in toks}
    toks[0].to_image(tmp_path / "one")
    over = threading.Event()

    def save(tok: dstok.Tokenizer) -> None:
        while not over.is_set():
            tok.to_image(tmp_path / "one")

    threads = [threading.Thread(target=save, args=(tok,)) for tok in toks]
    for thread in threads:
        thread.start()
    try:
        opened = [dstok.load(tmp_path / "one") for _ in range(25)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert {tuple(tok.encode("ab ab <s>")) for tok in opened} <= texts
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


# Files that are no image, or no longer one


def of_image(path: Path, verify: bool = True) -> dstok.Tokenizer:
    """As `dstok.load`, but without a look at the file's kind."""
    return tokenizer_of_image(open_image(path, verify))


@pytest.mark.parametrize(("data", "words"), [
    (b"", "found an empty file"),
    (b"{}", "found JSON"),
    (b"\x93NUMPY" + bytes(5000), "found other data"),
    (MAGIC[:-1], "found other data"),
    (MAGIC, "found 8"),
    (MAGIC + bytes(40), "expected image format 1, found 0: make it again from the tokenizer.json"),
    (MAGIC + b"\x01" + bytes(39), "expected a header of JSON"),
    (MAGIC + b"\x01\0\0\0" + b"\xff" * 36, "expected a header of 4294967295 bytes, found 0"),
])
def test_foreign_files(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ImageError) as caught:
        of_image(tmp_path / "x")
    assert words in str(caught.value) and str(tmp_path / "x") in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "x", tmp_path / "x" / "y"):
        with pytest.raises(OSError, match=re.escape(str(path))):
            dstok.load(path)


def test_tables_without_a_tokenizer() -> None:
    with pytest.raises(ImageError, match="expected a tokenizer, found only the tables"):
        dstok.load(Path(dstok.__file__).parent / "models" / "deepseek-v3.image")


def test_truncated(small: Path, tmp_path: Path) -> None:
    """Cut anywhere, or too long: refused, with or without the checksum."""
    data = small.read_bytes()
    rng = random.Random(2)
    for length in [*range(0, 64), *rng.sample(range(len(data)), 60), len(data) - 1]:
        (tmp_path / "x").write_bytes(data[:length])
        for verify in (True, False):
            with pytest.raises(ImageError):
                of_image(tmp_path / "x", verify)
    (tmp_path / "x").write_bytes(data + b"\0")
    with pytest.raises(ImageError, match=f"expected {len(data)} bytes, found {len(data) + 1}"):
        of_image(tmp_path / "x")


def test_flipped_bits(small: Path, tmp_path: Path) -> None:
    """A bit that is not as it was, anywhere: the checksum tells."""
    data = small.read_bytes()
    rng = random.Random(3)
    for at in [*range(48), *rng.sample(range(len(data)), 150), *rng.sample(range(48, 4096), 50)]:
        flipped = bytearray(data)
        flipped[at] ^= 1 << rng.randrange(8)
        (tmp_path / "x").write_bytes(flipped)
        with pytest.raises(ImageError) as caught:
            of_image(tmp_path / "x")
        assert "expected" in str(caught.value) and "found" in str(caught.value)


# The command


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`convert` is silent; every command takes the image, by what it holds, not by its name; and so does `convert`."""
    monkeypatch.chdir(tmp_path)
    Path("small.json").write_text(MODELS["plain"])
    assert ok("convert", "small.json", "small.image") == b""
    Path("small.image").rename("image.json")
    commands = ["encode", "count", "dump", "pieces", "info", "explain"]
    for command in (commands[number] for number in seeds(len(commands), 2)):
        expected = ok(command, "--model", "small.json", stdin=b"ab ab <s>")
        found = ok(command, "--model", "image.json", stdin=b"ab ab <s>")
        assert found.replace(b"image.json", b"small.json") == expected
    assert ok("decode", "--model", "./image.json", stdin=b"97 98") == ok("decode", "--model", "small.json", stdin=b"97 98")
    assert ok("convert", "image.json", "again", "--to", "image") == b"" and Path("again").read_bytes() == Path("image.json").read_bytes()
    assert ok("convert", "deepseek-v3", "v3", "--to", "image") == b"" and ok("info", "-m", "v3") == ok("info")


def test_faults_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.json").write_text(MODELS["no merges"])
    assert "is a directory" in fails("convert", "small.json", str(tmp_path), "--to", "image")
    assert "no such file" in fails("convert", "small.json", "nowhere/x.image")
    assert "no such file" in fails("convert", "./nothing.json", "x.image")
    assert "no built-in model" in fails("convert", "nothing", "x.image")
    assert "required: OUT" in fails("convert", "deepseek-v3")
    assert "unrecognized arguments: y" in fails("convert", "deepseek-v3", "x.image", "y")
    Path("broken").write_bytes(MAGIC + bytes(100))
    assert "broken: expected image format 1, found 0" in fails("count", "--model", "broken", stdin=b"")
    assert not Path("x.image").exists()
