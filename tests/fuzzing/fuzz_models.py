"""Small models of everything that a tokenizer.json may hold, and what upstream says of them beside their ids.

In: a random.Random. Out: a `Subject` whose added tokens are spelled as tokens of the vocabulary, are parts of each
other, have any flags and stand beside a normalizer or none; and, of a text, outcomes that upstream judges: spans,
decoding, budgets, and what a call does whose normalizer fails.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import tokenizers
from character_models import BLANK, DECODERS, SHAPES, STRIP, character_json
from character_models import added_token as character_added
from fuzz_subjects import Subject, ids_by, subject
from fuzz_texts import Letters
from small_models import Merge, added_token, model_json

import dstok
from dstok.errors import DstokError
from dstok.formats.byte_alphabet import spelling

PATTERNS = (r"\s+|\w+|[^\s\w]+", r"\s?\w+|\s+|[^\s\w]+", None, [r"\p{N}{1,3}", r"\s+(?!\S)|\s+"], r"[^a]?\p{L}+|.|\n")
CHARACTERS = ("a", "b", "A", " ", "\n", "1", "\u00e9", "\u0301", "e", "\u0323", "\u4e2d", "\u6587", "\uff21", "\u212b", "\uac00", "\u1100", "\u1161",
              "\U0001f600", "!", "<", ">", "\u0120", "\u00c3", "\u00a9", "\u010a", "\u3042", "\u30a2")
STEPS: tuple[dict[str, Any], ...] = (
    {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"}, {"type": "StripAccents"},
    {"type": "Prepend", "prepend": "\u00e9_"}, {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Replace", "pattern": {"String": "a"}, "content": "xyz"}, {"type": "Replace", "pattern": {"Regex": r"a+|\s+"}, "content": "_"})
FLAGS = ("normalized", "special", "single_word", "lstrip", "rstrip")
Outcome = tuple[str, Any, Any]


class StepError(Exception):
    """What a step of a normalizer raises here."""


def merges_of(chance: random.Random, chars: list[str]) -> list[Merge]:
    """As training would find them in some words, in any order."""
    merges: dict[Merge, None] = {}
    words = [[bytes([byte]) for byte in "".join(chance.choices(chars, k=chance.randint(1, 5))).encode()] for _ in range(12)]
    while len(merges) < 30 and any(len(word) > 1 for word in words):
        word = chance.choice([word for word in words if len(word) > 1])
        at = chance.randrange(len(word) - 1)
        merges[word[at], word[at + 1]] = None
        word[at : at + 2] = [word[at] + word[at + 1]]
    return list(merges)


def contents_of(chance: random.Random, merges: list[Merge], chars: list[str]) -> list[str]:
    """Of added tokens: spellings of tokens, what tokens spell, and others."""
    tokens = [left + right for left, right in merges] or [b"a"]
    found = list[str]()
    for _ in range(chance.randint(0, 5)):
        token, text = chance.choice(tokens), "".join(chance.choices(chars, k=chance.randint(1, 4)))
        found.append(chance.choice((spelling(token), token.decode("utf-8", "ignore"), text, f"<{text}>", *(content[:2] + text for content in found))))
    return [content for content in dict.fromkeys(found) if content]


def small(chance: random.Random, levels: tuple[str, ...]) -> Subject | None:
    """A model; None if dstok refuses it."""
    chars = chance.sample(CHARACTERS, chance.randint(4, 14))
    merges = merges_of(chance, chars)
    added = [added_token(content, **{flag: chance.random() < 0.35 for flag in FLAGS}) for content in contents_of(chance, merges, chars)]
    whole = chance.random() < 0.3
    steps = chance.sample(STEPS, chance.choice((0, 0, 1, 1, 2)))
    pattern = chance.choice(PATTERNS)
    file = json.loads(model_json(merges, added, pattern, ignore_merges=whole, extra=[b"ab", "\u4e2d".encode()] * whole))
    text = json.dumps({**file, "normalizer": {"type": "Sequence", "normalizers": steps} if steps else None})
    try:
        tok = dstok.Tokenizer.from_str(text)
    except DstokError:
        return None
    theirs = tokenizers.Tokenizer.from_str(text)
    contents = [token["content"] for token in added]
    letters = Letters([[char] for char in chars], [["\u4e2d", "\u6587", "\u3042", "\u30a2"]], contents, [contents] if contents else [], [])
    made = subject("a small model", tok, ids_by(theirs), levels, letters, (
        f"merges {merges}", f"added {added}", f"pattern {pattern!r}, ignore_merges {whole}, normalizer {steps}"))
    return replace(made, plain=False, judged=lambda tok, text, chance: judged(tok, theirs, text, chance))


def of_characters(chance: random.Random, levels: tuple[str, ...]) -> Subject | None:
    """A model that merges characters, in a known shape; None if dstok refuses it."""
    chars = dict.fromkeys([BLANK, "\n", *chance.sample([c for c in CHARACTERS if c != " "], chance.randint(4, 14))])
    tokens, merges = list(chars), dict[tuple[str, str], None]()
    for _ in range(chance.randint(0, 40)):
        merge = chance.choice(tokens), chance.choice(tokens)
        if len("".join(merge)) < 9:
            merges[merge] = None
            tokens.append("".join(merge))
    rules = chance.sample([*merges], len(merges))
    normalizer, pre_tokenizer = chance.choice(SHAPES)
    file = character_json(normalizer, pre_tokenizer, merges=rules, characters="".join(chars),
                          decoders=[*DECODERS, *[STRIP] * chance.randrange(2)])
    vocab, mixed = file["model"]["vocab"], pre_tokenizer is None
    normalized, contents = chance.random() < 0.35, [c for c in chance.sample(tokens, min(3, len(tokens))) if c not in chars]
    for content in dict.fromkeys([*contents, "<t>", "\n\n"][: chance.randrange(5)]):
        flags = {flag: chance.random() < 0.3 for flag in FLAGS} | ({} if mixed else {"normalized": normalized})
        following = len(vocab) + sum(token["content"] not in vocab for token in file["added_tokens"])
        file["added_tokens"].append(character_added(vocab.get(content, following), content, **flags))
    text = json.dumps(file)
    try:
        tok = dstok.Tokenizer.from_str(text)
    except DstokError:
        return None
    theirs = tokenizers.Tokenizer.from_str(text)
    added = [token["content"] for token in file["added_tokens"]]
    letters = Letters([[char] for char in ["a", " ", *chars]], [["\u4e2d", "\u6587"]], added, [added] if added else [], [])
    made = subject("a small model of characters", tok, ids_by(theirs), levels, letters, (text,))
    return replace(made, plain=False, judged=lambda tok, text, chance: judged(tok, theirs, text, chance))


# What upstream says


def judged(tok: dstok.Tokenizer, theirs: tokenizers.Tokenizer, text: str, chance: random.Random) -> Iterator[Outcome]:
    expected = theirs.encode(text, add_special_tokens=False)
    ids = expected.ids
    yield "ids", tok.encode(text), ids
    found = tok.encode_with_offsets(text)
    yield "spans of characters", [tuple(span) for span in found.char_spans.tolist()], expected.offsets
    for skip in (False, True):
        decoded = theirs.decode(ids, skip_special_tokens=skip)
        stream = tok.decode_stream(skip_special_tokens=skip)
        yield f"decode, skip_special_tokens={skip}", tok.decode(ids, skip_special_tokens=skip), decoded
        yield f"decode stream, skip_special_tokens={skip}", "".join([*map(stream.feed, ids), stream.finish()]), decoded
    if tok._normalizer is None:
        spans = found.byte_spans.tolist()
        yield "spans of bytes", [0, *(end for _, end in spans)], [*(start for start, _ in spans), len(text.encode())]
    yield from budgets(tok, text, chance)
    yield from failing(tok, text, chance)


def budgets(tok: dstok.Tokenizer, text: str, chance: random.Random) -> Iterator[Outcome]:
    budget = chance.choice((0, 1, 2, 5, 20))
    right, left = (tok.truncate(text, budget, truncation_side=side) for side in ("right", "left"))
    fits = tok.count(text) <= budget
    yield "truncate", (text.startswith(right), text.endswith(left), fits and right != text), (True, True, False)
    yield "length of what truncate gives", max(tok.count(right), tok.count(left)) <= budget, True
    parts = list(tok.chunk(text, 30))
    yield "chunk", ("".join(parts), all(tok.count(part) <= 30 for part in parts)), (text, True)


def failing(tok: dstok.Tokenizer, text: str, chance: random.Random) -> Iterator[Outcome]:
    """A call in which a step of a normalizer fails fails, too."""
    chain = getattr(tok._normalizer, "chain", None)
    if chain is None or chance.random() < 0.7:
        return
    called = 0

    def step(*_: Any) -> Any:
        nonlocal called
        called += 1
        raise StepError

    chain._steps.append(("$.planted", step))
    calls: dict[str, Callable[[], object]] = {
        "encode": lambda: tok.encode(text), "count of bytes": lambda: tok.count(text.encode()),
        "encode_batch": lambda: tok.encode_batch([text, "a", text], num_threads=2), "spans": lambda: tok.encode_with_offsets(text)}
    try:
        for name, call in calls.items():
            called, raised = 0, False
            try:
                call()
            except StepError:
                raised = True
            yield f"{name} where normalizing fails", raised, called > 0
    finally:
        chain._steps.pop()
