"""Which levels of the core's code this installation of dstok runs, and how: natively, or by emulation.

    python tests/helpers/levels.py              # one a line: "avx512 by emulation"
    python tests/helpers/levels.py --all FILE   # FILE: such lines of another installation; status 1 if a level is in neither

In: the installed dstok. Out: the levels whose encoder is at that level, and gives the automaton's ids of a text; the
tests take theirs from the same function (real_models.levels).
"""

from __future__ import annotations

import sys
from pathlib import Path

from real_models import at_level, levels

from dstok.core.cpu.level import LEVELS, emulated, level_shown

MODEL, TEXT = "deepseek-v3", "It's 12345 words,\n\n  \u6771\u4eac\u90fd caf\u00e9 \U0001f999 \u30ab\u30bf\u30ab\u30ca. " * 40


def ran() -> list[str]:
    """The lines of this installation."""
    lines = []
    for name in levels():
        tok = at_level(MODEL, name)
        way = tok._encoder.finder.strategy()
        assert way == (name if name == "automaton" else f"mask kernel, {level_shown(name)}"), (name, way)
        assert tok.encode(TEXT) == at_level(MODEL, "automaton").encode(TEXT), name
        lines.append(f"{name} {'by emulation' if emulated() and level_shown(name) != name else 'natively'}")
    return lines


def main(arguments: list[str]) -> int:
    lines = ran()
    if arguments[:1] == ["--all"]:
        lines += [line for line in Path(arguments[1]).read_text("utf-8").splitlines() if line not in lines]
    print(*sorted(lines, key=lambda line: (LEVELS.index(line.split()[0]), line)), sep="\n")
    missing = set(LEVELS) - {line.split()[0] for line in lines}
    if arguments and missing:
        print(f"did not run: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
