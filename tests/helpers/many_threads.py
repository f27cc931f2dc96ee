"""One tokenizer, one splitter, and many threads that use them at once, in every way, for some seconds.

    python tests/helpers/many_threads.py 20            prints what was done; fails at the first result that differs

For tests/sanitize.sh with SANITIZER=thread, and for Pythons without the GIL, which it tells.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from time import monotonic

import dstok

THREADS = 6
CHARACTERS = "abcdefgh ABC 0123456789 .,;:!?\n\t'\"éüßñ日本語中文字符号한국어カタカナ🦙👍\u0301\u200d"


def texts(seed: int) -> list[str]:
    """Short ones and long ones, other ones for each seed: their pieces are merged while other threads look them up."""
    rng = random.Random(seed)
    return ["".join(rng.choices(CHARACTERS, k=rng.choice((5, 50, 500, 5000, 30000)))) for _ in range(8)]


def streamed(tok: dstok.Tokenizer, text: str) -> list[int]:
    """The ids of a text that comes in parts."""
    stream = tok.encode_stream()
    ids = [i for at in range(0, len(text), 700) for i in stream.feed_list(text[at:at + 700])]
    return ids + stream.finish_list()


def ways(tok: dstok.Tokenizer, splitter: dstok.Splitter) -> dict[str, Callable[[str], object]]:
    """What a thread does with a text; each gives the same as `encode`, or as `split`."""
    return {
        "encode": tok.encode,
        "array": lambda text: tok.encode_array(text).tolist(),
        "count": lambda text: [0] * tok.count(text),
        "batch": lambda text: tok.encode_batch([text, text[:50], text], num_threads=2)[2],
        "arrays": lambda text: tok.encode_batch_arrays([text], num_threads=2)[0].tolist(),
        "offsets": lambda text: list(tok.encode_with_offsets(text).ids),
        "stream": lambda text: streamed(tok, text),
        "decode": lambda text: tok.encode(tok.decode(tok.encode(text))),
        "split": lambda text: tok.encode("".join(splitter.split(text))),
    }


class Crew:
    """Threads that work until a time; `wrong` is what differed."""

    def __init__(self, seconds: float) -> None:
        self.tok = dstok.load("deepseek-v3")
        self.splitter = dstok.Splitter.from_tokenizer(self.tok)
        self.stop, self.done = monotonic() + seconds, dict.fromkeys(ways(self.tok, self.splitter), 0)
        self.wrong: list[str] = []
        self.begin = threading.Barrier(THREADS)

    def work(self, number: int) -> None:
        try:
            self.begin.wait()
            self.rounds(number)
        except BaseException as error:  # a thread's own is seen by nobody
            self.wrong.append(f"thread {number}: {error!r}")

    def rounds(self, number: int) -> None:
        rng, seed, calls = random.Random(number), 0, ways(self.tok, self.splitter)
        while monotonic() < self.stop and not self.wrong:
            seed += 1
            for text in texts(seed):  # the same ones in all threads, at about the same time
                name = rng.choice(list(calls))
                found, expected = calls[name](text), self.tok.encode(text)
                if name == "count":
                    expected = [0] * len(expected)
                if found != expected:
                    self.wrong.append(f"thread {number}, {name}, seed {seed}, {text[:40]!r}")
                self.done[name] += 1

    def run(self) -> None:
        threads = [threading.Thread(target=self.work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main(seconds: float) -> int:
    crew = Crew(seconds)
    crew.run()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"{THREADS} threads, {'with' if gil else 'without'} the GIL: {sum(crew.done.values())} calls, {crew.done}")
    print(*crew.wrong or ["no difference"], sep="\n")
    return int(bool(crew.wrong))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
