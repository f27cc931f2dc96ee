"""The recipes of the pages in `PAGES`: code that a user copies, and that the tests run from there."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from real_models import V3

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = "A naïve text about café and 東京, 🦙🦙 and 𓀀𓀀𓀀. It has sentences! Lines, too:\n\nOne. Two. 12345.\n" * 4


PAGES = "".join((DOCS / page).read_text(encoding="utf-8") for page in ("integrations.md", "text_splitters.md", "corpora.md"))


def code_of(heading: str) -> str:
    """The first block of Python below a heading, or below a paragraph that begins with it."""
    found = re.search(rf"(?ms)^(?:#+ {heading}\n|\*\*{heading}\*\*).*?^```python\n(.*?)^```", PAGES)
    assert found
    return found[1]


@cache
def recipe(heading: str) -> Any:
    """A module that holds `tok`, `text` and what the code defines; its classes can be pickled in this process."""
    made = ModuleType(f"recipe_{heading}")
    sys.modules[made.__name__] = made
    vars(made).update(tok=V3, text=TEXT)
    exec(code_of(heading), vars(made))
    return made
