"""The shared folder of corpora and fixtures: found by DSTOK_SHARED, or beside the checkout; wiki.test.raw, from anywhere.

Without it the tests that need it skip and say so. Where CI is set they fail instead, so that no CI run passes without
them, unless DSTOK_WITHOUT_CORPORA says that the machine cannot have them.
"""

from __future__ import annotations

import lzma
import os
import sys
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from kept import kept

import dstok  # noqa: F401 (the one under test, not what the next line makes visible)

sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks import wikitext

CORPORA = ("chinese", "code", "english", "multilingual")


def shared(path: str) -> Path:
    """The file or folder `path` of the shared folder; skips the test (fails it in CI) if there is none."""
    found = wikitext.shared_folder() / path
    if not found.exists():
        _missing(f"no {path} in the shared folder: set DSTOK_SHARED to the folder that holds it")
    return found


@cache
def wiki() -> str:
    """The text of wiki.test.raw; skips the test (fails it in CI) if it is nowhere."""
    found = wikitext.find()
    return _missing(f"no wiki.test.raw: {wikitext.HOW}") if found is None else found.decode()


@kept(most=1)
def corpus(name: str) -> str:
    """The text of one of `CORPORA`, about 12 MB of UTF-8. It is unpacked, half a second, once for all processes of a run."""
    packed, folder = shared(f"data/{name}.txt.xz"), os.environ.get("DSTOK_TEST_IMAGES")
    if folder is None:  # not under pytest
        return lzma.decompress(packed.read_bytes()).decode()
    path = Path(folder, f"{name}.txt")
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(lzma.decompress(packed.read_bytes()))
        unfinished.replace(path)  # at once, whoever else does the same
    return path.read_bytes().decode()


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") and not os.environ.get("DSTOK_WITHOUT_CORPORA"):
        pytest.fail(reason)
    pytest.skip(reason)
