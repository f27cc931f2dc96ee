"""Packages of models of which one is broken: nothing else is taken away by it, and what is wrong is told, once."""

from __future__ import annotations

import importlib
import json
import pickle
import re
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_process import run
from images import MODELS
from model_packages import found_at, install, metadata, name_models, with_path

import dstok
from dstok.errors import DstokError, ModelNotFoundError, ModelPackageError
from dstok.testing import verify

BUILT_IN = ["deepseek-v3", "deepseek-r1", "deepseek-v3.1", "deepseek-v3.2", "deepseek-v4", "deepseek-ocr", "deepseek-vl2",
            "deepseek-r1-distill-qwen"]
AS_ONE = {"bad": "dstok_models_bad", "bad-2": "dstok_models_bad"}
WHO = "the installed package dstok-models-bad 1.0.0: "


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with two that are as they should be."""
    site, scratch = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("scratch")
    install(site, "dstok-models-good", ["good,me/good-7b"], scratch / "good")
    install(site, "dstok-models-bad", ["bad,bad-2"], scratch / "bad")
    return site


@pytest.fixture
def site(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that may be changed, where this process looks for packages."""
    return found_at(shutil.copytree(whole, tmp_path / "site"), monkeypatch)


def listed() -> tuple[list[str], list[str]]:
    """The names that `dstok.models` lists, after the built-in ones, and its warnings."""
    importlib.invalidate_caches()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        names = list(dstok.models())
    assert names[: len(BUILT_IN)] == BUILT_IN
    assert all(Path(warning.filename) == Path(__file__) for warning in told)  # they lead to who called
    return names[len(BUILT_IN) :], [str(warning.message) for warning in told]


def aliases() -> list[tuple[str, ...]]:
    """Those of the models that are not built in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [dstok.model_info(name).aliases for name in dstok.models()[len(BUILT_IN) :]]


# Broken in every way


def points(text: bytes) -> Callable[[Path], object]:
    return lambda module: (metadata(module) / "entry_points.txt").write_bytes(text)


def no_code(module: Path) -> None:
    """A module before the dot would be run to find the one after it."""
    (module / "__init__.py").write_text("raise SystemExit('a package was run')\n", encoding="utf-8")
    name_models(module, {"bad": "dstok_models_bad.below"})


def split(module: Path) -> None:
    name_models(module, {"bad": "dstok_models_bad", "BAD": "dstok_models_good"})


def alias(name: str) -> Callable[[Path], None]:
    """Another alias in the index, of which the metadata know nothing."""
    def change(module: Path) -> None:
        index = json.loads((module / "index.json").read_text(encoding="utf-8"))
        index["bad"]["aliases"].append(name)
        (module / "index.json").write_text(json.dumps(index), encoding="utf-8")

    return change


FOUND = [  # its names are known
    (lambda module: (module / "index.json").write_text("{"), "{module}/index.json: expected a JSON object, found other data"),
    (lambda module: (module / "index.json").write_bytes(b"\xff"), "{module}/index.json: expected a JSON object, found other data"),
    (lambda module: (module / "index.json").unlink(), "[Errno 2] No such file or directory: '{module}/index.json'"),
    (lambda module: (module / "bad.image").unlink(), "[Errno 2] No such file or directory: '{module}/bad.image'"),
    (lambda module: (module / "bad.json").unlink(), "[Errno 2] No such file or directory: '{module}/bad.json'"),
    (shutil.rmtree, "entry_points.txt in {site}: expected the folder of the module dstok_models_bad, found none"),
    (lambda module: name_models(module, {"bad": "no_module"}), "entry_points.txt in {site}: expected the folder of the module no_module"),
    (lambda module: name_models(module, {"bad": "json.tool"}), "entry_points.txt in {site}: expected a module's name without dots"),
    (no_code, "entry_points.txt in {site}: expected a module's name without dots, found 'dstok_models_bad.below'"),
    (lambda module: name_models(module, AS_ONE | {"other": "dstok_models_bad"}), "{module}/index.json: expected the model 'other', which"),
    (lambda module: name_models(module, {"bad": "dstok_models_bad"}),
     "{module}/index.json: expected the names of entry_points.txt, each once, found 'bad-2'"),
    (alias("bad-2"), "{module}/index.json: expected the names of entry_points.txt, each once, found 'bad-2'"),
    (alias("deepseek-v3"), "{module}/index.json: expected the names of entry_points.txt, each once, found 'deepseek-v3'"),
]
UNKNOWN = [  # they are not
    (points(b"[dstok.models]\nbad\n"), "entry_points.txt in {site}: expected lines of the form NAME = MODULE, found others"),
    (points(b"[dstok.models]\nbad = \xff\n"), "entry_points.txt in {site}: expected UTF-8, found other bytes"),
    (split, "entry_points.txt in {site}: expected one module with the model 'bad', found dstok_models_bad and dstok_models_good"),
]
(FOUND if sys.version_info < (3, 15) else UNKNOWN).append(  # which refuses such a line itself
    (lambda module: name_models(module, {"bad": "a b"}), "entry_points.txt in {site}: expected "))


@pytest.mark.parametrize(("change", "words", "error"), [*((*case, ModelPackageError) for case in FOUND),
                                                        *((*case, ModelNotFoundError) for case in UNKNOWN)])
def test_the_others_stay(change: Callable[[Path], object], words: str, error: type[DstokError], site: Path) -> None:
    """They are listed and load; what is wrong is a warning, and an error for who asks for the broken one."""
    change(site / "dstok_models_bad")
    found, told = listed()
    assert found == ["good"] and len(told) == 1
    why = WHO + words.format(module=site / "dstok_models_bad", site=site)
    assert told[0].startswith(why)
    assert dstok.load("me/good-7b").name == "good" and dstok.load("deepseek-v3").encode("a") == [67]
    with pytest.raises(error, match=re.escape(why)):
        dstok.load("bad")
    with pytest.raises(ModelNotFoundError, match="no built-in model 'nix'"):
        dstok.load("nix")


def test_a_file_that_is_damaged_is_found_when_it_is_loaded(site: Path) -> None:
    """What is in the files, a list does not look at: it would have to read them all."""
    (site / "dstok_models_bad" / "bad.image").write_bytes(b"")
    assert listed() == (["bad", "good"], [])
    with pytest.raises(ModelPackageError, match=re.escape(f"{WHO}{site}/dstok_models_bad/bad.image: expected")):
        dstok.load("bad")


def test_a_module_is_not_imported(site: Path) -> None:
    (site / "dstok_models_bad" / "__init__.py").write_text("import no_module\n", encoding="utf-8")
    assert listed() == (["bad", "good"], []) and dstok.load("bad").name == "bad"


@pytest.mark.parametrize("text", [b"[console_scripts]\nno equals sign\n", b"[pytest11]\na = b\n[other\n"])
def test_packages_of_others(text: bytes, site: Path) -> None:
    """One that has no models may have metadata as it likes."""
    other = site / "other-1.0.dist-info"
    other.mkdir()
    (other / "entry_points.txt").write_bytes(text)
    assert listed() == (["bad", "good"], []) and dstok.load("good").name == "good"


def test_without_a_name(site: Path) -> None:
    """Metadata that pip has left half: the place stands for the name."""
    (metadata(site / "dstok_models_bad") / "METADATA").unlink()
    assert listed() == (["bad", "good"], []) and dstok.load("bad-2").name == "bad"
    (site / "dstok_models_bad" / "bad.json").unlink()
    [told] = listed()[1]
    assert told.startswith(f"the installed package without a name in {site}: [Errno 2] No such file or directory: ")


def test_a_second_copy_is_hidden_by_the_first(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for Python itself: sys.path decides."""
    copy = found_at(shutil.copytree(site, tmp_path / "copy"), monkeypatch)
    (site / "dstok_models_bad" / "index.json").unlink()
    assert listed() == (["bad", "good"], [])
    (copy / "dstok_models_good" / "good.json").unlink()
    assert listed()[0] == ["bad"]


# Names that others have


def test_names_that_dstok_has_itself(site: Path) -> None:
    """They stay what they are; the package keeps its others."""
    module = site / "dstok_models_bad"
    index = json.loads((module / "index.json").read_text(encoding="utf-8"))
    index["bad"]["aliases"] += ["deepseek-r1-0528", "deepseek-chat"]
    (module / "index.json").write_text(json.dumps(index), encoding="utf-8")
    name_models(module, dict.fromkeys(["bad", "bad-2", "DeepSeek-R1-0528", "deepseek-chat"], module.name))
    found, told = listed()
    assert found == ["bad", "good"] and aliases() == [("bad-2",), ("me/good-7b",)]
    assert [re.findall("found '(.*?)', which stays", text) for text in told] == [["deepseek-r1-0528"], ["deepseek-chat"]]
    assert all(text.startswith(WHO) for text in told)
    assert dstok.load("deepseek-r1-0528").name == "deepseek-r1" and dstok.load("bad-2").name == "bad"
    with pytest.raises(ModelNotFoundError, match="has moved from model to model"):
        dstok.load("deepseek-chat")


def test_a_model_whose_own_name_dstok_has(site: Path) -> None:
    """By an alias it would be a tokenizer with the name of another: it is refused, and takes no other's place."""
    module = site / "dstok_models_bad"
    index = json.loads((module / "index.json").read_text(encoding="utf-8"))
    (module / "index.json").write_text(json.dumps({"deepseek-v3": index["bad"]}), encoding="utf-8")
    (module / "bad.json").rename(module / "deepseek-v3.json")
    name_models(module, dict.fromkeys(["deepseek-v3", "bad-2"], module.name))
    found, told = listed()
    assert found == ["good"] and len(told) == 1 and "found 'deepseek-v3', which stays what it is" in told[0]
    with pytest.raises(ModelPackageError, match=re.escape(WHO) + ".* found 'deepseek-v3', which stays what it is"):
        dstok.load("bad-2")
    known = dstok.model_info("deepseek-v3")
    assert known.package == "dstok" and dstok.load("deepseek-v3").vocab_size == known.vocab_size


def test_two_with_one_name(site: Path, tmp_path: Path) -> None:
    """An alias that two have is of neither; a model whose own name two have is refused by its aliases, too."""
    install(site, "dstok-models-third", ["third,bad-2", "good"], tmp_path / "third")
    found, told = listed()
    assert found == ["bad", "third"] and aliases() == [(), ()]
    both = ["expected one package with the model '{}', found {} and dstok-models-third: uninstall all of these but one".format(*who)
            for who in [("bad-2", "dstok-models-bad"), ("good", "dstok-models-good")]]
    assert sorted(told) == both
    for name, words in [("bad-2", both[0]), ("good", both[1]), ("me/good-7b", both[1])]:
        with pytest.raises(ModelPackageError, match=f"^{words}$"):
            dstok.load(name)
    for name in ("bad", "third"):
        assert pickle.loads(pickle.dumps(dstok.load(name))).name == name


# The commands


def test_commands(site: Path, tmp_path: Path) -> None:
    """A list goes on, with a line on standard error; a model that is asked for does not look at others."""
    environment = with_path(site)
    (site / "dstok_models_bad" / "index.json").write_text("{", encoding="utf-8")
    why = f"dstok: {WHO}{site}/dstok_models_bad/index.json: expected a JSON object, found other data: ".encode()
    done = run("models", "--json", env=environment)
    assert [model["name"] for model in json.loads(done.stdout)] == [*BUILT_IN, "good"]
    assert done.returncode == 0 and done.stderr.startswith(why) and done.stderr.count(b"\n") == 1
    for name in ("deepseek-v3", "good"):
        done = run("info", "--model", name, env=environment)
        assert (done.returncode, done.stderr) == (0, b"") and b"sha256" in done.stdout
        done = run("view", "--model", name, "--output", str(tmp_path / name), "-", stdin=b"text", env=environment)
        assert (done.returncode, done.stderr) == (0, b"")
    for words in (["info"], ["view", "--output", str(tmp_path / "page"), "-"], ["count"]):
        done = run(*words, "--model", "bad", stdin=b"text", env=environment)
        assert (done.returncode, done.stdout) == (2, b"") and done.stderr.startswith(why) and done.stderr.count(b"\n") == 1


def test_a_file_that_has_the_name_of_a_broken_model(site: Path, tmp_path: Path) -> None:
    """It is told about without what the package knows, and why."""
    dstok.Tokenizer.from_str(MODELS["plain"]).replace(name="bad").to_image(tmp_path / "bad.image")
    (site / "dstok_models_bad" / "index.json").unlink()
    done = run("info", "--model", str(tmp_path / "bad.image"), "--json", env=with_path(site))
    assert done.returncode == 0 and json.loads(done.stdout)["name"] == "bad" and "sha256" not in json.loads(done.stdout)
    assert done.stderr.startswith(f"dstok: {WHO}".encode()) and done.stderr.count(b"\n") == 1


def test_the_conformance_kit(site: Path) -> None:
    """What is held against a built-in model does not look at others."""
    (site / "dstok_models_bad" / "index.json").write_text("{", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert verify(dstok.load("deepseek-v3"), seconds=5, checks=["odd texts"]).findings == []
