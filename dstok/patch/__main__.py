"""`python -m dstok.patch`: see the package."""

from __future__ import annotations

import sys

from dstok.patch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
