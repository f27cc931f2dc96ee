"""The example tokenizer that examples/conformance/test_my_tokenizer.py tests."""

from __future__ import annotations

import dstok


class MyTokenizer:
    """A stand-in for your tokenizer: any object with `encode`."""

    def __init__(self) -> None:
        self._tokenizer = dstok.load("deepseek-v3")

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        return self._tokenizer.encode(text)


class CarelessTokenizer(MyTokenizer):
    """The same with a fault: it strips white space."""

    def encode(self, text: str) -> list[int]:
        return super().encode(text.strip())
