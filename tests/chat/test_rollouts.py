"""Rows of rollouts, as docs/tutorials/rollouts.md makes them, beside those of transformers, TRL and verl.

TRL and verl need PyTorch, and are not installed by the extra `dev`: their tests run by hand, with TRL 1.16.0 and verl
0.9.1. verl's row is made by the method of its worker that gets what an agent loop returns.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
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


def test_rows_are_those_of_trl(page: dict[str, Any]) -> None:
    sft_trainer = pytest.importorskip("trl.trainer.sft_trainer", reason="needs TRL, which needs PyTorch")
    collate = sft_trainer.DataCollatorForLanguageModeling(pad_token_id=0)
    expected = collate([{"input_ids": one.ids, "labels": one.labels.tolist()} for one in page["done"]])
    rows = page["rows_on_the_right"](page["done"], 0)
    assert rows.keys() == {*expected}
    for name, row in rows.items():
        assert np.array_equal(row, expected[name].numpy()), name


def test_rows_are_those_of_verl(page: dict[str, Any]) -> None:
    agent_loop = pytest.importorskip("verl.experimental.agent_loop.agent_loop", reason="needs verl, which needs PyTorch")
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")

    class Worker(agent_loop.AgentLoopWorker):  # type: ignore[misc, name-defined]
        """Pads as verl's worker, without its servers."""

        def __init__(self) -> None:
            self.tokenizer = transformers.PreTrainedTokenizerFast(
                tokenizer_object=tokenizers.Tokenizer(tokenizers.models.WordLevel({"<pad>": 0}, "<pad>")), pad_token="<pad>")
            self.rollout_config = SimpleNamespace(prompt_length=32, response_length=64)
            self.processor = self.reward_loop_worker_handles = None

        async def _compute_score(self, outputs: Any, kwargs: Any) -> None: ...

        async def _compute_teacher_logprobs(self, output: Any, **kwargs: Any) -> None: ...

        def _get_mm_processor_kwargs(self, audios: Any) -> dict[str, Any]:
            return {}

    async def collated() -> Any:
        worker, rows = Worker(), []
        for one in page["done"]:
            prompt_ids, response_ids, response_mask = page["prompt_and_response"](one)
            output = agent_loop.AgentLoopOutput(prompt_ids=prompt_ids, response_ids=response_ids,
                                                response_mask=response_mask, metrics=agent_loop.AgentLoopMetrics())
            rows.append(await worker._agent_loop_postprocess(output, False, raw_prompt=[]))
        return worker._postprocess(rows).batch

    expected = asyncio.run(collated())
    rows = page["padded"](page["done"], 0, 32, 64)
    assert rows.keys() == {*expected.keys()}
    for name, row in rows.items():
        assert np.array_equal(row, expected[name].numpy()), name


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
