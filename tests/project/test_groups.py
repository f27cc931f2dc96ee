"""Tests of one group are handed to one process."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from groups import group_of, real_models, scheduler

MODEL = "glm-4.6v-flash"
TESTS = ["tests/a/test_one.py::test_x", f"tests/a/test_one.py::test_y[3-{MODEL}]", "tests/a/test_two.py::test_x",
         "tests/a/test_one.py::test_y[deepseek-v3]", f"tests/a/test_two.py::test_z[{MODEL}-<b>]", f"tests/b/test_two.py::test_{MODEL}",
         "tests/a/test_one.py::test_y[glm-4.6vv]", "tests/a/test_one.py::test_y[deepseek-r1-distill-qwen]"]


class Worker:
    """What the scheduler sees of one."""

    def __init__(self) -> None:
        self.given, self.shutting_down, self.gateway = list[str](), False, SimpleNamespace(id="gw")

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.given += [TESTS[number] for number in numbers]

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.mark.skipif(not real_models(), reason="the models as they were published need Python 3.11")
def test_a_group_goes_to_one_worker() -> None:
    pytest.importorskip("xdist")
    config: Any = SimpleNamespace(getvalue={"tx": ["2*popen"]}.__getitem__, option=SimpleNamespace(loadscopereorder=False))
    handing_out = scheduler(config, SimpleNamespace(loadscopesched=print))
    one, other = workers = Worker(), Worker()
    for worker in workers:
        handing_out.add_node(worker)
        handing_out.add_node_collection(worker, TESTS)
    handing_out.schedule()
    assert one.given == [test for test in TESTS if group_of(test) == "test_one.py"] and len(one.given) == 4
    assert other.given[:2] == [test for test in TESTS if group_of(test) == MODEL] and len(other.given) == 4
