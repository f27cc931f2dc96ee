"""Superwords: merges across words, after those of words, in the pieces of another pattern; `replace(pre_tokenizer=)`."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from character_models import character_json
from shares import seeds
from small_models import upstream_ids
from tokenizers import Tokenizer as Upstream
from upstream import upstream_pieces

import dstok
from dstok import Split, Splitter, Tokenizer, UnsupportedError
from dstok.cli.app import main
from dstok.errors import ArgumentError
from dstok.training import BpeTrainer, count_pieces, extend, train_from_iterator

LINES = r"[^\n]+|\n+"


def texts(chance: random.Random) -> list[str]:
    words = ["".join(chance.choices("abcé中", k=chance.randint(1, 4))) for _ in range(12)]
    return [" ".join(chance.choices(words, k=chance.randint(1, 9))) + chance.choice(["", "\n", "\n\nx 12"]) for _ in range(60)]


def plain(words: Tokenizer, given: list[str], pattern: str, size: int) -> list[tuple[int, int]]:
    """The merges of the second stage by a plain loop: the most frequent pair, of equals the one with the least ids."""
    counts = Counter(piece for text in given for piece in upstream_pieces([Split(pattern)], text))
    model = words.replace(pre_tokenizer=Splitter(r"(?m:.)+"))  # one piece
    rows = [(model.encode(piece), count) for piece, count in counts.items()]
    made, token_bytes = list[tuple[int, int]](), [bytes(token) for token in words.inspect().token_bytes()]
    ids = {token: id for id, token in enumerate(token_bytes)}
    while len(token_bytes) < size:
        pairs = Counter[tuple[int, int]]()
        for row, count in rows:
            for pair in pairwise(row):
                pairs[pair] += count
        if not pairs:
            break
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        token = token_bytes[left] + token_bytes[right]
        if token not in ids:
            ids[token] = len(token_bytes)
            token_bytes.append(token)
        made.append((left, right))
        for row, _ in rows:
            at = 0
            while at < len(row) - 1:
                if (row[at], row[at + 1]) == (left, right):
                    row[at : at + 2] = [ids[token]]
                at += 1
    return made


@pytest.mark.parametrize("seed", seeds(60, 8))
def test_the_second_stage_is_that_of_a_plain_loop(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    given = texts(chance)
    words = train_from_iterator(given, BpeTrainer(vocab_size=280), like="gpt-2")
    tok = words.replace(pre_tokenizer=Splitter(LINES))
    more = extend(tok, count_pieces(Splitter(LINES), given), 310, num_threads=chance.choice([1, 2]), memory=chance.choice([1 << 12, 1 << 30]))
    old = len(words.inspect().merges)
    assert more.inspect().merges[:old].tolist() == words.inspect().merges.tolist()
    assert [tuple(row[:2]) for row in more.inspect().merges[old:].tolist()] == plain(words, given, LINES, 310)
    assert any(b" " in token[1:] for token in more.inspect().token_bytes()[280:])
    more.to_json(tmp_path / "more.json")
    judge = Upstream.from_file(str(tmp_path / "more.json"))
    for text in given:
        assert more.encode(text) == upstream_ids(judge, text)


def test_other_pieces() -> None:
    tok = dstok.load("deepseek-v3")
    lines = tok.replace(pre_tokenizer=Splitter(LINES), bos_id=5, name="lines")
    assert (lines.bos_id, lines.name, lines.inspect().splits[0].pattern) == (5, "lines", LINES)
    assert lines.replace(pre_tokenizer=Splitter.from_tokenizer(tok)).encode("ab 12345 中文") == tok.encode("ab 12345 中文")
    assert Splitter.from_tokenizer(lines).split("a b\nc") == ["a b", "\n", "c"] and lines.fingerprint != tok.fingerprint
    with pytest.raises(ArgumentError, match="expected a splitter of Unicode 16.0"):
        tok.replace(pre_tokenizer=Splitter(LINES, upstream="tokenizers-0.19.1"))
    old = tok.replace(pre_tokenizer=Splitter(LINES), upstream="tokenizers-0.19.1")
    assert old.inspect().unicode_version == "14.0" and old.inspect().splits[0].pattern == LINES


def test_pieces_of_a_model_of_characters() -> None:
    with pytest.raises(UnsupportedError, match="other pieces of a model of characters"):
        Tokenizer.from_str(json.dumps(character_json())).replace(pre_tokenizer=Splitter(LINES))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    given = texts(random.Random(1))
    Path("a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in given), encoding="utf-8")
    words = ["train", "a.jsonl", "--like", "gpt-2", "--workers", "1", "--vocab-size", "310", "--words", "281", "--bos", "<s>"]
    superwords = [*words, "--superwords", LINES, "--out", "tok"]
    assert main(superwords) == 0 and "29 of them learned across words" in capsys.readouterr().out
    first = {path: path.read_bytes() for path in Path("tok").rglob("*.*") if path.is_file()}
    assert {path.as_posix() for path in first} >= {"tok/tokenizer.json", "tok/train.json", "tok/words/train.json", "tok/superwords.counts"}
    tok = dstok.load("tok")
    trainer = BpeTrainer(vocab_size=281, special_tokens=["<s>"])
    plain_words = train_from_iterator(given, trainer, like="gpt-2").replace(pre_tokenizer=Splitter(LINES))
    expected = extend(plain_words, count_pieces(Splitter(LINES), given), 310)
    assert tok.get_vocab() == expected.get_vocab() and tok.bos_id == 0
    assert main(superwords) == 0 and {path: path.read_bytes() for path in first} == first
    for wrong, message in (
        ([*words, "--superwords", "x", "--out", "tok"], "expected the training of this call, found another"),
        ([*words[:-4], "--superwords", LINES, "--out", "other"], "--superwords needs --words N"),
        ([*words[:-4], "--superwords", LINES, "--words", "100000", "--out", "other"], "expected --words below --vocab-size"),
        (["train", "--repeat", "tok/train.json"], "expected a train.json"),
    ):
        assert main(wrong) == 2 and message in capsys.readouterr().err
