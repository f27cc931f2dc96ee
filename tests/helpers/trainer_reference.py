"""BPE training, line by line as `tokenizers` 0.23.3 does it (models/bpe/trainer.rs, word.rs), for reading and for tests.

In: words with their frequencies, spelled as the pre-tokenizer leaves them (ByteLevel: a character a byte), and the
trainer's settings. Out: the vocabulary and the merges of the saved tokenizer.json, and `Doubt`s: places at which
upstream's own answer depends on the order of its hash tables, and this reference takes one of the possible answers.

Rules that look odd here are upstream's, and decide the result:

- A merge's own count is not taken away. Where the pair comes back (`abc` = ab+c and = a+bc; then abc+d), the new
  occurrences are added to the old count: the pair rises above pairs that are truly more frequent.
- Each time that a pair gains occurrences it is put on the heap once more, with the words that gained them only. Such
  entries of one pair are merged one after the other, and there may be other merges between them. The pair is listed
  once in the saved merges, at its last place.
- Initial pairs have no limit of length; later ones need length(left) + length(right) < max_token_length, so tokens are
  at most max_token_length - 1 long, or 2.
- Counts of pairs are 32-bit and wrap. One that is negative is compared as an unsigned 64-bit number: the largest of all.
- Characters that `limit_alphabet` takes out leave a word without a gap: their neighbours become a pair.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

__all__ = ["Doubt", "Trained", "definition", "train"]


class Doubt(NamedTuple):
    """A place from which on upstream may answer otherwise. what: "alphabet", "ids", "entries"; merges: made before it."""

    what: str
    merges: int


class Trained(NamedTuple):
    vocab: dict[str, int]
    merges: list[tuple[str, str]]
    doubts: list[Doubt]
    repeated: int        # merges made whose pair had been merged before
    old_tokens: int      # merges made that spell a token which was there


def train(  # noqa: C901 (in one piece, as upstream's)
    words: Mapping[str, int], *, vocab_size: int = 30000, min_frequency: int = 0, special_tokens: Iterable[str] = (),
    limit_alphabet: int | None = None, initial_alphabet: Iterable[str] = (), continuing_subword_prefix: str | None = None,
    end_of_word_suffix: str | None = None, max_token_length: int | None = None, wrap: bool = True,
    order: Callable[[Iterable[str]], Iterable[str]] = sorted,
) -> Trained:
    """wrap=False: counts of 64 bits. order: in which order upstream's hash table may give the words."""
    ids: dict[str, int] = {}
    spelled: list[str] = []
    doubts: list[Doubt] = []

    def id_of(token: str) -> int:
        if token not in ids:
            ids[token] = len(spelled)
            spelled.append(token)
        return ids[token]

    for token in special_tokens:
        id_of(token)
    for char in _alphabet(words, [each[0] for each in initial_alphabet if each], limit_alphabet, doubts):
        id_of(char)

    # The words as ids, and how many characters each id stands for in them.
    symbols: list[list[int]] = []
    lengths: list[list[int]] = []
    counts: list[int] = []
    before = len(spelled)
    for word in order(words):
        symbols.append([
            id_of((continuing_subword_prefix or "" if place else "") + char
                  + (end_of_word_suffix or "" if place == len(word) - 1 else ""))
            for place, char in enumerate(word) if char in ids])
        lengths.append([1] * len(symbols[-1]))
        counts.append(words[word])
    if len(spelled) - before > 1:
        doubts.append(Doubt("ids", 0))

    signed = _signed32 if wrap else int
    limit = 1 << 64 if max_token_length is None else max_token_length
    pair_counts: dict[tuple[int, int], int] = {}
    gained: dict[tuple[int, int], set[int]] = {}
    heap: list[tuple[int, tuple[int, int], int, set[int]]] = []
    numbers = itertools.count()

    def push(pair: tuple[int, int], where: set[int]) -> None:
        heapq.heappush(heap, (-(pair_counts[pair] % (1 << 64)), pair, next(numbers), where))

    for number, parts in enumerate(symbols):
        for pair in itertools.pairwise(parts):
            pair_counts[pair] = signed(pair_counts.get(pair, 0) + counts[number])
            gained.setdefault(pair, set()).add(number)
    for pair, where in gained.items():
        if pair_counts[pair] > 0:
            push(pair, where)

    ranks: dict[tuple[int, int], int] = {}
    done = repeated = old_tokens = 0
    while len(ids) < vocab_size and heap:
        negative, pair, _, where = heapq.heappop(heap)
        count = pair_counts[pair] % (1 << 64)
        if -negative != count:
            push(pair, where)
            continue
        if count < max(1, min_frequency):
            break
        if heap and heap[0][:2] == (negative, pair):
            doubts.append(Doubt("entries", done))
        left, right = pair
        tail = spelled[right]
        if continuing_subword_prefix:
            tail = tail.removeprefix(continuing_subword_prefix)
        old_tokens += spelled[left] + tail in ids
        merged = id_of(spelled[left] + tail)
        repeated += pair in ranks
        ranks[pair] = done
        done += 1
        gained = {}
        for number in where:
            for changed, change in _merge(symbols[number], lengths[number], left, right, merged, limit):
                pair_counts[changed] = signed(pair_counts.get(changed, 0) + change * counts[number])
                if change > 0:
                    gained.setdefault(changed, set()).add(number)
        for changed, places in gained.items():
            if pair_counts[changed] > 0:
                push(changed, places)

    merges = [(spelled[left], spelled[right]) for left, right in sorted(ranks, key=ranks.__getitem__)]
    return Trained(ids, merges, doubts, repeated, old_tokens)


def definition(
    words: Mapping[str, int], *, vocab_size: int = 30000, min_frequency: int = 0, special_tokens: Iterable[str] = (),
    initial_alphabet: Iterable[str] = (), max_token_length: int | None = None,
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The result of `train` without affixes, 32-bit counts and a limited alphabet. Slow: it counts all pairs each time."""
    ids: dict[str, int] = {}
    for token in [*special_tokens, *sorted({*"".join(words), *(each[0] for each in initial_alphabet if each)})]:
        ids.setdefault(token, len(ids))
    symbols, merges = {word: list(word) for word in words}, list[tuple[str, str]]()
    while len(ids) < vocab_size:
        counts: Counter[tuple[str, str]] = Counter()
        for word, parts in symbols.items():
            for left, right in itertools.pairwise(parts):
                length = len(left) + len(right)
                if length == 2 or max_token_length is None or length < max_token_length:
                    counts[left, right] += words[word]
        best = min(counts, key=lambda pair: (-counts[pair], ids[pair[0]], ids[pair[1]]), default=None)
        if best is None or counts[best] < max(1, min_frequency):
            break
        ids.setdefault("".join(best), len(ids))
        merges.append(best)
        for parts in symbols.values():
            for place in range(len(parts)):
                if tuple(parts[place : place + 2]) == best:
                    parts[place : place + 2] = ["".join(best)]
    return ids, merges


def _alphabet(words: Mapping[str, int], initial: list[str], limit: int | None, doubts: list[Doubt]) -> list[str]:
    """The characters that get ids: by code point. Those of the initial alphabet count as the most frequent."""
    seen: Counter[str] = Counter()
    for word, count in words.items():
        for char in word:
            seen[char] += count
    for char in initial:
        seen[char] = (1 << 64) - 1
    kept = sorted(seen, key=lambda char: (seen[char], char))
    if limit is not None and len(kept) > limit:
        cut = len(kept) - limit
        if limit and seen[kept[cut - 1]] == seen[kept[cut]]:
            doubts.append(Doubt("alphabet", 0))
        kept = kept[cut:]
    return sorted(kept)


def _merge(
    word: list[int], lengths: list[int], left: int, right: int, merged: int, limit: int,
) -> Iterator[tuple[tuple[int, int], int]]:
    """Merges the pair in a word, in place; yields (pair, change of its count)."""
    place = 0
    while place + 1 < len(word):
        if word[place] == left and word[place + 1] == right:
            length = lengths[place] + lengths[place + 1]
            if place:
                yield (word[place - 1], left), -1
                if lengths[place - 1] + length < limit:
                    yield (word[place - 1], merged), 1
            word[place : place + 2] = [merged]
            lengths[place : place + 2] = [length]
            if place + 1 < len(word):
                yield (right, word[place + 1]), -1
                if lengths[place + 1] + length < limit:
                    yield (merged, word[place + 1]), 1
        place += 1


def _signed32(number: int) -> int:
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)
