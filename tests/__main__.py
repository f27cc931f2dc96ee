"""The tools of the tests, by one command: `python -m tests` lists them, `python -m tests fuzz --seconds 600` runs one.

In: the name of a tool and its arguments, which go to it as they are. Out: its output and exit status.
A tool runs as a script of its own: it then uses the installed dstok, and not the folder that this command starts in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TOOLS = {  # name -> script below tests/, and its use in a line
    "aarch64": ("aarch64", "the NEON code: cross-builds, then runs the core's tests and the fuzzer under qemu"),
    "browser": ("fetch_browser", "fetches a browser for the tests of pages: FOLDER, then DSTOK_BROWSER=FOLDER"),
    "completions": ("fuzzing/fuzz_completions.py", "completions of chats: parts against the whole, steps: --seconds"),
    "emulate": ("emulate", "the AVX-512 and AVX2 code on any processor: builds with emulated instructions, tests"),
    "families": ("models/compare_families.py", "compares the ids of real models' files with upstream's"),
    "fuzz": ("fuzzing/fuzz.py", "random texts through every level and every way in: --seconds, --subjects, --seed"),
    "lines": ("helpers/lines.py", "the hand-written lines of each room, against its budget"),
    "judges": ("fetch_judges", "fetches files of other projects to compare with: FOLDER, then DSTOK_JUDGES=FOLDER"),
    "memory": ("helpers/memory.py", "the most memory that a command and its processes take: COMMAND..."),
    "mixins": ("integrations/run_mixins.py", "transformers' own tests of tokenizers, on an accelerated one"),
    "patterns": ("helpers/random_patterns.py", "random patterns against upstream and regex: PAIRS [SEED]"),
    "planted": ("fuzzing/planted_faults.py", "plants known faults into a copy, and lets the fuzzer find them"),
    "sanitize": ("sanitize.sh", "the core under gcc's sanitizers: SANITIZER=address (default) or thread"),
    "threads": ("helpers/many_threads.py", "one tokenizer, many threads: SECONDS"),
    "transformers": ("helpers/transformers_calls.py", "random calls, original against accelerated: FOLDER COUNT [SEED]"),
}


def main(arguments: list[str]) -> int:
    """Run a tool, or list all; return its exit status, 2 for an unknown name."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m tests TOOL [ARGUMENT...]\n")
        print("\n".join(f"  {name:13} {use}" for name, (_, use) in TOOLS.items()))
        return 0
    name, *rest = arguments
    if name not in TOOLS:
        print(f"error: expected a tool out of {', '.join(TOOLS)}, found {name!r}", file=sys.stderr)
        return 2
    script = FOLDER / TOOLS[name][0]
    command = [sys.executable, str(script)] if script.suffix == ".py" else ["bash", str(script)]
    return subprocess.call([*command, *rest], env=_environment())


def _environment() -> dict[str, str]:
    """As here, with the helpers on the path, which pytest finds by its settings; PYTHON is what the shell scripts run."""
    folders = [str(FOLDER / "helpers"), str(FOLDER / "fuzzing"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHON": sys.executable, **os.environ, "PYTHONPATH": os.pathsep.join(folders)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
