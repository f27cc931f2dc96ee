"""Which ids the model would have written, and which message each comes from."""

from __future__ import annotations

from typing import Any

import pytest
from chat_models import ours
from hypothesis import given
from reference import part_of_examples

from dstok import chat
from dstok.conformance.strategies import Drawn, conversations

VERSIONS = [version.name for version in chat.versions()]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "b"}'}}
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "reasoning_content": "Let me ask.", "tool_calls": [CALL]},
    {"role": "tool", "content": "sunny", "tool_call_id": "c"},
    {"role": "assistant", "content": "Sunny.", "reasoning_content": "It says sunny."},
]
TOOL = {"type": "function", "function": {"name": "f", "description": "", "parameters": {}}}
# What the model wrote of TALK, by version: its texts where the mask is set, joined by |.
TYPED = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": \"b\"}\n```<｜tool▁call▁end｜>"
END = "<｜end▁of▁sentence｜>"
CLOSED = f"{TYPED}<｜tool▁calls▁end｜>{END}"
NAMED = f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{{\"a\": \"b\"}}<｜tool▁call▁end｜><｜tool▁calls▁end｜>{END}"


def dsml(block: str, invoke: str = "invoke", parameter: str = "parameter") -> str:
    return (f'\n\n<｜DSML｜{block}>\n<｜DSML｜{invoke} name="f">\n<｜DSML｜{parameter} name="a" string="true">b'
            f"</｜DSML｜{parameter}>\n</｜DSML｜{invoke}>\n</｜DSML｜{block}>{END}")


SAMPLED = {
    "v2.5": [TYPED, f"Sunny.{END}"], "v3": [TYPED, f"Sunny.{END}"], "v3-0324": [CLOSED, f"Sunny.{END}"],
    "r1": [CLOSED, f"Sunny.{END}"],
    "v3.1": [NAMED, f"Sunny.{END}"], "v3.2-exp": [NAMED, f"Sunny.{END}"],
    "v3.2": [f"Let me ask.</think>{dsml('function_calls')}", f"It says sunny.</think>Sunny.{END}"],
    "v4-preview": [f"Let me ask.</think>{dsml('tool_calls')}", f"It says sunny.</think>Sunny.{END}"],
    "v4-0731": [f"Let me ask.</think>{dsml('tool_calls')}", f"It says sunny.</think>Sunny.{END}"],
    "v4.1": [f"Let me ask.</think>{dsml(' calls', ' invoke', ' parameter')}", f"It says sunny.</think>Sunny.{END}"],
}


def runs(encoded: chat.EncodedConversation) -> list[str]:
    """The texts of the runs of sampled ids."""
    found: list[list[int]] = []
    before = False
    for id, sampled in zip(encoded.ids, encoded.sampled.tolist()):
        if sampled and not before:
            found.append([])
        if sampled:
            found[-1].append(id)
        before = sampled
    return [encoded.tokenizer.decode(ids) for ids in found]


@pytest.mark.parametrize("version", sorted(SAMPLED))
def test_what_the_model_wrote(version: chat.VersionName) -> None:
    given_tools: dict[str, Any] = {"tools": [TOOL]} if version.startswith("v4") or version == "v3.2" else {}
    encoded = chat.encode(ours(version), TALK, version, **given_tools)
    assert runs(encoded) == SAMPLED[version]
    assert all((label == id) if sampled else label == -100
               for id, sampled, label in zip(encoded.ids, encoded.sampled.tolist(), encoded.labels.tolist()))


def test_v2_samples_the_blank_that_the_prompt_lacks() -> None:
    encoded = chat.encode(ours("v2"), [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}], "v2")
    assert runs(encoded) == [f" Yo{END}"]


@pytest.mark.parametrize("version", ["v3.1", "v3.2", "v4-0731"])
def test_what_the_prompt_holds_is_not_sampled(version: chat.VersionName) -> None:
    """What stands before the answer is the prompt that asked for it, id by id; and it is not sampled."""
    talk, answer = TALK[1:2], {"role": "assistant", "content": "Sunny.", "reasoning_content": "Hm", "prefix": False}
    options: dict[str, Any] = {"tools": [TOOL]} if version != "v3.1" else {}
    prompt = chat.encode(ours(version), talk, version, add_generation_prompt=True, **options)
    whole = chat.encode(ours(version), [*talk, answer], version, add_generation_prompt=False, **options)
    assert whole.ids[: len(prompt.ids)] == prompt.ids
    assert whole.sampled.tolist() == [place >= len(prompt.ids) for place in range(len(whole.ids))]


@pytest.mark.parametrize("version", VERSIONS)
def test_arrays_follow_the_spans(version: chat.VersionName) -> None:
    tok = ours(version)

    @part_of_examples(0.06)
    @given(conversations(version))
    def check(drawn: Drawn) -> None:
        try:
            encoded = chat.encode(tok, drawn.messages, version, **drawn.options)
        except chat.ChatError:
            return
        spans, text = encoded.rendered.spans, encoded.rendered.text
        assert [0, *(span.end for span in spans)] == [*(span.start for span in spans), len(text)]
        owners = {place: span for span in spans for place in range(span.start, span.end)}
        starts = encoded.offsets[:, 0].tolist()
        assert encoded.message_index.tolist() == [owners[start].message for start in starts]
        assert encoded.sampled.tolist() == [owners[start].sampled for start in starts]
        assert encoded.array().tolist() == encoded.ids
        assert all(-1 <= span.message < len(drawn.messages) for span in spans)
        assert all(drawn.messages[span.message]["role"] == "assistant" for span in spans if span.sampled)

    check()
