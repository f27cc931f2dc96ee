"""A wheel for another processor: this processor's wheel, with the modules of a cross-compiler.

In: the folder of tests/aarch64 (AARCH64=FOLDER tests/aarch64 true), a wheel of the same commit, an empty folder. Out: a
wheel there, for linux_aarch64 and the folder's Python; `auditwheel repair` gives it its manylinux tag.
Invariant: every compiled module of the wheel is replaced, and nothing else is.

    python release/foreign_wheel.py FOLDER dist/dstok-0.1.0-cp311-cp311-manylinux_2_17_x86_64.whl OUT
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PLATFORM = "linux_aarch64"


def unpacked(wheel: Path, to: Path) -> Path:
    """The folder with a wheel's files."""
    subprocess.run([sys.executable, "-m", "wheel", "unpack", "-d", to, wheel], check=True, stdout=subprocess.DEVNULL)
    [folder] = to.iterdir()
    return folder


def by_module(core: Path, pattern: str) -> dict[str, Path]:
    """The compiled modules in all floors of `core`, by name: `text/utf8`."""
    paths = core.rglob(pattern)
    return {path.relative_to(core).as_posix().split(".")[0]: path for path in paths}


def replace_modules(core: Path, made: Path) -> None:
    """Puts the modules of `made` in the place of those of `core`. Both must have the same modules."""
    old, new = by_module(core, "*.so"), by_module(made, "*aarch64*.so")
    if old.keys() != new.keys():
        sys.exit(f"expected the modules {sorted(old)}, found {sorted(new)} in {made}")
    for name, path in old.items():
        path.unlink()
        new_path = path.with_name(new[name].name)
        new_path.write_bytes(new[name].read_bytes())
        new_path.chmod(0o755)


def main(folder: Path, wheel: Path, out: Path) -> None:
    python = "cp" + (folder / "python").read_text().strip().replace(".", "")
    files = unpacked(wheel, out / "unpacked")
    replace_modules(files / "dstok" / "core", folder / "source" / "dstok" / "core")
    [about] = files.glob("*.dist-info/WHEEL")
    text = re.sub(r"(?m)^Tag: .*\n", "", about.read_text())
    about.write_text(text.rstrip("\n") + f"\nTag: {python}-{python}-{PLATFORM}\n")
    subprocess.run([sys.executable, "-m", "wheel", "pack", "-d", out, files], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("expected a folder of tests/aarch64, a wheel and a folder for the new one, found other words")
    main(*map(Path, sys.argv[1:]))
