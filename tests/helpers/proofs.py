"""`prove` in a time that a test may take.

In: nothing. Out: inside the block `prove` encodes fewer of the texts for which its plain way takes a second: at night half
of them. Each kind of text is still there, and all else that `prove` does.

>>> with few_texts():
...     sys.modules[prove.__module__].SHORT_TEXTS < 4000 or DEEP
True
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from reference import DEEP, PART

from dstok.conformance import prove


@contextmanager
def few_texts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as changed:
        if not DEEP:
            changed.setattr(sys.modules[prove.__module__], "SHORT_TEXTS", 2000 // PART)
        yield
