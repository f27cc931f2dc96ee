"""datatrove's own step and that of docs/corpora.md write the same files: ids of four bytes, or, of few tokens, of two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from corpora_made import checksums, many
from real_models import real_json
from recipes import recipe
from smaller_models import smaller_json

from dstok.errors import UnknownTokenError

MODEL, EOS = "deepseek-llm-7b-base", "<｜end▁of▁sentence｜>"


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datatrove")  # here, not above: its import takes a second and 50 MB of each process
    monkeypatch.chdir(tmp_path)
    Path("tokenizer.json").write_text(smaller_json(MODEL), encoding="utf-8")


def write(step: Any) -> None:
    from datatrove.data import Document

    step.run((Document(text=text, id=str(i)) for i, text in enumerate(many(500))), 0, 1)


@pytest.mark.parametrize("options", [
    {"shuffle_documents": False}, {"seed": 3, "eos_token": EOS, "batch_size": 99},
    {"seed": 3, "shuffle_chunk_size": 64, "eos_token": EOS}, {"shuffle_documents": False, "save_filename": "name"},
], ids=str)
def test_same_bytes(options: dict[str, Any]) -> None:
    from datatrove.pipeline import tokens

    if "save_filename" in options:
        Path("tokenizer.json").write_text(real_json(MODEL), encoding="utf-8")
    stock, ours = (str(Path(name).resolve()) for name in ("stock", "dstok"))  # fsspec remembers what "stock" was before
    write(tokens.DocumentTokenizer(stock, "tokenizer.json", **options))
    step = recipe("datatrove").DocumentTokenizer(ours, "tokenizer.json", **options)
    step.special = "all"
    write(step)
    assert checksums(Path("dstok")) == checksums(Path("stock")) and len(checksums(Path("stock"))) == 3


def test_an_end_that_is_no_token() -> None:
    step = recipe("datatrove").DocumentTokenizer("out", "tokenizer.json", eos_token="<eos>")
    with pytest.raises(UnknownTokenError, match="no token is '<eos>'"):
        write(step)
