"""What an extra of pyproject.toml needs, for another machine's pip.

In: the name of an extra. Out: the requirements of dstok, of the extra and of those extras that it names, one a line, without
conditions: they are those of the machine where this runs.

    python tests/helpers/extras.py test
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def needed(project: dict[str, Any], extra: str) -> Iterator[str]:
    """The requirements of an extra, and of those that it consists of."""
    for requirement in project["optional-dependencies"][extra]:
        if of_dstok := re.fullmatch(r"dstok\[(.*)\]", requirement):
            for name in of_dstok[1].split(","):
                yield from needed(project, name.strip())
        else:
            yield requirement.split(";")[0].strip()


if __name__ == "__main__":
    import tomllib  # Python 3.11

    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    print(*project["dependencies"], *needed(project, sys.argv[1]), sep="\n")
