"""Random calls of tiktoken's `Encoding`, wrong ones among them, and what came of each.

In: random numbers and an encoding. Out: a call; what it gives or raises, in a form that can be compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import tiktoken

WORDS = ("a", "ab", " the", "Hello", " ", "\n", "  \r\n", "1234", "é", "中文", "か\u3099゛", "🦙", "\u0301", "\0", "'s", "<", "|>", "<|end", "\ud83d",
         "\udc4d", "x" * 40, "_" * 7, "\u00a0", "٣", "\u3040")
WRONG: tuple[Any, ...] = (None, 5, b"ab", ["a"], 1.5)
Call = Callable[[tiktoken.Encoding], Any]


def text(rng: random.Random, special: list[str]) -> Any:
    """A text, now and then with special tokens, or something that is none."""
    if rng.random() < 0.03:
        return rng.choice(WRONG)
    words = [*WORDS, *rng.sample(special, min(4, len(special)))]
    if rng.random() < 0.6:
        words = [word for word in WORDS if word.isprintable()]
    return "".join(rng.choices(words, k=rng.randrange(12)))


def allowed(rng: random.Random, special: list[str]) -> dict[str, Any]:
    """Keywords about special tokens, or none."""
    def some() -> Any:
        found = set(rng.sample(special, rng.randrange(min(3, len(special)) + 1)))
        return rng.choice(["all", found, frozenset(found), set(), found | {"none of them"}, *([rng.choice(WRONG)] * (rng.random() < 0.1))])

    options = {}
    if rng.random() < 0.6:
        options["allowed_special"] = some()
    if rng.random() < 0.6:
        options["disallowed_special"] = rng.choice([(), some(), list(special[:2])])
    return options


def ids(rng: random.Random, top: int) -> Any:
    """Ids, or something that is none."""
    found: list[Any] = [rng.randrange(rng.choice([256, top + 1])) for _ in range(rng.randrange(8))]
    if rng.random() < 0.06:
        found.append(rng.choice([top + 1, top + 100, -1, 1 << 32, 1 << 70, "a", 1.0, None, True]))
        rng.shuffle(found)
    kind = rng.random()
    if kind < 0.1:
        array = [np.array(found, np.uint32)] if all(type(i) is int and 0 <= i <= top for i in found) else []
        return rng.choice([tuple(found), iter(found), set(found[:1]), *array])
    return rng.choice(WRONG) if kind < 0.13 else found


def call(rng: random.Random, encoding: tiktoken.Encoding) -> Call:
    """A call of any public method, or of a private one that others use."""
    special, top = sorted(encoding.special_tokens_set), encoding.max_token_value
    name = rng.choice([
        "encode", "encode", "encode", "encode_ordinary", "encode_to_numpy", "encode_batch", "encode_ordinary_batch", "encode_with_unstable",
        "encode_single_token", "decode", "decode", "decode_bytes", "decode_single_token_bytes", "decode_tokens_bytes", "decode_with_offsets",
        "decode_batch", "decode_bytes_batch", "is_special_token", "_encode_bytes", "_encode_single_piece", "_encode_only_native_bpe", "attribute"])
    threads = {"num_threads": rng.choice([1, 2, 8, 0, "2"])} if rng.random() < 0.2 else {"num_threads": 1}
    arguments: dict[str, Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]] = {
        "encode_ordinary": lambda: ((text(rng, special),), {}),
        "encode_batch": lambda: (([text(rng, special) for _ in range(rng.randrange(4))],), {**threads, **allowed(rng, special)}),
        "encode_ordinary_batch": lambda: (([text(rng, special) for _ in range(rng.randrange(4))],), threads),
        "encode_single_token": lambda: ((rng.choice([text(rng, special), b"ab", b"\xff", rng.choice([*special, "ab"])]),), {}),
        "decode": lambda: ((ids(rng, top),), rng.choice([{}, {"errors": "strict"}, {"errors": "ignore"}, {"errors": "none"}])),
        "decode_single_token_bytes": lambda: ((rng.choice([*range(3), top, top + 1, -1, 1 << 40, "a", True, np.int64(5)]),), {}),
        "decode_batch": lambda: (([ids(rng, top) for _ in range(rng.randrange(3))],), threads),
        "decode_bytes_batch": lambda: (([ids(rng, top) for _ in range(rng.randrange(3))],), threads),
        "is_special_token": lambda: ((rng.choice([0, top, top + 1, 300]),), {}),
        "_encode_bytes": lambda: ((rng.choice([rng.randbytes(rng.randrange(5)), "é中 ab".encode()[:rng.randrange(9)], "ab", bytearray(b"ab")]),), {}),
        "_encode_single_piece": lambda: ((rng.choice([b"a", b" thethe\xff", "Hello Hello", b"abab", rng.randbytes(9), 5]),), {}),
        "_encode_only_native_bpe": lambda: ((rng.choice(["Hello 123", "ab  ab", "a b"]),), {}),
    }
    if name == "attribute":
        read = rng.choice(["name", "n_vocab", "max_token_value", "special_tokens_set", "eot_token", "_special_tokens", "_pat_str", "token_byte_values"])
        return lambda encoding: getattr(encoding, read)() if read == "token_byte_values" else getattr(encoding, read)
    options: dict[str, Any] = {}
    if name.startswith("decode") and name not in arguments:
        given = (ids(rng, top),)
    elif name in arguments:
        given, options = arguments[name]()
    else:
        given, options = (text(rng, special),), allowed(rng, special)
    fresh = [list(one) if hasattr(one, "__next__") else one for one in given]  # an iterator is there for each
    return lambda encoding: getattr(encoding, name)(*(iter(f) if hasattr(g, "__next__") else g for f, g in zip(fresh, given)), **options)


def outcome(call: Call, encoding: tiktoken.Encoding) -> Any:
    """What came of it: the type and value of a result, or the type and words of an error."""
    try:
        found = call(encoding)
    except Exception as error:
        return type(error).__name__, str(error)
    if isinstance(found, np.ndarray):
        return str(found.dtype), found.flags.writeable, found.tolist()
    if isinstance(found, tuple) and isinstance(found[1], list) and found[1] and isinstance(found[1][0], list):
        return found[0], sorted(found[1])  # completions, which come in no order
    return type(found).__name__, found
