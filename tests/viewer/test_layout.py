"""Where things stand on the view's page, on a wide screen and on a phone: boxes in a real browser, no pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import browser_folder, run_scenarios
from real_models import V3
from view_server import served

import dstok
from dstok import chat
from dstok._util.columns import width
from dstok.viewer import Sheet, read
from dstok.viewer.html import page_of

LONG = [token for token in (V3.decode_bytes([id]).decode("utf-8", "replace") for id in range(500, 128_000, 7)) if 12 <= len(token) <= 40 and token.strip()]
TEXT = ("# Tokenization of everyday text.\n\nA language model reads tokens, not letters; 12345678 llamas 🦙 and ⃁ naïve 中文字符\n\t<｜User｜> x\n"
        + "".join(LONG[::40]) + "\n" + "-" * 300 + " " * 300 + "x\n")
TALK = [{"role": "system", "content": "Answer in one sentence."}, {"role": "user", "content": "What is the tallest mountain of Europe?"},
        {"role": "assistant", "content": "Mount Elbrus, " * 200}, {"role": "user", "content": "And in the Alps?"}]
BACKWARD = "العربية: with English inside (and more) 123.\n" + "שלום עולם, שלומך? abc 12:30 https://example.org/א\n" + "فارسی می‌خواهم [1]\n\n\t- שורה\n<｜User｜>שלום <｜Assistant｜> ok\n"
FORWARD = "Hebrew: שלומך, and Arabic: العربية (السلام عليكم) 5%.\n  # עברית at the end: שלום\n"
DIRECTIONS = BACKWARD + FORWARD + (BACKWARD.split("\n")[1] + " ") * 12 + "\n" + FORWARD + "ޱ߷ ߊߋ🦙 שָׁלוֹם"
PHONE, WHOLE = 390, 20


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    browser_folder()  # skips at once where there is none
    folder = tmp_path_factory.mktemp("layout")
    (folder / "text").write_text(TEXT, encoding="utf-8")
    (folder / "talk").write_text(json.dumps(TALK), encoding="utf-8")
    (folder / "page.html").write_text(page_of(Sheet([read(V3, TEXT)])), encoding="utf-8")
    other = dstok.load("deepseek-r1-distill-qwen")
    pages = {"directions": [read(V3, DIRECTIONS)], "twoDirections": [read(V3, DIRECTIONS), read(other, DIRECTIONS)]}
    for name, readings in pages.items():
        (folder / f"{name}.html").write_text(page_of(Sheet(readings)), encoding="utf-8")
    with served(folder / "text") as text, served(folder / "text", "--compare", "deepseek-r1-distill-qwen") as pair, \
            served(folder / "talk", "--chat", "v3") as talk:
        what = {"text": text, "pair": pair, "chat": talk, **{name: (folder / f"{name}.html").as_uri() for name in ("page", *pages)}}
        yield run_scenarios(Path(__file__).with_name("layout.mjs"), what)


def value(results: dict[str, Any], name: str) -> Any:
    found = results[name]
    assert found["error"] is None, found["error"]
    return found["value"]


def test_a_token_stays_in_one_piece(results: dict[str, Any]) -> None:
    """With its id, too. A longer one has no edge where a line ends inside it. A line feed ends a line inside any token."""
    broken = 0
    for page in value(results, "lines"):
        assert page["sideways"] == 0, (page["name"], page["width"], page["ids"])
        narrow = page["width"] == PHONE and page["name"] == "pair"  # half a phone has 20 columns, and not 20 of two columns each
        for text, classes, lines, edges in page["tokens"]:
            assert edges == "slice"
            short = width(text.replace("\n", "")) <= WHOLE if narrow else len(text) <= WHOLE
            if short:
                assert lines <= 1 + text.removesuffix("\n").count("\n"), (page["name"], page["width"], page["ids"], text, classes)
            broken += lines > 1 and not short
    assert broken > 10


def test_no_token_is_torn(results: dict[str, Any]) -> None:
    """By letters of another direction. In each line the tokens follow one another, in the line's direction."""
    for page in value(results, "directions"):
        where, backward = (page["name"], page["width"], page["ids"]), 0
        assert page["sideways"] == 0 and page["axe"] == [], where
        for items in page["lists"]:
            for text, _, boxes in items:
                for here, there in pairwise(sorted((box for box in boxes), key=lambda box: (round(box[2]), box[0]))):
                    assert round(here[2]) != round(there[2]) or abs(here[1] - there[0]) < 1, (where, text, boxes)
            for (text, way, boxes), (_, other_way, next_boxes) in pairwise(items):
                rows = [(one, other) for one in boxes for other in next_boxes if min(one[3], other[3]) - max(one[2], other[2]) > 8]
                backward += way == other_way == "rtl"
                assert all((other[1] < one[0] + 1) if way == "rtl" else (other[0] > one[1] - 1) for one, other in rows if way == other_way), (where, text, rows)
        assert backward > 60, where
        ways = {text: way for items in page["lists"] for text, way, _ in items}
        assert (ways["<｜User｜>"], ways[" Arabic"], ways[" ok"], ways[" end"]) == ("rtl", "ltr", "rtl", "rtl")
        assert page.get("keys", [2]) in ([2], [2, 3, 2]), "arrow keys move as the tokens stand"
        wholes = [items for items in page["lists"] if len(items) > 20 and page["name"] == "alone"]  # of a pair each begins a line
        assert all(items[0][1] == "rtl" for items in wholes), "a list that begins within a line has the line's direction"


def test_on_a_phone(results: dict[str, Any]) -> None:
    """The first token stands on the first screen. The panel comes with a token, below it, and goes with Escape."""
    for name, found in value(results, "phone").items():
        assert found["first"]["bottom"] < 844 and found["hidden"] and not any(found["folded"]), name
        panel, chosen = found["panel"], found["chosen"]
        assert panel["bottom"] <= 844 and chosen["bottom"] <= panel["top"] and chosen["top"] >= 0, name
        assert (found["axe"], found["closed"], found["focus"]) == ([], True, "true"), name


def test_headings(results: dict[str, Any]) -> None:
    """One over the numbers of tokens, and one over each model's tokens."""
    found = value(results, "headings")
    assert [words for words, _ in found["heads"]] == ["Token", "deepseek-v3", "deepseek-r1-distill-qwen"]
    number, *lists = [box for _, box in [found["number"][0], *found["lists"]]]
    for (_, head), below in zip(found["heads"], [number, *lists]):
        assert head["bottom"] <= below["top"] and head["left"] == below["left"]
    assert found["number"][0][0] == "1" and found["heads"][0][1]["right"] == number["right"]


def test_hovering(results: dict[str, Any]) -> None:
    """It tells id, bytes and place, beside the token and inside the window."""
    reading = read(V3, TEXT)
    for found in value(results, "hovering"):
        number, tip, item = found["id"], found["tip"], found["item"]
        start, end = reading.encoding.byte_spans[number].tolist()
        assert found["says"] == f"id {reading.encoding.ids[number]}, bytes {reading.bytes_of(number).hex(' ')}, offset {start} to {end}"
        assert tip["left"] >= 0 and tip["right"] <= found["viewport"]["width"] and tip["top"] >= 0 and tip["bottom"] <= found["viewport"]["height"]
        assert tip["bottom"] <= item["top"] or tip["top"] >= item["bottom"]
        assert found.get("hidden", True)


def test_no_tokens_after_an_error(results: dict[str, Any]) -> None:
    """Those of the model before do not stand below the new one's name; the next text has tokens again."""
    found = value(results, "errors")
    assert found["left"] == 0 and "the text holds the added token" in found["words"] and f"{V3.count(TEXT):,}" not in found["words"]
    assert found["axe"] == [] and found["head"].split() == ["Token", "deepseek-r1"]
    assert found["again"] == f"deepseek-r1: {dstok.load('deepseek-r1').count(TEXT):,} tokens"


def test_messages(results: dict[str, Any]) -> None:
    """Each message has a frame around its tokens, in its role's colour, and a link in the table."""
    found, encoded = value(results, "conversation"), chat.encode(V3, TALK, "v3")
    assert [row for row, _ in found["messages"]] == [own for _, own in found["messages"]] == encoded.message_index.tolist()
    for look in ("light", "dark"):
        frames = found[look]
        assert all(frame["inside"] and frame["border"] == "4px" for frame in frames) and found[f"{look} axe"] == []
        named = {frame["heading"]: frame["colour"] for frame in frames if frame["heading"]}
        assert list(named) == ["the format's own", *(f"{message['role']} message {number}" for number, message in enumerate(TALK))]
        colours = [colour for heading, colour in named.items()]
        assert colours[2] == colours[4] and len(set(colours)) == 4
        assert [frame["top"] for frame in frames] == ["1px" if frame["heading"] else "0px" for frame in frames]
    starts = [int((encoded.message_index == number).argmax()) for number in range(len(TALK))]
    assert [link["token"] for link in found["links"]] == starts
    assert all(0 <= link["row"]["top"] < 300 and re.search(r"token=0\.\d+$", link["address"]) for link in found["links"])


def test_print(results: dict[str, Any]) -> None:
    """On paper stand the counts and all tokens with their tones, dark on white."""
    assert value(results, "print") == {"shown": [True, True, False, False], "style": ["exact", "rgb(255, 255, 255)"], "row": "visible"}
