"""Generates `dstok/conformance/unicode_changes.txt`: the changes of general categories between Unicode versions.

In: for each version a release of `unicodedata2` (PyPI), installed in a folder of its own, or this interpreter's
`unicodedata`. Out: one table, checked in.

    for v in 15.0 15.1 16.0 17.0 18.0; do pip install --no-deps --target releases/$v unicodedata2==$v.0; done
    python3.11 unicode_tables/changes.py --releases releases            # 14.0 is Python 3.11's own
    python3.11 unicode_tables/changes.py --releases releases --check

Invariant: a pure function of the releases. `tests/conformance/test_class_cover.py` compares it with dstok's own table
of 16.0, which comes from another source, and with the `unicodedata` of the interpreter that runs the test.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import unicodedata
from itertools import groupby
from pathlib import Path
from textwrap import wrap

VERSIONS = ("14.0", "15.0", "15.1", "16.0", "17.0", "18.0")
OUTPUT = Path(__file__).resolve().parent.parent / "dstok" / "conformance" / "unicode_changes.txt"
LINE_WIDTH = 120
READ = ("import unicodedata2 as u; assert u.unidata_version == '{version}.0', u.unidata_version; "
        "print(''.join(map(u.category, map(chr, range(0x110000)))))")
HEAD = """\
# GENERATED, do not edit. Written by: python3.11 unicode_tables/changes.py --releases releases
# Data: Unicode Character Database, (c) Unicode, Inc., under the Unicode License V3, as compiled into the releases of
# unicodedata2 (14.0: Python 3.11).
# The versions; then the code points whose general category is not the same in all of them: "first-last:" or "first:" in
# hexadecimal, and the category in each version, two letters each.
"""


def categories(version: str, releases: Path) -> str:
    """The two-letter categories of all code points in a row."""
    if unicodedata.unidata_version == f"{version}.0":
        return "".join(map(unicodedata.category, map(chr, range(0x110000))))
    done = subprocess.run([sys.executable, "-c", READ.format(version=version)], check=True, capture_output=True,
                          text=True, env={"PYTHONPATH": str(releases / version)})
    return done.stdout.strip()


def changes(tables: list[str]) -> list[str]:
    """A word for each run of code points with the same changes."""
    rows = ((at // 2, "".join(table[at : at + 2] for table in tables)) for at in range(0, 2 * 0x110000, 2))
    changed = ((code, row) for code, row in rows if row != row[:2] * len(tables))
    words = []
    for (_, row), run in groupby(enumerate(changed), key=lambda item: (item[1][0] - item[0], item[1][1])):
        codes = [code for _, (code, _) in run]
        words.append(f"{codes[0]:X}-{codes[-1]:X}:{row}" if len(codes) > 1 else f"{codes[0]:X}:{row}")
    return words


def table(releases: Path) -> str:
    words = " ".join(changes([categories(version, releases) for version in VERSIONS]))
    return "\n".join([HEAD + " ".join(VERSIONS), *wrap(words, LINE_WIDTH, break_on_hyphens=False), ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releases", type=Path, required=True, help="holds a folder a version")
    parser.add_argument("--check", action="store_true", help="compare instead of writing; status 1 if stale")
    options = parser.parse_args()
    text = table(options.releases)
    if options.check:
        current = OUTPUT.exists() and OUTPUT.read_text(encoding="utf-8") == text
        print(f"{OUTPUT.name}: {'current' if current else 'stale'}")
        return 0 if current else 1
    OUTPUT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
