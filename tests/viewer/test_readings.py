"""What the view shows of a text is what the library says of it: ids, spans, pieces, merges, and the text itself."""

from __future__ import annotations

import json
import random
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kept import kept
from normalized_models import NFC, ODD, PREPEND, STRIP, file_of, replace, sequence
from real_models import V3
from small_models import model_json
from text_strategies import texts

import dstok
from dstok import chat
from dstok.errors import SpecialTokenError, TextError
from dstok.regex.parser import alternatives
from dstok.viewer import Reading, Sheet, read, read_conversation
from dstok.viewer.html import page_of, pieces, tokens_html
from dstok.viewer.reading import MAX_MERGED, merge_steps, read_ids
from dstok.viewer.sheet import MOST, align, columns

HOSTILE = ["", "\n", "</script><script>alert(1)</script>", "<b>&amp;'\"", "\u202eabc\u2066\u200f", "a" + "\u0301" * 40,
           "🦙\u20c1👩\u200d👩\u200d👧", "\x00\x07\x7f\r\n\t x", "東京\u3000タワー", "<｜User｜>hi<｜end▁of▁sentence｜>", " " * 50]
R1 = dstok.load("deepseek-r1-distill-qwen")
V4 = dstok.load("deepseek-v4")


def expanded(found: dict[str, list[int]], name: str) -> list[list[int]]:
    """The spans of columns, as a page expands them."""
    pairs = np.array(found[name], np.int64).reshape(-1, 2)
    starts = np.cumsum(pairs[:, 0])
    return np.column_stack([starts, starts + pairs[:, 1]]).tolist()


class Shown(HTMLParser):
    """The text that tokens stand for in a page, without what is shown of tokens that lie nowhere in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.items, self.open = "", 0, list[str]()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in ("ol", "li", "i", "b", "code", "bdi"), tag
        kind = dict(attributes).get("class") or ""
        if tag == "li":
            self.items += not {"m", "g"} & set(kind.split())
            self.open = [open for open in self.open if open == "m" or open == "parts"]
            self.starts = True
        self.open += {"ol": ["parts"] if "m" in self.open else [], "li": ["m"] if "m" in kind.split() else []}.get(tag, [])
        self.name = tag == "i" and kind == "u"

    def handle_endtag(self, tag: str) -> None:
        if tag == "ol" and self.open[-1:] == ["parts"]:
            del self.open[-2:]
        self.name = False

    def handle_data(self, data: str) -> None:
        if "parts" in self.open:
            return
        if self.name:
            code = int(data[2:], 16) if data.startswith("U+") else (ord(data) - 0x2400 if data != "\u2421" else 127)
            data = chr(code)
        elif self.starts and data.startswith("\u25cc"):
            data = data[1:]
        self.starts = False
        self.text += data


def check(reading: Reading, tokenizer: dstok.Tokenizer, special: Any) -> None:
    found = tokenizer.encode_with_offsets(reading.text, special=special)
    assert reading.encoding == found
    whole = columns(reading, 0, len(reading))
    assert whole["ids"] == found.ids.tolist()
    assert expanded(whole, "bytes") == found.byte_spans.tolist() and expanded(whole, "chars") == found.char_spans.tolist()
    assert np.cumsum(whole["pieces"]).tolist() == found.pieces.tolist()
    assert whole["added"] == np.flatnonzero(found.special).tolist()
    assert all(bytes.fromhex(data) == tokenizer.decode_bytes([id]) for id, data in whole["hex"].items())
    for number, piece in enumerate(tokenizer.inspect().pretokenize(reading.text, special=special)):
        said = reading.piece(number)
        assert said["bytes"] == [piece.start, piece.end] and said["chars"] == [piece.char_start, piece.char_end]
        assert (said["step"], said["alternative"]) == (piece.step, piece.alternative)
        first, last = said["tokens"]
        if piece.token_id is None:
            data = bytes.fromhex(said["hex"])
            assert tokenizer.inspect().merge(data) == found.ids[first:last].tolist()
            check_steps(tokenizer, data, said["merges"])


@kept(most=2)
def merges_of(tokenizer: dstok.Tokenizer) -> np.ndarray:
    """Of a model, made once: they are more than all that is looked at."""
    return tokenizer.inspect().merges


def check_steps(tokenizer: dstok.Tokenizer, data: bytes, steps: list[tuple[int, int, int, int, int]]) -> None:
    """Each step is a merge of the model, of two neighbours that are there; what is left are the piece's tokens."""
    merges = merges_of(tokenizer)
    there = {(at, at + 1): tokenizer.inspect().merge(data[at : at + 1])[0] for at in range(len(data))}
    for start, middle, end, id, rank in steps:
        assert merges[rank].tolist() == [there.pop((start, middle)), there.pop((middle, end)), id]
        there[start, end] = id
        assert tokenizer.inspect().token(id) == data[start:end]
    left = [there[span] for span in sorted(there)]
    assert left == tokenizer.inspect().merge(data) or tokenizer.inspect().takes_whole_tokens


@given(texts, st.sampled_from(["all", "none"]))
@example("\U00010f54", "all")  # from right to left, and two tokens
@example("\U00010f540", "all")
def test_a_reading_is_what_the_library_says(text: str, special: Any) -> None:
    reading = read(V3, text, special=special)
    check(reading, V3, special)
    shown = Shown(tokens_html(reading, 0, len(reading)))
    assert (shown.text, shown.items) == (text, len(reading))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("model", [V3, R1], ids=lambda model: model.name)
def test_hostile_texts(text: str, model: dstok.Tokenizer) -> None:
    reading = read(model, text)
    check(reading, model, "all")
    assert Shown(tokens_html(reading, 0, len(reading))).text == text
    page = page_of(Sheet([reading]))
    assert page.count("<script") == 2 and "\u202e" not in page.split('id="data"')[0]
    assert json.loads(page.split('id="data">')[1].split("</script>")[0])["text"] == text


def test_a_model_that_takes_whole_tokens() -> None:
    tok = dstok.Tokenizer.from_str(model_json([(b"a", b"b")], extra=[b"abc"], ignore_merges=True))
    reading = read(tok, "abc ab")
    assert [reading.piece(number)["merges"] for number in (0, 2)] == [[], []]
    assert tok.inspect().takes_whole_tokens and not V3.inspect().takes_whole_tokens
    assert merge_steps(tok, b"abab") != []


@pytest.mark.parametrize("text", ["ab  ab", "  a", "a  ", "   ", "", "é  ab\n中 x", "\n\n" + "ab" * 400 + " \n" * 400])
def test_a_model_that_drops_text(text: str) -> None:
    """What no token holds is shown, too, in its place."""
    file = json.loads(model_json([(b"a", b"b")], pattern=None))
    drop = {"type": "Split", "pattern": {"Regex": r"\s+"}, "behavior": "Removed", "invert": False}
    file["pre_tokenizer"]["pretokenizers"].insert(0, drop)
    tok = dstok.Tokenizer.from_str(json.dumps(file))
    reading = read(tok, text)
    check(reading, tok, "all")
    sheet = Sheet([reading])
    assert "".join(Shown(sheet.section(number)["html"][0]).text for number in range(len(sheet))) == text


def test_places_of_pieces_in_a_page() -> None:
    tok = dstok.Tokenizer.from_str(file_of(NFC))
    reading = read(tok, "e\u0301 ab")
    found, plain = pieces(reading, True), pieces(read(V3, "a"), True)
    assert found is not None and plain is not None and plain["places"] is None
    assert found["places"] == [[*said["bytes"], *said["chars"]] for said in map(reading.piece, range(len(found["places"])))]


def test_a_piece_that_is_too_long_for_a_tree() -> None:
    """Its merges are not made; its tokens are there as any other's."""
    reading = read(V3, "x" * (MAX_MERGED + 1) + "\n" + "y" * MAX_MERGED)
    assert reading.piece(0)["merges"] is None and len(reading.piece(2)["merges"]) > 500
    assert reading.piece(0)["tokens"][1] == V3.count("x" * (MAX_MERGED + 1))
    found = pieces(reading, True)
    assert found is not None and set(found["merges"]) == {b"\n".hex(), (b"y" * MAX_MERGED).hex()}


@pytest.mark.parametrize("steps", [NFC, STRIP, PREPEND, replace("<", ""), sequence(NFC, {"type": "Lowercase"})], ids=str)
def test_models_with_a_normalizer(steps: dict[str, object]) -> None:
    """Spans are of the text that was given; what the model drops is shown, too."""
    tok, chance = dstok.Tokenizer.from_str(file_of(steps)), random.Random(str(steps))
    for _ in range(40):
        text = "".join(chance.choices(ODD, k=chance.randrange(12)))
        reading = read(tok, text)
        check(reading, tok, "all")
        nowhere = (reading.encoding.char_spans[:, 0] == reading.encoding.char_spans[:, 1]).any()
        assert nowhere or Shown(tokens_html(reading, 0, len(reading))).text == text


def test_which_bytes_of_a_character() -> None:
    reading = read(V3, " 🦙!")
    assert [reading.state(token) for token in range(4)] == [
        "bytes 1 to 2 of the 4 of U+1F999", "byte 3 of the 4 of U+1F999", "byte 4 of the 4 of U+1F999", ""]
    assert tokens_html(reading, 0, 4) == (
        "<ol><li class=m><b><i> </i>🦙</b><ol><li><i> </i><code>f0 9f</code><li class=c><code>a6</code>"
        "<li class=c><code>99</code></ol><li class=c>!</ol>")
    counts = reading.counts()
    assert counts == {"tokens": 4, "characters": 3, "bytes": 6, "words": 1, "lines": 1, "ids": 4, "added": 0, "split": 1}


@pytest.mark.parametrize(("text", "classes"), [
    ("-" * 64, "w"), (" " * 20, ""), (" " * 30, "w"), ("Replacement", ""), ("\n" * 16, ""), ("\u200b" * 3, ""), ("\u200b" * 4, "v"), ("\u200b" * 7, "w"),
])
def test_a_token_that_a_line_may_end_in(text: str, classes: str) -> None:
    """More than 20 characters; `v`: more than 20 columns, signs counted, which half a phone does not have."""
    tok = dstok.Tokenizer.from_str(model_json([], extra=[text.encode()], ignore_merges=True, pattern=None))
    reading = read(tok, text)
    opening = tokens_html(reading, 0, 1).partition(">")[2].partition(">")[0]
    assert len(reading) == 1 and opening == (f"<li class={classes}" if classes else "<li")


def test_bos_eos_and_lone_surrogates() -> None:
    reading = read(V3, "a\ud800\ufffd", add_bos=True, add_eos=True)
    assert reading.text == "a\ufffd\ufffd" and reading.notes == ("1 lone surrogate became U+FFFD",)
    assert reading.encoding.ids.tolist() == V3.encode("a\ufffd\ufffd", add_bos=True, add_eos=True)
    html = tokens_html(reading, 0, len(reading))
    assert html.startswith("<ol><li class=a>&lt;｜begin") and html.endswith("<li class=a>&lt;｜end▁of▁sentence｜&gt;</ol>")
    with pytest.raises(SpecialTokenError):
        read(V3, "<｜User｜>", special="raise")
    with pytest.raises(TextError):
        read(V3, b"\xff")


def test_a_text_that_does_not_come_back_is_told() -> None:
    tok = dstok.Tokenizer.from_str(file_of({"type": "Lowercase"}))
    assert read(tok, "AB").notes == ("the tokens decode to another text than this one",)
    assert read(tok, "ab").notes == ()


# Sections


def many(count: int, seed: int) -> str:
    chance = random.Random(seed)
    return "".join(chance.choice([*HOSTILE, "word ", "\n", "x\n", "naïve ", "中文"]) for _ in range(count))


@pytest.mark.parametrize("seed", range(4))
def test_sections_hold_all_tokens_and_begin_at_the_same_bytes(seed: int) -> None:
    text = many(1500, seed)
    readings = [read(V3, text, add_bos=seed == 1), read(R1, text)][: 1 + seed % 2]
    sheet = Sheet(readings)
    assert sheet.starts[0].tolist() == [0] * len(readings)
    assert sheet.starts[-1].tolist() == [len(reading) for reading in readings]
    assert len(sheet) > 5 and (np.diff(sheet.starts, axis=0) >= 0).all()
    places = [reading.encoding.byte_spans[sheet.starts[1:-1, side], 0].tolist() for side, reading in enumerate(readings)]
    assert all(each == places[0] for each in places)
    for side, reading in enumerate(readings):
        assert not reading.shared[sheet.starts[:, side]].any()
        shown = [Shown(sheet.section(number)["html"][side]) for number in range(len(sheet))]
        assert sum(each.items for each in shown) == len(reading)
        if seed != 1:
            assert "".join(each.text for each in shown) == text
    header = sheet.header()
    assert sum(section[len(readings)] for section in header["sections"]) == len(text)
    assert sum(section[len(readings) + 1] for section in header["sections"]) == text.count("\n")
    with pytest.raises(IndexError):
        sheet.section(len(sheet))


def test_two_readings_meet_again_after_a_few_lines() -> None:
    """A section is a row of the page: with two readings a short one, so that the same line stands beside itself."""
    text = "12345 and don't\n" * 60
    one = Sheet([read(V3, text)])
    two = Sheet([read(V3, text), read(V3, text, special="none")])
    sizes = np.diff(two.starts[:, 0])
    assert len(one) < 4 and sizes[:-1].min() >= 20 and sizes.max() < 40
    assert all(two.readings[0].text[two.readings[0].encoding.char_spans[at, 0] - 1] == "\n" for at in two.starts[1:-1, 0])


def test_a_section_is_not_too_long_where_no_line_ends() -> None:
    sheet = Sheet([read(V3, "word " * 2000)])
    assert np.diff(sheet.starts[:, 0]).max() <= MOST
    assert len(Sheet([read(V3, "🦙" * 3000)])) > 10 and len(Sheet([read(V3, "")])) == 1


# Two readings


@given(texts)
def test_alignment(text: str) -> None:
    one, other = read(V3, text), read(R1, text)
    found = align(one, other)
    assert not found.one_vocabulary
    spans = [set(map(tuple, reading.encoding.byte_spans.tolist())) for reading in (one, other)]
    for side, reading in enumerate((one, other)):
        expected = [tuple(span) not in spans[1 - side] for span in reading.encoding.byte_spans.tolist()]
        assert found.differ[side].tolist() == expected
    assert (len(found.places) == 0) == (not found.differ[0].any() and not found.differ[1].any())
    same = align(one, read(V4, text, special="none"))
    assert same.one_vocabulary


def test_ids_are_compared_where_the_vocabulary_is_one() -> None:
    mine = read_ids("mine", "Hello world", [19923, *map(V3.token_to_id, (b" w", b"orld"))], V3)
    found = align(read(V3, "Hello world"), mine)
    assert found.one_vocabulary and [flags.tolist() for flags in found.differ] == [[False, True], [False, True, True]]
    assert found.places.tolist() == [5]
    with pytest.raises(ValueError, match="two texts"):
        align(read(V3, "a"), read(V3, "b"))


def test_another_librarys_tokenizer() -> None:
    text = "naïve 🦙"
    assert read_ids("own", text, V3.encode(text), V3).encoding.byte_spans.tolist() == V3.encode_with_offsets(text).byte_spans.tolist()
    whole = read_ids("words", text, [7, 8], V3, [(0, 5), (5, 7)])  # not V3's ids: its spans tell
    assert [whole.bytes_of(token) for token in (0, 1)] == ["naïve".encode(), " 🦙".encode()]
    assert not align(read(V3, text), whole).one_vocabulary
    for wrong in (None, [(0, 5)], [(0, 5), (6, 7)], [(0, 5), (5, 6)]):
        with pytest.raises(TextError, match="whose bytes make up the text"):
            read_ids("words", text, [7, 8], V3, wrong)
    with pytest.raises(IndexError):
        whole.piece(0)


def test_another_librarys_ids_of_several_texts() -> None:
    """A page says of an id what it stands for: one text."""
    with pytest.raises(TextError, match="found 'Ab' and ' ab' for id 7, at offset 2 in code points"):
        read_ids("folds", "Ab ab", [7, 7], V3, [(0, 2), (2, 5)])
    same = read_ids("same", "ababab", [7, 7, 8], V3, [(0, 2), (2, 4), (4, 6)])
    assert [same.bytes_of(token) for token in range(3)] == [b"ab"] * 3


def test_another_librarys_tokens_of_no_text() -> None:
    marked = read_ids("marked", "ab", [1, 7, 2], V3, [(0, 0), (0, 2), (2, 2)])
    assert tokens_html(marked, 0, 3) == "<ol><li><i class=u>∅</i><li>ab<li><i class=u>∅</i></ol>"


# Conversations


@pytest.mark.parametrize("special", ["template", "all"])
@pytest.mark.parametrize("version", ["v3", "v3.1", "v3.2", "v4-0731"])
def test_conversations(version: chat.VersionName, special: Any) -> None:
    tok = dstok.load(next(one for one in chat.versions() if one.name == version).models[0])
    messages = [{"role": "system", "content": "Be <｜User｜> brief"}, {"role": "user", "content": "Héllo 中"},
                {"role": "assistant", "content": "So"}, {"role": "user", "content": "\n"}]
    encoded = chat.encode(tok, messages, version, special=special)
    reading = read_conversation(encoded, messages)
    assert reading.encoding.ids.tolist() == encoded.ids
    assert reading.encoding.char_spans.tolist() == encoded.offsets.tolist()
    assert columns(reading, 0, len(reading))["messages"] == encoded.message_index.tolist()
    counts = reading.message_counts()
    assert [row["role"] for row in counts] == ["system", "user", "assistant", "user", ""]
    assert sum(row["tokens"] for row in counts) == len(encoded.ids)
    for number in range(len(reading.piece_table)):
        piece = reading.piece(number)
        data = bytes.fromhex(piece["hex"])
        assert reading.data[slice(*piece["bytes"])] == data and reading.text[slice(*piece["chars"])] == data.decode()
        assert b"".join(map(reading.bytes_of, range(*piece["tokens"]))) == data
    assert Shown(tokens_html(reading, 0, len(reading))).text == encoded.rendered.text
    sheet = Sheet([reading])
    sections = sheet.header()["sections"]
    rows = [section[4] for section, start, end in zip(sections, sheet.starts[:-1, 0], sheet.starts[1:, 0]) for _ in range(start, end)]
    assert rows == encoded.message_index.tolist()  # a section has tokens of one message


# Pages


def test_pieces_of_a_page() -> None:
    reading = read(V3, "don't 12 don't<｜User｜>")
    found = pieces(reading, True)
    assert found is not None
    for number, tag in enumerate(found["tags"]):
        said = reading.piece(number)
        assert found["reasons"][tag] == [said["step"], said["alternative"]]
        assert said["merges"] is None or found["merges"][said["hex"]] == said["merges"]


def test_alternatives() -> None:
    for split in V3.inspect().automaton.splits:
        numbers = {tag.alternative for tag in V3.inspect().automaton.tags if tag.step == V3.inspect().automaton.splits.index(split)}
        assert len(alternatives(split.pattern)) == len(numbers)
    assert alternatives(r"a\|b|(c|d)[|]") == (r"a\|b", "(c|d)[|]") and alternatives("a") == ("a",)
    assert alternatives("(?i)a|b") == ()
