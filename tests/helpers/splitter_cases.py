r"""Splitters that are held against their upstream, and texts that tell splitters apart.

In: a name. Out: a splitter: of a preset, of an encoding of tiktoken's, or of a pattern that real models use or that
stands for a part of the dialect; and its judge, upstream's own pre-tokenizer or tiktoken's own engine.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product
from random import Random

from kept import kept
from shares import share
from tiktoken._tiktoken import CoreBPE
from tokenizers import Tokenizer
from upstream import upstream_splitter

from dstok import Split, Splitter
from dstok.formats.tiktoken import ENCODINGS
from dstok.pretokenizer.sources import preset_names, presets
from dstok.regex.dfa import DEAD, START

Pieces = Callable[[str], list[str]]

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
PATTERNS: dict[str, list[str | Split]] = {
    "words": [r"\w+"],
    "seed": [CONTRACTIONS + "|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"],
    "cl100k, possessive": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"],
    "cl100k, as it is": [ENCODINGS["cl100k_base"].pattern],
    "exaone": [CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"],
    "aya": [r"\d{1,3}(?=(?:\d{3})*\b)", r"\p{L}+|\s+"],
    "minicpm": [r"\p{N}{1,3}", CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+"],
    "scripts": [r"\p{Han}+|[\p{Greek}\p{Cyrillic}]+|\p{^Latin}"],
    "posix": [r"[[:alpha:]]+|[[:digit:]]{2}|[[:punct:]&&[^']]+|[[:^space:]]"],
    "nested": [r"[\w&&[^\d_]]+|[^[a-z]\s]+"],
    "look-behind": [r"(?<=\d)(?=(?:\d{3})+(?!\d))|(?<!\w)'\w+"],
    "borders": [r"\b\w+\b|\B.\B|^\s+|\s+$"],
    "atomic": [r"(?>\s+)\S|(?i:[a-c]+)\d?+|(?m:.)"],
    "removed": [Split(r"\s+", "Removed"), Split(r"\p{P}", "MergedWithPrevious")],
    "contiguous": [Split(r"\d", "Contiguous"), Split(r"\p{Lu}\p{Ll}+", "MergedWithNext", True)],
}
BY_UPSTREAM = (*preset_names(), *PATTERNS)
BY_TIKTOKEN = (*ENCODINGS, "kimi-k2")
CONTEXTS = ("{}", " {}a", "a{}\u0301", "A{}'S", "1{}2", "!{}\n", "\n{}  ", "中{}か")  # eight, for every code point


@kept()
def splitter(name: str) -> Splitter:
    if name in PATTERNS:
        return Splitter(PATTERNS[name])
    return Splitter.from_tiktoken(name) if name in ENCODINGS else Splitter.preset(name)


@kept()
def upstream(name: str) -> Pieces:
    """The pieces by upstream's pre-tokenizer, of a preset by that of its JSON."""
    if name in PATTERNS:
        judge = upstream_splitter([s if isinstance(s, Split) else Split(s) for s in PATTERNS[name]])
    else:
        model = {"type": "BPE", "vocab": {}, "merges": []}
        whole = {"version": "1.0", "added_tokens": [], "model": model, "pre_tokenizer": presets()[name]["pre_tokenizer"]}
        judge = Tokenizer.from_str(json.dumps(whole)).pre_tokenizer
    return lambda text: [text[start:end] for _, (start, end) in judge.pre_tokenize_str(text)]


def tiktoken_pattern(name: str) -> str:
    return ENCODINGS[name].pattern if name in ENCODINGS else splitter(name).splits[0].pattern


def tiktoken_cuts_so(pattern: str, texts: Sequence[str], cuts: Sequence[list[str]]) -> bool:
    """Does tiktoken's engine cut each text into these pieces, of which none is empty, and drop none?

    It gives ids only. So each piece is a token here, and each two neighbours together are one. Where it cuts inside a
    piece, that piece's id is missing. Where it does not cut between two, some two become their common token.
    """
    tokens = {bytes([byte]) for byte in range(256)}
    for pieces in cuts:
        data = [piece.encode() for piece in pieces]
        tokens.update(data, (left + right for left, right in pairwise(data)))
    ranks = {token: rank for rank, token in enumerate(sorted(tokens))}
    judge = CoreBPE(ranks, {}, pattern)
    return all(judge.encode_ordinary(text) == [ranks[piece.encode()] for piece in pieces]
               for text, pieces in zip(texts, cuts))


def class_cover(name: str, length: int, of: int = 1) -> Iterator[str]:
    """From each state of the automaton of marked texts, every sequence of `length` classes, or a share of them; classes by
    members drawn."""
    cascade, chance = splitter(name)._cascade, Random(f"{name} {length}")
    classes = [members.ranges for members in cascade.alphabet.classes]

    def spelled(word: tuple[int, ...]) -> str:
        drawn = (chance.randint(*chance.choice(classes[number])) for number in word)
        return "".join("\ue000" if 0xD800 <= code < 0xE000 else chr(code) for code in drawn)

    words = (way + word for way in _ways(name) for word in product(range(len(classes)), repeat=length))
    yield from map(spelled, share(words, of))


def _ways(name: str) -> list[tuple[int, ...]]:
    """A shortest text, as classes, into each state; marks are of no length."""
    marked = splitter(name)._cascade.visible
    ways: dict[int, tuple[int, ...]] = {START: ()}
    queue = deque([START])
    while queue:
        state = queue.popleft()
        for symbol, target in enumerate(marked.rows[state]):
            if target != DEAD and target not in ways and symbol != marked.end:
                ways[target] = ways[state] if symbol > marked.end else (*ways[state], symbol)
                (queue.appendleft if symbol > marked.end else queue.append)(target)
    return list(dict.fromkeys(ways.values()))
