"""Generate the tables of scripts and binary properties that dstok ships.

    python unicode_tables/generate_properties.py --unicode 16.0
    python unicode_tables/generate_properties.py --unicode 16.0 --check    # exit 1 if it is missing, stale or edited

In: the pinned inputs in `unicode_tables/properties/VERSION` (see README.md), checked against their `SHA256SUMS`. Out:
one module of string constants, `dstok/unicode/_properties_VERSION.py`, decoded by `dstok/unicode/properties.py`.
Invariant: a pure function of the inputs; depends on the standard library alone.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from generate import HERE, InputError, check, read_input, read_sums, sha256

INPUTS = {"SCRIPTS": "scripts.txt", "SCRIPT_EXTENSIONS": "script_extensions.txt", "BINARY": "binary.txt"}
MODULE = '''\
# GENERATED, do not edit. Written by: python unicode_tables/generate_properties.py --unicode {version}
# Data: Unicode Character Database {version}, (c) Unicode, Inc., under the Unicode License V3.
# sha256 of the inputs in unicode_tables/properties/{version}:
{sums}
"""Unicode {version}: scripts, script extensions and binary properties; decoded by dstok/unicode/properties.py.

By name: inclusive ranges in hexadecimal, "first-last", or "first" alone. ALIASES: further names of scripts.
"""

{constants}
ALIASES = {{
{aliases}
}}
'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check one table; return the exit status (0 written or current, 1 stale or a bad input)."""
    parser = argparse.ArgumentParser(description="Generate dstok/unicode/_properties_VERSION.py.")
    parser.add_argument("--unicode", required=True, metavar="VERSION", help="Unicode version, such as 16.0")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if not current")
    options = parser.parse_args(arguments)
    name = f"_properties_{options.unicode.replace('.', '_')}.py"
    output = HERE.parent / "dstok" / "unicode" / name
    try:
        module = render(options.unicode, HERE / "properties" / options.unicode)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.check:
        return check(output, module, options.unicode)
    output.write_text(module, encoding="utf-8", newline="\n")
    return 0


def render(version: str, folder: Path) -> str:
    sums = read_sums(folder / "SHA256SUMS")
    texts = {constant: read_input(folder / file, sums.get(file)) for constant, file in INPUTS.items()}
    rows = {constant: [line.split(";") for line in text.splitlines()] for constant, text in texts.items()}
    return MODULE.format(
        version=version,
        sums="\n".join(f"#   {sha256(texts[constant].encode())}  {file}" for constant, file in INPUTS.items()),
        constants="\n".join(f"{constant} = {{\n{_members(found)}\n}}" for constant, found in rows.items()),
        aliases="\n".join(f'    "{name}": "{names}",' for name, names, _ in rows["SCRIPTS"] if names))


def _members(rows: list[list[str]]) -> str:
    return "\n".join(f'    "{name}": (\n{_literals(ranges)}\n    ),' for name, _, ranges in rows)


def _literals(ranges: str) -> str:
    lines = textwrap.wrap(ranges, 105, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(f'        "{line}"' for line in [*(line + " " for line in lines[:-1]), lines[-1]])


if __name__ == "__main__":
    sys.exit(main())
