"""What the fuzzer tries: a tokenizer at every level of the mask kernel, its reference, and upstream.

In: the name of a family's real file, or a tokenizer.json. Out: `Subject`.
Invariant: the reference is the automaton alone, a piece at a time: no mask kernel, no shuffles, no cuts inside pieces.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import tokenizers
from fuzz_texts import Letters, letters_of
from judges import judge, rank_file
from kept import kept
from real_models import level, real, real_json

import dstok
from dstok.compiled.build import CLASSES
from dstok.compiled.tables import Tables
from dstok.core.split.character_finder import ASCII_CLASSES

Judged = Callable[[dstok.Tokenizer, str, random.Random], Iterator[tuple[str, Any, Any]]]
KEPT = 500  # texts whose ids a subject keeps
# One file a family; and those that tests/fetch_judges fetches: tiktoken's o200k, Mistral Nemo.
FETCHED = ("o200k_base", "tekken")
FAMILIES = ("deepseek-v3", "deepseek-llm-7b-base", "deepseek-coder-33b-base", "qwen-2.5", "qwen-3.5", "glm-4",
            "deepseek-r1-distill-llama-8b", "minimax", *FETCHED)


@dataclass(frozen=True)
class Subject:
    """`levels`: by name, from the automaton with all its short cuts up; `plain`: decoding gives the text; `told`:
    what to print of one that was made up; `judged`: more that upstream judges; `streams`: whether parts can be encoded."""

    name: str
    letters: Letters
    levels: dict[str, dstok.Tokenizer]
    reference: dstok.Tokenizer
    upstream: Callable[[str], list[int]]
    plain: bool
    streams: bool
    told: tuple[str, ...] = ()
    judged: Judged | None = None
    _kept: dict[str, list[int]] = field(default_factory=dict)

    def ids(self, text: str) -> list[int]:
        """The reference's ids; those of the last texts are kept, since every level is held against them."""
        if len(self._kept) > KEPT:
            self._kept.clear()
        if text not in self._kept:
            self._kept[text] = self.reference.encode(text)
        return self._kept[text]


def subject(
    name: str, tok: dstok.Tokenizer, upstream: Callable[[str], list[int]], levels: tuple[str, ...], letters: Letters | None = None,
    told: tuple[str, ...] = (),
) -> Subject:
    """All of a tokenizer; its `letters` are by default those of its classes."""
    sections = tok._tables.sections
    own = sections["shuffles"] if not len(sections["edges"]) else b""  # a pattern from both sides has nothing else
    bare = Tables(tok._tables.header, {**sections, "shuffles": own, "joined": b"", **_uncut(tok)})
    return Subject(
        name, letters or letters_of(tok.inspect().cascade.alphabet.classes, _contents(tok), _tokens(tok)),
        {each: _at(tok, tok._tables, each) for each in levels}, _at(tok, bare, "automaton"), upstream, _is_plain(tok),
        _streams(tok), told)


def _uncut(tok: dstok.Tokenizer) -> dict[str, bytes]:
    """The sections with which a model of characters is cut only where its shape says so."""
    shape = tok._tables.characters
    if shape is None:
        return {}
    row = 0xFF & ~(1 << ASCII_CLASSES[ord(" ")]) if shape.split else 0xFF
    return {"matrix": bytes([row]) * CLASSES + bytes(tok._tables.sections["matrix"][CLASSES:]),
            "joined": b"\xff" * len(tok._tables.sections["joined"])}


def _streams(tok: dstok.Tokenizer) -> bool:
    """Whether parts can be encoded."""
    normalizer, added = tok._normalizer, tok._added.policy("all").contents[1]
    return normalizer is None or (normalizer.local and not (normalizer.prefix and added))


def _is_plain(tok: dstok.Tokenizer) -> bool:
    """Whether decoding gives a text back: no normalizer, nor an added token whose text spells other bytes."""
    return tok._normalizer is None and all(
        text == token.content.encode() for (_, text, _), token in zip(tok._added.decodings(), tok._added.tokens))


def _at(tok: dstok.Tokenizer, tables: Tables, name: str) -> dstok.Tokenizer:
    with level(name):
        return dstok.Tokenizer._of_tables(tables, tok._added.tokens, tok.bos_id, tok.eos_id)


def _contents(tok: dstok.Tokenizer) -> list[str]:
    """The added tokens, without hundreds of place holders."""
    return [token for token in tok.added_tokens if "place" not in token][:60]


def _tokens(tok: dstok.Tokenizer) -> Iterator[str]:
    """The vocabulary, as text; what is no text holds U+FFFD."""
    starts, blob = memoryview(tok._tables.sections["starts"]).cast("B").cast("I"), bytes(tok._tables.sections["blob"])
    return (blob[start:end].decode("utf-8", "replace") for start, end in pairwise(starts))


@kept()
def family(name: str, levels: tuple[str, ...]) -> Subject:
    """A family, by the name of its file."""
    if name == "o200k_base":
        return subject(name, *_o200k(), levels)
    if name == "tekken":
        file = judge("npm/mistral_nemo/tokenizer.json")
        return subject(name, dstok.Tokenizer.from_json(file), ids_by(tokenizers.Tokenizer.from_file(str(file))), levels)
    theirs = real(name)
    theirs.no_padding()
    return subject(name, _ours(name), ids_by(theirs), levels)


@kept()
def _ours(name: str) -> dstok.Tokenizer:
    return dstok.Tokenizer.from_str(real_json(name))


def ids_by(theirs: tokenizers.Tokenizer) -> Callable[[str], list[int]]:
    return lambda text: theirs.encode(text, add_special_tokens=False).ids


def _o200k() -> tuple[dstok.Tokenizer, Callable[[str], list[int]]]:
    import tiktoken

    from dstok.formats.tiktoken import ENCODINGS, read_ranks

    ranks, known = read_ranks(rank_file("o200k_base")), ENCODINGS["o200k_base"]
    theirs = tiktoken.Encoding("o200k", pat_str=known.pattern, mergeable_ranks=ranks, special_tokens=dict(known.special_tokens))
    return dstok.Tokenizer.from_tiktoken(ranks, "o200k_base"), lambda text: theirs.encode(text, allowed_special="all")


def families() -> tuple[str, ...]:
    """Those that are at hand: the real files come with a package for Python 3.11."""
    return FAMILIES if os.environ.get("DSTOK_JUDGES") else FAMILIES[: -len(FETCHED)]
