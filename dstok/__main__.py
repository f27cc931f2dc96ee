"""`python -m dstok`: the same as the command `dstok`."""

from __future__ import annotations

import sys

from dstok.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
