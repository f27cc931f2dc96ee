"""The command `dstok`, and `python -m dstok`.

In: the words of the command line. Out: an exit code: 0 all is well, 1 over the budget of `count --max-tokens`,
2 bad usage or bad input, 70 a fault in dstok itself, 130 interrupted, 141 whoever read our output has gone.
Invariant: an interrupt is quiet wherever it falls, in the imports too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the words `argv` (those of this process if None) and return its exit code."""
    try:
        from dstok.cli.app import run

        return run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
