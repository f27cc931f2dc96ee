"""The pictures of the documentation, drawn by dstok itself.

In: nothing. Out: the files of `PICTURES`, in `docs/images`. Invariant: each is what the built-in model compiles to;
`--check`, and tests/project/test_docs.py, compare. They are laid out by graphviz-pure 0.2.2, which draws the same
everywhere.

    python docs/pictures.py [--check]
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import dstok
from dstok.inspection.picture import marked_picture, picture
from dstok.pattern.cascade import compile_splits

FOLDER = Path(__file__).parent / "images"
LAYOUT = "graphviz-pure"
SPLITS = dstok.load("deepseek-v3").inspect().splits


def _of(steps: slice, text: str) -> Callable[[], str]:
    return lambda: picture(compile_splits(SPLITS[steps]), text, shutil.which(LAYOUT))


PICTURES: dict[str, Callable[[], str]] = {
    "marked-digits.svg": lambda: marked_picture(compile_splits(SPLITS[:1]), shutil.which(LAYOUT)),
    "first-step.svg": _of(slice(0, 1), "ab12345"),
    "three-steps.svg": _of(slice(0, 3), "I'll pay 12345!"),
}


def main(arguments: list[str]) -> int:
    """Writes the pictures, or with `--check` says which are not current."""
    stale = [name for name, draw in PICTURES.items()
             if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != draw()]
    if arguments == ["--check"]:
        print(*(f"docs/images/{name} is not current: python docs/pictures.py" for name in stale), sep="\n")
        return int(bool(stale))
    for name in stale:
        (FOLDER / name).write_text(PICTURES[name](), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
