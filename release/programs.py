"""The stored programs: steps of known models, compiled, with a proved kernel; dstok/compiled/programs.py reads them.

In: the steps in dstok/compiled/programs.jsonl, those of the splitter's presets and of tiktoken's encodings, and of the
model files that are given. Out: the same file, made again; with `--check` exit status 1 if it is of other sources.
Invariant: the first line has the hash of all sources that decide a program or a proof. setup.py compiles this hash into
the core: one of other sources takes none of these programs. The models' own files are needed only to add a program.

    python release/programs.py [--check] [tokenizer.json ...]
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "dstok" / "compiled" / "programs.jsonl"
SOURCES = sorted(path.relative_to(ROOT).as_posix() for pattern in (
    "regex/*.py", "unicode/*.py", "unicode/ucd.jsonl", "compiled/kernel_selection.py", "core/split/*.h",
    "core/split/automaton.p*", "core/check/proofs.pyx", "core/check/walk.h",
) for path in (ROOT / "dstok").glob(pattern) if path.suffix != ".pyi")


def sources_hash() -> str:
    """The hash of the sources, as SHA-256; of their text, for a checkout may have other ends of lines."""
    whole = sha256()
    for source in SOURCES:
        whole.update(f"{source}\n{(ROOT / source).read_text(encoding='utf-8')}".encode())
    return whole.hexdigest()


def main(paths: list[str]) -> None:
    """Write the file, with the steps of these models, too."""
    from base64 import b64encode
    from zlib import compress

    from dstok.compiled.programs import SECTIONS, key_of, tables_of
    from dstok.formats import NEWEST_UPSTREAM
    from dstok.formats.reading import describe_json_file
    from dstok.formats.tiktoken import ENCODINGS
    from dstok.pretokenizer.sources import preset_names, preset_splits, tiktoken_splits
    from dstok.regex import Split
    from dstok.regex.cascade import compile_splits

    stored = [json.loads(line)["splits"] for line in PROGRAMS.read_text().splitlines()[1:]] if PROGRAMS.exists() else []
    found = [([Split(*step[:3], "", step[3]) for step in steps], "") for steps in stored]
    found += [(list(splits), version) for splits, version in map(preset_splits, preset_names())]
    found += [(list(tiktoken_splits(name)), "16.0") for name in ENCODINGS]
    found += [(list(model.splits), model.unicode_version) for path in paths
              for model in [describe_json_file(path, None, NEWEST_UPSTREAM)]]
    lines = {}
    for splits, version in found:
        key = key_of(splits, version)
        if key in lines:
            continue
        program = tables_of(compile_splits(splits, version))
        tables = [getattr(program, name) for name in SECTIONS]
        lines[key] = key + json.dumps({
            "symbols": program.symbols, "kernel": program.kernel, "sizes": [*map(len, tables)],
            "tables": b64encode(compress(b"".join(tables), 9)).decode()})[1:]
    first = json.dumps({"sources": sources_hash()})
    PROGRAMS.write_text("\n".join([first, *(lines[key] for key in sorted(lines)), ""]), encoding="ascii")


if __name__ == "__main__":
    if "--check" not in sys.argv:
        main(sys.argv[1:])
    elif not PROGRAMS.read_text(encoding="ascii").startswith(f'{{"sources": "{sources_hash()}"}}\n'):
        sys.exit(f"{PROGRAMS}: expected programs of the present sources, found those of others: "
                 "build the core, then run release/programs.py")
