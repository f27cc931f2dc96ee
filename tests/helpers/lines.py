"""Counts the hand-written lines of each room of dstok/, and holds them against the budget in pyproject.toml.

In: `[tool.dstok.lines]`, for each room the lines that it may have and the lines that it should come to. Out: a table; the
exit status is 1 if a room has more than it may have. Invariant: every line of a .py, .pyx, .pxd, .pyi, .h or .c file that
git tracks counts, comments and blank ones too, and the page of commands; generated tables of Unicode and stubs do not.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = re.compile(r"/_(ucd|properties)_\d|^dstok/core/.*\.pyi$")


def counted() -> tuple[Counter[str], int]:
    """The lines of each room, the modules beside the rooms as "(modules)"; the number of files."""
    listed = subprocess.run(["git", "ls-files", "dstok"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    hand_written = (".py", ".pyx", ".pxd", ".pyi", ".h", ".c", "/commands.txt")
    files = [file for file in listed.split("\n") if file.endswith(hand_written) and not GENERATED.search(file)]
    lines: Counter[str] = Counter()
    for file in files:
        parts = file.split("/")
        lines[parts[1] if len(parts) > 2 else "(modules)"] += (ROOT / file).read_bytes().count(b"\n")
    return lines, len(files)


def main() -> int:
    """Print the table; return 1 if a room has more lines than it may have, or none in the budget."""
    budget = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dstok"]["lines"]
    lines, files = counted()
    print(f"{'room':14} {'lines':>7} {'at most':>8} {'goal':>7}")
    over = []
    for room, count in sorted(lines.items()):
        most, goal = budget.get(room, (0, 0))
        print(f"{room:14} {count:7,} {most:8,} {goal:7,}{'  over' if count > most else ''}")
        over += [room] * (count > most)
    print(f"{'dstok/':14} {sum(lines.values()):7,} {sum(most for most, _ in budget.values()):8,} {sum(goal for _, goal in budget.values()):7,}  in {files} files")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
