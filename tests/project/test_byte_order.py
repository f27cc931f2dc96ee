"""A processor of another byte order, or a Python of 32 bits, is refused by whatever is imported first, before anything is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import sys
sys.byteorder, sys.maxsize = {order!r}, {largest}
try:
    {statement}
except ImportError as error:
    print(type(error).__name__, error)
loaded = [name for name in sys.modules if name.startswith("dstok.core.") or name == "dstok.compiled.build"]
print(len(loaded))
"""


@pytest.mark.parametrize("statement", [
    "import dstok", "from dstok import Tokenizer", "import dstok.core.encode.encoder", "import dstok.compiled.image_file",
    "import dstok.conformance", "from dstok.cli.app import main"])
def test_refused(statement: str) -> None:
    def run(order: str, largest: int = sys.maxsize) -> list[str]:
        command = [sys.executable, "-c", CHILD.format(order=order, largest=largest, statement=statement)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True,
                              cwd=Path(__file__).parent).stdout.splitlines()

    error, loaded = run("big")
    assert error.startswith("ImportError expected a little-endian processor, found a big-endian one: ")
    assert loaded == "0"
    error, loaded = run("little", (1 << 31) - 1)
    assert error.startswith("ImportError expected a Python of 64 bits, found one of 32: ") and loaded == "0"
    assert len(run("little")) == 1
