"""`python -O` and `-OO`: what is asserted is not looked at then, and nothing else changes."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from images import MODELS

import dstok

FOLDER = Path(dstok.__file__).parent
SOME = list(MODELS.values())[::9]
PURE = {"isinstance", "len", "sum", "tolist"}  # what an assert may call: what changes nothing
CODE = """
import sys
import dstok
for text in sys.stdin.read().split(chr(0)):
    tok = dstok.Tokenizer.from_str(text)
    print(tok.encode("ab  ab1234, don't\\n"), tok.fingerprint)
tok = dstok.load("deepseek-v3")
print(tok.encode_with_offsets("ab  ab1234, don't\\n").byte_spans.tolist(), list(tok.chunk("a b c", 1)), len(tok.get_vocab()), tok.name)
"""


@pytest.mark.parametrize("option", ["-O", "-OO"])
def test_the_same_ids(option: str) -> None:
    found = [subprocess.run([sys.executable, *options, "-c", CODE], input="\0".join(SOME), cwd="/", text=True,
                            capture_output=True, check=True, timeout=120).stdout for options in ([], [option])]
    assert found[0] == found[1] and found[0].count("\n") == len(SOME) + 1


def test_no_assert_does_anything() -> None:
    """One that did would leave it undone."""
    found = []
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Assert):
                found += [(path, node.lineno) for part in ast.walk(node.test) if acts(part)]
    assert found == []


def acts(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name not in PURE
    return isinstance(node, ast.NamedExpr | ast.Await | ast.Yield)
