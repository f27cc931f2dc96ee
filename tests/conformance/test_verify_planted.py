"""Every planted fault is found, cut down as far as the fault allows, and given its right name: one cause, no other.

Outside the deep profile only the check runs that finds the fault, and one of the faults a day; in it all of them, for
60 seconds.
"""

from __future__ import annotations

import pytest
from planted import PLANTED
from reference import DEEP
from shares import seeds

from dstok.conformance import verify

TODAY = [[*PLANTED][number] for number in seeds(len(PLANTED), 1)]


@pytest.mark.parametrize("name", TODAY)
def test_found_and_named(name: str) -> None:
    planted = PLANTED[name]
    report = verify(planted.make(), seconds=60, checks=None if DEEP else [planted.check])
    assert not report.equal, f"\n{report}"
    named = [(finding.cause, finding.title) for finding in report.findings]
    assert len(named) == 1, f"\n{report}"
    assert named[0][0] == planted.cause and planted.title in named[0][1], f"\n{report}"
    assert len(report.findings[0].text) <= planted.longest, f"\n{report}"


def test_none_in_the_right_one() -> None:
    """The same checks find nothing where nothing was planted."""
    report = verify("dstok:deepseek-v3", seconds=120, checks={PLANTED[name].check for name in TODAY})
    assert report.equal and all(check.complete for check in report.checks), f"\n{report}"
