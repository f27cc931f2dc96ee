"""`dstok chat` writes what `dstok.chat` gives, and says what it is about where it cannot."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_process import DSTOK, fails, file, json_lines, ok

import dstok
from dstok import chat

TALK: list[dict[str, Any]] = [{"role": "user", "content": "Hi <｜User｜>\x1b[31m"},
                              {"role": "assistant", "content": "Yo", "reasoning_content": "Hm"},
                              {"role": "user", "content": "So?"}]
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}
BODY = {"model": "x", "temperature": 1, "messages": TALK, "tools": [TOOL], "reasoning_effort": "max",
        "thinking": {"type": "enabled"}, "tool_choice": "auto"}


@pytest.fixture
def talk(tmp_path: Path) -> str:
    return file(str(tmp_path / "talk.json"), json.dumps(TALK).encode())


def test_render(talk: str, tmp_path: Path) -> None:
    for version in ("v3", "v3.2", "v4.1"):
        assert ok("chat", "render", "--version", version, talk).decode() == chat.render(TALK, version).text
    lines = file(str(tmp_path / "talks.jsonl"), f"{json.dumps(TALK)}\n\n{json.dumps({'messages': TALK[:1]})}\n".encode())
    rows = json_lines(ok("chat", "render", "--version", "v3.1", "--add-generation-prompt", "--thinking", "--jsonl", lines))
    wanted = [chat.render(part, "v3.1", add_generation_prompt=True, thinking=True) for part in (TALK, TALK[:1])]
    assert [row["text"] for row in rows] == [found.text for found in wanted]
    assert [tuple(pair) for pair in rows[0]["special_ranges"]] == wanted[0].special_ranges
    assert [chat.Span(**span) for span in rows[0]["spans"]] == wanted[0].spans


def test_a_lone_surrogate_is_no_text_and_is_escaped_in_json() -> None:
    half = b'[{"role": "user", "content": "a\\ud800"}]'
    assert "lone surrogate U+D800 at code point" in fails("chat", "render", "--version", "v3.2", stdin=half)
    [row] = json_lines(ok("chat", "render", "--version", "v3.2", "--jsonl", stdin=half))
    assert row["text"] == chat.render([{"role": "user", "content": "a\ud800"}], "v3.2").text


def test_a_request_body_as_it_is(tmp_path: Path) -> None:
    body = file(str(tmp_path / "body.json"), json.dumps(BODY).encode())
    wanted = chat.render(TALK, "v4-0731", tools=[TOOL], reasoning_effort="max").text
    assert ok("chat", "render", "--version", "v4-0731", body).decode() == wanted
    wanted = chat.render(TALK, "v4-0731", tools=[TOOL], reasoning_effort="low", thinking=False).text
    words = ("--no-thinking", "--set", "reasoning_effort=low")
    assert ok("chat", "render", "--version", "v4-0731", *words, body).decode() == wanted
    kwargs = json.dumps({"messages": TALK, "chat_template_kwargs": {"thinking": True}}).encode()
    wanted = chat.render(TALK, "v3.1", thinking=True, add_generation_prompt=True).text
    assert ok("chat", "render", "--version", "v3.1", "--add-generation-prompt", stdin=kwargs).decode() == wanted


def test_a_body_is_checked() -> None:
    body = {"messages": [TALK[0]], "reasoning_effort": "none"}
    wanted = chat.render([TALK[0]], "v4-0731", thinking=False).text
    assert ok("chat", "render", "--version", "v4-0731", "--check", stdin=json.dumps(body).encode()).decode() == wanted
    faulty = json.dumps([*TALK, {"role": "tool", "content": "", "tool_call_id": "x"}]).encode()
    error = fails("chat", "count", "--version", "v4-0731", "--check", stdin=faulty)
    assert error == "dstok: standard input: message 3, field tool_call_id: expected the result of a call, found one of 'x'\n"


def test_encode_and_count(talk: str) -> None:
    tok = dstok.load("deepseek-v3.2")
    encoded = chat.encode(tok, TALK, "v3.2")
    [row] = json_lines(ok("chat", "encode", "--version", "v3.2", "--labels", talk))
    assert row == {"input_ids": encoded.ids, "labels": encoded.labels.tolist(),
                   "message_index": encoded.message_index.tolist()}
    assert json_lines(ok("chat", "encode", "--version", "v3.2", talk)) == [{"input_ids": encoded.ids}]
    assert int(ok("chat", "count", "--version", "v3.2", talk)) == len(encoded.ids)
    both = ok("chat", "count", "--version", "v3.2", talk, talk, "--special", "all").decode()
    assert both == f"{chat.count(tok, TALK, 'v3.2', special='all')}\t{talk}\n" * 2
    error = fails("chat", "count", "--version", "v3.2", "--max-tokens", "3", talk, code=1)
    assert error == f"dstok: {talk}: {len(encoded.ids)} tokens, {len(encoded.ids) - 3} over --max-tokens 3\n"


def test_parse() -> None:
    text = "Hm</think>Hi<｜end▁of▁sentence｜>"
    wanted = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm"}
    assert json_lines(ok("chat", "parse", "--version", "v3.2", stdin=text.encode())) == [wanted]
    lines = f"{json.dumps(text)}\n".encode() * 2
    assert json_lines(ok("chat", "parse", "--version", "v3.2", "--jsonl", stdin=lines)) == [wanted] * 2
    lenient = json_lines(ok("chat", "parse", "--version", "v4.1", "--mode", "lenient", "--no-thinking", stdin=b"Hi"))
    assert lenient == [{"role": "assistant", "content": "Hi"}]
    fenced = ok("chat", "parse", "--version", "v4.1", "--json-output", "--no-thinking", stdin=b"So:\n```json\n[1]\n```\n")
    assert json_lines(fenced) == [{"role": "assistant", "content": " [1] "}]


def test_show_marks_the_formats_tokens(talk: str) -> None:
    text = ok("chat", "show", "--version", "v3.1", talk).decode()
    assert "\n[0] user, " in text and "\n«<｜User｜>»Hi <｜User｜>\\x1b[31m\n[1] assistant, " in text
    assert text.count("«") == len(chat.render(TALK, "v3.1").special_ranges)
    ours, theirs = os.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    subprocess.run([*DSTOK, "chat", "show", "--version", "v3.1", talk], stdout=theirs, check=True, env=environment)
    assert "\x1b[35m«<｜User｜>»\x1b[0m" in os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)


def test_show_json_has_the_ids_spans_and_masks(talk: str) -> None:
    encoded = chat.encode(dstok.load("deepseek-v3.2"), TALK, "v3.2")
    [rendered] = json_lines(ok("chat", "render", "--version", "v3.2", "--json", talk))
    assert json_lines(ok("chat", "show", "--version", "v3.2", "--json", talk)) == [{
        "input_ids": encoded.ids, "offsets": encoded.offsets.tolist(), "message_index": encoded.message_index.tolist(),
        "sampled": encoded.sampled.tolist(), **rendered}]


def test_tools_from_a_file(talk: str, tmp_path: Path) -> None:
    tools = file(str(tmp_path / "tools.json"), json.dumps([TOOL]).encode())
    assert ok("chat", "render", "--version", "v3.2", "--tools", tools, talk).decode() == chat.render(
        TALK, "v3.2", tools=[TOOL]).text
    assert "field tools: v3 has no text for tools" in fails("chat", "render", "--version", "v3", "--tools", tools, talk)
    assert "--tools - is for conversations in files" in fails("chat", "render", "--version", "v3", "--tools", "-")


@pytest.mark.parametrize(("words", "stdin", "error"), [
    (("--version", "v9"), b"[]", "argument --version: invalid choice: 'v9' (choose from"),
    (("--version", "v3.2"), b"[", "standard input: not JSON: expecting value at line 1 column 2"),
    (("--version", "v3.2"), b"{}", "standard input: expected an array of messages, or an object with them"),
    (("--version", "v3.2"), b"7", "standard input: field messages: expected a list of messages, found 7"),
    (("--version", "v3.2"), b"[" * 200_000, "standard input: JSON nested too deeply"),
    (("--version", "v3.2"), b"\xff", "standard input: expected utf-8, found byte 0xff at byte offset 0"),
    (("--version", "v3.2", "--jsonl"), b"[]\n[7]\n", "standard input: line 2: message 0: expected a message"),
    (("--version", "v3.2", "--set", "x"), b"[]", "--set: expected NAME=VALUE, found 'x'"),
    (("--version", "v3.2", "--set", "x=1"), b"[]", "standard input: field x: v3.2 has no such option"),
    (("--version", "v2"), b"[]", "v2 has no built-in model"),
    ((), b"[]", "the following arguments are required: --version"),
])
def test_faults_name_the_input(words: tuple[str, ...], stdin: bytes, error: str) -> None:
    assert error in fails("chat", "count", *words, stdin=stdin)
