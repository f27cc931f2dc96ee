"""The shared folder of corpora and fixtures: found by DSTOK_SHARED, or beside the checkout.

Without it the tests that need it skip and say so; where CI is set they fail instead, so that no CI run
passes without them.
"""

from __future__ import annotations

import lzma
import os
from functools import cache
from pathlib import Path

import pytest

CORPORA = ("chinese", "code", "english", "multilingual")
_BESIDE = Path(__file__).resolve().parents[2] / "shared"
_FOLDER = Path(os.environ.get("DSTOK_SHARED") or _BESIDE).resolve()


def shared(path: str) -> Path:
    """The file or folder `path` of the shared folder; skips the test (fails it in CI) if there is none."""
    found = _FOLDER / path
    if not found.exists():
        reason = f"no {path} in the shared folder: set DSTOK_SHARED to the folder that holds it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@cache
def corpus(name: str) -> str:
    """The text of one of `CORPORA`, about 12 MB of UTF-8."""
    return lzma.decompress(shared(f"data/{name}.txt.xz").read_bytes()).decode()
