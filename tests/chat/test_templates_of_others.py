"""Templates of Gemma 3, Mistral Nemo, LLaVA-NeXT (Llama 2's marks), Phi-3, Kimi K2 and gpt-oss, as packages ship them.

The text is transformers', and no text of a message becomes a token. In most tests the added tokens stand over a
vocabulary of bytes, since a whole file takes seconds. tests/fetch_judges fetches templates and files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import tokenizers
from fetched_models import both as whole
from judges import judge
from kept import kept
from newer_upstream import small_file
from shares import share

import dstok
from dstok import chat

chat_template_utils = pytest.importorskip("transformers.utils.chat_template_utils")

Talk = list[dict[str, Any]]
NPM = {"gemma3": "gemma3", "mistral-nemo": "mistral_nemo", "llava-next": "llama2", "gptoss": "gptoss"}
EDGES = {"gemma3": ("<bos>", "<end_of_turn>"), "mistral-nemo": ("<s>", "</s>"), "llava-next": ("<s>", "</s>"),
         "gptoss": ("<|startoftext|>", "<|return|>"), "phi3": ("<s>", "<|endoftext|>"), "kimi-k2": ("[BOS]", "[EOS]")}
CALL = {"type": "function", "id": "abcdefghi", "function": {"name": "f", "arguments": {"a": [1, "é<"]}}}
TOOLS = [{"type": "function", "function": {"name": "f", "description": "d {}", "parameters": {
    "type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}}}]
WITH_TOOLS = ("mistral-nemo", "gptoss", "kimi-k2")
PARTS = ("llava-next",)  # a message of these is a list of parts


def template_text(name: str) -> str:
    if name != "mistral-nemo":
        return judge(f"chat/{name}.jinja").read_text(encoding="utf-8")
    return str(json.loads(judge("npm/mistral_nemo/tokenizer_config.json").read_bytes())["chat_template"])


def added_tokens(name: str) -> list[str]:
    """The model's added tokens; without a file of the model, those that its template spells, and its edges."""
    if name in NPM:
        file = json.loads(judge(f"npm/{NPM[name]}/tokenizer.json").read_bytes())
        return [token["content"] for token in file["added_tokens"] if token["special"]][-300:] + [*EDGES[name]]
    return [*re.findall(r"<\|\w+\|>", template_text(name)), *EDGES[name]]


@kept(most=1)
def file_of(name: str) -> str:
    tokens = dict.fromkeys(added_tokens(name))
    added = [{"id": 511 + number, "content": content, "special": True, "normalized": False, "lstrip": False,
              "rstrip": False, "single_word": False} for number, content in enumerate(tokens)]
    return small_file(added=added)


@kept(most=1)
def both(name: str) -> tuple[dstok.Tokenizer, chat.Template, tokenizers.Tokenizer]:
    tok = dstok.Tokenizer.from_str(file_of(name))
    bos, eos = EDGES[name]
    return tok, chat.Template(template_text(name), tok, bos_token=bos, eos_token=eos), tokenizers.Tokenizer.from_str(file_of(name))


def talk(name: str, content: Callable[[str], str] = str) -> Talk:
    """A conversation that the template takes, each text as `content` makes it."""
    texts: Talk = [{"role": role, "content": content(text)} for role, text in (
        ("system", "Be kind."), ("user", " Hi {0} %s\n 1,a"), ("assistant", "Yo é\n"), ("user", "ÀÉ 中文"))]
    if name == "phi3":
        texts = texts[1:]
    if name in WITH_TOOLS:
        texts[2:2] = [{"role": "assistant", "content": "", "tool_calls": [deepcopy(CALL)]},
                      {"role": "tool", "content": content("42"), "tool_call_id": "abcdefghi", "name": "f"}]
    if name in PARTS:
        texts = [{**each, "content": [{"type": "text", "text": each["content"]}]} for each in texts]
    return texts


def given(name: str) -> dict[str, Any]:
    return {"tools": TOOLS if name in WITH_TOOLS else None}


@pytest.mark.parametrize("generate", [False, True])
@pytest.mark.parametrize("name", EDGES)
def test_the_text_is_transformers(name: str, generate: bool) -> None:
    bos, eos = EDGES[name]
    wanted = chat_template_utils._compile_jinja_template(template_text(name)).render(
        messages=talk(name), bos_token=bos, eos_token=eos, add_generation_prompt=generate, documents=None, **given(name))
    found = chat.render(talk(name), both(name)[1], add_generation_prompt=generate, **given(name))
    assert found.text == wanted


@pytest.mark.parametrize("name", EDGES)
def test_its_own_tokens_are_tokens(name: str) -> None:
    """Where no message spells a token: the ids are upstream's of the whole text."""
    tok, template, judge_of = both(name)
    found = chat.encode(tok, talk(name), template, add_generation_prompt=True, **given(name))
    assert found.ids == judge_of.encode(found.rendered.text, add_special_tokens=False).ids
    assert len(found.rendered.special_ranges) == sum(id >= 511 for id in found.ids)
    assert name in PARTS or found.rendered.special_ranges


def around(token: str, text: str) -> str:
    """A token at both ends of a text, inside of what a template may strip."""
    return f"x{token}{text}{token}x"


@pytest.mark.parametrize("name", EDGES)
def test_no_message_makes_a_token(name: str) -> None:
    """Each text has a token of the model at its ends: as many tokens as without them, and the same text."""
    tok, template, _ = both(name)
    plain = chat.encode(tok, talk(name), template, **given(name))
    for token in [*dict.fromkeys([*re.findall(r"<[^<>\s]+>|\[/?[A-Z_]+\]", template_text(name)), *EDGES[name]])][:12]:
        if token not in tok.added_tokens:
            continue
        found = chat.encode(tok, talk(name, partial(around, token)), template, **given(name))
        assert [id for id in found.ids if id >= 511] == [id for id in plain.ids if id >= 511], token
        assert tok.decode(found.ids) == found.rendered.text and found.rendered.text.count(token) > plain.rendered.text.count(token)


@pytest.mark.parametrize("name", EDGES)
def test_segments_are_messages(name: str) -> None:
    """The content of each message is in the spans of that message, also if it is trimmed. gpt-oss writes some as JSON."""
    messages = talk(name, lambda text: f"{text} #{len(text)}")
    rendered = chat.render(messages, both(name)[1], **given(name))
    for number, message in enumerate(messages):
        content = message["content"][0]["text"] if name in PARTS else message["content"]
        own = [rendered.text[span.start : span.end] for span in rendered.spans
               if span.kind == "content" and (span.message == number or (span.message < 0 and message["role"] == "tool"))]
        assert content.strip() in "".join(own) or json.dumps(content, ensure_ascii=False) in own, (number, own)


@pytest.mark.parametrize(("name", "model"), [*share(NPM.items(), 2)])
def test_ids_of_whole_files(name: str, model: str) -> None:
    (tok, right), (bos, eos) = whole(model), EDGES[name]
    template = chat.Template(template_text(name), tok, bos_token=bos, eos_token=eos)
    found = chat.encode(tok, talk(name), template, add_generation_prompt=True, **given(name))
    assert found.ids == right.encode(found.rendered.text, add_special_tokens=False).ids
    special = {tok.added_tokens[token] for token in added_tokens(name)}  # Gemma's line breaks are added tokens, too
    for token in (bos, eos):
        forged = chat.encode(tok, talk(name, partial(around, token)), template, add_generation_prompt=True, **given(name))
        assert [id for id in forged.ids if id in special] == [id for id in found.ids if id in special]
