"""Files of other projects that judge us, fetched by tests/fetch_judges: tiktoken's rank files, llama.cpp's library,
older wheels of upstream.

DSTOK_JUDGES names the folder that they were fetched into. Without it the tests that need them skip and say so; where
CI is set they fail instead, as in shared_data.py.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

_NAMED = os.environ.get("DSTOK_JUDGES")
_FOLDER = Path(_NAMED or "").resolve()
RANK_FILES = {  # under the names of tiktoken's cache: the SHA-1 of where it would fetch them
    "p50k_base": "ec7223a39ce59f226a68acc30dc1af2788490e15",
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}
WHEELS = ("0.15.2", "0.21.0", "0.21.1", "0.21.4")  # of upstream: one of each set of Unicode tables but the newest


def judge(path: str) -> Path:
    """The file or folder `path` among what was fetched; skips the test (fails it in CI) if nothing was."""
    if not _NAMED:
        reason = "DSTOK_JUDGES is not set: run tests/fetch_judges FOLDER and set it to that folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    found = _FOLDER / path
    if not found.exists():
        pytest.fail(f"no {path} in DSTOK_JUDGES: run tests/fetch_judges again")
    return found


@cache
def rank_file(name: str) -> bytes:
    """The contents of a rank file; r50k's is the part of p50k's below id 50256."""
    if name == "r50k_base":
        lines = rank_file("p50k_base").splitlines(keepends=True)
        return b"".join(line for line in lines if int(line.split()[1]) < 50256)
    return judge(f"tiktoken/{RANK_FILES[name]}").read_bytes()
