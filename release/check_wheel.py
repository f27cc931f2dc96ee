"""The contents of a wheel of dstok, and its needs of the system that it is installed on.

In: wheels. Out: a line for each; or the first fault of one, and exit code 1.
Invariant: a wheel that passes has every module of the core, the licences of all its data and no file for a compiler
alone; on Linux it needs no newer glibc than its tag says, and with a tag of musl none.

    python release/check_wheel.py dist/*.whl
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

CHECKOUT = Path(__file__).resolve().parents[1]
MOST = 6_600_000  # bytes; 3.9 million are two models
SOURCES = (".pyx", ".pxd", ".h", ".c", ".o", ".pyc")
LICENCES = ("LICENSE", "LICENSE-UNICODE.txt", "LICENSE-DEEPSEEK.txt", "LICENSE-QWEN.txt")
MODULES = (".so", ".pyd")


def version() -> str:
    """dstok's version, from its only place."""
    text = (CHECKOUT / "dstok" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.M)
    assert found, "expected a line with __version__ in dstok/__init__.py"
    return found[1]


def glibc(data: bytes) -> tuple[int, int]:
    """The newest version of glibc whose symbols a library asks for; (0, 0): none."""
    found = [(int(major), int(minor)) for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", data)]
    return max(found, default=(0, 0))


def allowed(name: str) -> tuple[int, int] | None:
    """The version of glibc that a wheel's tags allow, the lowest that they name.

    (0, 0): none, as for musl. None: the tags name no library of C.

    >>> allowed("dstok-0.1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl")
    (2, 17)
    >>> allowed("dstok-0.1.0-cp311-cp311-musllinux_1_2_x86_64.whl")
    (0, 0)
    """
    if "musllinux" in name:
        return 0, 0
    found = [(int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)", name)]
    return min(found) if found else None


def faults(wheel: Path) -> Iterator[str]:
    """The faults of a wheel."""
    size = wheel.stat().st_size
    if size > MOST:
        yield f"expected at most {MOST} bytes, found {size}"
    if not wheel.name.startswith(f"dstok-{version()}-"):
        yield f"expected version {version()}, found {wheel.name}"
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        yield from faults_of_names(names)
        for name in names:
            if name.endswith(MODULES):
                yield from faults_of_module(name, archive.read(name), allowed(wheel.name))


def faults_of_names(names: list[str]) -> Iterator[str]:
    """The missing files, and the files that do not belong there."""
    for name in names:
        if name.endswith(SOURCES) or not name.startswith(("dstok/", "dstok-", "tiktoken_ext/")):
            yield f"expected no {name}"
    compiled = {Path(name).name.split(".")[0] for name in names if name.endswith(MODULES)}
    expected = {path.stem for path in (CHECKOUT / "dstok" / "core").rglob("*.pyx")} | {"_shared"}
    if compiled != expected:
        yield f"expected the modules {sorted(expected)}, found {sorted(compiled)}"
    missing = set(LICENCES) - {Path(name).name for name in names if ".dist-info/licenses/" in name}
    if missing or "dstok/py.typed" not in names:
        yield f"expected py.typed and all licences, found none of {sorted(missing) or 'py.typed'}"


def faults_of_module(name: str, data: bytes, most: tuple[int, int] | None) -> Iterator[str]:
    """The needs of a compiled module that the system may not meet."""
    if b"__isoc23_" in data:
        yield f"expected no functions of C23 (glibc 2.38), found them in {name}"
    if most is not None and glibc(data) > most:
        yield f"expected symbols of glibc {most} at most, found {glibc(data)} in {name}"


def main(paths: list[str]) -> int:
    wrong = 0
    for path in map(Path, paths):
        found = list(faults(path))
        wrong |= bool(found)
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB", *found or ["fine"], sep="\n  ")
    return int(wrong)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit("expected paths of wheels, found none")
    sys.exit(main(sys.argv[1:]))
