"""pytest: the kit's checks as tests of another project.

In: a tokenizer, or a function that loads it. Out: a test, parametrized by check, for a test module:

    from dstok.conformance import conformance
    import my_tokenizer

    test_conformance = conformance(my_tokenizer.load, model="deepseek-v3")

Invariant: a check that finds a difference fails with the report: the smallest text, both splittings, the cause. A check
that got no time fails too. A check of a call that the tokenizer lacks is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dstok._util.arguments import explained
from dstok.conformance.checks import CHECKS
from dstok.conformance.report import NO_CALL
from dstok.conformance.verify import verify

QUICK = tuple(name for name in CHECKS if name not in ("corpora", "class cover, k = 4", "all code points, joined"))


@explained
def conformance(
    load: Any, reference: Any = None, *, model: Any = "deepseek-v3", seconds: float = 10.0,
    checks: Iterable[str] | None = None, files: Iterable[str] = (),
) -> Callable[[str], None]:
    """A test function with one case a check; `seconds` for each.

    load: a tokenizer with `encode`, a function without arguments that makes one, or a spec of `verify`. To test
        a function of a text, wrap it: `Engine("name", "", function)`.
    reference, model, files: as in `verify`. checks: by default all that are quick.
    """
    import pytest

    named = tuple(checks) if checks is not None else (*QUICK, *(["corpora"] if files else []))
    made: list[Any] = []

    @pytest.mark.parametrize("check", named)
    def test(check: str) -> None:
        if not made:
            made.append(load() if callable(load) and not hasattr(load, "encode") else load)
        report = verify(made[0], reference, model=model, seconds=seconds, checks=[check], files=files)
        if [one.note for one in report.checks] == [NO_CALL]:
            pytest.skip(NO_CALL)
        if not report.equal:
            raise AssertionError(f"\n{report}")  # under `python -O`, too

    return test
