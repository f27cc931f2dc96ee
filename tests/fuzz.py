"""Random texts, through every level of the mask kernel and every way in, until one differs.

    python tests/fuzz.py --seconds 600          # --seed N --first N --count 1: one text again

In: nothing but a seed; corpora from the shared folder if there are any. Out: the seed and number of the text that
made a difference, what differed, and the text cut down as far as it still differs; status 1.
The ids of the automaton's level are the reference; upstream judges some of the texts.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from kernel_texts import ALL, CLASSES, some_class
from kernel_texts import runs as random_runs
from real_models import at_level, levels, real
from shared_data import CORPORA, shared
from text_strategies import CONTENTS, NAMED

import dstok

MODEL = "deepseek-v3"
KEPT = 4_000_000  # characters of each corpus
BORDERS = (63, 64, 126, 4096, 65536)  # bytes of blocks, of texts that are copied, of windows


@cache
def slices() -> list[str]:
    """The starts of the corpora; of none, a text of this file's own."""
    import lzma

    try:
        paths = [shared(f"data/{name}.txt.xz") for name in CORPORA]
    except BaseException as error:  # pytest's skip and fail derive from it
        if isinstance(error, KeyboardInterrupt):
            raise
        return ["The quick brown fox, 1234567 times.\n\n  \u4e2d\u6587 \uff0c caf\u00e9 \ud55c\uad6d\uc5b4\r\n\tdef f(x): return x\n" * 100]
    texts = []
    for path in paths:
        with lzma.open(path, "rt", encoding="utf-8") as file:
            texts.append(file.read(KEPT))
    return texts


def corpus_slice(chance: random.Random) -> str:
    text = chance.choice(slices())
    start = chance.randrange(len(text))
    return text[start : start + size(chance)]


def size(chance: random.Random) -> int:
    return chance.choice((10, 80, 200, 1000, 1000, 5000, 5000, 20_000, 100_000))


def mutated(chance: random.Random) -> str:
    """A slice of a corpus, with characters put in, left out, repeated and moved."""
    text = corpus_slice(chance)
    for _ in range(chance.randint(1, 12)):
        at, length = chance.randrange(len(text) + 1), chance.randint(0, 70)
        part = chance.choice((
            "", some_class(chance), some_class(chance) * length, text[at : at + 3] * length, "\n" + " " * length,
            "7" * length, chance.choice(NAMED), chance.choice(CONTENTS)[: length % 9], random_runs(chance, 10)))
        text = text[:at] + part + text[at + chance.choice((0, 0, 1, length)) :]
    return text


def at_border(chance: random.Random) -> str:
    """Something odd over a border of blocks, of texts that are copied, or of windows."""
    filler = chance.choice(("a", " a", "\n ", "\u00e9", "\u4e2d", "\ud55c", " ", "7", "word ", some_class(chance)))
    core = "".join(some_class(chance) for _ in range(chance.randint(1, 12)))
    before = chance.choice(BORDERS) * chance.choice((1, 1, 2)) + chance.randint(-30, 8)
    return (filler * (before // len(filler.encode()) + 1))[: max(before, 0)] + core + chance.choice(("", filler * 150))


def by_class(chance: random.Random) -> str:
    """Random members of a few classes, not in runs."""
    classes = chance.choices(CLASSES, k=chance.randint(1, 5))
    return "".join(chance.choice(chance.choice(classes)) for _ in range(size(chance) // 4))


def any_code_points(chance: random.Random) -> str:
    count = size(chance) // 8
    points = (chance.choice((chance.randrange(0x800), chance.randrange(0x10000), chance.randrange(0x110000)))
              for _ in range(count))
    return "".join(chr(c) for c in points if not 0xD800 <= c < 0xE000)


def specials(chance: random.Random) -> str:
    parts = [chance.choice((chance.choice(NAMED), chance.choice(CONTENTS), chance.choice(NAMED)[:5], corpus_slice(chance)[:50],
                            chance.choice(ALL))) for _ in range(chance.randint(1, 40))]
    return "".join(parts)


def long_words(chance: random.Random) -> str:
    """Pieces around the lengths that the piece table's parts hold, many of them again and again."""
    lengths = (1, 7, 8, 9, 16, 17, 24, 25, 30, 62, 63, 90)
    words = ["".join(chance.choices(chance.choice(("ab", "qxzj", "the", "\0\1", "\u00e9a", "\u4e2d\u6587", "!-")), k=chance.choice(lengths)))
             for _ in range(20)]
    return "".join(chance.choice(words) + chance.choice(" 7\n") for _ in range(size(chance) // 12))


MAKERS: list[Callable[[random.Random], str]] = [
    mutated, mutated, corpus_slice, at_border, at_border, by_class, any_code_points, specials, long_words,
    lambda chance: random_runs(chance, size(chance)),
]


def text_of(seed: int, number: int) -> str:
    """Text `number` of a run: the same for the same seed."""
    chance = random.Random(seed << 32 | number)
    text = chance.choice(MAKERS)(chance)
    if chance.random() < 0.1:
        text += chance.choice(MAKERS)(chance)
    return text


def parts_of(chance: random.Random, text: Any) -> list[Any]:
    """A text cut in up to eight places."""
    places = sorted(chance.choices(range(len(text) + 1), k=chance.randint(0, 8)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)])]


def streamed(tok: dstok.Tokenizer, parts: list[Any]) -> list[int]:
    stream = tok.encode_stream()
    return [*(id for part in parts for id in stream.feed_list(part)), *stream.finish_list()]


def outcomes(tok: dstok.Tokenizer, text: str, seed: int) -> Iterator[tuple[str, Any, Any]]:
    """(what, found, expected) of what every way in gives, against the automaton's ids."""
    chance = random.Random(seed)
    ids, data = at_level(MODEL, "automaton").encode(text), text.encode()
    yield "encode", tok.encode(text), ids
    yield "encode of bytes", tok.encode(data), ids
    yield "encode_array", tok.encode_array(text).tolist(), ids
    yield "count", (tok.count(text), tok.count(data)), (len(ids), len(ids))
    parts = parts_of(chance, text)
    lone = [at_level(MODEL, "automaton").encode(part) for part in parts]
    threads = chance.choice((1, 1, 1, 2, 5))
    yield "encode_batch", tok.encode_batch([text, *parts, data], threads=threads), [ids, *lone, ids]
    yield "count_batch", tok.count_batch([*parts, text], threads=threads), [*map(len, lone), len(ids)]
    yield "stream", streamed(tok, parts), ids
    yield "stream of bytes", streamed(tok, parts_of(chance, data)), ids
    if chance.random() < 0.2:
        yield "decode", tok.decode(ids), text
    if chance.random() < 0.05:
        limit = chance.randint(0, len(ids) + 1)
        yield "count_up_to", tok.count_up_to(text, limit), at_level(MODEL, "automaton").count_up_to(text, limit)
        yield "offsets", tok.encode_with_offsets(text).byte_spans.tolist(), \
            at_level(MODEL, "automaton").encode_with_offsets(text).byte_spans.tolist()
    broken = bytearray(data[:3000])
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(broken) + 1)
        broken[at : at + 1] = bytes([chance.randrange(128, 256)])
    yield "invalid utf-8", fault(tok, bytes(broken)), python_fault(bytes(broken))
    yield "replaced utf-8", tok.encode(bytes(broken), errors="replace"), \
        at_level(MODEL, "automaton").encode(broken.decode(errors="replace"))


def fault(tok: dstok.Tokenizer, data: bytes) -> int | None:
    """Where the tokenizer says that bytes are no UTF-8."""
    try:
        tok.encode(data)
    except dstok.TextError as error:
        return error.offset
    return None


def python_fault(data: bytes) -> int | None:
    """Where Python says so."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def difference(text: str, seed: int, upstream: bool, names: list[str]) -> str | None:
    """What differs on a text, or None."""
    for name in names:
        for what, found, expected in outcomes(at_level(MODEL, name), text, seed):
            if found != expected:
                return f"{what} at level {name}"
    if upstream and at_level(MODEL, "automaton").encode(text) != real(MODEL).encode(text, add_special_tokens=False).ids:
        return "automaton against upstream"
    return None


def minimised(text: str, seed: int, upstream: bool, names: list[str]) -> str:
    """The text with parts left out, as long as it still differs; at most 3000 tries."""
    step, tries = max(len(text) // 2, 1), 0
    while tries < 3000:
        at, before = 0, text
        while at < len(text) and tries < 3000:
            shorter = text[:at] + text[at + step :]
            tries += 1
            if difference(shorter, seed, upstream, names):
                text = shorter
            else:
                at += step
        if step == 1 and text == before:
            break
        step = max(step // 2, 1)
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of all the texts; default: the clock")
    parser.add_argument("--first", type=int, default=0, help="number of the first text")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="how many texts")
    parser.add_argument("--upstream", type=int, default=10, help="every so many texts upstream judges; 0: never")
    parser.add_argument("--levels", nargs="+", default=levels(), choices=levels(), help="of the mask kernel; default: all")
    wanted = parser.parse_args()
    seed = int(time.time()) if wanted.seed is None else wanted.seed
    end, number, size_so_far = time.monotonic() + wanted.seconds, wanted.first, 0
    print(f"seed {seed}, levels {', '.join(wanted.levels)}", flush=True)
    while number - wanted.first < wanted.count and time.monotonic() < end:
        text = text_of(seed, number)
        judged = bool(wanted.upstream) and number % wanted.upstream == 0
        found = difference(text, number, judged, wanted.levels)
        if found:
            print(f"{found}: --seed {seed} --first {number} --count 1 --upstream {int(judged)}")
            print(ascii(minimised(text, number, judged, wanted.levels)))
            return 1
        size_so_far += len(text)
        number += 1
    print(f"{number - wanted.first} texts, {size_so_far} characters, no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
