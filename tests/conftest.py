"""Hypothesis profiles: `ci`, or `deep` or `brief` by DSTOK_PROFILE; the working directory; which dstok is tested; images."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
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
settings.register_profile("brief", max_examples=30, deadline=None, derandomize=True)
settings.load_profile(os.environ.get("DSTOK_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """The folder of compiled.py: .ci/run gives one to several runs; else the first process of a run makes it."""
    if "DSTOK_TEST_IMAGES" not in os.environ:
        os.environ["DSTOK_TEST_IMAGES"] = folder = tempfile.mkdtemp(prefix="dstok-test-images-")  # workers inherit it
        config.add_cleanup(partial(shutil.rmtree, folder))
        config.add_cleanup(partial(os.environ.__delitem__, "DSTOK_TEST_IMAGES"))


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests' children run the installed dstok: in the checkout `python -m` and `python -c` would find its folder."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)
