r"""tiktoken's rank files <-> `ModelDescription`.

In: a rank file (a line a token: its bytes in base64, a space, its rank) or a mapping bytes -> rank; a pattern in
tiktoken's dialect; special tokens. Out: a description; and from a description the rank file again.
Invariant: the description gives the ids of `tiktoken.Encoding(..., pat_str, mergeable_ranks, special_tokens)` with all
special tokens allowed. A rank file is written only if its ranks give the model's merges. Anything else is an
`UnsupportedError`, or, for a broken file, a `TokenizerFileError` with line and file offset.
Source: tiktoken 0.14.0, measured; tests/formats/test_tiktoken.py repeats the measurements.

tiktoken's rules:
- The rank is the id. A piece that is a token is that token; others are merged (formats/rank_merges.py).
- Text that the pattern does not match is dropped: upstream's Removed with invert.
- Special tokens are found leftmost. If two begin at one place, the order of a hash decides. So a special token that
  begins another is refused.
"""

from __future__ import annotations

import binascii
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from typing import NoReturn

from dstok.core.merge._pairs import MAX_IDS, live_merges
from dstok.errors import ArgumentError, TokenizerFileError, UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.description import ModelDescription, TokenizerConfig
from dstok.formats.rank_merges import MAX_TOKEN, ranked_merges
from dstok.formats.tiktoken_encodings import ENCODINGS
from dstok.formats.tokens import decoded_bytes
from dstok.pattern.fancy_regex import translate
from dstok.pattern.split import Split

__all__ = ["describe_tiktoken", "ranks_of", "read_ranks", "unsaid", "write_ranks"]

WHERE = "pattern"
UNICODE = ModelDescription.unicode_version  # of tiktoken's classes


def describe_tiktoken(
    ranks: Mapping[bytes, int], pattern: str, special_tokens: Mapping[str, int] | None = None,
) -> ModelDescription:
    r"""The model of tiktoken's `mergeable_ranks`, `pat_str` and `special_tokens`.

    `pattern` may be the name of an encoding of tiktoken. Without `special_tokens` the encoding's own are taken.
    Raises `UnsupportedError` and `TokenizerFileError`.

    >>> ranks = {bytes([b]): b for b in range(256)} | {b"ab": 256}
    >>> model = describe_tiktoken(ranks, r"\S++|\s++", {"<end>": 257})
    >>> model.merge_rules(), model.splits[0].pattern, model.added_tokens[0].id
    ([(97, 98, 256)], '\\S+|\\s+', 257)
    """
    known, shared = ENCODINGS.get(pattern), special_tokens is None  # two of an encoding's own may share an id
    if special_tokens is None:
        special_tokens = known.special_tokens if known else {}
    _check_ranks(ranks)
    merges = array("I")
    for left, right in ranked_merges(ranks):
        merges.extend((ranks[left], ranks[right], ranks[left + right]))
    tokens: list[bytes | None] = [None] * (max(ranks.values()) + 1)
    for token, rank in ranks.items():
        tokens[rank] = token
    split = Split(translate(known.pattern if known else pattern), "Removed", True, WHERE)
    whole = len(merges) // 3 < sum(len(token) > 1 for token in ranks)  # is there a token that merging does not make?
    added = tuple(_special_tokens(special_tokens, ranks, shared))
    end = special_tokens.get("<|endoftext|>")
    places = {f"added_tokens[{i}]": f"special token {token.content[:40]!r}" for i, token in enumerate(added)}
    return ModelDescription((split,), tuple(tokens), frozenset(), merges, added, whole,
                            config=TokenizerConfig(eos_id=end), places={"vocab": "ranks", "merges": "ranks", **places})


def _check_ranks(ranks: Mapping[bytes, int]) -> None:
    owners: dict[int, bytes] = {}
    for token, rank in ranks.items():
        if not isinstance(token, bytes) or type(rank) is not int:
            raise ArgumentError("expected a mapping from bytes to int", "ranks")
        where = f"token {token[:40]!r}"
        if not 0 < len(token) <= MAX_TOKEN:
            raise UnsupportedError(f"a token of {len(token)} bytes, where 1 to {MAX_TOKEN} are taken", where)
        if not 0 <= rank < MAX_IDS:
            raise UnsupportedError(f"the rank {rank}, where 0 to {MAX_IDS - 1} are taken", where)
        if owners.setdefault(rank, token) != token:
            raise TokenizerFileError(f"expected a rank of its own, found {rank} of {owners[rank][:40]!r}", where)
    for byte in range(256):
        if bytes([byte]) not in ranks:
            raise UnsupportedError(f"ranks without the byte 0x{byte:02X}, on which tiktoken fails", "ranks")


def _special_tokens(
    special_tokens: Mapping[str, int], ranks: Mapping[bytes, int], shared: bool,
) -> Iterator[AddedToken]:
    taken = set(ranks.values())
    for content, token_id in special_tokens.items():
        if not isinstance(content, str) or type(token_id) is not int:
            raise ArgumentError("expected special_tokens to be a mapping from str to int", "special_tokens")
        where = f"special token {content[:40]!r}"
        if not content or any("\ud800" <= char <= "\udfff" for char in content):
            raise UnsupportedError("a special token that is empty or holds a lone surrogate", where)
        if not 0 <= token_id < MAX_IDS:
            raise UnsupportedError(f"the id {token_id}, where 0 to {MAX_IDS - 1} are taken", where)
        if token_id in taken:
            raise TokenizerFileError(f"expected an id of its own, found {token_id}, which another token has", where)
        if not shared:
            taken.add(token_id)
        yield AddedToken(token_id, content, special=True, literal=decoded_bytes(content) != content.encode())
    for content, following in pairwise(sorted(special_tokens)):
        if following.startswith(content):
            raise UnsupportedError(f"a special token that {following[:40]!r} begins with", f"special token {content!r}")


# The rank file


def read_ranks(data: bytes) -> dict[bytes, int]:
    r"""The ranks in a rank file's contents. Raises `TokenizerFileError` with line and file offset.

    >>> read_ranks(b"YWI= 7\n")
    {b'ab': 7}
    >>> read_ranks(b"YWI= 7\nYWI 8\n")
    Traceback (most recent call last):
    ...
    dstok.errors.TokenizerFileError: expected base64, a space and a rank, found b'YWI 8' - at line 2 (byte 7)
    """
    ranks: dict[bytes, int] = {}
    at = 0
    for number, line in enumerate(data.splitlines(keepends=True), 1):  # at "\r", too, as tiktoken
        if line not in (b"\n", b"\r\n", b"\r"):
            token, rank = _read_line(line, number, at)
            if token in ranks:
                _broken(f"expected a new token, found {token[:40]!r} again", number, at)
            ranks[token] = rank
        at += len(line)
    if not ranks:
        raise TokenizerFileError("expected lines of base64, a space and a rank, found none", "line 1 (byte 0)")
    return ranks


def _read_line(line: bytes, number: int, at: int) -> tuple[bytes, int]:
    parts = line.split()
    try:
        token, rank = parts
        if not (rank.isdigit() and len(rank) < 10):
            raise ValueError
        return b64decode(token, validate=True), int(rank)
    except (ValueError, binascii.Error):
        line = line.rstrip(b"\r\n")
        shown = line if len(line) <= 60 else line[:57] + b"..."
        _broken(f"expected base64, a space and a rank, found {shown!r}", number, at)


def _broken(message: str, line: int, at: int) -> NoReturn:
    raise TokenizerFileError(message, f"line {line} (byte {at})")


def write_ranks(model: ModelDescription) -> bytes:
    """The rank file of `model`, in order of rank. Raises as `ranks_of`."""
    return b"".join(b64encode(token) + b" %d\n" % rank for token, rank in ranks_of(model).items())


def ranks_of(model: ModelDescription) -> dict[bytes, int]:
    """tiktoken's `mergeable_ranks` of `model`, in order of rank.

    Raises `UnsupportedError` if its ids, as ranks, do not give its merges, if a token is neither bytes nor an added
    token, or if a piece that is a token is not that token.
    """
    if model.normalizer:
        raise UnsupportedError("a normalizer, which tiktoken has none of", "normalizer")
    if model.unicode_version != UNICODE:
        raise UnsupportedError(f"patterns of Unicode {model.unicode_version}, where tiktoken has {UNICODE}",
                               "unicode_version")
    model.refuse_hidden("a rank file")
    ranks = _tokens_with_ids(model)
    _check_ranks(ranks)
    derived = ranked_merges(ranks)
    live = _live_merges(model, ranks)
    own = [(model.tokens[left], model.tokens[right]) for left, right, _ in live]
    for rule, expected, found in zip(live, derived, own):
        if expected != found:
            raise UnsupportedError(f"merges in another order than that of their ids: expected {expected} by the ids, "
                                   f"found {found}", f"merges[{model.merge_rules().index(rule)}]")
    if len(derived) != len(own):
        raise UnsupportedError(f"expected the {len(derived)} merges that the ids give, found {len(own)}",
                               "merges")
    if len(derived) < sum(len(token) > 1 for token in ranks) and not model.ignore_merges:
        raise UnsupportedError("a token that merging does not make, which tiktoken takes for a piece as a whole",
                               "vocab")
    return dict(sorted(ranks.items(), key=lambda item: item[1]))


def _live_merges(model: ModelDescription, ranks: Mapping[bytes, int]) -> list[tuple[int, int, int]]:
    """The merges that some text needs: files may list others, which never happen (core/merge/_live.h)."""
    starts = array("I", [0, *accumulate(len(token or b"") for token in model.tokens)])
    blob = b"".join(token or b"" for token in model.tokens)
    live, _ = live_merges(model.merges, starts, blob, [ranks[bytes([byte])] for byte in range(256)])
    return list(zip(live[::3], live[1::3], live[2::3]))


def unsaid(model: ModelDescription) -> tuple[str, ...]:
    """The facts about `model` that a rank file does not say."""
    lost = ["a rank file holds no pattern: " + (
        "give tiktoken the model's" if len(model.splits) == 1 else
        f"tiktoken takes one, and the model's pre-tokenizer has {len(model.splits)} steps")]
    if model.added_tokens:
        lost.append(f"a rank file holds no special tokens: give tiktoken the model's {len(model.added_tokens)}")
    if model.cuts_texts:
        lost.append("tiktoken does not cut long texts, as the model's own code does")
    if model.config.framing is not None:
        lost.append("a rank file does not say what stands around texts and between those of a pair")
    return tuple(lost)


def _tokens_with_ids(model: ModelDescription) -> dict[bytes, int]:
    """The vocabulary as ranks, without the added tokens in it: tiktoken gets them separately."""
    added = {token.id for token in model.added_tokens}
    in_use = {i for merge in model.merge_rules() for i in merge}
    ranks: dict[bytes, int] = {}
    for token_id, token in enumerate(model.tokens):
        if token is None or (token_id in added and (token_id in model.raw_ids or token_id not in in_use)):
            continue
        if token_id in model.raw_ids:
            raise UnsupportedError(f"the token {token.decode('utf-8', 'replace')[:40]!r}, which no bytes make",
                                   f"id {token_id}")
        ranks[token] = token_id
    return ranks
