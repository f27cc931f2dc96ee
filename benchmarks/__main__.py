"""`python -m benchmarks`: see `run.py`; `python -m benchmarks load`: see `load.py`."""

import sys

from benchmarks import load, run

if __name__ == "__main__":
    sys.exit(load.main(sys.argv[2:]) if sys.argv[1:2] == ["load"] else run.main())
