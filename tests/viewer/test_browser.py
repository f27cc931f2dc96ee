"""The view in a real browser: what a reader sees is what the library says, for hostile and for large texts, too.

One browser runs all scenarios of browser.mjs; each test looks at what one of them gave. Times are printed, not judged.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import browser_folder, run_scenarios
from real_models import V3
from reference import DEEP
from view_server import served

import dstok
from dstok import chat
from dstok.viewer import Sheet, read
from dstok.viewer.html import page_of
from dstok.viewer.notebook import visible_line
from dstok.viewer.sheet import align

QWEN = dstok.load("deepseek-r1-distill-qwen")
TEXT = "Hello 🦙⃁ naïve tokenization, 12345!\n\n\t中文字符 <｜User｜>  x\n\nمرحبا بالعالم\nשלום\n\u202eabc</script><b>\ndon't\n" * 8
HOSTILE = ["</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>", "\u202e\u2066abc\u2069\u200f" * 20,
           "a" + "\u0301" * 10_000, "x" * 20_000, "\x00\x07\x1b[31m\x7f\u2028\u0085", "&lt;b&gt;", "\ufeff\ufffd\U0010ffff", " " * 3000]
TALK = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "<｜User｜> Hi"}]
CHOSEN = [0, 3, 5, 13, 14, 19, 30]
SPLIT = "a ⃁ b"  # a character in several tokens
LIMITS = ["1", "2", "3", "1.5", "-1", "99"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    browser_folder()  # skips at once where there is none
    folder = tmp_path_factory.mktemp("view")
    words = (Path(dstok.__file__).parent / "tokenizer.py").read_text(encoding="utf-8")
    large = 5_000_000 if DEEP else 1_000_000  # characters, some five of them a token
    files = {"file": TEXT, "page": (words * 20)[: large // 10], "served": (words * 200)[:large]}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("file", "page"):
        (folder / f"{name}.html").write_text(page_of(Sheet([read(V3, files[name])])), encoding="utf-8")
    (folder / "notebook.html").write_text(f"<!DOCTYPE html><title>A notebook</title>{V3.view(TEXT)._repr_html_()}", encoding="utf-8")
    with served() as empty, served(folder / "file") as file, served(folder / "served") as many:
        what = {"empty": empty, "file": file, "page": (folder / "file.html").as_uri(), "notebook": (folder / "notebook.html").as_uri(), "other": QWEN.name, "hostile": HOSTILE,
                "large": (words * 100)[:1_000_000], "talk": json.dumps(TALK), "text": TEXT[: len(TEXT) // 8], "chosen": CHOSEN, "split": SPLIT, "limits": LIMITS,
                "many": {"page": (folder / "page.html").as_uri(), "served": many}}
        yield {**run_scenarios(Path(__file__).with_name("browser.mjs"), what), "what": what, "files": files}


def value(results: dict[str, Any], name: str) -> Any:
    found = results[name]
    assert found["error"] is None, found["error"]
    return found["value"]


def shown(text: str, tokenizer: dstok.Tokenizer = V3, special: Any = "all") -> list[int]:
    return tokenizer.encode(text, special=special)


def test_typing(results: dict[str, Any]) -> None:
    found = value(results, "typing")
    assert [id for id, _ in found["tokens"]] == shown("Hello wörld 🦙!") and found["faults"] == []


def test_a_text_that_is_typed_early_stays(results: dict[str, Any]) -> None:
    found = value(results, "typingEarly")
    assert found["text"] == "Hello" and [id for id, _ in found["tokens"]] == shown("Hello") and found["faults"] == []


def test_pasting_a_megabyte(results: dict[str, Any]) -> None:
    found, large = value(results, "pasting"), results["what"]["large"]
    print("1 MB pasted, and a letter more:", found["ms"], "ms")
    assert found["says"] == f"deepseek-v3: {V3.count(large + 'x'):,} tokens" and found["faults"] == []


def test_hostile_texts(results: dict[str, Any]) -> None:
    found = value(results, "hostile")
    assert found["says"] == [f"deepseek-v3: {V3.count(text):,} tokens" for text in HOSTILE] and found["faults"] == []


def test_the_policy_for_added_tokens(results: dict[str, Any]) -> None:
    found = value(results, "refusals")
    assert "the added token '<｜User｜>' at byte offset 0" in found["refused"]
    assert [id for id, _ in found["plain"]] == shown("<｜User｜>", special="none")
    assert [id for id, _ in found["added"]] == shown("<｜User｜>")


def test_the_keyboard_suffices(results: dict[str, Any]) -> None:
    found, count = value(results, "keyboard"), V3.count(TEXT)
    steps = [number and int(number.replace(",", "")) for _, _, number in found["seen"]]
    names = [key for key, _, _ in found["seen"]]
    at = dict(zip(names, steps))
    assert steps[:4] == [1, 2, 3, 2] and at["ArrowDown"] > 3 and at["ArrowUp"] < at["ArrowDown"]
    assert at["Control+End"] == count and at["Control+Home"] == 1 and at["Home"] == 1
    assert at["PageDown"] == at["End"] + 1 and at["PageUp"] == 1
    assert (found["outline"], found["live"], found["faults"]) == ("solid", "polite", [])


def test_two_models_side_by_side(results: dict[str, Any]) -> None:
    found, readings = value(results, "sideBySide"), [read(V3, TEXT), read(QWEN, TEXT)]
    assert [[id for id, _ in side] for side in found["both"]] == [reading.encoding.ids.tolist() for reading in readings]
    expected = align(*readings)
    assert found["waves"] == [flags.tolist() for flags in expected.differ]
    assert f"They differ at {len(expected.places)} places" in found["says"]
    flags = expected.differ[0].tolist()
    starts = [at for at, differs in enumerate(flags) if differs and not (at and flags[at - 1])]
    assert [int(place.replace(",", "")) - 1 for place in found["places"]] == starts[:2]
    assert (found["axe"], found["faults"]) == ([], [])


def test_what_is_said_of_a_token(results: dict[str, Any]) -> None:
    reading = read(V3, TEXT)
    for number, words in zip(CHOSEN, value(results, "details")):
        said = re.sub(r"\s+", " ", words)
        start, end = reading.encoding.byte_spans[number].tolist()
        id, data = int(reading.encoding.ids[number]), reading.bytes_of(number)
        piece = reading.piece(int(reading.encoding.pieces[number]))
        assert f"token {number + 1} of {len(reading)} id {id} bytes {data.hex(' ')}" in said
        assert f"UTF-8 {reading.state(number) or 'whole characters'} byte span {start} to {end}" in said
        why = "no step" if piece["step"] is None else f"step {piece['step']} (Isolated), alternative {piece['alternative']}"
        assert ("matched by" not in said) if reading.encoding.special[number] else f"matched by {why}" in said
        big = data.hex(" ") if reading.state(number) else visible_line(data.decode())  # the page's signs are the terminal's
        assert said.startswith(f"Close Token {big} token ")
        ranks = [int(rank.replace(",", "")) for rank in re.findall(r"rank ([\d,]+)", said)]
        assert sorted(ranks) == sorted(step.rank for step in piece["merges"] or [])


def test_a_page_from_a_file(results: dict[str, Any]) -> None:
    """It says the same as the server's, with no server behind it."""
    found = value(results, "pageFromAFile")
    assert found["details"] == value(results, "details")
    assert [id for id, _ in found["tokens"]] == found["saved"] == shown(TEXT) and found["text"] == TEXT
    assert (found["axe"], found["faults"]) == ([], [])


def test_a_chosen_token_stays_with_its_characters(results: dict[str, Any]) -> None:
    found = value(results, "typingElsewhere")
    assert found["seen"] == [[["ör"], True], [["ör"], True], [[], False]] and found["faults"] == []


def test_the_page_and_a_picture_are_saved(results: dict[str, Any]) -> None:
    """The page is that of `dstok view --output`; the picture is as large as the tokens are, by two, and not of one colour."""
    found = value(results, "saving")
    assert found["names"] == ["tokens.html", "tokens.png"] and found["faults"] == []
    assert found["html"] == page_of(Sheet([read(V3, TEXT)]))
    data = base64.b64decode(found["png"])
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert data.startswith(b"\x89PNG") and [width, height] == [2 * side for side in found["size"]] and found["colours"] > 20


def test_a_result_that_has_gone_and_a_server_that_has_ended(results: dict[str, Any]) -> None:
    found, text = value(results, "goneAndEnded"), results["what"]["large"][:15000]
    assert found["again"] == f"deepseek-v3: {V3.count(text):,} tokens"
    assert found["ended"].startswith("No answer: dstok view has ended")


def test_a_row_that_leaves_and_returns_has_its_tokens_once(results: dict[str, Any]) -> None:
    found = value(results, "rowsThatLeaveAndReturn")
    assert set(found["lists"]) == {0, 1} and found["lists"][-1] == 1 and found["faults"] == []


def test_typing_does_not_scroll_to_the_chosen_token(results: dict[str, Any]) -> None:
    found = value(results, "typingWithATokenChosen")
    assert found["chosen"] > 1000 and (found["typed"], found["focus"], found["faults"]) == (0, "text", [])


def test_a_budget_is_a_whole_number(results: dict[str, Any]) -> None:
    """Where it ends is told, and that the place lies inside a character; another number is refused."""
    reading, said = read(V3, SPLIT), value(results, "budgets")
    assert len(reading) > 3 and reading.shared[:4].any() and not reading.shared[:4].all()
    for number, (words, marked) in zip((1, 2, 3), said):
        assert words.startswith(f"Full before token {number + 1}: byte {reading.encoding.byte_spans[number, 0]}, ")
        assert (", inside a character;" in words) == reading.shared[number] and marked == 1
    assert said[3:5] == [[f"Expected a whole number of tokens, found {limit}.", 0] for limit in ("1.5", "-1")]
    assert said[5] == [f"All {len(reading)} tokens fit; {99 - len(reading)} are left.", 0]


def test_a_notebook(results: dict[str, Any]) -> None:
    """In its frame the page works as anywhere, and reaches nothing outside."""
    found = value(results, "notebook")
    assert (found["address"], found["outside"], found["faults"]) == ("about:srcdoc", "SecurityError", [])
    assert re.search(r"token\s+2 of", found["details"]) and found["count"] == len(V3.encode(TEXT))


def test_a_page_without_javascript(results: dict[str, Any]) -> None:
    found = value(results, "pageWithoutScript")
    assert "tokenization" in found["text"] and found["count"] == f"deepseek-v3: {V3.count(TEXT)} tokens"


def test_a_link_holds_the_state_and_no_text(results: dict[str, Any]) -> None:
    found = value(results, "link")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]+/#model=deepseek-v3&special=all&limit=3&token=0\.2", found["address"])
    assert found["line"] == ["token 4"] and found["limit"].startswith("Full before token 4: byte ")
    assert re.search(r"token\s+3 of", found["details"])


def test_a_conversation(results: dict[str, Any]) -> None:
    found, encoded = value(results, "conversation"), chat.encode(dstok.load("deepseek-v3.2"), TALK, "v3.2")
    assert [id for id, _ in found["tokens"]] == encoded.ids and found["axe"] == []
    counts = [(encoded.message_index == number).sum() for number in (0, 1, -1)]
    assert found["messages"] == [str(count) for count in counts]


def test_looks(results: dict[str, Any]) -> None:
    """Light, dark, narrow, forced colours: nothing bars anyone, nothing runs off the page."""
    for found in value(results, "looks"):
        assert (found["axe"], found["sideways"], found["faults"]) == ([], 0, []), found["options"]


def test_many_tokens(results: dict[str, Any]) -> None:
    for name, found in value(results, "manyTokens").items():
        print(f"{name}, {len(results['files'][name]):,} characters: opened in {found['opened']} ms, scrolled in {found['scrolled']} ms, last token in {found['chosen']} ms")
        assert found["faults"] == [] and (name == "page" or found["items"] < 20_000)
        assert f"of {V3.count(results['files'][name]):,}" in found["details"]
