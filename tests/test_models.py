"""The built-in models' names: what there is, what is not shipped and why, what is misspelled."""

from __future__ import annotations

import pytest
from real_models import FOLDERS, real_json

import dstok
from dstok.errors import ModelNotFoundError


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


@pytest.mark.parametrize("name", ["deepseek-ocr", "deepseek-r1-distill-qwen"])
def test_is_what_the_file_says(name: str) -> None:
    """A model of each image gives the ids of its file, and its record names that file."""
    info = {info.name: info for info in dstok.models()}[name]
    assert FOLDERS.get(name, name) in info.source and info.licence
    built_in, read = dstok.load(name), dstok.Tokenizer.from_str(real_json(name))
    text = "naïve cafe\u0301 12345\r\n 中文\u00a0<｜User｜> <|grounding|> A\u030a" + "".join(built_in.special_tokens)
    assert built_in.encode(text) == read.encode(text)
