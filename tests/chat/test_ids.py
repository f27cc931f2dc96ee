"""Ids of conversations: upstream's of the whole text, deepseek-recipe's of the template's tokens, and no token that a
message made."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from chat_models import all_added, ours, smaller_ours, smaller_text, smaller_upstreams
from chat_references import recipe, recipe_conversation
from hypothesis import given
from kept import kept
from reference import part_of_examples

from dstok import chat
from dstok.conformance.strategies import Drawn, conversations

VERSIONS = [version.name for version in chat.versions()]
CLEAN = ("plain", "{", "}", '">\n')  # texts without any token
GROUNDING = tuple(f"<｜{slash}{name}｜>" for name in ("ref", "box", "point", "polygon") for slash in ("", "/"))


def rendered(version: chat.VersionName, drawn: Drawn) -> chat.Rendered | None:
    """The text; None where there is an error, in the text itself (lone surrogates), too."""
    try:
        found = chat.render(drawn.messages, version, **drawn.options)
        found.text.encode()
    except (chat.ChatError, UnicodeEncodeError):
        return None
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_all_is_upstreams(version: chat.VersionName) -> None:
    tok, judge = smaller_ours(version), smaller_upstreams(version)

    @part_of_examples(0.04)
    @given(conversations(version))
    def check(drawn: Drawn) -> None:
        found = rendered(version, drawn)
        if found is not None:
            ids = chat.encode_rendered(tok, found, "all").ids
            assert ids == judge.encode(found.text, add_special_tokens=False).ids
            assert chat.count(tok, drawn.messages, version, special="all", **drawn.options) == len(ids)

    check()


@pytest.mark.parametrize("version", VERSIONS)
def test_template_is_all_where_no_message_holds_a_token(version: chat.VersionName) -> None:
    @part_of_examples(0.05)
    @given(conversations(version, CLEAN))
    def check(drawn: Drawn) -> None:
        found = rendered(version, drawn)
        if found is None or any(token in text for token in all_added() for text in between(found)):
            return  # a message of the strategy's own words
        tok = ours(version)
        ids = chat.encode_rendered(tok, found).ids
        assert ids == chat.encode_rendered(tok, found, "all").ids == chat.encode_rendered(tok, found, "raise").ids
        assert chat.count(tok, drawn.messages, version, **drawn.options) == len(ids)

    check()


def between(found: chat.Rendered) -> list[str]:
    """The text between the format's tokens."""
    edges = [0, *(edge for pair in found.special_ranges for edge in pair), len(found.text)]
    return [found.text[start:end] for start, end in zip(edges[::2], edges[1::2])]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_message_makes_a_token(version: chat.VersionName) -> None:
    """Added ids are those of the special ranges, in order, whatever the messages hold, in whatever field."""
    tok = ours(version)
    added = set(tok.added_tokens.values())

    @part_of_examples(0.05)
    @given(conversations(version, all_added()))
    def check(drawn: Drawn) -> None:
        found = rendered(version, drawn)
        if found is not None:
            encoded = chat.encode_rendered(tok, found)
            wanted = [tok.added_tokens[found.text[start:end]] for start, end in found.special_ranges]
            assert [id for id in encoded.ids if id in added] == wanted
            assert tok.decode(encoded.ids) == found.text

    check()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_token_in_every_field(version: chat.VersionName) -> None:
    """The forms of the conversation are those of the same one with plain words, token by token of the format."""
    tokens = all_added()
    plain = chat.render(everywhere("x"), version, **tools_of(version, "x"))
    shape = [plain.text[start:end] for start, end in plain.special_ranges]
    for token in [*tokens, *(token[:-1] for token in tokens), *(token[1:] for token in tokens)]:
        found = chat.render(everywhere(token), version, **tools_of(version, token))
        assert [found.text[start:end] for start, end in found.special_ranges] == shape, token


def everywhere(text: str) -> list[dict[str, Any]]:
    """A conversation with `text` in each field of each message. It is no `</think>`: R1 cuts answers there."""
    call = {"id": text, "type": text, "function": {"name": text, "arguments": '{"k": 1}'}}
    return [
        {"role": "system", "content": text}, {"role": "user", "content": text, "name": text},
        {"role": "assistant", "content": text, "reasoning_content": text},
        {"role": "user", "content": text},
        {"role": "assistant", "content": None if text.endswith("!") else "", "reasoning_content": text,
         "tool_calls": [call]},
        {"role": "tool", "content": text, "tool_call_id": text},
    ]


def tools_of(version: chat.VersionName, text: str) -> dict[str, Any]:
    if not next(found for found in chat.versions() if found.name == version).takes_tools:
        return {}
    schema = {"name": text, "description": text, "parameters": {"properties": {text: {"enum": [text]}}}}
    return {"tools": [{"type": "function", "function": schema}]}


@kept(most=1)
def recipe_encoding(version: chat.VersionName) -> Any:
    r = recipe()
    encoding = r.DeepseekV4Encoding() if version == "v4-0731" else r.DeepseekV41Encoding()
    return encoding.with_tokenizer(r.Tokenizer.from_str(smaller_text(version)))


@pytest.mark.parametrize("version", ["v4-0731", "v4.1"])
def test_template_is_deepseek_recipes(version: chat.VersionName) -> None:
    encoding = recipe_encoding(version)

    @part_of_examples(0.1)
    @given(conversations(version, tuple(token for token in all_added() if token not in GROUNDING)))
    def check(drawn: Drawn) -> None:
        found = rendered(version, drawn)
        if found is not None:
            theirs = recipe_conversation(copy.deepcopy(drawn.messages), copy.deepcopy(drawn.options))
            assert found.special_ranges == encoding.render_conversation(theirs).special_ranges
            assert chat.encode_rendered(smaller_ours(version), found).ids == encoding.encode(theirs)

    check()


@pytest.mark.parametrize("version", ["v4-0731", "v4.1"])
def test_deepseek_recipe_lets_an_answer_make_grounding_tokens(version: chat.VersionName) -> None:
    """A known difference: in an assistant's content and reasoning it takes these eight for tokens, wherever the message
    came from. dstok takes no text of a message for a token."""
    encoding = recipe_encoding(version)
    for token in GROUNDING:
        messages = [{"role": "user", "content": token}, {"role": "assistant", "content": f"a{token}b"}]
        found = chat.render(messages, version)
        theirs = encoding.render_conversation(recipe_conversation(messages, {}))
        assert theirs.prompt == found.text
        more = set(theirs.special_ranges) - set(found.special_ranges)
        place = found.text.index(f"a{token}b") + 1
        assert more == {(place, place + len(token))} and len(theirs.special_ranges) == len(found.special_ranges) + 1


@pytest.mark.parametrize("version", ["v4-0731", "v4.1"])
def test_grounding_tokens_are_the_only_difference(version: chat.VersionName) -> None:
    """With the ranges of deepseek-recipe in place of ours the ids are its ids, whatever the messages hold; and what it has
    more of ranges is grounding in what an assistant said."""
    encoding = recipe_encoding(version)

    @part_of_examples(0.1)
    @given(conversations(version, (*GROUNDING, "<｜User｜>")))
    def check(drawn: Drawn) -> None:
        found = rendered(version, drawn)
        if found is not None:
            theirs = recipe_conversation(copy.deepcopy(drawn.messages), copy.deepcopy(drawn.options))
            ranges = encoding.render_conversation(theirs).special_ranges
            same = chat.Rendered(found.text, ranges, found.spans)
            assert chat.encode_rendered(smaller_ours(version), same).ids == encoding.encode(theirs)
            for start, end in set(ranges) - set(found.special_ranges):
                span = next(span for span in found.spans if span.start <= start < span.end)
                assert found.text[start:end] in GROUNDING and span.kind in ("content", "reasoning") and span.sampled

    check()


def test_raise_names_message_and_field() -> None:
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "ä<think>"}]
    with pytest.raises(chat.ChatError, match="message 1, field content: the text holds the added token '<think>'"):
        chat.encode(ours("v3.1"), messages, "v3.1", special="raise")
    messages = [{"role": "user", "content": "a\ud800"}]
    with pytest.raises(chat.ChatError, match="message 0, field content: .*surrogate"):
        chat.encode(ours("v3.1"), messages, "v3.1")
    with pytest.raises(chat.ChatError, match="expected \"template\", \"all\" or \"raise\", found 'none'"):
        chat.encode(ours("v3.1"), messages, "v3.1", special="none")  # type: ignore[arg-type]


def test_a_token_that_the_tokenizer_lacks_is_refused() -> None:
    with pytest.raises(chat.ChatError, match="the token '<｜System｜>', which the tokenizer deepseek-v4 does not have"):
        chat.encode(ours("v4-preview"), [{"role": "user", "content": "Hi"}], "v4.1")
    with pytest.raises(chat.ChatError, match="'<think>'.*deepseek-v3"):
        chat.count(ours("v3"), [{"role": "user", "content": "Hi"}], "v3.1", add_generation_prompt=True, thinking=True)


def test_tools_of_r1_distill_are_text() -> None:
    """Its tokenizers have no tokens for tools."""
    found = chat.render([{"role": "tool", "content": "x"}], "r1-distill")
    assert [found.text[start:end] for start, end in found.special_ranges] == ["<｜begin▁of▁sentence｜>"]
    ids = chat.encode_rendered(ours("r1-distill"), found).ids
    assert ids == chat.encode_rendered(ours("r1-distill"), found, "all").ids
