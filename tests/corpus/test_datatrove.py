"""datatrove's own step and dstok's write the same files: of ids of four bytes, and, of a small vocabulary, of two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from corpora_made import checksums, many
from real_models import real_json
from smaller_models import smaller_json

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

    from dstok.corpus.datatrove_step import DocumentTokenizer

    if "save_filename" in options:
        Path("tokenizer.json").write_text(real_json(MODEL), encoding="utf-8")
    stock, ours = (str(Path(name).resolve()) for name in ("stock", "dstok"))  # fsspec remembers what "stock" was before
    write(tokens.DocumentTokenizer(stock, "tokenizer.json", **options))
    write(DocumentTokenizer(ours, "tokenizer.json", special="all", **options))
    assert checksums(Path("dstok")) == checksums(Path("stock")) and len(checksums(Path("stock"))) == 3


def test_what_it_cannot_do() -> None:
    from dstok.corpus.datatrove_step import DocumentTokenizer

    with pytest.raises(ValueError, match="save_loss_metadata"):
        DocumentTokenizer("out", "tokenizer.json", save_loss_metadata=True)
    with pytest.raises(ValueError, match="expected an added token of tokenizer.json as eos_token, found '<eos>'"):
        write(DocumentTokenizer("out", "tokenizer.json", eos_token="<eos>"))
