"""Masks beside those of trainers: Prime Intellect's renderers and TRL's training template. Where they agree, and where not.

tests/fetch_judges fetches both; without them the tests skip and say so.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from chat_models import ours, upstreams
from judges import judge

from dstok import chat

ASSISTANT, OUTPUTS_END = "<｜Assistant｜>", "<｜tool▁outputs▁end｜>"
CALL: dict[str, Any] = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "b"}'}}
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "content": "sunny", "tool_call_id": "c"},
    {"role": "assistant", "content": "Sunny."},
]
SHORT: list[dict[str, Any]] = [TALK[1], {"role": "assistant", "content": "Sunny.", "reasoning_content": "Hm"}]
THOUGHT = [{**one, "reasoning_content": "Hm"} if one["role"] == "assistant" else one for one in TALK]
TOOL = {"type": "function", "function": {"name": "f", "description": "", "parameters": {}}}
ROUNDS = [*TALK, {"role": "user", "content": "And\n\nthen?"}, {"role": "assistant", "content": "Rain. 雨", "reasoning_content": "r"}]


class Tokens:
    """Upstream's tokenizer with the methods that `renderers` calls, as transformers names them."""

    def __init__(self, version: chat.VersionName) -> None:
        self.tokenizer = upstreams(version)
        self.unk_token_id = None

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def convert_tokens_to_ids(self, token: str) -> int | None:
        return self.tokenizer.token_to_id(token)

    def decode(self, ids: list[int], **given: Any) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))

    def __call__(self, text: str, **given: Any) -> dict[str, Any]:
        found = self.tokenizer.encode(text, add_special_tokens=False)
        return {"input_ids": list(found.ids), "offset_mapping": list(found.offsets)}


@cache
def renderer(version: chat.VersionName, **settings: Any) -> Any:
    """The package's own __init__ imports what other families need: only the modules are taken."""
    folder = judge("trainers/renderers")
    if str(folder.parent) not in sys.path:
        sys.path.append(str(folder.parent))
        package = sys.modules["renderers"] = ModuleType("renderers")
        package.__path__ = [str(folder)]
    module, name = {"v3": ("deepseek_v3", "DeepSeekV3"), "r1": ("deepseek_r1", "DeepSeekR1"),
                    "v4-preview": ("deepseek_v4", "DeepSeekV4")}[version]
    made = getattr(import_module(f"renderers.{module}"), f"{name}Renderer")
    config = getattr(import_module("renderers.configs"), f"{name}RendererConfig")
    return made(Tokens(version), config(**settings))


def both(version: chat.VersionName, talk: list[dict[str, Any]]) -> tuple[Any, chat.EncodedConversation]:
    return renderer(version).render(talk), chat.encode(ours(version), talk, version, add_generation_prompt=False)


@pytest.mark.parametrize(("version", "talk"), [("v3", SHORT), ("v3", [*SHORT, *SHORT]), ("r1", SHORT), ("r1", [*SHORT, *SHORT])])
def test_renderers_has_the_same_mask(version: chat.VersionName, talk: list[dict[str, Any]]) -> None:
    theirs, found = both(version, talk)
    assert list(theirs.token_ids) == found.ids
    assert [bool(one) for one in theirs.sampled_mask] == found.sampled.tolist()
    assert list(theirs.message_indices) == found.message_index.tolist()


@pytest.mark.parametrize("thinking", [True, False])
@pytest.mark.parametrize("tools", [[], [TOOL]])
@pytest.mark.parametrize("talk", [SHORT, THOUGHT])
def test_renderers_has_the_same_mask_of_v4(thinking: bool, tools: list[Any], talk: list[dict[str, Any]]) -> None:
    """Its V4 is the script's: the preview here."""
    theirs = renderer("v4-preview", enable_thinking=thinking).render(talk, tools=tools or None)
    found = chat.encode(ours("v4-preview"), talk, "v4-preview", thinking=thinking, tools=tools)
    assert list(theirs.token_ids) == found.ids
    assert [bool(one) for one in theirs.sampled_mask] == found.sampled.tolist()
    assert list(theirs.message_indices) == found.message_index.tolist()


@pytest.mark.parametrize("talk", [TALK, ROUNDS])
def test_renderers_counts_the_end_of_outputs_to_the_result(talk: list[dict[str, Any]]) -> None:
    """In R1 with calls the mask is the same; `<｜tool▁outputs▁end｜>`, which stands there because an answer follows, is the
    answer's in dstok and the last result's in renderers."""
    theirs, found = both("r1", talk)
    assert list(theirs.token_ids) == found.ids
    assert [bool(one) for one in theirs.sampled_mask] == found.sampled.tolist()
    end = ours("r1").token_to_id(OUTPUTS_END)
    differ = [id for id, a, b in zip(found.ids, theirs.message_indices, found.message_index.tolist()) if a != b]
    assert differ == [end]


def test_renderers_closes_calls_that_v3_does_not() -> None:
    """V3's template leaves one call open, in renderers it is closed; and that is all."""
    theirs, found = both("v3", TALK)
    closed = [ours("v3").token_to_id(token) for token in ("<｜tool▁calls▁end｜>", "<｜end▁of▁sentence｜>")]
    at = list(theirs.token_ids).index(closed[0])
    rest = [*theirs.token_ids[:at], *theirs.token_ids[at + 2 :]]
    assert list(theirs.token_ids[at : at + 2]) == closed and rest == found.ids


def test_trl_trains_the_openers_too() -> None:
    """TRL's template for V3 has R1's text. What it trains and dstok does not is `<｜Assistant｜>` and
    `<｜tool▁outputs▁end｜>`; arguments are JSON of JSON, as it takes them for an object."""
    text = judge("chat/deepseekv3_training.jinja").read_text(encoding="utf-8")
    tok = ours("r1")
    template = chat.Template(text, tok)
    as_object = [{**one, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {"a": "b"}}}]} if one.get("tool_calls") else one
                 for one in ROUNDS]
    for given, wanted_talk in ((SHORT, SHORT), (as_object, ROUNDS)):
        theirs, found = chat.encode(tok, given, template), chat.encode(tok, wanted_talk, "r1", add_generation_prompt=False)
        assert theirs.ids == found.ids
        more = {tok.id_to_token(id) for id, a, b in zip(found.ids, theirs.sampled.tolist(), found.sampled.tolist()) if a and not b}
        less = [id for id, a, b in zip(found.ids, theirs.sampled.tolist(), found.sampled.tolist()) if b and not a]
        assert not less and more == ({ASSISTANT} if given is SHORT else {ASSISTANT, OUTPUTS_END})


def test_official_templates_mark_nothing() -> None:
    """They have no tag `generation`: transformers' mask of them is all zeros; so is a `Template`'s, not a version's."""
    from chat_references import template_text

    tok = ours("r1")
    assert not chat.encode(tok, SHORT, chat.Template(template_text("r1"), tok)).sampled.any()
    assert chat.encode(tok, SHORT, "r1").sampled.any()
