"""What needs a package of an extra says what to install where the package is missing."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
from real_models import V3 as TOK

from dstok.cli.app import main

LATE = {"xgrammar": "tokenizer_info"}  # import their library when they are called


@pytest.mark.parametrize(("name", "package"), [
    ("tiktoken", "tiktoken"), ("transformers", "tokenizers"), ("transformers", "transformers"), ("llguidance", "llguidance"),
    ("xgrammar", "xgrammar")])
def test_what_to_install(monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    if name not in LATE:
        monkeypatch.delitem(sys.modules, f"dstok.integrations.{name}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError) as raised:  # noqa: PT012 - some modules are imported without it
        module = import_module(f"dstok.integrations.{name}")
        getattr(module, LATE[name])(TOK)
    expected = f'dstok.integrations.{name} needs {package}, found none: pip install "dstok[{name}]"'
    assert (str(raised.value), raised.value.name) == (expected, package)


@pytest.mark.parametrize("name", ["strategies"])
def test_testing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delitem(sys.modules, f"dstok.conformance.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ModuleNotFoundError) as raised:
        import_module(f"dstok.conformance.{name}")
    assert str(raised.value) == f'dstok.conformance.{name} needs hypothesis, found none: pip install "dstok[testing]"'


def test_gguf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    expected = 'writing GGUF needs gguf, found none: pip install "dstok[gguf]"'
    with pytest.raises(ModuleNotFoundError) as raised:
        TOK.to_gguf(tmp_path / "x.gguf")
    with pytest.raises(SystemExit) as ended:
        sys.exit(main(["convert", "deepseek-v3", str(tmp_path / "x.gguf")]))
    assert (str(raised.value), ended.value.code) == (expected, 2)
    assert capsys.readouterr().err == f"dstok: {expected}\n"
    assert not list(tmp_path.iterdir())
