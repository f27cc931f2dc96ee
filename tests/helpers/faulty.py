"""A model whose normalizer fails on demand, in the middle of a call.

In: nothing. Out: a tokenizer, and the `Fault` that a test switches on and off.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from small_models import added_token, model_json

import dstok

STEPS = [{"type": "Lowercase"}, {"type": "NFC"}]


class Fault:
    """A step of a normalizer that fails once it has been armed."""

    def __init__(self) -> None:
        self.act: Callable[[], Any] = lambda: None

    def __call__(self, text: str, sources: list[int] | None, most: int) -> tuple[str, list[int] | None]:
        self.act()
        return text, sources


def faulty() -> tuple[dstok.Tokenizer, Fault]:
    """A model whose normalizer runs in Python, and a step of it."""
    file = json.loads(model_json([(b"a", b"b"), (b"ab", b"a")], [added_token("<x>", normalized=False)]))
    tok = dstok.Tokenizer.from_str(json.dumps({**file, "normalizer": {"type": "Sequence", "normalizers": STEPS}}))
    fault = Fault()
    tok._normalizer.chain._steps.append(("$.planted", fault))  # type: ignore[union-attr]
    return tok, fault
