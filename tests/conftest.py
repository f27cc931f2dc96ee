"""Hypothesis profiles: `ci`, or `nightly`, `deep` or `brief` by DSTOK_PROFILE; the working directory; which dstok is tested; images;
what the seed's shares are; which tests run in one process, and which need corpora or judges."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Generator, Iterator
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import groups
import hypothesis.core
import kept
import needs
import pytest
import shares
from hypothesis import HealthCheck, settings
from reference import DEEP, PART

CHECKOUT = Path(__file__).resolve().parent.parent
if not (CHECKOUT / "dstok" / "core" / "encode" / f"encoder{EXTENSION_SUFFIXES[0]}").exists():
    # `python -m pytest` looks in the checkout first. Its dstok is not built: the installed one is meant.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != CHECKOUT]
sys.path.append(str(CHECKOUT))  # for benchmarks/; last: the installed dstok is the one under test

PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # a busy machine is no fault
settings.register_profile("ci", max_examples=25, database=None, **PATIENT)
settings.register_profile("nightly", max_examples=100, database=None, **PATIENT)
settings.register_profile("deep", max_examples=20_000, **PATIENT)
settings.register_profile("brief", max_examples=15, database=None, **PATIENT)
settings.load_profile(os.environ.get("DSTOK_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """The seed's examples of Hypothesis; no cache of models, which the command would fill; the folder of compiled.py, which
    .ci/run gives to several runs, else the first process of a run makes it."""
    os.environ["DSTOK_CACHE"] = "0"
    if not DEEP and config.getoption("hypothesis_seed", None) is None:
        hypothesis.core.global_force_seed = shares.SEED  # type: ignore[assignment]
    if "DSTOK_TEST_IMAGES" not in os.environ:
        os.environ["DSTOK_TEST_IMAGES"] = folder = tempfile.mkdtemp(prefix="dstok-test-images-")  # workers inherit it
        config.add_cleanup(partial(shutil.rmtree, folder))
        config.add_cleanup(partial(os.environ.__delitem__, "DSTOK_TEST_IMAGES"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    """Some cases are left to nights. The tests of a group follow one another, where the first of them stood; those of a browser,
    which are the longest group and mostly wait, come first: at the end one process would wait for them alone."""
    for item in items:
        for name in needs.markers(item):
            item.add_marker(name)
    if PART > 1 and not any("::" in arg for arg in config.args):  # who names a test wants all of it
        left = for_nights(items)
        config.hook.pytest_deselected(items=[*left])
        items[:] = [item for item in items if item not in left]
    found = {item: groups.group_of(item.nodeid) for item in items}
    first = {group: number for number, group in reversed(list(enumerate(found.values())))}
    first |= {found[item]: -1 for item in items if item.get_closest_marker("browser")}
    items.sort(key=lambda item: (first[found[item]], found[item]))


def for_nights(items: list[pytest.Function]) -> set[pytest.Function]:
    """Returns the cases that a commit leaves to nights. Those of a test with the mark `night` are left. Of a test with several
    lists of parameters a commit tries each value, and a night tries all combinations. A test that needs the corpora is never
    left, since a night has none."""
    tests = defaultdict[str, dict[pytest.Function, tuple[str, ...]]](dict)
    for item in items:
        if hasattr(item, "callspec"):
            tests[item.nodeid.partition("[")[0]][item] = tuple(item.callspec._idlist)
    left = {item for cases in tests.values() for tried in [shares.diagonal(cases.values())]
            for item, values in cases.items() if values not in tried}
    left |= {item for item in items if item.get_closest_marker("night")}
    return {item for item in left if "corpora" not in needs.markers(item)}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each group of tests runs in one process."""
    return groups.scheduler(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Nothing is looked through for garbage while tests are collected. What has been made then stays: looking through it,
    over and over, would take a tenth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)  # what tests make is let go at once, but for the little that refers to itself


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After the last test of a group what its tests shared is let go."""
    if nextitem is None or groups.group_of(item.nodeid) != groups.group_of(nextitem.nodeid):
        kept.let_go()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not DEEP:
        terminalreporter.write_line(f"shares of exhaustive sets: DSTOK_SEED={shares.SEED}; all of them: DSTOK_PROFILE=deep")


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk() -> Iterator[None]:
    """Thousands of small files are written at once, for 20 ms each: what is killed here is a process, never the machine.
    Processes that a test starts do wait, but those of command_server.py."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(os, "fsync", lambda place: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests' children run the installed dstok: in the checkout `python -m` and `python -c` would find its folder."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)
