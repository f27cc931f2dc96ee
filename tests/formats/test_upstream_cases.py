"""The recorded calls of upstream's own tests: each tokenizer is refused by name, or its calls give what upstream gave."""

from __future__ import annotations

import json
from typing import Any

from shared_data import shared

import dstok
from dstok.errors import DstokError, TokenizerFileError, UnsupportedError


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared("fixtures/upstream_cases.json").read_text(encoding="utf-8"))
    return found


def load(file: Any) -> dstok.Tokenizer | DstokError:
    try:
        return dstok.Tokenizer.from_str(file if isinstance(file, str) else json.dumps(file))
    except DstokError as error:
        return error


def answer(tok: dstok.Tokenizer, case: dict[str, Any]) -> Any:
    """What dstok gives for a call, and what upstream gave, as far as dstok has it."""
    args, expected = case["args"], case["expected"]
    if case["op"] == "encode":
        found = tok.encode_with_offsets(args[0])
        return ((found.ids.tolist(), list(map(tuple, found.char_spans.tolist()))),
                (expected["ids"], list(map(tuple, expected["offsets"]))))
    raise AssertionError(f"no recorded {case['op']} was of a tokenizer that dstok loads; now one is: compare it here")


def test_tokenizers() -> None:
    """What is refused says what and where; nothing that loads gives other ids or spans than upstream."""
    data = recorded()
    loaded = {name: load(file) for name, file in data["tokenizers"].items()}
    refused = [found for found in loaded.values() if isinstance(found, DstokError)]
    assert len(refused) == len(loaded) - 1
    for error in refused:
        assert isinstance(error, (UnsupportedError, TokenizerFileError))
        assert " - at $." in str(error)
    compared = 0
    for case in data["cases"]:
        tok = loaded.get(case.get("tokenizer"))
        if isinstance(tok, dstok.Tokenizer):
            own, theirs = answer(tok, case)
            assert own == theirs, case
            compared += 1
    assert compared
