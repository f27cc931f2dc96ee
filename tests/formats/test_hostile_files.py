"""Files that are broken, by accident or on purpose: each is refused with a `DstokError`, or gives a working tokenizer.

They are loaded in a process of their own with a limit on memory and time, so a crash, a hang or a balloon is a failure.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import random
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from gguf_bytes import Typed, gguf_bytes, llama_bytes, small_values
from hostile_child import TEXTS
from reference import DEEP
from sentencepiece_bytes import SMALL, model_bytes
from shares import chance_of_today
from tokenizer_json_cases import small

import dstok
from dstok.formats.sentencepiece import NORMAL, UNUSED, USER_DEFINED, Piece

CHILD = Path(__file__).parents[1] / "helpers" / "hostile_child.py"
MEGABYTES = 1500  # of address space; Python with numpy takes 400, the largest vocabulary that is looked at 700
COUNT = 5000 if DEEP else 120  # random files of each format, other ones each day


def outcomes(folder: Path, contents: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """What becomes of the files, by their names."""
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    # glibc reserves 64 MB of addresses for each of 16 arenas, if so many threads overlap.
    few = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run([sys.executable, CHILD, str(MEGABYTES), folder], env=few, capture_output=True, timeout=900)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    found = {item["name"]: item for item in map(json.loads, done.stdout.splitlines())}
    assert found.keys() == contents.keys()
    return found


def damage(data: bytes, rng: random.Random) -> bytes:
    """Cut short, with flipped bits, with a part missing, doubled, or overwritten."""
    at, size = rng.randrange(len(data)), rng.randrange(1, 40)
    kind = rng.randrange(6)
    if kind == 0:
        return data[:at]
    if kind == 1:
        flipped = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 20])):
            flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(flipped)
    if kind == 2:
        return data[:at] + data[at + size :]
    if kind == 3:
        return data[:at] + data[at : at + size] * rng.choice([2, 2, 500]) + data[at + size :]
    if kind == 4:
        return data[:at] + rng.randbytes(size) + data[at + size :]
    return data[:at] + rng.choice([b"\xff" * 8, bytes(8), b"\x00\x00\x00\x00\x00\x00\x00\x80", b"9" * 30]) + data[at + 8 :]


# tokenizer.json

WRONG: list[Any] = [
    None, True, False, -1, 0, 1, 255, 262, 1.5, 1e308, 1 << 20, 1 << 24, (1 << 24) + 1, 1 << 31, 1 << 64, 10**40, "", "x", "a b", "ab",
    "<s>", "\x00", "\ud800", "é" * 3000, "(" * 200, "a{1000}{1000}", "(a|b)*" * 200, "(?:" * 5000, r"[\p{L}\p{N}]{1,999}", [], {}, [[]],
    {"a": {}}, [1, "a", None], [["a", "b"]] * 3,
]


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every (object or array, key) of a tree."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], (dict, list)):
            yield from places(tree[key])


def twisted(tree: dict[str, Any], rng: random.Random) -> bytes:
    """The tree with some values replaced, moved, doubled or taken away."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice([1, 1, 1, 3])):
        everywhere = list(places(tree))
        outer = [(owner, key) for owner, key in everywhere if len(owner) < 100]  # not the vocabulary's
        owner, key = rng.choice(outer if rng.random() < 0.8 and outer else everywhere)
        other, other_key = rng.choice(everywhere)
        kind = rng.randrange(6)
        if kind <= 2:
            owner[key] = copy.deepcopy(rng.choice(WRONG))
        elif kind == 3:
            owner[key] = copy.deepcopy(other[other_key])
        elif kind == 4 and isinstance(owner, list):
            owner.insert(key, copy.deepcopy(owner[key]))
        else:
            del owner[key]
    return json.dumps(tree, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def nested(depth: int, key: str) -> bytes:
    """A pre-tokenizer, or whatever has that key, with sequences inside each other."""
    tree = small()
    inside: Any = tree[key]
    text = json.dumps(tree | {key: "HERE"})
    steps = {"pre_tokenizer": "pretokenizers", "normalizer": "normalizers", "post_processor": "processors"}[key]
    opened = f'{{"type": "Sequence", "{steps}": [' * depth
    return text.replace('"HERE"', opened + (json.dumps(inside) if inside else "") + "]}" * depth).encode()


def hand_made_json() -> dict[str, bytes]:
    tree = small()
    text = json.dumps(tree)
    many = {**tree, "added_tokens": [{**tree["added_tokens"][0], "content": f"<{i}>", "id": i} for i in range(50_000)]}
    wide = {**tree, "model": {**tree["model"], "vocab": tree["model"]["vocab"] | {f"a{i}": (1 << 24) - i for i in range(1000)}}}
    far = {**tree, "model": {**tree["model"], "vocab": tree["model"]["vocab"] | {"zz": 1 << 20}}, "added_tokens": []}
    back = {**tree, "model": {**tree["model"], "merges": tree["model"]["merges"][::-1] * 2}}
    return {
        "empty.json": b"", "null.json": b"null", "brackets.json": b"[" * 100_000, "objects.json": b'{"a":' * 100_000,
        "digits.json": text.replace("262", "9" * 100_000).encode(), "float.json": text.replace("262", "1e999").encode(),
        "nan.json": text.replace("262", "NaN").encode(), "bom.json": b"\xef\xbb\xbf" + text.encode(),
        "utf16.json": text.encode("utf-16"), "two keys.json": text.replace('"model": {', '"model": {"type": "BPE", ', 1).encode(),
        "twice.json": text.encode() * 2, "zeros.json": bytes(1 << 20), "many added.json": json.dumps(many).encode(),
        "wide.json": json.dumps(wide).encode(), "far.json": json.dumps(far).encode(), "back.json": json.dumps(back).encode(),
        **{f"nested {key} {depth}.json": nested(depth, key) for key in ("pre_tokenizer", "normalizer", "post_processor")
           for depth in (3, 70, 2000)},
    }


def test_tokenizer_json(tmp_path: Path) -> None:
    """And what is not refused gives upstream's ids."""
    rng, tree = chance_of_today("tokenizer.json"), small()
    plain = json.dumps(tree, ensure_ascii=False).encode()
    contents = {f"{i}.json": damage(plain, rng) if i % 2 else twisted(tree, rng) for i in range(COUNT)} | hand_made_json()
    found = outcomes(tmp_path, contents)
    working = {name: item["ids"] for name, item in found.items() if "ids" in item}
    assert 0.03 * COUNT < len(working) < 0.8 * COUNT
    for name, ids in working.items():
        judge = tokenizers.Tokenizer.from_str(contents[name].decode())
        assert [judge.encode(text, add_special_tokens=False).ids for text in TEXTS] == ids, name


# GGUF


def wrong_values() -> dict[str, bytes]:
    """Files that are well-formed and say what cannot be."""
    texts = small_values()["tokenizer.ggml.tokens"]
    changes: dict[str, dict[str, Any]] = {
        "no model": {"model": None}, "other model": {"model": "llama"}, "model a number": {"model": 7}, "no pre": {"pre": None},
        "unknown pre": {"pre": "x" * 5000}, "pre a list": {"pre": ["a"]}, "no tokens": {"tokens": None}, "tokens empty": {"tokens": []},
        "tokens numbers": {"tokens": [1, 2, 3]}, "tokens a string": {"tokens": "abc"}, "token twice": {"tokens": [*texts[:-1], "a"]},
        "token empty": {"tokens": [*texts[:-1], ""]}, "no byte": {"tokens": ["zz", *texts[1:]]},
        "types strings": {"token_type": ["1"] * 262}, "types short": {"token_type": [1] * 9}, "types 9": {"token_type": [9] * 262},
        "types floats": {"token_type": [Typed("f", 1.0)] * 262}, "types nan": {"token_type": [Typed("f", float("nan"))] * 262},
        "types negative": {"token_type": [-1] * 262}, "all control": {"token_type": [3] * 262}, "all unused": {"token_type": [5] * 262},
        "merges numbers": {"merges": [1]}, "merges none": {"merges": None}, "merge unknown": {"merges": ["a zz"]},
        "merge twice": {"merges": ["a b", "a b"]}, "merge spaces": {"merges": ["a  b", " ", ""]}, "merge long": {"merges": ["a" * 100_000]},
        "merge back": {"merges": ["ab cd", "c d", "a b"]}, "bos far": {"bos_token_id": Typed("Q", 1 << 63)}, "bos -1": {"bos_token_id": -1},
        "bos a string": {"bos_token_id": "a"}, "add_bos 7": {"add_bos_token": 7}, "template 7": {"chat_template": 7},
    }
    return {f"{name}.gguf": gguf_bytes(small_values(**change)) for name, change in changes.items()}


def wrong_bytes() -> dict[str, bytes]:
    """Files with lengths, counts and types that are not so."""
    plain = gguf_bytes(small_values())
    head, far = plain[:24], struct.pack("<Q", 1 << 60)
    nested_arrays = struct.pack("<IQ", 9, 1) * 50_000
    key = struct.pack("<Q", 1) + b"k"
    return {
        "empty.gguf": b"", "magic.gguf": b"GGUF", "other.gguf": b"GGML" + plain[4:], "version.gguf": b"GGUF\x00\x00\x00\x03" + plain[8:],
        "version 1.gguf": gguf_bytes(small_values(), version=1), "no keys.gguf": plain[:16] + bytes(8),
        "keys.gguf": plain[:16] + far + plain[24:], "tensors.gguf": gguf_bytes(small_values(), tensors=1 << 60),
        "key.gguf": head + far + plain[32:], "zeros.gguf": plain[:24] + bytes(1 << 20), "bytes.gguf": b"GGUF" + b"\xff" * 5000,
        "arrays.gguf": plain[:16] + struct.pack("<Q", 1) + key + struct.pack("<I", 9) + nested_arrays,
        "long array.gguf": plain[:16] + struct.pack("<Q", 1) + key + struct.pack("<IIQ", 9, 0, 1 << 60) + bytes(1000),
        "long strings.gguf": plain[:16] + struct.pack("<Q", 1) + key + struct.pack("<IIQ", 9, 8, 1 << 60) + bytes(1000),
        "empty strings.gguf": plain[:16] + struct.pack("<Q", 1) + key + struct.pack("<IIQ", 9, 8, 500_000) + bytes(4_000_000),
        "type 13.gguf": plain[:16] + struct.pack("<Q", 1) + key + struct.pack("<I", 13) + bytes(100),
        "key twice.gguf": plain[:16] + struct.pack("<Q", 2) + (key + struct.pack("<II", 4, 7)) * 2,
        "key not text.gguf": plain[:16] + struct.pack("<Q", 1) + struct.pack("<Q", 1) + b"\xff" + struct.pack("<II", 4, 7),
        "token not text.gguf": gguf_bytes(small_values(tokens=[b"\xff\xfe"] * 262)),
    }


def test_gguf(tmp_path: Path) -> None:
    rng, plain = chance_of_today("GGUF"), gguf_bytes(small_values())
    contents = {f"{i}.gguf": damage(plain, rng) for i in range(COUNT)} | wrong_values() | wrong_bytes()
    contents["fine.gguf"] = plain
    found = outcomes(tmp_path, contents)
    fine = found["fine.gguf"]["ids"]
    assert fine[1][0] == 258 and fine[1][2:4] == [256, 259]
    for name in [*wrong_values(), *wrong_bytes()]:
        works = name in ("merge back.gguf", "tensors.gguf")
        assert ("ids" in found[name]) == works, (name, found[name])
    refused = [item["refused"] for item in found.values() if "refused" in item]
    assert len(refused) > 0.2 * COUNT
    places = "byte ", "tokenizer.", "not JSON"  # what does not begin as a GGUF file is taken for a tokenizer.json
    assert all(any(place in message for place in places) for message in refused)


# tiktoken


def ranks(tokens: list[bytes]) -> bytes:
    return b"".join(base64.b64encode(token) + b" %d\n" % i for i, token in enumerate(tokens))


def test_tiktoken(tmp_path: Path) -> None:
    rng = chance_of_today("tiktoken")
    tokens = [*(bytes([b]) for b in range(256)), b"ab", b"cd", b"abcd", b"  ", b"\xe4\xb8"]
    plain = ranks(tokens)
    lines = plain.splitlines(keepends=True)
    change: list[Callable[[], bytes]] = [
        lambda: damage(plain, rng),
        lambda: b"".join(rng.sample(lines, len(lines))),
        lambda: b"".join([*lines, rng.choice(lines)]),
        lambda: b"".join(lines[: rng.randrange(len(lines))]),
        lambda: b"".join([*lines, base64.b64encode(rng.randbytes(rng.randrange(1, 9))), b" %d\n" % rng.choice([0, 300, 1 << 19])]),
        lambda: plain.replace(b" %d\n" % rng.randrange(256), b" %d\n" % rng.choice([1 << 20, 1 << 31, 10**30, 7])),
    ]
    contents = {f"{i}.tiktoken": change[i % len(change)]() for i in range(COUNT)} | {
        "empty.tiktoken": b"", "zeros.tiktoken": bytes(1 << 20), "line.tiktoken": b"A" * (1 << 22), "newlines.tiktoken": b"\n" * (1 << 22),
        "long token.tiktoken": plain + base64.b64encode(bytes(1 << 20)) + b" 400\n",
        "long tokens.tiktoken": ranks([*tokens, *(rng.randbytes(1000) for _ in range(300))]),
        "runs.tiktoken": ranks([*tokens, *(b"a" * n for n in range(2, 1000))]),
        "digits.tiktoken": plain + b"eHg= " + b"1" * (1 << 20) + b"\n", "spaces.tiktoken": plain.replace(b" ", b" \t  "),
        "crlf.tiktoken": plain.replace(b"\n", b"\r\n"), "json.tiktoken": b'{"a": 1}', "not ascii.tiktoken": "é 1\n".encode() + plain,
    }
    found = outcomes(tmp_path, contents)
    for name in ("crlf.tiktoken", "spaces.tiktoken", "runs.tiktoken", "long tokens.tiktoken"):
        assert "ids" in found[name], found[name]
    for name in ("empty.tiktoken", "zeros.tiktoken", "line.tiktoken", "newlines.tiktoken", "long token.tiktoken", "digits.tiktoken",
                 "json.tiktoken", "not ascii.tiktoken"):
        assert "refused" in found[name], name
    assert sum("refused" in item for item in found.values()) > 0.3 * COUNT


# Pieces: SentencePiece, and GGUF

def test_pieces(tmp_path: Path) -> None:
    rng, plain, other = chance_of_today("pieces"), model_bytes(), llama_bytes()
    contents = {f"{i}.model": damage(plain, rng) for i in range(COUNT)} | {f"{i}.gguf": damage(other, rng) for i in range(COUNT)}
    runs = [Piece("a" * length, -length, NORMAL) for length in range(2, 257)]
    words = [Piece("".join(rng.choices("ab", k=200)), -number, NORMAL) for number in range(5000)]
    nested = [Piece(word[:length], -number, NORMAL) for number, word in enumerate(("ab" * 128, "ba" * 128)) for length in range(3, 257)]
    contents |= {
        "fine.model": plain, "fine.gguf": other, "empty.model": b"", "zeros.model": bytes(1 << 20), "lines.model": b"\n" * (1 << 20),
        "far.model": b"\n" + b"\xff" * 9 + b"\x01", "number.model": b"\x08" + b"\xff" * (1 << 20), "fields.model": b"\n\0" * (1 << 19),
        "runs.model": model_bytes([*SMALL, *runs]), "words.model": model_bytes([*SMALL, *words]),
        "equal.model": model_bytes([*SMALL, *(piece._replace(score=-7) for piece in nested)]),
        "runs.gguf": llama_bytes([*SMALL, *runs]), "words.gguf": llama_bytes([*SMALL, *words]),
        "unused.model": model_bytes([*SMALL, Piece("a" * (1 << 22), -9, UNUSED)]),
        "long.gguf": llama_bytes([*SMALL, Piece("▁" * (1 << 20), -9, USER_DEFINED)]),
        "long.model": model_bytes([*SMALL, Piece("a" * (1 << 22), -9, NORMAL)]),
    }
    found = outcomes(tmp_path, contents)
    assert found["fine.model"]["ids"][0] == [] and len(found["fine.model"]["ids"]) == len(TEXTS)
    assert found["fine.model"]["ids"] == found["fine.gguf"]["ids"] and "ids" in found["words.model"]
    for name in ("empty.model", "zeros.model", "lines.model", "far.model", "number.model", "fields.model", "equal.model", "long.model"):
        assert "refused" in found[name], name


def test_arrays_of_gguf_take_no_memory(tmp_path: Path) -> None:
    """Of those that nobody reads only the length is kept; the others, and the keys, have a limit."""
    def with_array(key: bytes, kind: int, count: int) -> bytes:
        values = gguf_bytes({**small_values(), "x": 1})[: -len(b"x") - 16]  # the last key becomes this one
        return values + struct.pack("<Q", len(key)) + key + struct.pack("<IIQ", 9, kind, count) + bytes(1 << 25)

    keys = b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 21) + b"".join(struct.pack("<QIIB", 4, i, 0, 0) for i in range(1 << 21))
    contents = {"numbers.gguf": with_array(b"x", 1, 1 << 25), "strings.gguf": with_array(b"x", 8, 1 << 22), "keys.gguf": keys,
                "types.gguf": with_array(b"tokenizer.ggml.scores", 1, 1 << 25)}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run([sys.executable, CHILD, "500", tmp_path], capture_output=True, check=True, text=True)
    found = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert "ids" in found["numbers.gguf"] and "ids" in found["strings.gguf"]
    assert "more than 4194304 values" in found["types.gguf"]["refused"] and "more than 65536 keys" in found["keys.gguf"]["refused"]


def test_the_memory_limit_works(tmp_path: Path) -> None:
    """The process does end when memory runs out: a file that is larger than the limit."""
    (tmp_path / "x.json").write_bytes(b"[" + b" " * (300 << 20))
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([sys.executable, CHILD, "200", tmp_path], capture_output=True, check=True)


@pytest.mark.parametrize("far", [1 << 20, 1 << 24, (1 << 32) - 1])
def test_an_id_far_above(far: int) -> None:
    """It is refused before there is a list with a place for each id up to it."""
    tree = small()
    dstok.Tokenizer.from_str(json.dumps(tree))  # imports the reader, whose memory is not meant
    tree["model"]["vocab"]["zz"] = far
    text = json.dumps(tree)
    tracemalloc.start()
    try:
        with pytest.raises(dstok.UnsupportedError, match=f"the id {far}, where 0 to {(1 << 20) - 1} are taken") as caught:
            dstok.Tokenizer.from_str(text)
        assert caught.value.where == "$.model.vocab.zz"
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
