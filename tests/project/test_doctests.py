"""The examples in all docstrings run and give what they say, in the dstok that is installed."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil

import pytest

import dstok

MODULES = sorted(m.name for m in pkgutil.walk_packages(dstok.__path__, "dstok.") if "__main__" not in m.name)


def test_all_modules_are_found() -> None:
    assert {"dstok.tokenizer", "dstok.regex.cascade", "dstok.unicode.properties", "dstok.models"} <= set(MODULES)


@pytest.mark.parametrize("name", ["dstok", *MODULES])
def test_doctests(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not name.startswith("dstok.integrations.") or os.environ.get("CI"):
            raise
        pytest.skip(f"needs the package {error.name}")
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
