"""Models of installed packages: made by the script, installed by pip, loaded by name; and all that can be wrong."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_process import run
from images import MODELS, TEXTS, Parts, assert_same
from model_packages import found_at, with_path
from small_models import added_token, model_json

import dstok
from dstok.errors import ModelNotFoundError, ModelPackageError, PickleError
from dstok.models.metadata import AGAIN
from dstok.models.package_writer import Package, source_of, write_package

NAME, MODULE = "dstok-models-mine", "dstok_models_mine"
WITH_CONFIG = {"bos_token": "<s>", "pad_token": "<l>", "add_bos_token": True, "chat_template": "{{ x }}"}
FILES = {"mine": MODELS["plain"], "mine-2": model_json(added=[added_token("<b>")]),
         "mine-3": model_json(added=[added_token("<c>"), added_token("<d>")])}


def made(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The script, as a user starts it."""
    return subprocess.run([sys.executable, "-m", "dstok.models.build", *words], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of models, as publishers have them, and a licence."""
    folder = tmp_path_factory.mktemp("sources")
    for name, text in FILES.items():
        (folder / name).mkdir()
        (folder / name / "tokenizer.json").write_text(text, encoding="utf-8")
    (folder / "mine" / "tokenizer_config.json").write_text(json.dumps(WITH_CONFIG), encoding="utf-8")
    (folder / "LICENSE").write_text("Do as you like.\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(sources: Path) -> Path:
    """A folder of Python packages with one that the script made and pip installed."""
    done = made(["--package", NAME, "--licence", "MIT", "--licence-file", "LICENSE", "mine,Me/Mine-7B=mine",
                 "mine-2=mine-2", "deepseek-llm,mine-3=mine-3"], sources)
    assert (done.returncode, done.stderr) == (0, "") and f"pip install ./{NAME}" in done.stdout
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-build-isolation",
                    "--no-deps", "--no-index", "--target", sources / "site", sources / NAME], check=True)
    return sources / "site"


@pytest.fixture
def own(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that may be changed, where this process looks for packages."""
    return found_at(shutil.copytree(site, tmp_path / "site"), monkeypatch)


# Found


@pytest.mark.parametrize("name", ["mine", "MINE", "me/mine-7b", "Me/Mine-7B"])
def test_the_same_as_its_file(name: str, own: Path, sources: Path) -> None:
    """Ids, added tokens, what chats need; by every name and alias, in any case."""
    tok, file = dstok.load(name), dstok.load(sources / "mine")
    assert_same(tok, file.replace(name="mine"), TEXTS)
    assert tok.config == file.config and tok.config.pad_id == tok.token_to_id("<l>")


def test_models_that_share_a_vocabulary_share_an_image(own: Path) -> None:
    assert sorted(path.name for path in (own / MODULE).glob("*.image")) == ["mine-2.image", "mine.image"]
    assert dstok.load("mine-2").encode("a<b>") == [97, 256] and dstok.load("mine-3").encode("<c><b>") == [256, 60, 98, 62]


def test_a_model_that_is_known_and_not_built_in(own: Path) -> None:
    """Its name is free for a package."""
    assert dstok.load("deepseek-llm").name == dstok.load("deepseek-ai/DeepSeek-LLM").name == "deepseek-llm"
    with pytest.raises(ModelNotFoundError, match="is not built in: its vocabulary is under"):
        dstok.load("deepseek-llm-7b")


def test_listed(own: Path) -> None:
    """After the built-in ones, with the package that they come from."""
    *built_in, three, mine, two = map(dstok.model_info, dstok.models())
    assert {info.package for info in built_in} == {"dstok"}
    assert (mine.name, mine.aliases, mine.package, mine.licence) == ("mine", ("me/mine-7b",), NAME, "MIT")
    assert (mine.vocab_size, mine.source) == (dstok.load("mine").vocab_size, "mine/tokenizer.json")
    assert (two.name, three.name, three.aliases) == ("mine-2", "deepseek-llm", ("mine-3",))
    assert dstok.model_info("Me/Mine-7b") == mine
    for call in (dstok.load, dstok.model_info):
        with pytest.raises(ModelNotFoundError, match=rf"^no built-in model 'nine': .*, mine \(of {NAME}\).*; did you mean 'mine'\?$"):
            call("nine")


def test_the_command(own: Path) -> None:
    listed = json.loads(run("models", "--json", env=with_path(own)).stdout)
    assert [(model["name"], model["package"]) for model in listed][-3:] == [(n, NAME) for n in ("deepseek-llm", "mine", "mine-2")]
    counted = run("count", "--model", "mine", stdin=b"ab ab x", env=with_path(own)).stdout.split()[0]
    assert int(counted) == dstok.load("mine").count("ab ab x")
    assert NAME.encode() in run("models", env=with_path(own)).stdout
    info = json.loads(run("info", "--model", "mine", "--json", env=with_path(own)).stdout)
    assert (info["name"], info["licence"], info["source"]) == ("mine", "MIT", "mine/tokenizer.json")
    (own / MODULE / "mine.image").write_bytes(b"")
    done = run("count", "--model", "mine", stdin=b"ab", env=with_path(own))
    assert done.returncode == 2 and done.stderr.startswith(f"dstok: the installed package {NAME} 1.0.0: ".encode())


def test_files_of_the_same_name(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name means the model, whatever files lie about; a path means the file."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tokenizer.json").write_text(FILES["mine-2"], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert dstok.load("mine").encode("ab") != dstok.load("./mine").encode("ab") == [97, 98]
    assert dstok.load(Path("mine")).fingerprint == dstok.load("./mine").fingerprint


def test_built_in_models_do_not_ask_what_is_installed() -> None:
    code = ("import sys, dstok; dstok.load('deepseek-v3').encode('a')\n"
            "print([name for name in ('importlib.metadata', 'dstok.models.package_reader') if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True).stdout == "[]\n"


def test_names_that_no_package_can_take(own: Path) -> None:
    """Those of built-in models, and those that lead to none for good."""
    [points] = own.glob("*.dist-info/entry_points.txt")
    points.write_text(f"[dstok.models]\ndeepseek-v3 = {MODULE}\nDeepSeek-R1-0528 = {MODULE}\ndeepseek-chat = {MODULE}\n")
    assert dstok.load("deepseek-v3").vocab_size > 100_000 < dstok.load("deepseek-r1-0528").vocab_size
    with pytest.raises(ModelNotFoundError, match="has moved from model to model"):
        dstok.load("deepseek-chat")
    with pytest.warns(UserWarning, match="expected the model 'deepseek-chat', which entry_points.txt names"):
        assert {dstok.model_info(name).package for name in dstok.models()} == {"dstok"}


# Pickles, forks


CHILD = "import pickle, sys; tok = pickle.load(sys.stdin.buffer); print(tok.name, tok.encode('ab ab'))"


def test_pickled_by_name(own: Path) -> None:
    """A pickle is short; it is the same in another process, if the package is there."""
    tok = dstok.load("mine")
    data = pickle.dumps(tok)
    assert len(data) < 300
    assert_same(tok, pickle.loads(data), TEXTS)
    done = subprocess.run([sys.executable, "-c", CHILD], input=data, capture_output=True, cwd="/", env=with_path(own), check=True)
    assert done.stdout.decode() == f"mine {tok.encode('ab ab')}\n"


def test_pickled_by_value_when_changed(own: Path) -> None:
    """With another EOS or name it is no longer the package's: the tables go along."""
    for other in (dstok.load("mine").replace(eos_id=5), dstok.load("mine").replace(name="other")):
        data = pickle.dumps(other)
        assert len(data) > 100_000
        assert_same(other, pickle.loads(data), TEXTS)


def test_pickles_of_other_settings(own: Path) -> None:
    """Another version of the package, of the same fingerprint: pads, chats, or trims otherwise."""
    data, path = pickle.dumps(dstok.load("mine")), own / MODULE / "mine.json"
    written = path.read_text(encoding="utf-8")
    for change in ({"pad_id": 5}, {"chat_template": "{{ y }}"}, {"add_bos": False}):
        said = json.loads(written)
        said["config"].update(change)
        path.write_text(json.dumps(said), encoding="utf-8")
        with pytest.raises(PickleError, match="expected the installed model 'mine' as it was, found .* with other settings"):
            pickle.loads(data)
        assert {**vars(pickle.loads(pickle.dumps(dstok.load("mine"))).config), **change} == vars(dstok.load("mine").config)
    path.write_text(written, encoding="utf-8")
    image = Parts(own / MODULE / "mine.image")
    image.description["trim_offsets"] = "all"
    image.write(own / MODULE / "mine.image")
    with pytest.raises(PickleError, match="with other settings"):
        pickle.loads(data)


def test_pickles_without_the_package(own: Path) -> None:
    data = pickle.dumps(dstok.load("mine"))
    shutil.copyfile(own / MODULE / "mine-2.json", own / MODULE / "mine.json")
    with pytest.raises(PickleError, match="expected the installed model 'mine' of the fingerprint .* found another version"):
        pickle.loads(data)
    (own / MODULE / "mine.json").unlink()
    with pytest.raises(PickleError, match=f"^the installed package {NAME} 1.0.0: "):
        pickle.loads(data)
    for path in own.glob("*.dist-info"):
        shutil.rmtree(path)
    importlib.invalidate_caches()
    with pytest.raises(PickleError, match="no built-in model 'mine'"):
        pickle.loads(data)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_forked(own: Path) -> None:
    """A child has the parent's tokenizer, and loads one itself."""
    tok = dstok.load("mine")
    expected = tok.encode("ab ab")
    child = os.fork()
    if not child:
        os._exit(tok.encode("ab ab") != expected or dstok.load("mine").encode("ab ab") != expected)
    assert os.waitpid(child, 0)[1] == 0


# Broken packages


def image(change: Callable[[Parts], Any]) -> Callable[[Path], None]:
    def changed(module: Path) -> None:
        parts = Parts(module / "mine.image")
        change(parts)
        parts.write(module / "mine.image")

    return changed


def cut(module: Path) -> None:
    (module / "mine.image").write_bytes((module / "mine.image").read_bytes()[:-1])


def flipped(module: Path) -> None:
    data = bytearray((module / "mine.image").read_bytes())
    data[-1] ^= 1
    (module / "mine.image").write_bytes(data)


def written(file: str, text: str) -> Callable[[Path], object]:
    return lambda module: (module / file).write_text(text, encoding="utf-8")


def changed(file: str, key: str, value: Any) -> Callable[[Path], None]:
    """A value of a JSON object, or of the model `mine` in the index."""
    def change(module: Path) -> None:
        found = json.loads((module / file).read_text(encoding="utf-8"))
        (found["mine"] if file == "index.json" else found)[key] = value
        (module / file).write_text(json.dumps(found), encoding="utf-8")

    return change


def added_content(number: int, content: str) -> Callable[[Path], None]:
    def change(module: Path) -> None:
        own = json.loads((module / "mine.json").read_text(encoding="utf-8"))
        own["added"]["content"][number] = content
        (module / "mine.json").write_text(json.dumps(own), encoding="utf-8")

    return change


@pytest.mark.parametrize(("change", "words"), [
    (image(lambda parts: parts.description.__setitem__("format", 5)), "mine.image: expected tables of format [0-9]+, found 5"),
    (image(lambda parts: parts.description.pop("splits")), "mine.image: expected 'splits', found none: the image is damaged"),
    (cut, "mine.image: expected .* bytes, found .*: the image is cut short"),
    (flipped, "mine.image: expected the checksum .* the image is damaged"),
    (lambda module: (module / "mine.image").unlink(), "No such file or directory: .*mine.image"),
    (lambda module: (module / "mine.json").unlink(), "No such file or directory: .*mine.json"),
    (written("mine.json", "[]"), "mine.json: expected a JSON object, found other data"),
    (written("mine.json", "{"), "mine.json: expected a JSON object, found other data"),
    (written("mine.json", "{}"), "mine.json: expected 'added', found none"),
    (changed("mine.json", "bos_id", 5000), "mine.json: bos_id: expected an id below"),
    (added_content(3, " x"), "begins with white space"),
    (changed("mine.json", "added", {"id": [262, 263], "content": ["x", "x"], "flags": [0, 0]}), "mine.json: content: expected each added"),
    (lambda module: (module / "index.json").unlink(), "No such file or directory: .*index.json"),
    (written("index.json", "null"), "index.json: expected a JSON object, found other data"),
    (written("index.json", "{}"), "index.json: expected the model '[^']*', which entry_points.txt names, found none"),
    (written("index.json", '{"../mine": {}}'), "index.json: expected names of models, found '../mine'"),
    (written("index.json", '{"mine": []}'), "index.json: expected image, .* of the model 'mine', found others"),
    (changed("index.json", "vocab_size", "5"), "index.json: expected image, .* of the model 'mine', found others"),
    (changed("index.json", "aliases", [5]), "index.json: expected image, .* of the model 'mine', found others"),
    (changed("index.json", "image", "../mine.image"), "index.json: expected the name of an image, found '../mine.image'"),
    (shutil.rmtree, f"expected the folder of the module {MODULE}, found none"),
])
def test_broken(change: Callable[[Path], Any], words: str, own: Path) -> None:
    """An error that names the package and what to do."""
    dstok.load("mine")
    change(own / MODULE)
    importlib.invalidate_caches()
    with pytest.raises(ModelPackageError, match=f"^the installed package {NAME} 1.0.0: .*{words}.*: {AGAIN}$"):
        dstok.load("mine")
    assert dstok.load("deepseek-v3").encode("a") == [67]


def test_two_packages_with_one_name(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is taken; the other names stay as they were."""
    other = tmp_path / "other" / "dstok_models_other-2.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: dstok-models-other\nVersion: 2.0\n", encoding="utf-8")
    (other / "entry_points.txt").write_text("[dstok.models]\nMine = dstok_models_other\n", encoding="utf-8")
    found_at(tmp_path / "other", monkeypatch)
    expected = rf"^expected one package with the model 'mine', found {NAME} and dstok-models-other: uninstall all of these but one$"
    with pytest.raises(ModelPackageError, match=expected):
        dstok.load("mine")
    with pytest.warns(UserWarning, match=expected), pytest.warns(UserWarning, match="expected the folder of the module dstok_models_other"):
        assert dstok.models()[-2:] == ("deepseek-llm", "mine-2")
    assert dstok.load("mine-2").name == "mine-2"
    with pytest.raises(ModelNotFoundError, match=f"mine \\(of {NAME} and dstok-models-other\\)"):
        dstok.load("nine")


# The script


def test_the_same_bytes_again(sources: Path, site: Path, tmp_path: Path) -> None:
    package = Package(NAME, "1.0.0", "MIT", (sources / "LICENSE",))
    words = ["mine,Me/Mine-7B=mine", "mine-2=mine-2", "deepseek-llm,mine-3=mine-3"]
    write_package(tmp_path / "again", package, [source_of(word)._replace(folder=sources / word.split("=")[1]) for word in words])
    for path in (tmp_path / "again").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (sources / NAME / path.relative_to(tmp_path / "again")).read_bytes()


@pytest.mark.parametrize(("words", "error"), [
    (["--package", NAME, "--licence", "MIT", "mine=mine"], "expected models, --licence and --licence-file"),
    (["--package", NAME, "--licence-file", "LICENSE", "mine=mine"], "expected models, --licence and --licence-file"),
    (["mine=mine"], "models and licences are those of a --package"),
    (["--package", "x", "--check"], "--source and --check are of the built-in models"),
])
def test_calls_that_lack_something(words: list[str], error: str, sources: Path) -> None:
    done = made(words, sources)
    assert done.returncode == 2 and error in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("words", "error"), [
    (["--version", "x"], "expected a version like 1.0.0 or 1.1rc1 (PEP 440), found 'x'"),
    (["--version", ""], "expected a version like 1.0.0 or 1.1rc1 (PEP 440), found ''"),
    (["--version", "1.0\n"], "expected a version like 1.0.0 or 1.1rc1 (PEP 440), found '1.0\\n'"),
    (["--licence", "as you like"], "expected an SPDX expression like Apache-2.0"),
    (["--licence-file", "LICENSE (1).txt"], "expected a licence's file with a name of letters, "),
    (["--licence-file", "missing"], "No such file or directory: 'missing'"),
    (["--package", "dstok-models-A"], "expected a package's name like dstok-models-mine, found 'dstok-models-A'"),
    (["--package", "dstok-models-a b"], "expected a package's name like dstok-models-mine, found 'dstok-models-a b'"),
    (["broken=broken"], "broken/tokenizer.json: not JSON: "),
    (["wordpiece=wordpiece"], "wordpiece/tokenizer.json: expected the model type 'BPE', found 'WordPiece' - at $.model.type"),
    (["missing=missing"], "No such file or directory: 'missing/tokenizer.json'"),
    (["a b=mine"], "expected a model's name of small letters"),
    (["mine=mine"], "expected each name once, found 'mine' again"),
])
def test_one_line_and_nothing_written(words: list[str], error: str, sources: Path, tmp_path: Path) -> None:
    """Exit code 2, and a line that begins with the package's name."""
    for name, text in {"broken": "{", "wordpiece": '{"model": {"type": "WordPiece"}}', "mine": FILES["mine"]}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text(text, encoding="utf-8")
    shutil.copy(sources / "LICENSE", tmp_path / "LICENSE (1).txt")
    before = sorted(tmp_path.rglob("*"))
    done = made(["--package", NAME, "--licence", "MIT", "--licence-file", str(sources / "LICENSE"), "mine=mine", *words], tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("dstok-models-") and error in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("version", ["2", "1.0", "2026.01.05", "1!1.0a1", "1.0rc2.post1.dev3+local.7"])
def test_versions(version: str, sources: Path, tmp_path: Path) -> None:
    package = Package(NAME, version, "(MIT OR Apache-2.0+) AND LicenseRef-Mine", (sources / "LICENSE",))
    write_package(tmp_path / "out", package, [source_of(f"mine={sources / 'mine'}")])
    assert f'version = "{version}"' in (tmp_path / "out" / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a folder of Linux that nobody may write to")
def test_a_folder_that_may_not_be_written_to(sources: Path) -> None:
    done = made(["--package", NAME, "--licence", "MIT", "--licence-file", str(sources / "LICENSE"),
                 f"mine={sources / 'mine'}"], Path("/proc"))
    assert done.returncode == 2 and done.stderr.startswith(f"{NAME}: [Errno ") and done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="no such signals here")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(sent: signal.Signals, code: int, sources: Path, tmp_path: Path) -> None:
    """When all but the last file is written: nothing of it stays."""
    program = ("import os, signal, sys, time; from dstok.models import build, package_writer\n"
               "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # what runs in the background ignores it
               f"def copyfile(*_): assert os.listdir(); os.kill(os.getpid(), {sent.value}); time.sleep(60)\n"
               "package_writer.shutil.copyfile = copyfile\nsys.exit(build.main())")
    words = ["--package", NAME, "--licence", "MIT", "--licence-file", str(sources / "LICENSE"), f"mine={sources / 'mine'}"]
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "") and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("package", "models", "error"), [
    ("mine", ["mine=mine"], "expected a package's name like dstok-models-mine, found 'mine'"),
    (NAME, ["deepseek-v3=mine"], "expected a name that no built-in model has, found 'deepseek-v3'"),
    (NAME, ["mine,DeepSeek-Chat=mine"], "expected a name that no built-in model has, found 'deepseek-chat'"),
    (NAME, ["mine=mine", "a,Mine=mine"], "expected each name once, found 'mine' again"),
    (NAME, ["a/b=mine"], "expected a model's name of small letters"),
    (NAME, ["../mine=mine"], "expected a model's name of small letters"),
    (NAME, ["mine,a/b/c=mine"], "expected a model's name of small letters"),
    (NAME, ["mine.json=mine"], "expected a model's name of small letters"),
    (NAME, ["index=mine"], "expected a model's name of small letters"),
    (NAME, ["mine="], "expected NAME=FOLDER, found 'mine='"),
    (NAME, ["mine"], "expected NAME=FOLDER, found 'mine'"),
    (NAME, ["mine=mine", "b=missing"], "No such file or directory: .*missing"),
    (NAME, ["mine=mine", "b=wordpiece"], r"expected|found"),
])
def test_refused(package: str, models: list[str], error: str, sources: Path, tmp_path: Path) -> None:
    """Nothing is written then."""
    (tmp_path / "wordpiece").mkdir()
    (tmp_path / "wordpiece" / "tokenizer.json").write_text('{"model": {"type": "WordPiece"}}')
    shutil.copytree(sources / "mine", tmp_path / "mine")
    with pytest.raises((dstok.DstokError, ValueError, OSError), match=error):  # noqa: PT012 - either of them
        found = [source_of(model) for model in models]
        write_package(tmp_path / "out", Package(package, "1.0.0", "MIT", (sources / "LICENSE",)),
                      [source._replace(folder=tmp_path / source.folder) for source in found])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there(sources: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a folder that is not there yet, found"):
        write_package(tmp_path, Package(NAME, "1.0.0", "MIT", (sources / "LICENSE",)), [source_of("mine=mine")])


def test_licences_of_one_file_name(sources: Path, tmp_path: Path) -> None:
    files = (sources / "LICENSE", sources / "mine" / "LICENSE")
    with pytest.raises(ValueError, match="expected licences in files of names of their own, found LICENSE, LICENSE"):
        write_package(tmp_path / "out", Package(NAME, "1.0.0", "MIT", files), [source_of("mine=mine")])
