"""Parsers: strict against the scripts of V3.2 and V4, lenient against deepseek-recipe, in parts of any size; and back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from chat_models import ours, smaller_ours, smaller_text
from chat_references import recipe, script, script_of
from completions import EOS, completion, cuttings, json_completion

from dstok import chat
from dstok.chat.writer import DIALECTS

COUNT = {"deep": 20_000, "brief": 50}.get(os.environ.get("DSTOK_PROFILE", ""), 400)
Result = tuple[Any, ...]


def told(message: chat.Message) -> Result:
    """(reasoning, content, [(name, arguments)])."""
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.tool_calls]
    return message.reasoning_content or "", message.content, calls


def ours_of(parts: Sequence[Any], version: chat.VersionName, **arguments: Any) -> Result:
    """The message, which the deltas add up to; or ("error", the class of the reference's error)."""
    parser = chat.Parser(version, **arguments)
    deltas: list[dict[str, Any]] = []
    try:
        for part in parts:
            deltas += parser.feed(part)
        deltas += parser.finish()
    except chat.ChatError as error:
        return "error", error.reference
    assert added_up(deltas) == told(parser.message)
    return told(parser.message)


def added_up(deltas: list[dict[str, Any]]) -> Result:
    """What a client makes of a stream."""
    calls: list[list[str]] = []
    for call in (call for delta in deltas for call in delta.get("tool_calls", ())):
        if call["index"] == len(calls):
            calls.append([call["function"]["name"], ""])
        calls[call["index"]][1] += call["function"]["arguments"]
    reasoning = "".join(delta.get("reasoning_content", "") for delta in deltas)
    content = "".join(delta.get("content", "") for delta in deltas)
    return reasoning, content, [(name, arguments) for name, arguments in calls]


@pytest.mark.parametrize("version", ["v3.2", "v4-preview"])
def test_strict_is_the_scripts(version: chat.VersionName) -> None:
    module, rng = script(script_of(version)), Random(1)
    for _ in range(COUNT):
        text, thinking = completion(rng, DIALECTS[version]), rng.random() < 0.8
        if not thinking and rng.random() < 0.9:
            text = text.partition("</think>")[2]
        wanted = by_script(module, text, thinking)
        for parts in cuttings(rng, text):
            assert ours_of(parts, version, thinking=thinking, mode="strict") == wanted, (text, thinking, parts)


def by_script(module: Any, text: str, thinking: bool) -> Result:
    try:
        found = module.parse_message_from_completion_text(text, "thinking" if thinking else "chat")
    except Exception as error:
        return "error", type(error).__name__
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in found["tool_calls"]]
    return found["reasoning_content"], found["content"], calls


@pytest.mark.parametrize("version", ["v4-0731", "v4.1"])
def test_lenient_is_deepseek_recipes(version: chat.VersionName) -> None:
    rng = Random(2)
    for _ in range(COUNT):
        text, thinking, tools = completion(rng, DIALECTS[version]), rng.random() < 0.7, rng.random() < 0.9
        continues = rng.random() < 0.5
        text = "\n" * rng.randrange(3) * continues + text
        wanted = by_recipe([recipe().InferenceChunk.text(text.partition(EOS)[0], 1)], thinking, tools, None, continues)
        for parts in cuttings(rng, text):
            assert ours_of(parts, version, thinking=thinking, tools=tools, continues=continues) == wanted, (text, parts)


@pytest.mark.parametrize("version", ["v4-0731", "v4.1"])
def test_json_output_is_deepseek_recipes(version: chat.VersionName) -> None:
    """However the completion is cut, it is what the reference makes of the whole: its blanks depend on the cuts."""
    rng, tok = Random(4), smaller_ours("v4-preview")
    theirs = recipe().Tokenizer.from_str(smaller_text("v4-preview"))
    for _ in range(COUNT):
        text, thinking, tools = json_completion(rng, DIALECTS[version]), rng.random() < 0.5, rng.random() < 0.7
        continues = rng.random() < 0.3
        keywords: dict[str, Any] = {"thinking": thinking, "tools": tools, "continues": continues, "json_output": True}
        wanted = by_recipe([recipe().InferenceChunk.text(text.partition(EOS)[0], 1)], thinking, tools, None, continues, True)
        for parts in cuttings(rng, text):
            assert ours_of(parts, version, **keywords) == wanted, (text, parts, keywords)
        ids = tok.encode(text.partition(EOS)[0])
        wanted = by_recipe([recipe().InferenceChunk.tokens(ids)], thinking, tools, theirs, continues, True)
        for cut in (ids, [ids], [ids[:3], ids[3:]]):
            found = ours_of(cut, version, tokenizer=tok, **keywords)
            assert one_blank(found) == one_blank(wanted), (text, cut, keywords)


def one_blank(told: Result) -> Result:
    """With one blank in place of several: of ids, the reference makes one for each id around the JSON."""
    return told[0], re.sub(" +", " ", told[1]), told[2]


@pytest.mark.parametrize(("completion", "content"), [
    ('{"a": 1}', '{"a": 1}'), ("```json\n[1]\n```", "[1]"), ("```\n[1]\n```\n", "[1] "), ('Here: {"a": 1}!', ' {"a": 1}!'),
    ("no JSON", " "), ("\n\n[1]", "[1]"), ("```js\n[1]", " [1]"),
])
def test_json_output(completion: str, content: str) -> None:
    for version in DIALECTS:
        for text in (completion, completion + EOS):
            assert chat.parse(text, version, thinking=False, json_output=True).content == content  # type: ignore[arg-type]


def test_json_output_where_no_reference_has_it() -> None:
    for version, mode in (("v4-0731", "strict"), ("v3.1", "lenient")):
        with pytest.raises(chat.ChatError, match=f"json_output: only the lenient parser of .* mode '{mode}' of {version}"):
            chat.parse("{}", version, json_output=True, mode=mode)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [version.name for version in chat.versions()])
def test_a_continued_text_keeps_its_line_breaks(version: chat.VersionName) -> None:
    for parts in (["\n\nmore"], list("\n\nmore"), ["\n\nmore" + EOS], ["\n\nmore<｜end", "▁of▁sentence｜>", "x"]):
        assert ours_of(parts, version, thinking=False, continues=True) == ("", "\n\nmore", [])


def test_lenient_by_ids_is_deepseek_recipes() -> None:
    """Token by token: marks that are spelled with ordinary tokens are text."""
    tok, rng = smaller_ours("v4-preview"), Random(3)
    theirs = recipe().Tokenizer.from_str(smaller_text("v4-preview"))
    for _ in range(COUNT):
        text = completion(rng, DIALECTS["v4-0731"])
        while EOS in text:  # whose text a stream of ids does not have
            text = text.replace(EOS, "")
        ids = tok.encode(text)
        if rng.random() < 0.3:
            at = rng.randrange(len(text) + 1)
            ids = [*tok.encode(text[:at], special="none"), *tok.encode(text[at:])]
        wanted = by_recipe([recipe().InferenceChunk.tokens([id]) for id in ids], True, True, theirs)
        for parts in (ids, [ids], [ids[:3], ids[3:]]):
            assert ours_of(parts, "v4-0731", tokenizer=tok, mode="lenient") == wanted, (text, ids)


def by_recipe(
    chunks: list[Any], thinking: bool, tools: bool, tokenizer: Any = None, continues: bool = False, is_json: bool = False,
) -> Result:
    """What deepseek-recipe's stream processor makes of a completion."""
    r = recipe()
    stages = r.ThinkingInitialStage
    if continues:
        stage = stages.ReasoningContinuation if thinking else stages.ContentContinuation
    else:
        stage = stages.ReasoningStart if thinking else None
    body = {"model": "DeepSeek-V4-Pro", "messages": [{"role": "user", "content": "x"}], "stream": True}
    request = r.ChatCompletionRequest(body).convert(r.ConversionOptions())
    options = r.ParsingOptions(parse_tool_calls=tools, parse_json_output=is_json,
                               thinking_initial_stage=stage)
    processor = r.StreamProcessor(r.ChatCompletionRequest.chunk_generator(request, "i", "m"), options, tokenizer)
    out = processor.push(r.InferenceChunk.ready())
    for chunk in chunks:
        out += processor.push(chunk)
    out += processor.push(r.InferenceChunk.finish(r.InferenceFinishReason.Stop)) + processor.finish()
    deltas = [choice["delta"] for chunk in out for choice in json.loads(chunk.to_json()).get("choices", [])]
    return added_up([{key: value for key, value in delta.items() if value is not None} for delta in deltas])


CALL = {"id": "call_0", "type": "function", "function": {"name": "get", "arguments": '{"city": "北京", "n": [1, 2]}'}}


@pytest.mark.parametrize("version", [version.name for version in chat.versions() if version.name not in ("v2", "v2.5")])
def test_what_a_format_writes_is_read_back(version: chat.VersionName) -> None:
    """The sampled part of a rendered answer is the answer; ids, too."""
    thinks = version in DIALECTS
    said = {"role": "assistant", "content": "ok" if version not in ("v3", "r1-distill") else None, "tool_calls": [CALL]}
    if thinks:
        said["reasoning_content"] = "Hm"
    tools = [{"type": "function", "function": {"name": "get", "description": "", "parameters": {}}}]
    given: dict[str, Any] = {"tools": tools, "add_generation_prompt": False} if thinks else {}
    found = chat.render([{"role": "user", "content": "?"}, said], version, **given)
    text = "".join(found.text[span.start : span.end] for span in found.spans if span.sampled)
    if version in ("v3", "r1-distill"):
        text += f"<｜tool▁calls▁end｜>{EOS}"  # of one call they write none
    for mode in ("strict", "lenient"):
        message = chat.parse(text, version, thinking=thinks, mode=mode)
        assert message.tool_calls == [CALL] and message.reasoning_content == said.get("reasoning_content")
        assert message.content == (said["content"] or "")
    assert chat.parse(text, version, thinking=thinks, mode="strict").as_dict() == {**said, "content": said["content"] or ""}


def test_calls_between_tokens() -> None:
    text = "A<｜tool▁calls▁begin｜>{}<｜tool▁calls▁end｜>" + EOS
    typed = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{}\n```json\n{{}}\n```<｜tool▁call▁end｜>"
    two = text.format("\n".join(typed.format(name) for name in "fg"))
    named = text.format("<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜>")
    for parts in ([two], list(two)):
        assert ours_of(parts, "v3") == ("", "A", [("f", "{}"), ("g", "{}")])
    for parts in ([named], list(named)):
        assert ours_of(parts, "v3.1", thinking=False) == ("", "A", [("f", "{}")])
    broken = two.replace("```json", "```")
    assert ours_of(list(broken), "v3", mode="strict") == ("error", "")
    assert ours_of(list(broken), "v3", mode="lenient") == ("", "A", [])
    for more in ("x", EOS):
        assert ours_of([two + more], "v3", mode="strict") == ("error", "")
    assert ours_of(list(two + "x"), "v3", mode="lenient") == ("", "A", [("f", "{}"), ("g", "{}")])
    assert ours_of(["A"], "v3", mode="strict") == ("error", "") and ours_of(["A"], "v3", mode="lenient") == ("", "A", [])


def test_reasoning_of_r1() -> None:
    """`<think>` may be there or not; leniently all is reasoning if its end is missing."""
    for text in (f"Hm</think>Hi{EOS}", f"<think>Hm</think>Hi{EOS}"):
        for parts in ([text], list(text)):
            assert ours_of(parts, "r1") == ours_of(parts, "r1", mode="strict") == ("Hm", "Hi", [])
    assert ours_of(list("<thin Hm"), "r1", mode="lenient") == ("<thin Hm", "", [])
    assert ours_of(list("Hm"), "r1", mode="strict") == ("error", "")


def test_errors_say_where() -> None:
    with pytest.raises(chat.ChatError, match='at character 2 of the completion; mode="lenient" .*AssertionError'):
        chat.parse("Hi", "v3.2", mode="strict")
    with pytest.raises(chat.ChatError, match="expected text, or a tokenizer for ids"):
        chat.parse([1], "v3.2")
    with pytest.raises(chat.ChatError, match="expected ids, as there is a tokenizer"):
        chat.parse("Hi", "v3.2", tokenizer=ours("v3.2"))
    with pytest.raises(chat.ChatError, match='expected "strict" or "lenient"'):
        chat.parse("Hi", "v3.2", mode="recipe")  # type: ignore[arg-type]
    parser = chat.Parser("v3.2", mode="lenient")
    parser.finish()
    with pytest.raises(chat.ChatError, match="after finish"):
        parser.feed("x")
    assert parser.finish() == []


def test_nothing_is_read_after_an_error() -> None:
    parser = chat.Parser("v3.1", thinking=False, mode="strict")
    with pytest.raises(chat.ChatError, match="nothing after the end"):
        parser.feed(f"{EOS}x")
    for call in (lambda: parser.feed("x"), parser.finish):
        with pytest.raises(chat.ChatError, match="after an error"):
            call()
    assert parser._reads.reader.held == 0


@pytest.mark.parametrize("wrong", [None, b"Hi", 1.5, ["Hi"], [1.5]])
def test_what_is_neither_text_nor_ids(wrong: Any) -> None:
    for tokenizer in [ours("v3.2")] + [None] * (not isinstance(wrong, list)):
        with pytest.raises(TypeError, match="expected"):
            chat.parse(wrong, "v3.2", tokenizer=tokenizer)


@pytest.mark.parametrize("mode", ["strict", "lenient"])
def test_memory_is_bounded(mode: Any) -> None:
    """A megabyte of reasoning, content and a value, a character at a time: what is held is no longer than a tag."""
    parser = chat.Parser("v4-0731", mode=mode)
    reader = parser._reads.reader
    begin = '</think>c\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="f">\n<｜DSML｜parameter name="a" string="true">'
    held = 0
    for text in ("r<" * 20_000, begin, "v<\n" * 20_000):
        for character in text:
            parser.feed(character)
            held = max(held, reader.held)
    assert held < 100 < len(parser.message.tool_calls[0]["function"]["arguments"])


def test_a_name_that_begins_like_a_type() -> None:
    """The mark of a type may not begin in the quote that opens the name. Found by 20,000 completions."""
    text = ('</think>\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name="f">\n<｜DSML｜parameter name=" string="false">a" '
            'string="true">x</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>' + EOS)
    wanted = by_script(script(script_of("v3.2")), text, True)
    strict = {"mode": "strict"}
    assert ours_of([text], "v3.2", **strict) == ours_of(list(text), "v3.2", **strict) == wanted
    assert wanted[2] == [("f", '{" string=\\"false\\">a": "x"}')]
