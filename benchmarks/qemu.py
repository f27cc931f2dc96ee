"""Instructions of an ARM processor, counted by qemu's user mode, which logs each block that it executes.

In: the folder of tests/aarch64, and a text. Out: the instructions of each pass in dstok's own modules (not in Python
and the C library), and the level.
Invariant: the log has each block's length where it first occurs, and its address at every run.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

__all__ = ["passes"]

MARK = b"dstok: a pass\n"  # in the log, between passes
_PASSES = f"""
import os, sys
import dstok
from dstok.core.cpu import level as cpu_level
tok = dstok.load("deepseek-v3")
text = open(sys.argv[1], encoding="utf-8", newline="").read()
tok.encode("hi")
for _ in range(int(sys.argv[2])):
    os.write(2, {MARK!r})
    tok.encode_array(text)
os.write(2, {MARK!r})
print(cpu_level.chosen_level())
print(*(line for line in open("/proc/self/maps") if "/dstok/core/" in line and "r-xp" in line), sep="")
"""


def passes(folder: Path, text: Path, count: int) -> tuple[list[int], str]:
    """The instructions of each of `count` passes over the text. Raises `RuntimeError` if qemu fails."""
    command = [str(folder / "root/usr/bin/python"), "-c", _PASSES, str(text)]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "DSTOK_SIMD")}
    # At the same addresses each time: a run without the log shows the places of the modules.
    kept |= {"PYTHONHASHSEED": "0", "QEMU_RESERVED_VA": "0x100000000"}
    first = subprocess.run([*command, "0"], capture_output=True, text=True, env=kept, cwd=text.parent)
    if first.returncode:
        raise RuntimeError(f"qemu failed: {first.stderr.strip()[-400:]}")
    level, *maps = first.stdout.splitlines()
    logged = {"QEMU_LOG": "in_asm,exec,nochain", "QEMU_DFILTER": _ranges(maps)}
    with subprocess.Popen([*command, str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=kept | logged,
                          cwd=text.parent) as process:
        assert process.stdout and process.stderr
        totals = list(_totals(process.stderr))
        again = process.stdout.read().decode()
    if process.returncode or len(totals) != count + 1 or again != first.stdout:
        raise RuntimeError(f"expected qemu to make {count} passes with the modules where they were before, "
                           f"found status {process.returncode}, {len(totals)} marks, {again!r}")
    return [after - before for before, after in pairwise(totals)], level


def _ranges(maps: Iterable[str]) -> str:
    found = re.findall(r"^(\w+)-(\w+) r-xp", "\n".join(maps), re.M)
    return ",".join(f"0x{start}..0x{int(stop, 16) - 1:x}" for start, stop in found)


def _totals(log: Iterable[bytes]) -> Iterator[int]:
    """The instructions up to each mark."""
    sizes: dict[int, int] = {}
    block = None
    total = 0
    for line in log:
        if line.startswith(b"Trace"):  # Trace 0: 0x7fffe9e59300 [81009b31/00007fffe6625d20/00000001/00008200]
            total += sizes[int(line.split(b"/", 2)[1], 16)]
        elif line.startswith(b"0x"):  # 0x7fffe6625d20:  d503233f  paciasp
            address = int(line.partition(b":")[0], 16)
            block = address if block is None else block
            sizes[block] = (address - block) // 4 + 1
        else:
            block = None
            if line == MARK:
                yield total
