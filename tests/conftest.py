"""Hypothesis profiles: `ci`, and `deep` under DSTOK_PROFILE=deep; the working directory; which dstok is tested."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parent.parent
if not (CHECKOUT / "dstok" / "core" / f"_encode{EXTENSION_SUFFIXES[0]}").exists():
    # `python -m pytest` looks in the checkout first. Its dstok is not built: the installed one is meant.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != CHECKOUT]

settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("DSTOK_PROFILE", "ci"))


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests' children run the installed dstok: in the checkout `python -m` and `python -c` would find its folder."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)
