"""tiktoken's rank files, its encodings and the folders of models with a rank file <-> `ModelDescription`.

In: a rank file (a line a token: its bytes in base64, a space, its rank) or a mapping bytes -> rank; a pattern in
tiktoken's dialect; special tokens. Out: a description; and from a description the rank file again.
Invariant: the description gives the ids of `tiktoken.Encoding(..., pat_str, mergeable_ranks, special_tokens)` with all
special tokens allowed; a rank file is written only if its ranks give the model's merges. Of a folder, the ids are those
that the model's own Python file gets from tiktoken. dstok reads that file but never runs it: it has to hold the texts
that `WRAPPERS` names, since other models have rank files of the same name. docs/exactness.md has the rules.
Source: tiktoken.json, from tiktoken 0.14.0 (MIT) and the Python files of Kimi K2 and Qwen-7B.
"""

from __future__ import annotations

import json
import os
import re
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from dstok._util.json_value import load_json, read_text
from dstok.core.bpe.tables import MAX_IDS, live_merges
from dstok.core.text.model_json import pack_tokens
from dstok.errors import ArgumentError, TokenizerFileError, UnsupportedError
from dstok.formats.byte_alphabet import decoded_bytes
from dstok.formats.description import AddedToken, ModelDescription, NormalizerStep, TokenizerConfig
from dstok.formats.tokenizer_config import entries_by_id, read_tokenizer_config
from dstok.regex import Split
from dstok.regex.fancy_regex import translate

MAX_TOKEN = 1024  # bytes; `last_join` is quadratic in it. The longest token of o200k has 128


def ranked_merges(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The pair that makes each token of two bytes or more, in order of the tokens' ranks.

    Tokens that no pair makes are left out.
    """
    in_order = sorted((token for token in ranks if len(token) > 1), key=ranks.__getitem__)
    return [pair for pair in (last_join(token, ranks) for token in in_order) if pair is not None]


def last_join(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes] | None:
    """The last two parts in merging `token`, which has a rank; None if more than two remain."""
    none = 1 << 62
    starts = list(range(len(token) + 1))
    costs = [ranks.get(token[i : i + 2], none) for i in range(len(token) - 1)]  # of the join of parts i and i + 1
    while len(costs) > 1:
        least = min(costs)
        if least == none:
            return None
        at = costs.index(least)
        del starts[at + 1], costs[at]
        if at < len(costs):
            costs[at] = ranks.get(token[starts[at] : starts[at + 2]], none)
        if at:
            costs[at - 1] = ranks.get(token[starts[at - 1] : starts[at + 1]], none)
    return token[: starts[1]], token[starts[1] :]


class TiktokenEncoding(NamedTuple):
    """tiktoken's data of an encoding beside its rank file; `sha256` of that file, "" if there is none."""

    pattern: str
    special_tokens: Mapping[str, int]
    sha256: str = ""


class Wrapper(NamedTuple):
    """A model's Python file, the texts that it has to hold, and all literals of the form <...> in it, if they count."""

    code: str
    pattern: str
    lines: Sequence[str]
    literals: Sequence[str] | None = None


with open(os.path.join(os.path.dirname(__file__), "tiktoken.json"), "rb") as _file:
    _DATA = json.load(_file)
ENCODINGS = {name: TiktokenEncoding(**entry) for name, entry in _DATA["encodings"].items()}
WRAPPERS = {name: Wrapper(**entry) for name, entry in _DATA["wrappers"].items()}  # by the rank file's name
Beside = Callable[[str], bytes | None]
UNICODE = "16.0"  # of tiktoken's classes
KIMI_RESERVED, QWEN_START = 258, 151643  # as in the texts of their wrappers
QWEN_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{number}|>" for number in range(205)))


def encoding_of_file(data: bytes) -> str | None:
    """The encoding with these bytes as its published rank file; where p50k_base and p50k_edit share one, p50k_base."""
    checksum = sha256(data).hexdigest()
    return next((name for name, known in ENCODINGS.items() if known.sha256 == checksum), None)


def describe_tiktoken(
    ranks: Mapping[bytes, int], pattern: str, special_tokens: Mapping[str, int] | None = None,
) -> ModelDescription:
    """The model of tiktoken's `mergeable_ranks`, `pat_str` and `special_tokens`.

    `pattern` may be the name of an encoding of tiktoken. Without `special_tokens` the encoding's own are taken.
    Raises `UnsupportedError` and `TokenizerFileError`.
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
    split = Split(translate(known.pattern if known else pattern), "Removed", True, "pattern")
    whole = len(merges) // 3 < sum(len(token) > 1 for token in ranks)  # is there a token that merging does not make?
    added = tuple(_special_tokens(special_tokens, ranks, shared))
    end = special_tokens.get("<|endoftext|>")
    places = {f"added_tokens[{i}]": f"special token {token.content[:40]!r}" for i, token in enumerate(added)}
    return ModelDescription((split,), pack_tokens(tokens), frozenset(), merges, added, whole,
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


def read_ranks(data: bytes) -> dict[bytes, int]:
    """The ranks in a rank file's contents. Raises `TokenizerFileError` with line and file offset."""
    ranks: dict[bytes, int] = {}
    at = 0
    for number, line in enumerate(data.splitlines(keepends=True), 1):  # at "\r", too, as tiktoken
        if line not in (b"\n", b"\r\n", b"\r"):
            where = f"line {number} (byte {at})"
            try:
                token, rank = line.split()
                if not (rank.isdigit() and len(rank) < 10):
                    raise ValueError
                token = b64decode(token, validate=True)
            except ValueError:
                found = line.rstrip(b"\r\n")
                found = found if len(found) <= 60 else found[:57] + b"..."
                raise TokenizerFileError(f"expected base64, a space and a rank, found {found!r}", where) from None
            if token in ranks:
                raise TokenizerFileError(f"expected a new token, found {token[:40]!r} again", where)
            ranks[token] = int(rank)
        at += len(line)
    if not ranks:
        raise TokenizerFileError("expected lines of base64, a space and a rank, found none", "line 1 (byte 0)")
    return ranks


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
    added, in_use = {token.id for token in model.added_tokens}, set(model.merges)
    ranks: dict[bytes, int] = {}
    for token_id, token in enumerate(model.tokens):  # without the added tokens: tiktoken gets them separately
        if token is None or (token_id in added and (token_id in model.raw_ids or token_id not in in_use)):
            continue
        if token_id in model.raw_ids:
            raise UnsupportedError(f"the token {token.decode('utf-8', 'replace')[:40]!r}, which no bytes make",
                                   f"id {token_id}")
        ranks[token] = token_id
    _check_ranks(ranks)
    derived = ranked_merges(ranks)
    # Files may list other merges, which no text needs (core/bpe/live.h).
    byte_ids = [ranks[bytes([byte])] for byte in range(256)]
    live, _ = live_merges(model.merges, model.tokens.starts, model.tokens.blob, byte_ids)
    rules = list(zip(live[::3], live[1::3], live[2::3]))
    for rule, expected in zip(rules, derived):
        found = model.tokens[rule[0]], model.tokens[rule[1]]
        if expected != found:
            raise UnsupportedError(f"merges in another order than that of their ids: expected {expected} by the ids, "
                                   f"found {found}", f"merges[{model.merge_rules().index(rule)}]")
    if len(derived) != len(rules):
        raise UnsupportedError(f"expected the {len(derived)} merges that the ids give, found {len(rules)}", "merges")
    if len(derived) < sum(len(token) > 1 for token in ranks) and not model.ignore_merges:
        raise UnsupportedError("a token that merging does not make, which tiktoken takes for a piece as a whole",
                               "vocab")
    return dict(sorted(ranks.items(), key=lambda item: item[1]))


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


def describe_folder(name: str, ranks: Mapping[bytes, int], beside: Beside) -> ModelDescription | None:
    """The model of a rank file with one of the names in `WRAPPERS`, or None; `beside` reads a file of its folder.

    Raises `UnsupportedError` if the Python file beside it is none that is known, `TokenizerFileError`, and `OSError`.
    """
    wrapper = WRAPPERS.get(name)
    if wrapper is None:
        return None
    data = beside(wrapper.code)
    if data is None:
        raise UnsupportedError(f"a rank file without the {wrapper.code} of its model beside it, which has its pattern: "
                               "Tokenizer.from_tiktoken takes pattern and special tokens", wrapper.code)
    code = read_text(data, f"{wrapper.code}: ")
    for line in wrapper.lines:
        if line not in code:
            raise UnsupportedError(f"expected the text {line!r}, found a {wrapper.code} of another model", wrapper.code)
    unknown = set(re.findall(r"""["'](<[^"'\s]*>)["']""", code)).difference(wrapper.literals or ())
    if wrapper.literals is not None and unknown:
        raise UnsupportedError(f"the special token {min(unknown)[:40]!r}, where dstok knows "
                               f"{', '.join(sorted(wrapper.literals))}", wrapper.code)
    return (_kimi if wrapper.literals is None else _qwen)(wrapper, ranks, beside)


def _kimi(wrapper: Wrapper, ranks: Mapping[bytes, int], beside: Beside) -> ModelDescription:
    data = beside("tokenizer_config.json")
    if data is None:
        raise TokenizerFileError("expected a tokenizer_config.json beside the rank file, found none")
    decoder = load_json(data, "tokenizer_config.json: ").need("added_tokens_decoder")
    named, special, plain = entries_by_id(decoder), dict[str, int](), set[int]()
    for number in range(len(ranks), len(ranks) + KIMI_RESERVED):
        entry = named.get(number)
        content = f"<|reserved_token_{number}|>" if entry is None else entry.need("content").text()
        if special.setdefault(content, number) != number:
            (decoder if entry is None else entry.need("content")).wrong("each token once")
        if entry is not None and not entry.need("special").boolean():
            plain.add(number)
    model = describe_tiktoken(ranks, wrapper.pattern, special)
    added = tuple(token._replace(special=token.id not in plain) for token in model.added_tokens)
    return model._replace(added_tokens=added, config=read_tokenizer_config(data, special.get), cuts_texts=True)


def _qwen(wrapper: Wrapper, ranks: Mapping[bytes, int], beside: Beside) -> ModelDescription:
    special = {token: QWEN_START + number for number, token in enumerate(QWEN_TOKENS)}
    model = describe_tiktoken(ranks, wrapper.pattern, special)
    added = tuple(token._replace(normalized=True) for token in model.added_tokens)  # found in the normalized text
    data = beside("tokenizer_config.json")
    config = model.config if data is None else read_tokenizer_config(data, special.get)
    if config.eos_id is None:
        config = config._replace(eos_id=special["<|endoftext|>"])
    return model._replace(added_tokens=added, config=config, normalizer=(NormalizerStep("NFC", where=wrapper.code),))
