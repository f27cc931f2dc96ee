"""`dstok truncate` and `dstok chunk`: the parts of the library, written as they are or with their places."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from cli_process import TEXT, fails, file, json_lines, ok
from real_models import V3

LOOSE = b"a \xf0\x9f b \xff c"  # not UTF-8


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("options", [{}, {"add_bos": True}, {"special": "none"}])
def test_truncate_writes_the_kept_text_itself(side: str, options: dict[str, object]) -> None:
    words = [f"--{name.replace('_', '-')}{'' if value is True else f'={value}'}" for name, value in options.items()]
    words += ["--max-tokens", "9", "--side", side]
    kept = V3.truncate(TEXT, 9, truncation_side=side, **options)  # type: ignore[call-overload]
    assert ok("truncate", *words, stdin=TEXT) == kept
    [row] = json_lines(ok("truncate", *words, "--json", stdin=TEXT))
    assert row["text"].encode() == kept == TEXT[row["byte_start"] : row["byte_end"]]
    assert row["text"] == TEXT.decode()[row["char_start"] : row["char_end"]]
    assert row["tokens"] == V3.count(kept, **options) <= 9  # type: ignore[arg-type]


@pytest.mark.parametrize("overlap", [0, 3])
def test_chunks_have_their_places(overlap: int) -> None:
    rows = json_lines(ok("chunk", "--max-tokens", "9", "--overlap", str(overlap), stdin=TEXT * 3))
    assert [row["text"] for row in rows] == list(V3.chunk(TEXT.decode() * 3, 9, overlap=overlap))
    for row in rows:
        assert (TEXT * 3)[row["byte_start"] : row["byte_end"]].decode() == row["text"]
        assert (TEXT.decode() * 3)[row["char_start"] : row["char_end"]] == row["text"]
        assert row["tokens"] == V3.count(row["text"]) <= 9
    assert any(one["char_end"] > two["char_start"] for one, two in pairwise(rows)) == bool(overlap)


def test_parts_name_their_file_and_line() -> None:
    texts = ["a b c", "\u00e9 d"]
    for name in ("one", "two"):
        file(name, "\n\n".join(json.dumps({"t": text}) for text in texts).encode())
    rows = json_lines(ok("chunk", "--max-tokens", "2", "--jsonl", "--field", "t", "one", "two"))
    expected = [(name, line, part) for name in ("one", "two") for line, text in zip((1, 3), texts)
                for part in V3.chunk(text, 2)]
    assert [(row["file"], row["line"], row["text"]) for row in rows] == expected
    rows = json_lines(ok("truncate", "--max-tokens", "1", "--jsonl", "--field", "t", "one"))
    assert [(row["line"], row["text"], row["tokens"]) for row in rows] == [(1, "a", 1), (3, "\u00e9", 1)]


def test_texts_that_are_not_utf8() -> None:
    assert "standard input: expected utf-8, found byte 0xf0 at byte offset 2" in fails("chunk", "--max-tokens", "4",
                                                                                       stdin=LOOSE)
    whole = LOOSE.decode(errors="replace")
    assert ok("truncate", "--max-tokens", "99", "--errors", "replace", stdin=LOOSE).decode() == whole
    lone = json.dumps({"text": "\ud800 and the rest of it"}).encode()
    assert "U+D800" in fails("truncate", "--max-tokens", "2", "--side", "left", "--jsonl", stdin=lone)


def test_a_number_of_tokens_that_is_too_small() -> None:
    assert "line 1: expected max_tokens to be at least 1" in fails("chunk", "--max-tokens", "0", "--jsonl",
                                                                   stdin=b'{"text": "a"}')
    assert "below max_tokens, 3, found 3" in fails("chunk", "--max-tokens", "3", "--overlap", "3", "--text", "a")
    assert ok("truncate", "--max-tokens", "0", "--text", "a") == b""
