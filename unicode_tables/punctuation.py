"""Writes punctuation/punctuation.txt: the characters that upstream's Punctuation pre-tokenizer takes for punctuation.

    python unicode_tables/punctuation.py [--check]

They are ASCII punctuation and the general category P of about Unicode 8.0. Upstream has them in tables beside those of
its regexes, so upstream itself is the source: the script tests every code point. For developers; needs the package
`tokenizers`. Every version from 0.13.3 to 0.23.3 answers the same.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from tokenizers.pre_tokenizers import Punctuation

OUTPUT = Path(__file__).resolve().parent / "punctuation" / "punctuation.txt"
HEAD = "# extracted from the package tokenizers 0.23.3\n"


def main() -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(description="write or check the table of upstream's Punctuation")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the table is not current")
    options = parser.parse_args()
    text = render(sweep())
    if not options.check:
        OUTPUT.write_text(text, encoding="utf-8", newline="\n")
        sums = f"{hashlib.sha256(text.encode()).hexdigest()}  {OUTPUT.name}\n"
        OUTPUT.with_name("SHA256SUMS").write_text(sums, encoding="utf-8", newline="\n")
    elif not OUTPUT.exists() or OUTPUT.read_text(encoding="utf-8") != text:
        print(f"error: {OUTPUT} is not current: run python unicode_tables/punctuation.py", file=sys.stderr)
        return 1
    return 0


def sweep() -> list[int]:
    """The code points that upstream cuts out of a text of letters."""
    splitter = Punctuation("isolated")
    found = []
    for start in range(0, 0x110000, 0x800):
        if 0xD800 <= start < 0xE000:
            continue
        text = "".join(f"x{chr(c)}x" for c in range(start, start + 0x800))
        found += [ord(piece) for piece, _ in splitter.pre_tokenize_str(text) if len(piece) == 1 and piece != "x"]
    return found


def render(members: list[int]) -> str:
    ranges: list[list[int]] = []
    for c in members:
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return HEAD + "".join(f"{first:04X}..{last:04X}\n" for first, last in ranges)


if __name__ == "__main__":
    sys.exit(main())
