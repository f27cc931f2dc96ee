"""The cache of compiled models: a tokenizer from it is the one of the file, and nothing that goes wrong with it is an error."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_process import DSTOK
from gguf_models import smaller_written
from images import MODELS, TEXTS, TODAY, Parts, assert_same
from real_models import real_json
from sentencepiece_bytes import model_bytes
from small_models import model_json

import dstok
from dstok import loading
from dstok._util.files import user_cache_folder
from dstok.compiled import cache as module
from dstok.compiled.cache import LIMIT, STALE, SWITCH, Cache, key_of
from dstok.core.check.proofs import checksum
from dstok.errors import ArgumentError, UnknownIdError, UnsupportedError
from dstok.formats import MODEL_FILES, SIDE_FILES
from dstok.formats.tiktoken import WRAPPERS

REAL = ("deepseek-coder-33b-base", "deepseek-v2", "glm-4")  # with a plain vocabulary, dead merges, ignore_merges
POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes are those of POSIX")
ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files to others")
NOBODY = 65534


def kimi(path: Path) -> Path:
    """A folder with a rank file, and a stand-in for the model's Python file: the texts that count."""
    path.mkdir(exist_ok=True)
    ranks = {**{bytes([byte]): byte for byte in range(256)}, b"ab": 256, b" ab": 257}
    (path / "tiktoken.model").write_bytes(b"".join(b"%s %d\n" % (b64encode(token), rank) for token, rank in ranks.items()))
    wrapper = WRAPPERS["tiktoken.model"]
    (path / wrapper.code).write_text("\n".join(wrapper.lines), encoding="utf-8")
    tokens = {str(258 + number): {"content": text, "special": True} for number, text in enumerate(("[BOS]", "[EOS]"))}
    config = {"added_tokens_decoder": tokens, "bos_token": "[BOS]", "eos_token": "[EOS]", "tokenizer_class": "TikTokenTokenizer"}
    (path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty cache."""
    monkeypatch.setenv(SWITCH, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    path.write_text(MODELS["plain"], encoding="utf-8")
    return path


def images(place: Path) -> list[Path]:
    return sorted(place.glob("*.image"))


def is_hit(path: Path, **keywords: Any) -> bool:
    """Whether a load takes the model out of the cache."""
    read, calls = loading._read, []

    def note(*given: Any, **more: Any) -> Any:
        calls.append(given)
        return read(*given, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_read", note)
        loaded = dstok.load(path, cache=True, **keywords)
    assert loaded == dstok.load(path, cache=False, **keywords)
    return not calls


def errors(tok: dstok.Tokenizer) -> list[str]:
    """What a tokenizer says of what it refuses."""
    calls: list[Callable[[], Any]] = [
        lambda: tok.replace(upstream="tokenizers-0.1"), lambda: tok.replace(eos_id=tok.vocab_size),
        lambda: tok.decode([tok.vocab_size]), lambda: tok.encode("a\ud800"), lambda: tok.encode("a", special={"?"}),
        lambda: tok.encode("a", add_bos=True, add_eos=True), lambda: tok.encode_with_offsets("\udc80"), lambda: tok.token_to_id("\x00?")]
    found = []
    for call in calls:
        try:
            found.append(repr(call()))
        except (dstok.DstokError, UnknownIdError, UnsupportedError) as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def assert_all_same(path: Path, place: Path) -> None:
    """From the file, with the cache written, and out of the cache."""
    plain, first = dstok.load(path, cache=False), dstok.load(path, cache=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_read", None)  # nothing is read
        again = dstok.load(path, cache=True)
    assert len(images(place)) == 1
    for other in (first, again):
        assert_same(plain, other, TEXTS)
        assert plain == other
        assert hash(plain) == hash(other)
        assert plain.config == other.config
        assert repr(plain) == repr(other)
        assert plain._describe() == other._describe()
        assert plain.get_vocab() == other.get_vocab()
        assert plain._image() == other._image()
        assert pickle.dumps(plain) == pickle.dumps(other)  # not a path in the cache, which may be cleared
        assert pickle.loads(pickle.dumps(other)) == plain
        assert errors(plain) == errors(other)


@pytest.mark.parametrize("name", TODAY)
def test_small_models(name: str, place: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(MODELS[name], encoding="utf-8")
    assert_all_same(tmp_path / "x.json", place)


@pytest.mark.night
@pytest.mark.parametrize("name", REAL)
def test_real_models(name: str, place: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(real_json(name), encoding="utf-8")
    assert_all_same(tmp_path, place)


@pytest.mark.parametrize("kind", ["folder", "gguf", "kimi", "sentencepiece"])
def test_other_kinds_of_files(kind: str, place: Path, tmp_path: Path) -> None:
    """With a chat template, settings of padding, names of BOS and EOS: all that a tokenizer says of itself."""
    if kind == "folder":
        (tmp_path / "tokenizer.json").write_text(MODELS["plain"], encoding="utf-8")
        config = {"bos_token": "<s>", "eos_token": "<s>", "pad_token": "<s>", "add_bos_token": True,
                  "chat_template": [{"name": "default", "template": "a"}, {"name": "tools", "template": "{{ b }}"}]}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 2], "temperature": 0.6, "x": {"y": None}}))
        path = tmp_path
    elif kind == "gguf":
        path = tmp_path / "x.gguf"
        path.write_bytes(Path(smaller_written("deepseek-v3").path).read_bytes())
    elif kind == "kimi":
        path = kimi(tmp_path)
    else:
        path = tmp_path / "tokenizer.model"
        path.write_bytes(model_bytes())
    assert_all_same(path, place)


def test_every_file_that_is_read_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, real = set[str](), builtins.open

    def note(file: Any, *given: Any, **more: Any) -> Any:
        opened.add(os.path.basename(str(file)))
        return real(file, *given, **more)

    kimi(tmp_path / "kimi")
    for name in ("json", "sentencepiece"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer_config.json").write_text("{}")
        (tmp_path / name / "added_tokens.json").write_text("{}")
    (tmp_path / "json" / "tokenizer.json").write_text(MODELS["plain"], encoding="utf-8")
    (tmp_path / "sentencepiece" / "tokenizer.model").write_bytes(model_bytes())
    for path in tmp_path.iterdir():
        (path / "chat_template.jinja").write_text("x")
        (path / "generation_config.json").write_text("{}")
    monkeypatch.setattr(builtins, "open", note)
    for path in tmp_path.iterdir():
        dstok.load(path)
    read = {name for name in opened if any((path / name).is_file() for path in tmp_path.iterdir())}
    assert {"tokenizer.json", "tokenizer_config.json", "added_tokens.json", "tokenization_kimi.py"} <= read
    assert read <= {*MODEL_FILES, *SIDE_FILES}


@pytest.mark.parametrize("name", ["tokenizer.json", *SIDE_FILES])
def test_another_content_is_another_model(name: str, model: Path) -> None:
    """Also one of the same length."""
    def key() -> str:
        found = key_of(model, None, None)
        assert found is not None and found.name
        return found.name

    keys, text = [key()], model.read_text(encoding="utf-8") if name == model.name else ""
    for end in (" ", "\n"):
        (model.parent / name).write_text(text + end, encoding="utf-8")
        keys.append(key())
    assert len({*keys}) == 3
    beside = model.parent / "other.json"  # nothing beside a file of another name is read
    beside.write_bytes(model.read_bytes())
    alone = key_of(beside, None, None)
    (model.parent / name).write_text("?")
    assert alone is not None and alone.holds(beside, None, None)


def test_what_else_decides(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def name(*facts: Any) -> str:
        found = key_of(model, *facts)
        assert found is not None
        return found.name

    names = [name(None, None), name("gpt2", None), name(None, "tokenizers-0.21.1")]
    for owner, attribute, value in ((dstok, "__version__", "9"), (module, "TABLES_FORMAT", 99), (module, "IMAGE_FORMAT", 99),
                                    (module, "NEWEST_UPSTREAM", "x"), (sys, "byteorder", "middle"), (module, "_code", lambda: ())):
        with monkeypatch.context() as patch:
            patch.setattr(owner, attribute, value)
            names.append(name(None, None))
    assert len(set(names)) == len(names)
    assert name(None, None) == names[0]


def test_upstream(model: Path, place: Path) -> None:
    assert not is_hit(model)
    assert not is_hit(model, upstream="tokenizers-1.0.0rc3")
    assert is_hit(model)
    assert is_hit(model, upstream="tokenizers-1.0.0rc3")
    assert len(images(place)) == 2


def test_the_modules_that_make_tables_are_in_the_key() -> None:
    names = {path for path, _, _ in module._code()}
    assert {os.path.join("compiled", "build.py"), os.path.join("unicode", "ucd.jsonl")} <= names
    assert any("tables" in name and name.endswith((".so", ".pyd")) for name in names)


# Switches


def test_it_is_off_unless_it_is_wanted(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "user_cache_folder", lambda: str(tmp_path / "home"))
    for value, wanted in (("", None), ("0", None), ("1", False), (str(tmp_path / "home" / "dstok"), False)):
        monkeypatch.setenv(SWITCH, value)
        dstok.load(model, cache=wanted)
        assert not (tmp_path / "home").exists()
    monkeypatch.setenv(SWITCH, "1")
    dstok.load(model)
    assert len(images(tmp_path / "home" / "dstok")) == 1
    monkeypatch.setenv(SWITCH, "0")
    assert is_hit(model)  # an argument counts more


@pytest.mark.parametrize(("variable", "value", "message"), [
    (SWITCH, "off", "expected DSTOK_CACHE to be 0, 1 or the path of a folder, such as ./off, found 'off'"),
    (LIMIT, "much", "expected DSTOK_CACHE_MB to be a number of megabytes, found 'much'"),
])
def test_wrong_settings(variable: str, value: str, message: str, model: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ArgumentError) as caught:
        dstok.load(model, cache=True)
    assert str(caught.value) == message
    assert dstok.load(model, cache=False).vocab_size


def test_an_argument_of_another_type(model: Path) -> None:
    with pytest.raises(ArgumentError, match="expected True, False or None, found 'yes'"):
        dstok.load(model, cache="yes")  # type: ignore[arg-type]


@POSIX
@pytest.mark.parametrize(("platform", "variables", "folder"), [
    ("linux", {"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x"), ("linux", {"XDG_CACHE_HOME": "x", "HOME": "/h"}, "/h/.cache"),
    ("linux", {"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache"), ("darwin", {"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/h/Library/Caches"),
    ("win32", {"LOCALAPPDATA": "/w", "HOME": "/h"}, "/w"), ("win32", {"LOCALAPPDATA": ""}, None), ("linux", {"XDG_CACHE_HOME": "", "HOME": "h"}, None),
])
def test_the_folder_of_each_system(
    platform: str, variables: dict[str, str], folder: str | None, monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert user_cache_folder() == folder


def test_no_folder(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
    monkeypatch.setattr(module, "user_cache_folder", lambda: None)
    assert not is_hit(model)
    assert not is_hit(model)
    assert Cache().entries() == [] and Cache().clear() == 0


def test_a_folder_on_a_disk_that_is_not_there(model: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the folder above a drive is the drive, whether it is there or not."""
    def stat(path: Any, **_: Any) -> Any:
        raise FileNotFoundError(path)

    cache = Cache()
    monkeypatch.setattr(os.path, "exists", lambda _: False)
    monkeypatch.setattr(os, "stat", stat)
    assert not cache._make_folder()


# What is no regular file, or changes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_read_once(model: Path, place: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    child = os.fork()
    if not child:
        (tmp_path / "pipe").write_bytes(model.read_bytes())
        os._exit(0)
    assert dstok.load(tmp_path / "pipe", cache=True) == dstok.load(model, cache=False)
    os.waitpid(child, 0)
    assert not place.exists()


def test_images_and_large_files_are_not_kept(model: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dstok.load(model, cache=False).to_image(tmp_path / "x.image")
    assert not is_hit(tmp_path / "x.image")
    monkeypatch.setattr(module, "MAX_FILE", 1000)
    assert not is_hit(model)
    assert not images(place)


def test_a_file_that_changes_while_it_is_read(model: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = loading._read

    def change(*given: Any, **more: Any) -> Any:
        model.write_text(MODELS["holes"], encoding="utf-8")
        made = read(*given, **more)
        model.write_text(MODELS["plain"], encoding="utf-8")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_read", change)
        dstok.load(model, cache=True)
    assert not images(place)
    assert not is_hit(model)


@POSIX
def test_a_file_that_was_not_written_lately_is_hashed_once(model: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then another state tells of each change, also where the contents are the same again; else the contents tell."""
    read, hashed = loading._read, list[int]()

    def key(*given: Any) -> Any:
        hashed.append(1)
        return key_of(*given)

    def touch(*given: Any, **more: Any) -> Any:
        os.utime(model)
        return read(*given, **more)

    monkeypatch.setattr(module, "key_of", key)
    for settled, changes, times, kept in ((0, False, 1, 1), (1 << 62, False, 2, 1), (0, True, 1, 0)):
        monkeypatch.setattr(module, "SETTLED", settled)
        monkeypatch.setattr(loading, "_read", touch if changes else read)
        hashed.clear()
        dstok.load(model, cache=True)
        assert (len(hashed), len(images(place))) == (times, kept)
        Cache().clear()


@pytest.mark.parametrize("error", [MemoryError, RecursionError, ValueError])
def test_a_model_that_no_image_can_hold(error: type[Exception], model: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as settings that are nested as deeply as JSON is read, which an image nests somewhat deeper."""
    def refuse(*_: Any) -> bytes:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(loading, "image_parts_of", refuse)
        assert not is_hit(model)
    assert not images(place)
    assert not is_hit(model)
    assert is_hit(model)


# What is wrong with an entry or the folder


def kept(model: Path, place: Path) -> Path:
    dstok.load(model, cache=True)
    [image] = images(place)
    assert is_hit(model)
    return image


@pytest.mark.parametrize("damage", ["empty", "short", "cut", "byte", "header", "other", "longer"])
def test_a_damaged_entry(damage: str, model: Path, place: Path, tmp_path: Path) -> None:
    image = kept(model, place)
    data = image.read_bytes()
    flipped = bytearray(data)
    flipped[48 + int.from_bytes(data[12:16], "little")] ^= 1  # after the header's JSON: only the checksum covers it
    image.write_bytes({"empty": b"", "short": data[:20], "cut": data[:-5000], "byte": bytes(flipped), "longer": data + b"\0",
                       "header": data[:60] + b"?" + data[61:], "other": b"{}"}[damage])
    assert not is_hit(model)
    assert image.read_bytes() == data
    assert is_hit(model)


def test_the_checksum_tells_of_each_bit() -> None:
    data = bytearray(os.urandom(100))
    whole = checksum(data)
    found = {whole, checksum(data[:-1]), checksum(data + b"\0"), checksum(b""), checksum(bytes(32)), checksum(bytes(64))}
    for bit in range(8 * len(data)):
        data[bit >> 3] ^= 1 << (bit & 7)
        found.add(checksum(data))
        data[bit >> 3] ^= 1 << (bit & 7)
    assert len(found) == 6 + 8 * len(data) and len(whole) == 32
    assert checksum(data) == whole


def test_a_forged_entry(model: Path, place: Path) -> None:
    """Its checksum is right, its tables would crash."""
    image = kept(model, place)
    data, parts = image.read_bytes(), Parts(image)
    parts.words("starts", 40, 0xFFFFFFFF)
    parts.write(image, checksum)
    assert not is_hit(model)
    assert image.read_bytes() == data
    assert is_hit(model)


@POSIX
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_an_entry_that_others_may_write(mode: int, model: Path, place: Path) -> None:
    image = kept(model, place)
    image.chmod(mode)
    assert not is_hit(model)
    assert image.stat().st_mode & 0o777 == 0o600
    assert is_hit(model)


@POSIX
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write(mode: int, model: Path, place: Path) -> None:
    image = kept(model, place)
    place.chmod(mode)
    assert not is_hit(model)
    assert Cache().entries() == [] and Cache().clear() == 0 and image.exists()
    image.unlink()
    assert not is_hit(model)
    assert not images(place)
    place.chmod(0o700)
    assert not is_hit(model)
    assert is_hit(model)


@ROOT
def test_an_entry_of_another_user(model: Path, place: Path) -> None:
    image = kept(model, place)
    os.chown(image, NOBODY, -1)
    assert not is_hit(model)
    assert image.stat().st_uid == 0
    assert is_hit(model)


@ROOT
def test_a_folder_of_another_user(model: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(model, place)
    os.chown(place, NOBODY, -1)
    assert not is_hit(model)
    assert Cache().entries() == []
    home = tmp_path / "home"  # of a user who calls sudo
    home.mkdir()
    os.chown(home, NOBODY, -1)
    monkeypatch.setenv(SWITCH, str(home / ".cache" / "dstok"))
    assert not is_hit(model)
    assert list(home.iterdir()) == []


@POSIX
def test_a_link_is_not_followed(model: Path, place: Path, tmp_path: Path) -> None:
    image = kept(model, place)
    elsewhere = tmp_path / "elsewhere"
    image.rename(elsewhere)
    data = elsewhere.read_bytes()
    image.symlink_to(elsewhere)
    assert not is_hit(model)
    assert not image.is_symlink() and image.read_bytes() == data
    elsewhere.write_bytes(b"?")
    assert is_hit(model)


@POSIX
@pytest.mark.parametrize("what", ["pipe", "folder"])
def test_something_else_in_its_place(what: str, model: Path, place: Path) -> None:
    image = kept(model, place)
    image.unlink()
    os.mkfifo(image) if what == "pipe" else image.mkdir()
    assert not is_hit(model)
    assert is_hit(model) == (what == "pipe")


@POSIX
def test_users_with_an_open_umask(model: Path, place: Path) -> None:
    before = os.umask(0)
    try:
        image = kept(model, place)
    finally:
        os.umask(before)
    assert (image.stat().st_mode & 0o777, place.stat().st_mode & 0o777) == (0o600, 0o700)


def in_child(task: Callable[[], Any]) -> int:
    """The exit code of a child that runs it."""
    child = os.fork()
    if not child:
        try:
            task()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@ROOT
@pytest.mark.parametrize("where", ["/", "read-only"])
def test_a_home_that_cannot_be_written(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        home = Path(top) / "home"
        home.mkdir(0o555)
        model = Path(top) / "tokenizer.json"
        model.write_text(MODELS["plain"], encoding="utf-8")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert dstok.load(model, cache=True) == dstok.load(model, cache=False)  # reads all of dstok's that the child needs
        monkeypatch.setenv("XDG_CACHE_HOME", where if where == "/" else str(home))
        monkeypatch.setenv(SWITCH, "1")

        def load() -> None:
            os.setuid(NOBODY)
            assert dstok.load(model) == dstok.load(model, cache=False)

        assert in_child(load) == 0
        assert list(home.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no limits of files")
def test_a_full_disk(model: Path, place: Path) -> None:
    """Each file may have 100,000 bytes only, so that writing fails in the middle."""
    import resource

    def load() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        assert dstok.load(model, cache=True) == dstok.load(model, cache=False)

    assert in_child(load) == 0
    assert list(place.iterdir()) == []
    assert not is_hit(model)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no signals that kill")
def test_a_killed_writer(model: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        monkeypatch.setattr(os, "replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        dstok.load(model, cache=True)

    assert in_child(load) == -signal.SIGKILL
    [left] = place.iterdir()
    assert left.suffix == ".tmp"
    assert not is_hit(model)
    assert left.exists()  # it may be of a process that still writes
    os.utime(left, (time.time() - STALE - 60,) * 2)
    other = tmp_path / "other.json"
    other.write_text(MODELS["holes"], encoding="utf-8")
    assert not is_hit(other)
    assert not left.exists()
    assert is_hit(model) and is_hit(other)


def test_ctrl_c_while_it_writes(model: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", press)
        with pytest.raises(KeyboardInterrupt):
            dstok.load(model, cache=True)
    assert list(place.iterdir()) == []


def test_ten_processes_at_once(model: Path, place: Path) -> None:
    code = ("import dstok, sys; tok = dstok.load(sys.argv[1], cache=True); sys.stdin.read(1); "
            "tok = dstok.load(sys.argv[1], cache=True); print(tok.fingerprint, tok.encode('ab ab'))")
    children = [subprocess.Popen([sys.executable, "-c", code, str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                for _ in range(10)]
    said = {child.communicate(b"\n", timeout=300)[0] for child in children}
    tok = dstok.load(model)
    assert said == {f"{tok.fingerprint} {tok.encode('ab ab')}\n".encode().replace(b"\n", os.linesep.encode())}
    assert len(list(place.iterdir())) == 1
    assert is_hit(model)


def test_it_is_bounded(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was not used for the longest time goes; one that is too large alone is not kept."""
    paths = []
    for number in range(4):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(model_json(holes=number), encoding="utf-8")
    assert not is_hit(paths[0])
    size = images(place)[0].stat().st_size
    megabytes = -(-3 * size // 10**6)
    assert megabytes * 10**6 < 4 * size
    monkeypatch.setenv(LIMIT, str(megabytes))
    assert not is_hit(paths[1]) and not is_hit(paths[2])
    for image, age in zip(sorted(images(place), key=lambda each: each.stat().st_mtime_ns), (300, 200, 100)):
        os.utime(image, (time.time() - age,) * 2)
    assert is_hit(paths[0])  # now paths[1] is the oldest
    assert not is_hit(paths[3])
    assert len(images(place)) == 3
    assert is_hit(paths[0]) and is_hit(paths[2]) and is_hit(paths[3])
    monkeypatch.setenv(LIMIT, "0")
    assert not is_hit(paths[1])
    assert len(images(place)) == 3


# The command


def command(*words: str, home: Path, **variables: str) -> Any:
    environment = {name: value for name, value in os.environ.items() if name not in (SWITCH, LIMIT)}
    environment |= {"XDG_CACHE_HOME": str(home), "HOME": str(home), "LOCALAPPDATA": str(home), **variables}
    return subprocess.run([*DSTOK, *words], capture_output=True, timeout=300, env=environment)


def test_the_command(model: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "text").write_text("ab ab é12")
    count = ("count", "--model", str(model), str(tmp_path / "text"))
    off = command(*count, home=home, DSTOK_CACHE="0")
    assert off.returncode == 0 and not home.exists()
    for _ in range(2):
        done = command(*count, home=home)
        assert (done.returncode, done.stdout, done.stderr) == (0, off.stdout, b"")
    shown = json.loads(command("cache", "--json", home=home).stdout)
    [entry] = shown["entries"]
    assert entry["model"] == str(model)
    assert entry["size"] == shown["size"] == Path(entry["image"]).stat().st_size
    assert shown["limit"] == 500_000_000 and Path(entry["image"]).parent == Path(shown["path"])
    assert abs(entry["last_used"] - time.time()) < 600
    words = command("cache", home=home).stdout.decode()
    assert str(model) in words and words.splitlines()[0].endswith("of 500 MB, models: 1")
    (Path(shown["path"]) / ".dstok-0011223344556677.tmp").write_bytes(b"left behind")
    (Path(shown["path"]) / "notes.image").write_bytes(b"not ours")
    assert json.loads(command("cache", "clear", "--json", home=home).stdout) == {"path": shown["path"], "removed": 1}
    assert os.listdir(shown["path"]) == ["notes.image"]
    assert json.loads(command("cache", "--json", home=home).stdout)["entries"] == []
    assert command("cache", "clear", home=home).stdout.decode().endswith("models removed: 0\n")


def test_a_wrong_setting_is_an_error_of_the_command(model: Path, tmp_path: Path) -> None:
    done = command("count", "--model", str(model), "--text", "a", home=tmp_path, DSTOK_CACHE="off")
    assert done.returncode == 2
    assert done.stderr.startswith(b"dstok: expected DSTOK_CACHE to be 0, 1 or the path of a folder")
