"""After a large text a splitter and a tokenizer hold no more memory than before, whatever call had the text.

A buffer of one byte for each byte of the text, kept after the call, would be 16 MB. Two spare buffers of ids (24 MB at
most: core/encode/memory.pyx) may have grown by some megabytes.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).parents[1] / "helpers" / "held_child.py"
MOST = 14 << 20

measured = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or "libasan" in os.environ.get("LD_PRELOAD", ""),
    reason="malloc_trim is glibc's, and a sanitizer keeps what is freed")


@measured
def test_what_stays_after_a_large_text() -> None:
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    found = json.loads(subprocess.run([sys.executable, CHILD], env=environment, check=True, capture_output=True).stdout)
    assert len(found) == 32
    assert {name: size for name, size in found.items() if size > MOST} == {}
