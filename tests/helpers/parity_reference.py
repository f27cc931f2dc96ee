"""Parity-aware training as `tokenizers` 0.23.3 does it (ParityBpeTrainer), for reading and for tests.

In: for each language its words with their frequencies, spelled as ByteLevel leaves them; perhaps dev words of each, or
ratios; upstream's settings. Out: the vocabulary and the merges of the saved tokenizer.json.
Invariant: nothing depends on the order of upstream's hash tables but a `limit_alphabet` that cuts a tie.

Rules that look odd here are upstream's, and decide the result:

- Of equally frequent pairs the one with the largest spellings comes first; BpeTrainer takes the smallest ids.
- A dev word with a character that has no token is left out; from other words only the character is.
- `global_merges` end the training if there is no pair for one; a language without a pair only ends itself.
- "window": if all languages with pairs have had their turns, the first language gets the turn, even if it has ended:
  then the turn is lost. If it has had its turns, too, and another language has ended, upstream looks for one for ever.
  So it does, with ratios, when all have ended but a language without words that is not the first one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

Words = Mapping[str, int]


def train(  # noqa: C901 (in one piece, as upstream's)
    languages: Sequence[Words], dev: Sequence[Words] = (), ratio: Sequence[float] = (), *, num_merges: int = 32000,
    variant: str = "base", global_merges: int = 0, window_size: int = 100, alpha: float = 2.0, total_symbols: bool = False,
    min_frequency: int = 0, special_tokens: Iterable[str] = (), initial_alphabet: Iterable[str] = (),
    max_token_length: int | None = None, hangs: Callable[[], None] = lambda: None,
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """hangs: called where upstream's search for a language does not end; if it returns, this goes on as dstok does."""
    letters = {letter for words in [*languages, *dev] for word in words for letter in word}
    ids: dict[str, int] = {}
    for token in [*special_tokens, *sorted(letters | {*initial_alphabet})]:
        ids.setdefault(token, len(ids))
    if total_symbols:
        num_merges -= len(ids)
    trained = [[([*word], count) for word, count in words.items()] for words in languages]
    measured = [[([*word], count) for word, count in words.items()] for words in dev] or trained
    before = lengths = [sum(len(word) * count for word, count in words) for words in measured]
    ended = {i for i, length in enumerate(lengths) if ratio and not length}  # 0 / 0 is above nothing
    empty = ended - {0}
    turns, merges = list[int](), list[tuple[str, str]]()

    def pairs_of(words: Iterable[tuple[list[str], int]]) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for word, count in words:
            for left, right in zip(word, word[1:]):
                length = len(left) + len(right)
                if length == 2 or max_token_length is None or length < max_token_length:
                    found[left, right] += count
        return found

    def chosen() -> int:
        needs = [-(old / new) / wanted if new else 0.0 for old, new, wanted in zip(before, lengths, ratio)] or lengths
        left, seen, last = [i for i in range(len(needs)) if i not in ended], set[int](), 0
        while True:
            best = max(left, key=lambda i: (needs[i], -i), default=0)
            if variant == "base" or turns.count(best) / window_size <= alpha / len(needs):
                return best
            if best in seen:
                hangs()
                return last
            if best in left:
                left.remove(best)
                last = best
            seen.add(best)
            if len(seen) == len(needs):
                return best

    while len(merges) < num_merges and len(ended) < len(languages):
        together = len(merges) < global_merges
        if not together:
            language = chosen()
            turns = [*turns, language][-window_size:]
        pairs = pairs_of(word for words in trained for word in words) if together else pairs_of(trained[language])
        pair = max(pairs, key=lambda pair: (pairs[pair], pair), default=None)
        if pair is None or pairs[pair] < min_frequency:
            if together:
                break
            ended.add(language)
            continue
        merges.append(pair)
        ids.setdefault("".join(pair), len(ids))
        for words in [*trained, *(measured if dev else ())]:
            for word, _ in words:
                at = 0
                while at + 1 < len(word):
                    if (word[at], word[at + 1]) == pair:
                        word[at : at + 2] = ["".join(pair)]
                    at += 1
        lengths = [sum(len(word) * count for word, count in words) for words in measured]
    if empty and len(ended) == len(languages) and len(merges) < num_merges:
        hangs()
    return ids, merges
