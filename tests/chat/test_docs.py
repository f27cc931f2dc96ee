"""The examples of docs/chat.md run, and so do the README's: in order, with what they take from their surroundings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dstok
from dstok import chat

ROOT = Path(__file__).parents[2]
USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo", "reasoning_content": "Hm"}


def examples(path: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / path).read_text(encoding="utf-8"), re.M | re.S)


def test_docs() -> None:
    sent: list[Any] = []
    space: dict[str, Any] = {
        "version": "v3.2", "options": {}, "tools": None, "body": {"model": "x", "messages": [USER]}, "cache": [],
        "completion": "Hm</think>Yo<｜end▁of▁sentence｜>", "stream": ["H", "m</thi", "nk>Yo"], "send": sent.append,
        "text": "{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}",
    }
    for example in examples("docs/chat.md"):
        exec(example, space)
        for expression, shown in re.findall(r"^(\S.*?)  +# ('.*')$", example, re.M):
            assert repr(eval(expression, space)) == shown, expression
    assert space["cache"] == space["talk"].ids and space["parser"].message == chat.Message("Yo", "Hm")
    assert sent == [{"reasoning_content": "H"}, {"reasoning_content": "m"}, {"content": "Yo"}]


def test_readme() -> None:
    """A server's lines and a trainer's."""
    [example] = [one for one in examples("README.md") if "chat.Conversation" in one]
    lines = [line for line in example.splitlines() if re.search(r"\bchat\b|\bdone\b", line)]
    tok = dstok.load("deepseek-v3.2")
    space: dict[str, Any] = {"tok": tok, "messages": [USER, ANSWER]}
    exec("\n".join(lines), space)
    assert space["prompt"] == chat.encode(tok, [USER, ANSWER], "v3.2").ids
    assert len(space["done"].labels) == len(space["done"].ids)
