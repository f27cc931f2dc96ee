"""`dstok splitter` and `dstok pieces --count` write what `dstok.Splitter` gives."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest
from cli_process import MANY, TEXT, fails, file, json_lines, ok, run, tiny_model
from hypothesis import given
from hypothesis import strategies as st
from reference import examples

from dstok import Splitter
from dstok.cli.arguments import load_splitter
from dstok.cli.output import CommandError
from dstok.cli.train import parts
from dstok.io.text_files import Source
from dstok.training import count_pieces

PLAIN = TEXT.decode()


def test_what_a_splitter_is() -> None:
    gpt_2 = Splitter.preset("gpt-2")
    [shown] = json_lines(ok("splitter", "show", "gpt-2", "--json", "--text", "it's\n"))
    assert shown["fingerprint"] == gpt_2.analyze().fingerprint and shown["unicode_version"] == "16.0"
    assert [step["pattern"] for step in shown["steps"]] == [split.pattern for split in gpt_2.splits]
    assert (shown["look_ahead"], shown["longest_piece"], shown["loses_text"]) == (2, None, None)
    assert [tuple(map(tuple, place["right"])) for place in shown["cut_places"]] == [
        place.right.ranges for place in gpt_2.analyze().cut_places]
    assert [(piece["text"], piece["alternative"]) for piece in shown["pieces"]] == [("it", 7), ("'s", 0), ("\n", 10)]


def test_a_table_of_it() -> None:
    lines = ok("splitter", "show", "regex:\\d{1,3}|\n", "--text", "a12").decode().splitlines()
    assert "step 0           Isolated: \\d{1,3}|\\n" in lines
    assert "look ahead       1 character" in lines
    assert lines[-2:] == ["pieces           'a' (gap)", "                 '12' (step 0, alternative 0)"]


def test_the_difference_of_two(tmp_path: Path) -> None:
    done = run("splitter", "diff", r"regex:\d+", "regex:[0-9]+")
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.decode() == "text    'a٠'\nfirst   'a' '٠'\nsecond  'a٠'\n"
    done = run("splitter", "diff", r"regex:\d+", "regex:[0-9]+", "--json")
    assert json.loads(done.stdout) == {"equal": False, "text": "a٠", "pieces": ["a", "٠"], "others": ["a٠"],
                                       "spans": [[0, 1], [1, 2]], "other_spans": [[0, 2]]}
    for name, pattern in (("first", "a(?=a)"), ("second", "(?<=a)a")):  # the pieces are equal, their places are not
        Splitter(pattern, behavior="Removed").to_json(tmp_path / name)
    done = run("splitter", "diff", str(tmp_path / "first"), str(tmp_path / "second"))
    assert done.stdout.decode() == "text    'aa'\nfirst   'a' (1:2)\nsecond  'a' (0:1)\n"
    assert json_lines(ok("splitter", "diff", "regex:a|b", "regex:[ab]", "--json")) == [{"equal": True}]
    assert ok("splitter", "diff", "gpt-2", "gpt2").startswith(b"equal: ")


def test_names_of_splitters(tmp_path: Path) -> None:
    words = Splitter(r"\w+")
    words.to_json(tmp_path / "words")
    assert load_splitter(str(tmp_path / "words")) == load_splitter(r"regex:\w+") == words
    assert load_splitter(tiny_model(tmp_path / "tiny.json")) == Splitter.preset("gpt-2") == load_splitter("gpt2")
    assert load_splitter(r"fancy-regex:\pL++") == Splitter(r"\p{L}+")
    assert load_splitter("deepseek-v3.1") == Splitter.preset("deepseek-v3")
    with pytest.raises(CommandError, match="no built-in model 'nothing'.*nor a preset: .*gpt-2.*gpt2.* regex:nothing$"):
        load_splitter("nothing")


def test_a_caret_under_the_place_at_fault() -> None:
    done = run("splitter", "show", "regex:東\n(a")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == ("dstok: unclosed group at position 2 of the pattern\n"
                                    "  東\\n(a\n"
                                    "      ^\n")
    error = run("splitter", "show", f"regex:{'a' * 100}(b").stderr.decode().splitlines()
    assert error[1] == f"  {'a' * 40}(b" and error[2].index("^") == 42


def test_frequencies_of_pieces(tmp_path: Path) -> None:
    plain, packed = file(str(tmp_path / "a.txt"), TEXT * 3), str(tmp_path / "b.txt.gz")
    file(packed, gzip.compress(TEXT))
    wanted = count_pieces(Splitter.preset("deepseek-v3"), [PLAIN * 3, PLAIN]).to_dict()
    rows = json_lines(ok("pieces", "--count", plain, packed))
    assert [(row["text"], row["count"]) for row in rows] == list(wanted.items())
    table = ok("pieces", "--count", "--format", "table", "--splitter", r"regex:\w", stdin=b"a b a").decode()
    assert table == "           2  ' '\n           2  'a'\n           1  'b'\n"
    lines = b'{"text": "a b"}\n\n{"text": "a"}\n'
    assert json_lines(ok("pieces", "--count", "--jsonl", "--splitter", "gpt-2", stdin=lines)) == [
        {"text": "a", "count": 2}, {"text": " b", "count": 1}]


def test_a_file_in_parts() -> None:
    """Blocks of any size, in the middle of characters, too; where there is no cut the parts are one."""
    for splitter in (Splitter.preset("deepseek-v3"), Splitter(r"\w+|\s+"), Splitter("ab")):
        for block in (1, 7, 100):
            places = list(parts(Source("x", io.BytesIO(TEXT)), splitter.analyze().may_cut, block=block))
            found = [part.decode() for part, _ in places]
            assert "".join(found) == PLAIN and all(TEXT[:end].endswith(part) for part, end in places)
            for _, after in places:
                rest = parts(Source("x", io.BytesIO(TEXT)), splitter.analyze().may_cut, block=block, after=after)
                assert b"".join(part for part, _ in rest) == TEXT[after:]
            assert [piece for part in found for piece in splitter.split(part)] == splitter.split(PLAIN)
    never = list(parts(Source("x", io.BytesIO(TEXT)), lambda left, right: False, block=5))
    assert never == [(TEXT, len(TEXT))]


@given(data=st.lists(st.sampled_from([b"a", b" ", "é".encode(), "中".encode(), b"\xff", b"\xe4\xb8", b"\xf0\x9f"])).map(b"".join),
       block=st.integers(1, 9), share=st.floats(0, 1))
@examples(200)
def test_parts_of_faulty_text(data: bytes, block: int, share: float) -> None:
    """No part ends within a sequence that is one fault of the whole; each end is a place to go on from."""
    splitter = Splitter("[a ]|[^a ]")  # may be cut everywhere
    found = list(parts(Source("x", io.BytesIO(data)), splitter.analyze().may_cut, "replace", block))
    assert b"".join(part for part, _ in found).decode() == data.decode(errors="replace")
    at = int(share * len(found))
    after = found[at - 1][1] if at else 0
    rest = list(parts(Source("x", io.BytesIO(data)), splitter.analyze().may_cut, "replace", block, after))
    assert b"".join(part for part, _ in found[:at] + rest).decode() == data.decode(errors="replace")


def test_a_file_that_is_longer_than_a_block(tmp_path: Path) -> None:
    rows = json_lines(ok("pieces", "--count", file(str(tmp_path / "a"), MANY)))
    assert {row["text"]: row["count"] for row in rows} == count_pieces(Splitter.preset("deepseek-v3"), [MANY]).to_dict()


def test_what_cannot_be_counted(tmp_path: Path) -> None:
    broken = file(str(tmp_path / "broken"), "é".encode() + b"a" * (1 << 20) + b"\xff")
    assert f"{broken}: expected utf-8, found byte 0xff at byte offset {2 + (1 << 20)}" in fails("pieces", "--count", broken)
    assert "byte offset 1" in fails("pieces", "--count", stdin=b"a\xc3")
    assert json_lines(ok("pieces", "--count", "--errors", "replace", stdin=b"\xff")) == [{"text": "\ufffd", "count": 1}]
    assert "line 1: " in fails("pieces", "--count", "--jsonl", stdin=b'{"text": "\\ud800"}')
    assert "expected distinct pieces that fit in 1048576 bytes" in fails(
        "pieces", "--count", "--memory", "1", "--splitter", r"regex:\w+", stdin=b"a" * (2 << 20))


def test_options_that_would_do_nothing() -> None:
    for option, value in [("--memory", "1"), ("--splitter", "gpt-2"), ("--threads", "1"), ("--work", "x")]:
        assert f"{option} is for frequencies" in fails("pieces", option, value)
    assert "--special is for" in fails("pieces", "--count", "--special", "all")
    assert "--model is for" in fails("pieces", "--count", "--splitter", "gpt-2", "--model", "deepseek-v3")
