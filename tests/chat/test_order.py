"""Calls, results and users' messages in any order, with few ids: where V4 0731 and V4.1 put them. The strategy of
conversations meets these cases once in thousands."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from chat_references import reference

from dstok import chat

COUNT = {"deep": 20_000, "brief": 50}.get(os.environ.get("DSTOK_PROFILE", ""), 400)
ROLES = ("assistant", "tool", "tool", "tool", "user", "user", "system", "latest_reminder")


def message(rng: Random, number: int) -> dict[str, Any]:
    role = rng.choice(ROLES)
    found: dict[str, Any] = {"role": role, "content": rng.choice(("", f"{role}{number}", f"{role}{number}"))}
    if role == "tool":
        found["tool_call_id"] = rng.choice(("a", "b", "c", "d", "x", "", None))
    if role == "assistant":
        found |= {"prefix": rng.random() < 0.3, "reasoning_content": rng.choice((None, "", "r"))}
        if rng.random() < 0.8:
            found["tool_calls"] = [{"id": rng.choice("abcd"), "type": "function",
                                    "function": {"name": f"f{place}", "arguments": "{}"}}
                                   for place in range(rng.randint(0, 4))]
    return found


@pytest.mark.parametrize("version", ["v4-0731", "v4.1"])
def test_order_is_deepseek_recipes(version: chat.VersionName) -> None:
    rng, theirs = Random(7), reference(version)
    for _ in range(COUNT):
        talk = [message(rng, number) for number in range(rng.randint(1, 8))]
        options: dict[str, Any] = {"thinking": rng.random() < 0.5}
        if rng.random() < 0.5:
            options["tools"] = [{"type": "function", "function": {"name": "t"}}]
        assert chat.render(talk, version, **options).text == theirs(talk, options), (talk, options)
