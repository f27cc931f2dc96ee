"""Integrations whose library is missing say what to install."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest
from real_models import V3 as TOK

LATE = {"outlines": "vocabulary", "xgrammar": "tokenizer_info"}  # import their library when they are called


@pytest.mark.parametrize(("name", "package"), [
    ("tiktoken", "tiktoken"), ("transformers", "tokenizers"), ("transformers", "transformers"), ("llguidance", "llguidance"),
    ("outlines", "outlines_core"), ("xgrammar", "xgrammar")])
def test_what_to_install(monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    if name not in LATE:
        monkeypatch.delitem(sys.modules, f"dstok.integrations.{name}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError) as raised:
        module = import_module(f"dstok.integrations.{name}")
        getattr(module, LATE[name])(TOK)
    expected = f'dstok.integrations.{name} needs {package}, found none: pip install "dstok[{name}]"'
    assert (str(raised.value), raised.value.name) == (expected, package)
