"""Pickles of tokenizers: what they hold, and that what does not fit is an error before any table is used."""

from __future__ import annotations

import copy
import pickle
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from image_changes import REFUSED
from images import MODELS, TEXTS, TODAY, Parts, assert_same
from small_models import added_token, model_json

import dstok
from dstok.compiled.image import image_of
from dstok.compiled.image_file import image_bytes, image_parts
from dstok.errors import PickleError
from dstok.pickling import PICKLE_FORMAT, restored

SMALL = model_json([(b"a", b"b"), (b"ab", b"a")], [added_token("<x>", lstrip=True, special=True)])


def reduced(tok: dstok.Tokenizer) -> tuple[Any, ...]:
    """The arguments that a pickle holds."""
    function, arguments = tok.__reduce__()
    assert function is restored and arguments[:2] == (PICKLE_FORMAT, type(tok))
    return tuple(arguments[2:])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    dstok.Tokenizer.from_str(SMALL).to_image(tmp_path / "image")
    return tmp_path / "image"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "odd"
    dstok.Tokenizer.from_str(MODELS["odd splits"]).to_image(path)
    return path


class Pickled:
    """Pickles as a call of a function with these arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def refused(function: Any, *arguments: Any) -> str:
    """The error of a pickle of such a call."""
    with pytest.raises(PickleError) as caught:
        pickle.loads(pickle.dumps(Pickled(function, *arguments)))
    return str(caught.value)


# Formats


@pytest.mark.parametrize("found", [0, 2, 3, 99, None, "1", [1]])
def test_another_format(found: Any) -> None:
    """Refused whatever else is in it, which another format may have in another way."""
    for rest in ((), ("anything",), (dstok.Tokenizer, "image", b""), (dstok.Tokenizer, "built-in", "deepseek-v3", "")):
        error = refused(restored, found, *rest)
        assert error.startswith(f"expected a pickle of a tokenizer of format {PICKLE_FORMAT}, found {found!r}: ")
        assert "with this version of dstok" in error


# By value


@pytest.mark.parametrize("name", TODAY)
def test_there_and_back(name: str) -> None:
    """All that the tokenizer gives; pickled again, the same bytes, with every protocol."""
    tok = dstok.Tokenizer.from_str(MODELS[name])
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(tok, protocol)
        again = pickle.loads(pickled)
        assert pickle.dumps(again, protocol) == pickled
    assert_same(tok, again, TEXTS)


def test_its_parts() -> None:
    model = pickle.loads(pickle.dumps(copy.deepcopy(dstok.Tokenizer.from_str(MODELS[TODAY[0]]).inspect())))
    assert model.splits == dstok.Tokenizer.from_str(MODELS[TODAY[0]]).inspect().splits


def test_damaged_bytes() -> None:
    """A bit that is not as it was, or bytes that are missing: the image's checksum tells."""
    tok = dstok.Tokenizer.from_str(SMALL)
    kind, data = reduced(tok)
    assert kind == "image" and data == image_bytes(image_of(tok._tables, tok._added.tokens, tok.config, tok.name))
    rng = random.Random(1)
    for at in rng.sample(range(len(data)), 100):
        broken = bytearray(data)
        broken[at] ^= 1 << rng.randrange(8)
        assert refused(restored, PICKLE_FORMAT, dstok.Tokenizer, "image", bytes(broken)).startswith("the pickle: expected")
    for length in (0, 1, 47, 48, 5000, len(data) - 1):
        assert refused(restored, PICKLE_FORMAT, dstok.Tokenizer, "image", data[:length]).startswith("the pickle: expected")


@pytest.mark.parametrize(("change", "match"), REFUSED)
def test_tables_that_the_core_could_not_run_on(change: Any, match: str, odd: Path) -> None:
    """What an image is refused for a pickle is, too, though its checksum fits; those of another format among them."""
    parts = Parts(odd)
    change(parts)
    data = image_bytes(image_parts(parts.description, parts.sections, parts.tokenizer))
    with pytest.raises(PickleError, match=match):
        pickle.loads(pickle.dumps(Pickled(restored, PICKLE_FORMAT, dstok.Tokenizer, "image", data)))


# By reference


def test_a_file_is_referred_to(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its place, wherever the process is; nothing of it is in the pickle."""
    tok = dstok.load(image)
    monkeypatch.chdir(image.parent)
    for opened in (tok, dstok.load(image.name)):
        pickled = pickle.dumps(opened)
        assert len(pickled) < 1000
        monkeypatch.chdir("/")
        again = pickle.loads(pickled)
        monkeypatch.chdir(image.parent)
        assert_same(tok, again, TEXTS)
        assert pickle.dumps(again) == pickled
        assert again._tables.image is not None and again._tables.image.path == str(image)


def test_what_was_set_is_kept(image: Path) -> None:
    """BOS, EOS and name go with the reference."""
    tok = dstok.load(image)
    tok = tok.replace(bos_id=97, eos_id=98, name="mine")
    assert reduced(tok)[0] == "file"
    again = pickle.loads(pickle.dumps(tok))
    assert (again.bos_id, again.eos_id, again.name) == (97, 98, "mine")


def test_a_file_that_is_gone(image: Path) -> None:
    pickled = pickle.dumps(dstok.load(image))
    image.unlink()
    with pytest.raises(PickleError, match="expected the image that the tokenizer was opened from, found none: No such file") as caught:
        pickle.loads(pickled)
    assert repr(str(image)) in str(caught.value)
    image.mkdir()
    with pytest.raises(PickleError, match="found none: Is a directory"):
        pickle.loads(pickled)


def test_a_file_that_has_changed(image: Path) -> None:
    """Another model's image in its place, a damaged one, something else: each is told."""
    pickled = pickle.dumps(dstok.load(image))
    data = image.read_bytes()
    dstok.Tokenizer.from_str(model_json()).to_image(image)
    with pytest.raises(PickleError, match="expected the image of the checksum .* the file has changed since"):
        pickle.loads(pickled)
    for other, match in ((data[:-1] + bytes([data[-1] ^ 1]), "expected the checksum"), (data[:-1], "cut short"),
                         (b"{}", "expected a dstok image"), (b"", "found an empty file")):
        image.write_bytes(other)
        with pytest.raises(PickleError, match=match):
            pickle.loads(pickled)
    image.write_bytes(data)
    pickle.loads(pickled)


def test_a_file_that_has_changed_before(image: Path) -> None:
    """What is no longer there when the pickle is made is not referred to: the tables go along."""
    tok = dstok.load(image)
    dstok.Tokenizer.from_str(model_json()).to_image(image)
    kind, data = reduced(tok)
    assert kind == "image"
    image.unlink()
    assert reduced(tok) == (kind, data)
    assert_same(tok, pickle.loads(pickle.dumps(tok)), TEXTS)


def test_built_in_models_that_were_changed() -> None:
    """They are no longer built in: the tables go along, and what was set."""
    tok = dstok.load("deepseek-v3")
    assert reduced(tok)[:3] == ("built-in", "deepseek-v3", tok.fingerprint)
    tok = tok.replace(eos_id=5)
    assert reduced(tok)[0] == "image" and pickle.loads(pickle.dumps(tok)).eos_id == 5
    tok = dstok.load("deepseek-v3").replace(name="deepseek-r1")  # which has the same tables, and other added tokens
    again = pickle.loads(pickle.dumps(tok))
    assert (again.name, again.added_tokens) == ("deepseek-r1", dstok.load("deepseek-v3").added_tokens)


def test_a_built_in_model_that_is_not_there() -> None:
    assert "no built-in model 'deepseek-v9'" in refused(
        restored, PICKLE_FORMAT, dstok.Tokenizer, "built-in", "deepseek-v9", "0" * 64, bytes(32))
    tok = dstok.load("deepseek-v3")
    kind, name, fingerprint, settings = reduced(tok)
    assert f"found another version of it, {fingerprint}: make" in refused(
        restored, PICKLE_FORMAT, dstok.Tokenizer, kind, name, "0" * 64, settings)
    assert "found another version of it, with other settings" in refused(
        restored, PICKLE_FORMAT, dstok.Tokenizer, kind, name, fingerprint, bytes(32))


def test_the_settings_are_kept(image: Path) -> None:
    """The tables, added tokens, BOS, EOS and name of a model, and other settings: it is not that model, nor is it the file."""
    for tok, framed in ((dstok.load("deepseek-ocr"), dstok.load("deepseek-v3")), (dstok.load(image), None)):
        config = tok.config._replace(framing=framed.config.framing if framed else None, pad_id=5)
        other = dstok.Tokenizer._of_tables(tok._tables, tok._added.tokens, tok.bos_id, tok.eos_id, tok.name, config)
        again = pickle.loads(pickle.dumps(other))
        assert (reduced(tok)[0], reduced(other)[0]) == ("built-in" if framed else "file", "image")
        assert again.config == config != tok.config and again.fingerprint == tok.fingerprint
        assert dstok.padding.encode_pair(again, "a", "b").ids.tolist() == dstok.padding.encode_pair(other, "a", "b").ids.tolist()


# Elsewhere


CHILD = """
import pickle, sys
tok = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps((tok.encode("ab aba <x>"), tok.name)))
"""


def test_in_another_process(image: Path) -> None:
    """Which has not imported dstok before."""
    text = dstok.Tokenizer.from_str(SMALL)
    for tok in (text, dstok.load(image), dstok.load("deepseek-v3")):
        done = subprocess.run([sys.executable, "-c", CHILD], input=pickle.dumps(tok), stdout=subprocess.PIPE, check=True,
                              cwd=Path(__file__).parent)
        assert pickle.loads(done.stdout) == (tok.encode("ab aba <x>"), tok.name)


def test_copies_need_no_file(image: Path) -> None:
    """A copy shares the tables, and nothing that may be set."""
    tok = dstok.load(image)
    image.unlink()
    for way in (copy.copy, copy.deepcopy):
        again = way(tok)
        assert_same(tok, again, TEXTS)
        again = again.replace(bos_id=97, name="mine")
        assert (tok.bos_id, tok.name) == (None, "") and again._tables is tok._tables
        assert again.encode("a", add_bos=True) == [97, 97]


class Own(dstok.Tokenizer):
    """A class of a user's own."""


def test_classes_of_users(image: Path) -> None:
    for tok in (Own.from_str(SMALL), pickle.loads(pickle.dumps(Own.from_str(SMALL)))):
        for again in (pickle.loads(pickle.dumps(tok)), copy.copy(tok)):
            assert type(again) is Own and again.encode("ab aba") == tok.encode("ab aba")
