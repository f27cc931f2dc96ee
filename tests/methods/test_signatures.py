"""What `help`, an editor and a type checker see of the calls: keywords, their values, and the same in stub and module."""

from __future__ import annotations

import ast
import doctest
import inspect
import os
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_models import V3 as TOK

import dstok
from dstok.core.encode import encoder
from dstok.core.encode.encoder import LineEncoder
from dstok.protocols import TokenizerProtocol

CALLS = ["encode", "encode_array", "count", "encode_batch", "encode_batch_arrays", "encode_segments", "encode_segments_batch", "count_batch", "encode_with_offsets",
         "truncate", "chunk", "chunk_spans", "encode_stream", "pad_batch", "overflow"]
PAIRS = ["encode_pair", "pair_overflow", "pad_pairs"]


def named(call: str) -> Any:
    """A call of a tokenizer, or of `dstok.padding`."""
    return getattr(dstok.padding if hasattr(dstok.padding, call) else TOK, call)


COMPILED = ["encode", "encode_array", "count"]


def followed(tokenizer: dstok.Tokenizer) -> TokenizerProtocol:
    """mypy reports here a signature of `Tokenizer` that differs from the protocol's."""
    return tokenizer


@pytest.mark.parametrize("call", CALLS)
def test_keywords_of_every_encoding_call(call: str) -> None:
    found = inspect.signature(named(call)).parameters
    for name, default in (("special", "all"), ("add_bos", False), ("add_eos", False), ("errors", "strict")):
        assert (found[name].kind, found[name].default) == (inspect.Parameter.KEYWORD_ONLY, default)


def test_the_surface_is_that_of_the_design() -> None:
    """A new public member is a decision: it belongs to a module of functions, unless every tokenizer needs it."""
    for thing, count in ((dstok.Tokenizer, 39), (dstok.Splitter("a"), 22), (dstok, 28)):
        assert len([name for name in dir(thing) if not name.startswith("_")]) == count


def test_calls_that_lack_a_keyword_say_why() -> None:
    assert inspect.signature(TOK.encode_incremental).parameters.keys() == {"special", "add_bos", "errors"}
    assert "no `add_eos`" in pydoc.render_doc(TOK.encode_incremental)


@pytest.mark.parametrize("call", PAIRS)
def test_keywords_of_calls_for_pairs(call: str) -> None:
    found = inspect.signature(named(call)).parameters
    for name, default in (("special", "all"), ("add_special_tokens", True), ("errors", "strict")):
        assert (found[name].kind, found[name].default) == (inspect.Parameter.KEYWORD_ONLY, default)


@pytest.mark.parametrize("call", [*CALLS, *PAIRS[:1], "encode_incremental"])
def test_help_tells_the_keywords_or_where_they_stand(call: str) -> None:
    text = pydoc.render_doc(named(call), renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    assert re.search("special[:=]", text) and re.search("errors[:=]", text)  # in the signature
    if call == "encode":
        for word in ('"all"', '"none"', '"raise"', "set of", "add_bos, add_eos:", '"strict"', '"replace"', "Raises"):
            assert word in text.split("\n", 1)[1], word
    else:
        assert "eywords as `encode" in text or "keywords of `encode" in text


@pytest.mark.parametrize("call", COMPILED)
def test_compiled_calls_have_the_stubs_signature(call: str) -> None:
    """The stub adds the types."""
    stub = ast.parse(Path(str(encoder.__file__)).with_name("encoder.pyi").read_text(encoding="utf-8"))
    (owner,) = (node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "LineEncoder")
    (written,) = (node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == call)
    assert written.returns is not None
    for argument in [*written.args.args[1:], *written.args.kwonlyargs]:
        assert argument.annotation is not None
        argument.annotation = None
    assert f"({ast.unparse(written.args)})" == str(inspect.signature(getattr(LineEncoder, call))).replace("self, /,", "self,")


@pytest.mark.parametrize("call", COMPILED)
def test_compiled_calls_with_and_without_keywords(call: str) -> None:
    """`self` of another class would be read as if it were a tokenizer."""
    method = getattr(dstok.Tokenizer, call)
    found, expected = method(TOK, "a b"), method(TOK, "a b", special="all")
    assert type(found) is type(expected) and repr(found) == repr(expected)
    for given in (("a b",), (5, "a b"), ("a b", TOK), (TOK,), (TOK, "a", "b"), ()):
        with pytest.raises(TypeError):
            method(*given)


def test_examples_of_compiled_calls_run() -> None:
    names = {test.name for test in doctest.DocTestFinder().find(encoder) if test.examples}
    assert names == {f"dstok.core.encode.encoder.LineEncoder.{call}" for call in COMPILED}


USE = """
import dstok
tok = dstok.load("image")
ok: list[list[int]] = [tok.encode("a", special=special) for special in ({"<a>"}, ["<a>"], frozenset({"<a>"}), ())]
tok.encode(bytearray(b"a"), special="none", errors="replace")
text: str = tok.truncate("a", 3, truncation_side="left")
data: bytes = tok.truncate(memoryview(b"a"), 3)
parts: list[bytes] = list(tok.chunk(b"a", 3))
tok.encode("a", special="noen")  # wrong
tok.count_batch(["a"], special="noen")  # wrong
tok.encode("a", special=None)  # wrong
tok.encode("a", errors="ignore")  # wrong
tok.decode([1], errors="ignore")  # wrong
tok.truncate("a", 3, truncation_side="middle")  # wrong
tok.encode(7)  # wrong
wrong: str = tok.truncate(b"a", 3)  # wrong
"""


PARTS = ["_decoder", "_places", "_vocabulary"]
REVEALED = "".join(f"reveal_type(dstok.Tokenizer.{part})\n" for part in PARTS)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """mypy's output for the programs above. In this process mypy would raise the recursion limit, for all later tests."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("checked")
    home = Path(dstok.__file__).parents[1]
    installed = home.name in ("site-packages", "dist-packages")  # mypy does not find an editable install by itself
    (folder / "use.py").write_text(USE + REVEALED, encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", "cache", "--config-file", "", "use.py"],
                          cwd=folder, env=os.environ if installed else {**os.environ, "MYPYPATH": str(home)}, capture_output=True, text=True)
    assert not done.stderr
    return done.stdout.splitlines()


def test_a_type_checker_finds_wrong_values(checked: list[str]) -> None:
    found = {int(line.split(":")[1]) for line in checked if ": error:" in line}
    assert found == {number for number, line in enumerate(USE.splitlines(), 1) if line.endswith("# wrong")}, checked


def test_parts_that_are_made_late_are_properties_to_a_type_checker(checked: list[str]) -> None:
    """pyright takes the calls for methods of `Tokenizer` only if each part is a property or an attribute."""
    lines = [line for line in checked if "Revealed type" in line]
    assert len(lines) == len(PARTS) and all('"def (self: dstok.tokenizer.Tokenizer) -> ' in line for line in lines), lines
