"""The core's sources, which a wheel does not hold: the checkout has them, and the C that Cython made of them.

Invariant: no two of the core's files have one name, so that a test names a file without its floor.
"""

from __future__ import annotations

from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "dstok" / "core"


def sources() -> list[Path]:
    """The files of the core in C and Cython."""
    return sorted(path for path in CORE.rglob("*") if path.suffix in (".h", ".pyx", ".pxd"))


def source(name: str) -> Path:
    """The path of the file of the core with this name, whichever its floor."""
    [path] = CORE.rglob(name)
    return path
