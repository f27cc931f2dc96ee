"""Rows of rollouts, as docs/tutorials/rollouts.md makes them, beside those of transformers' own collator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "rollouts.md"


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The names that the page's blocks define."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
        exec(block, names)
    return names


def test_rows_are_those_of_the_collator(page: dict[str, Any]) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    padding = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(tokenizers.models.WordLevel({"<pad>": 0}, "<pad>")), pad_token="<pad>")
    collate = transformers.DataCollatorForSeq2Seq(padding, return_tensors="np")
    expected = collate([{"input_ids": one.ids, "labels": one.labels.tolist(), "attention_mask": [1] * len(one.ids)}
                        for one in page["done"]])
    rows = page["rows_on_the_right"](page["done"], 0)
    assert rows.keys() == {*expected}
    for name, row in rows.items():
        assert np.array_equal(row, expected[name]), name


def test_prompt_and_response(page: dict[str, Any]) -> None:
    """Without padding, each row is its conversation; positions count its ids; the mask covers the sampled ones."""
    batch = page["batch"]
    for row, one in enumerate(page["done"]):
        real = batch["attention_mask"][row] == 1
        assert batch["input_ids"][row][real].tolist() == one.ids
        assert batch["position_ids"][row][real].tolist() == [*range(len(one.ids))]
        assert batch["response_mask"][row].sum() == one.sampled.sum()
    width = batch["responses"].shape[1]
    assert np.array_equal(batch["responses"], batch["input_ids"][:, -width:])
