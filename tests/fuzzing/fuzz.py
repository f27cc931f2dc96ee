"""Random texts, through every level of the mask kernel and every way in, until one differs.

    python tests/fuzzing/fuzz.py --seconds 600           # all subjects; --seed N --first N --count 1 --subjects NAME: one again
    python tests/fuzzing/fuzz.py --subjects patterns     # --list: their names

In: nothing but a seed; corpora from the shared folder if there are any. Out: the seed and number of what made a
difference, what differed, the model if it was made up, and the text cut down as far as it still differs; status 1.
The reference is the automaton alone, a piece at a time; upstream judges every tenth text, and every one of a made-up
model.

Subjects: a real file of each family (fuzz_subjects.py); `patterns`, models whose pattern is a family's with other sets
(fuzz_patterns.py); `models` and `characters`, small models of everything else (fuzz_models.py). Texts: fuzz_texts.py. Ways in:
fuzz_calls.py.

Each subject and kind of text has faults of its own. The rules of words alone let the grid hand over to the automaton
inside of a piece. Other models than V3 have blanks of four bytes, and ASCII characters in other classes. A safe cut
before a rare character takes a character of a small class. Some faults show in growing texts alone, or in texts of more
than eight parts. So every second text has one of these things, and short texts are cut at every character. The
reference has no safe cuts.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))

from fuzz_calls import DRAWN, How, difference, minimised
from fuzz_models import of_characters, small
from fuzz_patterns import varied
from fuzz_pre_tokenizers import of_pre_tokenizers
from fuzz_subjects import Subject, families, family
from fuzz_texts import text_of
from real_models import levels

TEXTS = 20  # of a family in a job
MADE = {"patterns": (varied, 60), "models": (small, 20), "characters": (of_characters, 20),
        "pre-tokenizers": (of_pre_tokenizers, 20)}  # how a model is made, and its texts


def subjects() -> list[str]:
    """The names of all that can be tried here."""
    return [*families(), *MADE]


def jobs(name: str, seed: int, number: int, levels: tuple[str, ...], upstream: int) -> Iterator[tuple[Subject, str, int, bool]]:
    """Job `number` of a run, the same for the same seed: subjects, texts, seeds of calls, whether upstream judges."""
    chance = random.Random(f"{name} {seed} {number}")
    make, count = MADE.get(name, (lambda *_: family(name, levels), TEXTS))
    made = next(filter(None, (make(chance, levels) for _ in range(99))))  # dstok refuses some models
    for each in range(count):
        yield made, text_of(made.letters, chance), number + each, bool(upstream) and (name in MADE or each % upstream == 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of all the texts; default: $DSTOK_SEED, or the clock")
    parser.add_argument("--first", type=int, default=0, help="number of the first job")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="how many jobs, each for every subject")
    parser.add_argument("--upstream", type=int, default=10, help="every so many texts upstream judges; 0: never")
    parser.add_argument("--levels", nargs="+", default=levels(), choices=levels(), help="of the mask kernel; default: all")
    parser.add_argument("--subjects", nargs="+", default=subjects(), choices=subjects(), help="default: all")
    parser.add_argument("--without", nargs="+", default=[], choices=[calls.__name__ for calls in DRAWN], help="calls not to make")
    parser.add_argument("--list", action="store_true", help="only tell the subjects' names")
    wanted = parser.parse_args()
    if wanted.list:
        print(*subjects(), sep="\n")
        return 0
    seed = int(os.environ.get("DSTOK_SEED") or time.time()) if wanted.seed is None else wanted.seed
    print(f"seed {seed}, levels {', '.join(wanted.levels)}", flush=True)
    return run(wanted, seed)


def run(wanted: argparse.Namespace, seed: int) -> int:
    """Job by job, each for every subject, until the time is over or something differs."""
    begin, texts, characters = time.monotonic(), Counter[str](), 0
    for number in range(wanted.first, min(wanted.first + wanted.count, sys.maxsize)):
        for name in wanted.subjects:
            for subject, text, calls, judged in jobs(name, seed, number, tuple(wanted.levels), wanted.upstream):
                how = How(judged, without=tuple(wanted.without))
                found = difference(subject, text, calls, how)
                if found:
                    after = f"{sum(texts.values())} texts, {time.monotonic() - begin:.0f} s ({time.process_time():.0f} of processor)"
                    print(f"{name}: {found}, after {after}: --seed {seed} --first {number} --count 1 --subjects {name} "
                          f"--upstream {int(judged)} --levels {' '.join(wanted.levels)}")
                    print(*subject.told, sep="\n", end="\n" * bool(subject.told))
                    print(ascii(minimised(subject, text, calls, how)), flush=True)
                    return 1
                texts[name] += 1
                characters += len(text)
            if time.monotonic() - begin > wanted.seconds:
                break
        else:
            continue
        break
    told = ", ".join(f"{name} {count}" for name, count in texts.items())
    print(f"{sum(texts.values())} texts, {characters} characters, no difference ({told})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
