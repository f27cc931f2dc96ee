"""The tables of a tokenizer.json, read in C, against a plain reader in Python: files of both kinds, with odd spellings and escapes,
and with faults. The tokens, raw ids and merges agree, or the class and the place of the error do. Added tokens in another order of keys
are read in Python: they and their errors are the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from reference import DEEP, PART
from shares import chance_of_today

from dstok._util.json_value import join_path
from dstok.core.bpe.tables import MAX_IDS
from dstok.core.text.model_json import scan_model
from dstok.errors import DstokError, TokenizerFileError, UnsupportedError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR
from dstok.formats.tokenizer_json import read_tokenizer_json

COUNT = 50_000 if DEEP else 3000 // PART
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
FUSED = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
ODD = ["", " ", "a b", "中", "<0x0a>", "<0x+5>", "<0x4G>", "<0xA`>", "<0x中>", "▁ ", "\x7f", "\U0001f600", "Ā中", "#version", "\0", '"', "\\", "/",
       "\n", "ŀ", "Ń", "ń", "\ufeff", "\uffff", "\U0010ffff", "\ud7ff", "\ue000", "<0x0A> ", "a" * 300]
WRONG: list[Any] = [None, True, -1, 1.5, 1 << 20, 1 << 64, "", "a", "a b", "a  b", " a", "a ", "#version: 0.2", [], {}, ["a"], ["a", "b"], ["a", "b", "c"], ["a", 1]]
RAW = ["01", "-0", "1.", "1e2", "1e400", "NaN", '"\\x"', '"\\u12"', '"\\ud800"', '"\\udc00"', '"\\ud83d\\u0041"', '"\\ud83d\\ude00"', "9" * 19,
       "9" * 25, '"\t"', "[1,]", '{"a":1,"a":2}', "", "1 2"]


class Text(str):
    """JSON as it is written."""


class Pairs(list[tuple[str, Any]]):
    """The members of an object, of which two may have one key."""


def text_of(value: Any, rng: random.Random, escapes: float, blanks: str) -> str:
    """JSON, in which any character may be escaped, with blanks anywhere."""
    def around(text: str) -> str:
        return rng.choice(blanks) + text + rng.choice(blanks)

    if isinstance(value, dict | Pairs):
        pairs = value.items() if isinstance(value, dict) else value
        return "{" + ",".join(around(text_of(key, rng, escapes, blanks)) + ":" + around(text_of(item, rng, escapes, blanks))
                              for key, item in pairs) + around("}")
    if isinstance(value, list):
        return "[" + ",".join(around(text_of(item, rng, escapes, blanks)) for item in value) + around("]")
    if isinstance(value, str) and not isinstance(value, Text):
        return '"' + "".join(json.dumps(char, ensure_ascii=rng.random() < 0.5)[1:-1] if rng.random() >= escapes else
                             "".join(f"\\u{unit:{rng.choice('xX').replace('x', '04x').replace('X', '04X')}}" for unit in units(char))
                             for char in value) + '"'
    return value if isinstance(value, Text) else json.dumps(value)


def units(char: str) -> list[int]:
    data = char.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def random_tables(rng: random.Random, characters: bool) -> tuple[Pairs, list[Any]]:
    """A vocabulary, and merges; one of twenty has a fault."""
    letters = [*"abcd▁é中"] if characters else rng.sample(BYTE_TO_CHAR, 8)
    texts = [*(f"<0x{byte:02X}>" for byte in range(256) if characters), *letters]
    sides, merges = letters[:], dict[tuple[str, str], None]()
    for _ in range(rng.randint(0, 12)):
        left, right = rng.choice(sides), rng.choice(sides)
        merges[left, right] = None
        texts += [left + right] if left + right not in texts else []
        sides.append(left + right)
    for text in rng.sample(ODD, rng.choice([0, 1, 3])):
        if text not in texts:
            other = rng.choice(letters)
            texts += [text, *({text + other} - {*texts, text})]
            merges[text, other] = None
    ids = rng.sample(range(len(texts) * rng.choice([1, 1, 2])), len(texts))
    vocab = Pairs(zip(texts, sorted(ids) if rng.random() < 0.7 else ids))
    in_lists = rng.random() < 0.5
    found: list[Any] = [[*merge] if in_lists else " ".join(merge) for merge in merges]
    tables: tuple[list[Any], ...] = vocab, found
    for table in tables:
        if rng.random() < 0.05:
            wrong = Text(rng.choice(RAW)) if rng.random() < 0.5 else rng.choice(WRONG)
            table.insert(rng.randint(0, len(table)), (rng.choice(texts + ["new"]), wrong) if table is vocab else wrong)
        if rng.random() < 0.05:
            table.insert(rng.randint(0, len(table)), rng.choice(table or [("a", 1)]))
    if rng.random() < 0.05:
        vocab[rng.randrange(len(vocab))] = "new", rng.choice(vocab)[1]
    found[:0] = ["#version: 0.2 - Trained by `huggingface/tokenizers`"] * (rng.random() < 0.3)
    return vocab, found


def random_file(rng: random.Random, characters: bool) -> bytes:
    vocab, merges = random_tables(rng, characters)
    members = [*{"type": "BPE", "byte_fallback": characters, "vocab": vocab, "merges": merges}.items()]
    steps: dict[str, Any] = {"normalizer": SPACES, "decoder": {"type": "Sequence", "decoders": FUSED}}
    if not characters:
        steps = {"pre_tokenizer": BYTE_LEVEL, "decoder": BYTE_LEVEL}
    rng.shuffle(members)
    whole = [*steps.items(), ("model", Pairs(members))]
    rng.shuffle(whole)
    text = text_of(Pairs(whole), rng, rng.choice([0, 0, 0.3]), rng.choice([[""], ["", " ", "\r\n\t"]]))  # type: ignore[arg-type]
    data = text.encode()
    if rng.random() < 0.1:
        at = rng.randrange(len(data))
        data = rng.choice([data[:at], data[:at] + data[at + 1 :], data[:at] + rng.randbytes(1) + data[at:],
                           data[:at] + rng.choice([b'"', b"\\", b",", b"}", b"]", b"\xed\xa0\x80", b"\xc0\x80"]) + data[at:]])
    return data


def parsed(data: bytes) -> Any:
    """The tree; raises `ValueError` for what is no JSON to upstream."""
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs) or any(not key.isascii() and not key.encode() for key, _ in pairs):
            raise ValueError
        return dict(pairs)

    def refuse(text: str) -> Any:
        raise ValueError

    def real(text: str) -> float:
        return refuse(text) if float(text) in (float("inf"), -float("inf")) else float(text)

    def whole(text: str) -> float:
        return real(text) if len(text) > 19 or text == "-0" else int(text)

    tree = json.loads(data.decode(), object_pairs_hook=members, parse_constant=refuse, parse_float=real, parse_int=whole)
    json.dumps(tree, ensure_ascii=False).encode()  # a lone surrogate is an error of UnicodeError, a ValueError
    return tree


def plain(model: Any) -> Any:
    """The tokens, raw ids and merges that a model says; or the class and the place of its error."""
    vocab, merges, where = model["vocab"], model["merges"], "$.model.vocab"
    for key, value in vocab.items():
        if type(value) is not int or not 0 <= value < MAX_IDS:
            known = type(value) is int and 0 <= value < 1 << 32
            return UnsupportedError if known else TokenizerFileError, join_path(where, key)
    owners: dict[int, str] = {}
    for key, value in vocab.items():
        if owners.setdefault(value, key) != key:
            return TokenizerFileError, join_path(where, key)
    characters = model["byte_fallback"]
    tokens: list[bytes | None] = [None] * (max(vocab.values()) + 1)
    raw = set()
    for key, value in vocab.items():
        if not characters:
            known = key != "" and all(char in BYTE_TO_CHAR for char in key)
            tokens[value] = bytes(map(BYTE_TO_CHAR.index, key)) if known else key.encode()
            raw |= set() if known else {value}
            continue
        is_byte = len(key.encode()) == 6 and key[:3] == "<0x" and key[-1] == ">"
        digits = key[3:5].removeprefix("+")
        if is_byte and digits.isascii() and digits.isalnum() and all(char in "0123456789abcdefABCDEF" for char in digits):
            if key != f"<0x{int(digits, 16):02X}>":
                return UnsupportedError, join_path(where, key)
            tokens[value] = bytes([int(digits, 16)])
        elif " " in key and "▁" in key:
            return UnsupportedError, join_path(where, key)
        else:
            tokens[value] = key.replace("▁", " ").encode()
            raw |= {value} if not key or " " in key else set()
    rules: dict[tuple[int, int], int] = {}
    again = None
    in_lists = bool(merges) and isinstance(merges[0], list)
    for index, merge in enumerate(merges):
        if not in_lists and isinstance(merge, str) and merge.startswith("#version"):
            continue
        parts = merge.split(" ") if not in_lists and isinstance(merge, str) else merge if in_lists else None
        if not (isinstance(parts, list) and len(parts) == 2 and all(isinstance(part, str) for part in parts)
                and all(text in vocab for text in (*parts, "".join(parts)))):
            return TokenizerFileError, f"$.model.merges[{index}]"
        pair = vocab[parts[0]], vocab[parts[1]]
        again = index if pair in rules and again is None else again
        rules[pair] = vocab["".join(parts)]
    if again is not None:
        return TokenizerFileError, f"$.model.merges[{again}]"
    kept = [(left, right, made) for (left, right), made in rules.items() if left not in raw and right not in raw]
    in_use = {token_id for rule in kept for token_id in rule}
    if characters and any(vocab.get(f"<0x{byte:02X}>") in in_use for byte in range(256)):
        return UnsupportedError, "$.model.merges"
    return tokens, raw, kept


def outcome(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except DstokError as error:
        return type(error), getattr(error, "where", "")


@pytest.mark.parametrize("characters", [False, True], ids=["bytes", "characters"])
def test_tables(characters: bool) -> None:
    rng, read, refused = chance_of_today(f"tables of {characters}"), 0, 0
    for _ in range(COUNT):
        data = random_file(rng, characters)
        found = outcome(lambda data=data: read_tokenizer_json(data))  # type: ignore[misc]
        try:
            tree = parsed(data)
        except ValueError:
            assert found[0] is TokenizerFileError, data
            refused += 1
            continue
        keys = {"vocab", "merges", "type", "byte_fallback"}
        if not (isinstance(tree, dict) and isinstance(model := tree.get("model"), dict) and model.keys() == keys):
            continue  # the damage hit something else
        if type(found) is tuple:
            if not str(found[1]).startswith(("$.model.vocab.", "$.model.vocab[", "$.model.merges")):
                continue  # the damage hit a needed token
        else:
            read += 1
            found = [*found.tokens], {*found.raw_ids}, found.merge_rules()
        assert found == plain(model), data
    assert read > 0.4 * COUNT and refused > 0.05 * COUNT


FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
CONTENTS = ["a", "ab", "c", "<new>", "<other>", "é☃", "<a>", " b"]


def added_rows(rng: random.Random) -> Any:
    """Added tokens of a vocabulary of a: 0, ab: 1, c: 9; most of them have their ids, and one of two lists has a fault."""
    rows: list[Any] = []
    if rng.random() < 0.05:
        return rng.choice([*WRONG, "]", Text("5 "), {"content": []}])
    for content in rng.sample(CONTENTS, rng.randint(0, 5)):
        new = sum(row["content"] not in ("a", "ab", "c") for row in rows)
        rows.append({"id": {"a": 0, "ab": 1, "c": 9}.get(content, 4 + new), "content": content,
                     **{flag: rng.random() < 0.2 for flag in FLAGS}})
    if rows and rng.random() < 0.5:
        row = rng.choice(rows)
        key = rng.choice([*row])
        row[key] = rng.choice([*WRONG, *range(7), *CONTENTS, "", False, Text("true5"), Text("tru"), *map(Text, RAW)])
        if rng.random() < 0.3:
            del row[key]
        row |= {"more": 1} if rng.random() < 0.1 else {}
    return rows


def test_added_tokens_in_any_order_of_keys() -> None:
    rng, taken, read = chance_of_today("added tokens"), 0, 0
    for _ in range(COUNT):
        rows, escapes, found = added_rows(rng), rng.choice([0, 0.3]), []
        for some in (rows, [dict(reversed(row.items())) if isinstance(row, dict) else row for row in rows]
                     if isinstance(rows, list) else rows):
            tree = {"model": {"vocab": {"a": 0, "ab": 1, "c": 9, "Ġ": 2}, "merges": []}, "pre_tokenizer": BYTE_LEVEL, "decoder": BYTE_LEVEL}
            tree = {"added_tokens": some, **tree} if rng.random() < 0.5 else {**tree, "added_tokens": some}
            data = text_of(tree, rng, escapes, rng.choice([" ", "\r\n\t"])).encode()
            taken += bool(scan_model(data, MAX_IDS)[1].added)
            found.append(outcome(lambda data=data: read_tokenizer_json(data).added_tokens))  # type: ignore[misc]
        assert found[0] == found[1] or found[0][1][:1] != "$", rows
        read += not rows or type(found[0][0]) is not type
    assert read > 0.3 * COUNT and taken > 0.1 * COUNT


def test_text_is_read_as_its_bytes_are() -> None:
    rng = random.Random(7)
    for _ in range(100):
        data = random_file(rng, rng.random() < 0.5)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue
        assert outcome(lambda: read_tokenizer_json(text)) == outcome(lambda: read_tokenizer_json(data))  # noqa: B023


def test_a_merge_among_many_that_make_one_token() -> None:
    length = 300
    vocab = {"a" * number: number - 1 for number in range(1, length + 1)}
    merges = [["a" * left, "a" * (length - left)] for left in range(1, length)]
    tree = {"decoder": BYTE_LEVEL, "pre_tokenizer": BYTE_LEVEL, "model": {"vocab": vocab, "merges": merges}}
    assert len(read_tokenizer_json(json.dumps(tree)).merges) == 3 * (length - 1)
    merges.insert(200, merges[7])
    with pytest.raises(TokenizerFileError, match=r"expected a new merge, found merge 7 again - at \$.model.merges\[200\]"):
        read_tokenizer_json(json.dumps(tree))


def test_a_vocabulary_that_is_too_large() -> None:
    data = b'{"model": {"vocab": {"a": 0}, "merges": []}}'
    assert scan_model(data, MAX_IDS, 8)[0] == b'{"model": {"vocab": {}, "merges": []}}'
    with pytest.raises(UnsupportedError, match=r"a vocabulary of more than 7 bytes - at \$.model.vocab"):
        scan_model(data, MAX_IDS, 7)
