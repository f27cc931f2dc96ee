"""Plants faults into a copy of this checkout, one by one, and lets the fuzzer find them, or `dstok prove`.

    python tests/fuzzing/planted_faults.py                   # all; or their names
    python tests/fuzzing/planted_faults.py --folder FOLDER   # keeps the copy, and what was built, for the next time

In: `FAULTS` that there were, for the fuzzer, and those `OF_PROVE`. Out: a row each: what the fuzzer found, after how many
texts and seconds (of wall, of processor), and the text that was left, or the steps that failed; status 1 if one was not
found within --seconds. Where the code is compiled, the copy is built
first (ccache makes that quick). What was found is on record in docs/fuzzing.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = ("*.so", "*.c", ".*", "build", "dist", "__pycache__", "*.egg-info")
FOUND = re.compile(r"(.*), after (\d+) texts, (\d+) s \((\d+) of processor\)")


@dataclass(frozen=True)
class Fault:
    """`old` becomes `new` in `file`; `subjects` are what the fuzzer tries, or the models that are proved."""

    file: str
    old: str
    new: str
    subjects: tuple[str, ...]


WORDS = ("minimax", "deepseek-r1-distill-llama-8b", "patterns")
FAULTS = {
    "hand-over inside a piece": Fault(
        "dstok/core/split/grid.h", "run->anchor = ROWS[rules].cased || rules == RULES_SHUFFLES ? end.anchor : end.count;", "run->anchor = end.count;", WORDS),
    "hand-over between marks": Fault(
        "dstok/core/split/rules_words.h", "cuts = m->cuts & m->letter & letters_before;",
        "cuts = m->cuts;", WORDS),
    "blank of four bytes": Fault(
        "dstok/core/split/rules.h", "(last >> 1 & m->leads & ~m->three) | (last >> 2 & m->three & ~m->four) |\n           (last >> 3 & m->four);",
        "(last >> 2 & m->three) | (last >> 1 & ~(m->three << 1));", ("patterns",)),
    "ASCII character of another class": Fault(
        "dstok/compiled/kernel_selection.py", "for byte in members.ascii]", "for byte in members.ascii if chr(byte) in PROBES]",
        ("patterns",)),
    "wide character of a single class": Fault(
        "dstok/compiled/kernel_selection.py", "while (difference := find_difference(rules, marked, classes, kinds)) is not None:",
        "while (difference := None) is not None:", ("patterns",)),
    "state lost between blocks": Fault(
        "dstok/core/split/rules.h", "s->number = LAST(m->number);", "s->number = 0;", ("deepseek-v3", "minimax")),
    "shared id has the added text": Fault(
        "dstok/added_tokens.py", "decoded_bytes(text) if is_spelling(text) and not token.literal else text.encode()",
        "text.encode()", ("models",)),
    "exception swallowed": Fault(
        "dstok/core/encode/passes.pyx", "    cdef bytes made = normalizer.normalize((<const char *>text)[:size]) if size else b\"\"\n",
        "    cdef bytes made = b\"\"\n    try:\n"
        "        made = normalizer.normalize((<const char *>text)[:size]) if size else b\"\"\n"
        "    except BaseException:\n        pass\n", ("models",)),
    "copies share their state": Fault(
        "dstok/_util/objects.py", "setattr(other, name, copy(value))", "setattr(other, name, value)", ("deepseek-v3",)),
}
STRIPS, V3 = "dstok/core/bpe/strips_avx2.h", ("deepseek-v3",)
OF_PROVE = {
    "strips that leave the last text": Fault(
        STRIPS, "    while (r.active)\n", "    while (r.active > 1)\n", V3),
    "strips with the wrong symbol after": Fault(
        STRIPS, "r->right[2 * j + 1] = ids[at + 2];", "r->right[2 * j + 1] = ids[at + 1];", V3),
    "a repeat of another end": Fault(
        "dstok/core/encode/repeats.h", "memcmp(text + starts[one], text + starts[other], length) == 0",
        "memcmp(text + starts[one], text + starts[other], length - 1) == 0", V3),
    "a probe that takes any length": Fault(
        "dstok/core/bpe/piece_probe_avx2.h", "_mm256_cmpeq_epi32(_mm256_min_epu32(less, _mm256_set1_epi32(3 - old)), less);",
        "_mm256_cmpgt_epi32(value, _mm256_setzero_si256());", V3),
    "a long piece of the same length": Fault(
        "dstok/core/bpe/piece_cache.h",
        "if (short_set[way].length == length && !memcmp(short_set[way].key, text, (size_t)length)) {",
        "if (short_set[way].length == length) {", V3),
    "sections that always join": Fault(
        "dstok/core/bpe/merge.pyx", "joined == 2 and junction.ends[0] == left", "True", V3),
}


def planted(text: str, fault: Fault) -> str:
    """The file's text with the fault. Raises `ValueError` if its place is not there, or not once."""
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.file}: expected {fault.old!r} once, found it {text.count(fault.old)} times")
    return text.replace(fault.old, fault.new)


def build(copy: Path) -> None:
    subprocess.run([sys.executable, "setup.py", "-q", "build", "--build-lib", "lib"], cwd=copy, check=True, capture_output=True)


def find(copy: Path, fault: Fault, seconds: float) -> tuple[str, str] | None:
    """What the fuzzer says of the fault, and the text that is left; None if it finds nothing."""
    ran = subprocess.run(
        [sys.executable, "tests/fuzzing/fuzz.py", "--seconds", str(seconds), "--subjects", *fault.subjects], cwd=copy, text=True,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(copy / "lib")})
    lines = ran.stdout.splitlines()
    found = next((match for match in map(FOUND.match, lines) if match), None)
    if ran.returncode != 1 or found is None:
        return None
    return "{}: {} texts, {} s, {} of processor".format(*found.groups()), lines[-1]


def refute(copy: Path, fault: Fault, seconds: float) -> tuple[str, str] | None:
    """The steps of `dstok prove` that fail, and the first of them in its words; None if all hold."""
    for model in fault.subjects:
        ran = subprocess.run([sys.executable, "-m", "dstok", "prove", model, "--json"], cwd=copy.parent, text=True, timeout=seconds,
                             stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(copy / "lib")})
        if ran.returncode == 1:
            failed = [step for step in json.loads(ran.stdout) if step["faults"]]
            return "prove: " + ", ".join(step["name"] for step in failed), failed[0]["faults"][0]
        if ran.returncode < 0:
            return "prove: ", f"ended by signal {-ran.returncode}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*FAULTS, *OF_PROVE], help="of faults; default: all")
    parser.add_argument("--seconds", type=float, default=300, help="for each; default: 300")
    parser.add_argument("--folder", type=Path, help="of the copy; default: one that is removed at the end")
    wanted = parser.parse_args()
    folder = wanted.folder or Path(tempfile.mkdtemp())
    try:
        return run(folder / "dstok", wanted.names, wanted.seconds)
    finally:
        if not wanted.folder:
            shutil.rmtree(folder)


def run(copy: Path, names: list[str], seconds: float) -> int:
    if not copy.exists():
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    missed = 0
    for name in names:
        fault = {**FAULTS, **OF_PROVE}[name]
        path = copy / fault.file
        right = path.read_text("utf-8")
        try:
            path.write_text(planted(right, fault), "utf-8")
            build(copy)
            found = (refute if name in OF_PROVE else find)(copy, fault, seconds)
        finally:
            path.write_text(right, "utf-8")
        missed += found is None
        print(f"| {name} | {' | '.join(found) if found else f'not found within {seconds:.0f} s |'} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
