"""Conversations in Arrow: each row is what `dstok.chat.encode` gives."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

import dstok
from dstok import arrow, chat

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TALKS: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "Hello <｜User｜>"}, {"role": "assistant", "content": "Hi", "reasoning_content": "Hm"}],
    [{"role": "user", "content": "So?"}, {"role": "assistant", "content": None, "tool_calls": [CALL]},
     {"role": "tool", "content": "1", "tool_call_id": "c"}],
]


@pytest.mark.parametrize("version", ["v3.1", "v3.2", "v4-0731"])
@pytest.mark.parametrize("kind", ["list", "structs", "chunks", "json"])
def test_rows_are_those_of_encode(version: chat.VersionName, kind: str) -> None:
    tok = dstok.load({"v3.1": "deepseek-v3.1", "v3.2": "deepseek-v3.2"}.get(version, "deepseek-v4"))
    given: Any = [*TALKS, None]
    if kind in ("structs", "chunks"):
        given = pa.chunked_array([pa.array(given)]) if kind == "chunks" else pa.array(given)
    if kind == "json":
        given = pa.array([None if talk is None else json.dumps(talk) for talk in given])
    table = arrow.conversations(tok, given, version, add_generation_prompt=False)
    wanted = [chat.encode(tok, talk, version, add_generation_prompt=False) for talk in TALKS]
    assert table.column_names == ["input_ids", "labels", "message_index"]
    assert table["input_ids"].to_pylist() == [*(one.ids for one in wanted), None]
    assert table["labels"].to_pylist() == [*(one.labels.tolist() for one in wanted), None]
    assert table["message_index"].to_pylist() == [*(one.message_index.tolist() for one in wanted), None]


def test_errors_name_the_row() -> None:
    tok = dstok.load("deepseek-v3")
    with pytest.raises(chat.ChatError, match="message 0, field content: row 1: expected text, found None"):
        arrow.conversations(tok, [TALKS[0], [{"role": "user", "content": None}]], "v3")
    with pytest.raises(chat.ChatError, match="row 0: expected JSON"):
        arrow.conversations(tok, pa.array(["["]), "v3")
    assert arrow.conversations(tok, [], "v3").num_rows == 0
