"""The machine and the commit of a result.

In: nothing. Out: processor, cores, kernel, Python, commit. Invariant: no person, host or path is named.
"""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.cases import ROOT

__all__ = ["commit", "dirty", "machine", "python"]


def machine() -> dict[str, Any]:
    """Processor model, number of cores, kernel."""
    return {"cpu": _cpu_model(), "cores": os.cpu_count(), "system": platform.system(), "kernel": platform.release(),
            "architecture": platform.machine()}


def python() -> str:
    """The interpreter and its version, such as "CPython 3.13.1"."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def commit() -> str | None:
    """The commit checked out; None outside a repository."""
    return _git("rev-parse", "HEAD")


def dirty() -> bool | None:
    """Whether tracked files differ from that commit."""
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return None if changed is None else bool(changed)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
