"""The parts of a transformers tokenizer that run on dstok: text -> ids, with all of upstream's fields, and back.

In: a `tokenizers.Tokenizer`, which is not changed. Out: an `Engine`, or an `UnsupportedError` with the reason.
Invariant: an engine never changes, and gives the backend's results at the time when the engine was made. `marks` and
`deep_marks` tell whether the backend is still the same. Post-processing, truncation and padding are elsewhere.
Source: upstream 0.23.3; each added token is tried in the backend and in the engine before an engine is given out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from operator import attrgetter
from typing import Any

import tokenizers
from tokenizers import Encoding

from dstok.base.lazy import lazy
from dstok.errors import UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.pre_tokenizers import raw_tokens
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.tables.build import build_tables
from dstok.tables.flat import Tables
from dstok.tokenizer import Tokenizer, tokenizer_of

__all__ = ["Engine", "deep_marks", "engine_of", "joined", "marks", "state_of", "truncate"]

PROBES = 64  # entries of the vocabulary that tell another model from the engine's
FIELDS = attrgetter("content", "single_word", "lstrip", "rstrip", "normalized", "special")
MAX_TABLES = 4  # models that are kept while no tokenizer uses them, for a caller that loads the same again
_tables: dict[bytes, Tables] = {}


class Engine:
    """dstok's tokenizer in the place of a backend's normalizer, pre-tokenizer, model and decoder."""

    def __init__(self, tok: Tokenizer, added: tuple[AddedToken, ...]) -> None:
        self.tok, self._added = tok, {token.id: token for token in added}
        self._spellings: dict[int, str] = {}

    @lazy
    def ordinary(self) -> frozenset[str] | None:
        """The added tokens that stay when special ones are text; None if upstream and dstok differ there.

        Upstream finds all tokens and then passes over the special ones, so that a special one hides those it overlaps.
        """
        special, others = ([t.content for t in self._added.values() if t.special == kind] for kind in (True, False))
        if any(_may_overlap(one, other) for one in special for other in others):
            return None
        return frozenset(others)

    def policy(self, split_special: bool) -> Any:
        """dstok's `special=` for upstream's `encode_special_tokens`."""
        if not split_special:
            return "all"
        if self.ordinary is None:
            raise UnsupportedError("an added token that may overlap a special one, while special tokens are text")
        return self.ordinary

    def columns(self, text: str, split_special: bool, type_id: int, word: int | None = None) -> dict[str, Any]:
        """The members of upstream's `Encoding` of a text before post-processing. `word`: every id's word."""
        encoding = self.tok.encode_with_offsets(text, special=self.policy(split_special))
        ids, spans = encoding.ids.tolist(), encoding.char_spans.tolist()
        tokens = [self._token(*each, text) for each in zip(ids, spans, encoding.special.tolist())]
        words = encoding.pieces.tolist() if word is None else [word] * len(ids)
        return {"ids": ids, "type_ids": [type_id] * len(ids), "tokens": tokens, "words": words, "offsets": spans}

    def _token(self, id: int, span: list[int], is_added: bool, text: str) -> str:
        if is_added and (self._added[id].lstrip or self._added[id].rstrip):
            return text[span[0] : span[1]]  # upstream's token is all the text that it took
        token = self._spellings.get(id)
        if token is None:
            token = self._spellings[id] = self.tok.id_to_token(id)
        return token


def joined(columns: Sequence[dict[str, Any]]) -> Encoding:
    """Upstream's `Encoding` of the texts, or the words of one text, with these members."""
    state = {key: [value for each in columns for value in each[key]]
             for key in ("ids", "type_ids", "tokens", "words", "offsets")}
    count = len(state["ids"])
    encoding = Encoding()
    encoding.__setstate__(json.dumps({**state, "special_tokens_mask": [0] * count, "attention_mask": [1] * count,
                                      "overflowing": [], "sequence_ranges": {}}).encode())
    return encoding


def state_of(component: Any) -> bytes | None:
    """The state of a backend's component, as JSON; None if there is none."""
    return None if component is None else component.__getstate__()


def marks(real: tokenizers.Tokenizer) -> tuple[Any, ...]:
    """Tells in two microseconds whether a backend is unchanged, except for its vocabulary and added tokens."""
    model = real.model
    if type(model) is not tokenizers.models.BPE:
        raise UnsupportedError(f"expected the model type BPE, found {type(model).__name__}")
    return (state_of(real.normalizer), state_of(real.pre_tokenizer), state_of(real.decoder), model.dropout,
            model.unk_token, model.continuing_subword_prefix, model.end_of_word_suffix, model.fuse_unk,
            model.byte_fallback, model.ignore_merges)


def deep_marks(real: tokenizers.Tokenizer) -> tuple[Any, ...]:
    """Tells about the rest: all added tokens, and a sample of the vocabulary and of its results for texts."""
    size, model = real.get_vocab_size(with_added_tokens=False), real.model
    spread = [model.id_to_token(size * number // PROBES) for number in range(PROBES)]
    made = [[token.id for token in model.tokenize(text)] for text in spread if text]
    return size, spread, made, _live_tokens(real)


def engine_of(real: tokenizers.Tokenizer) -> Engine:
    """The engine of a backend. Raises `UnsupportedError` and `TokenizerFileError` if dstok cannot do it exactly."""
    normalizer, *_ = marks(real)
    added = _live_tokens(real)
    tables = _tables_of(_body(real.to_str()), f"tokenizers-{tokenizers.__version__}")
    _check_ids(real, added)
    for number, token in enumerate(added):
        if normalizer is not None and token.normalized and (token.lstrip or token.rstrip):  # what they took is unknown
            raise UnsupportedError("an added token with lstrip or rstrip that is looked for in normalized text",
                                   f"$.added_tokens[{number}]")
    raw = raw_tokens(tables.normalizer, added)
    engine = Engine(tokenizer_of(tables, raw, None, None), raw)
    with _bare(real):
        _compare(real, engine, added)
    return engine


def _tables_of(body: str, upstream: str) -> Tables:
    """The tables of a tokenizer.json. The last few are kept."""
    key = sha256(f"{upstream} {body}".encode()).digest()
    tables = _tables.pop(key, None) or _built(body, upstream)
    _tables[key] = tables  # moves the last used to the end
    for old in list(_tables)[:-MAX_TABLES]:
        _tables.pop(old, None)
    return tables


def _built(body: str, upstream: str) -> Tables:
    model = read_tokenizer_json(body, None, upstream)
    with model.naming_places():
        return build_tables(model)


def _body(text: str) -> str:
    """A tokenizer.json without truncation, padding, added tokens and post-processor.

    The keys come in upstream's order, and before the vocabulary, so that the first of each is the right one.
    """
    normalizer, processor, decoder = (text.index(f',"{key}":') for key in ("normalizer", "post_processor", "decoder"))
    return '{"version":"1.0","added_tokens":[]' + text[normalizer:processor] + text[decoder:]


def _live_tokens(real: tokenizers.Tokenizer) -> tuple[AddedToken, ...]:
    return tuple(AddedToken(id, *FIELDS(token)) for id, token in sorted(real.get_added_tokens_decoder().items()))


def _check_ids(real: tokenizers.Tokenizer, added: Sequence[AddedToken]) -> None:
    """Refuses two tokens with one id."""
    for number, token in enumerate(added):
        own = real.model.id_to_token(token.id)
        if own not in (None, token.content):
            raise UnsupportedError(f"the added token {token.content!r}, whose id is also that of {own!r}",
                                   f"$.added_tokens[{number}]")


@contextmanager
def _bare(real: tokenizers.Tokenizer) -> Iterator[None]:
    """The backend without truncation and padding, and with special tokens found, while the context lasts."""
    truncation, padding, split_special = real.truncation, real.padding, real.encode_special_tokens
    real.no_truncation()
    real.no_padding()
    real.encode_special_tokens = False
    try:
        yield
    finally:
        if truncation is not None:
            truncate(real, truncation)
        if padding is not None:
            real.enable_padding(**padding)
        real.encode_special_tokens = split_special


def truncate(real: tokenizers.Tokenizer, truncation: dict[str, Any]) -> None:
    """Sets a truncation that was accepted once, whatever the post-processor is now.

    Upstream accepts a stride up to `max_length` less the special tokens of the post-processor at that time. If
    `max_length` is smaller than their number, upstream takes the difference for a large number.
    """
    processor, longest = real.post_processor, truncation["max_length"]
    real.post_processor = None if truncation["stride"] <= longest else tokenizers.processors.TemplateProcessing(
        single="$A" + " x" * (longest + 1), special_tokens=[("x", 0)])
    real.enable_truncation(**truncation)
    real.post_processor = processor


def _compare(real: tokenizers.Tokenizer, engine: Engine, added: Sequence[AddedToken]) -> None:
    """Refuses a backend that does not find its added tokens as its own file says.

    Example: a token that was added twice, with other flags, is searched for with its first flags.
    """
    for number, token in enumerate(added):
        text = f"a {token.content} a{token.content}a {token.content}"
        ours = engine.tok.encode(text)
        theirs = real.encode(text, add_special_tokens=False)
        skipped = engine.tok.decode(ours, skip_special_tokens=True), real.decode(ours, skip_special_tokens=True)
        if theirs.ids[: len(ours)] != ours or skipped[0] != skipped[1]:
            raise UnsupportedError(f"the added token {token.content!r}, which the backend finds otherwise than it says",
                                   f"$.added_tokens[{number}]")


@lru_cache(maxsize=4096)
def _may_overlap(one: str, other: str) -> bool:
    """Whether the two can share characters in a text."""
    if one in other or other in one:
        return True
    shifts = range(1, min(len(one), len(other)))
    return any(one.endswith(other[:n]) or other.endswith(one[:n]) for n in shifts)
