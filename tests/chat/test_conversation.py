"""A conversation that grows is the whole conversation at every moment, and tells what changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from chat_models import ours
from hypothesis import given
from hypothesis import strategies as st
from reference import part_of_examples
from shares import seeds

import dstok
from dstok import chat
from dstok.chat.conversation import ConversationText
from dstok.chat.encode import ChatSpecial, parts_of
from dstok.chat.render import Format
from dstok.conformance.strategies import Drawn, conversations

Place = tuple["int | None", str, str]
VERSIONS = [version.name for version in chat.versions()]


def encoded(tok: dstok.Tokenizer, messages: list[Any], version: chat.VersionName, **arguments: Any) -> chat.EncodedConversation | Place:
    """The whole, or the place and the class of the error."""
    try:
        return chat.encode(tok, messages, version, **arguments)
    except chat.ChatError as error:
        return error.index, error.field, error.reference


def cut(messages: list[Any], places: list[int]) -> Iterator[list[Any]]:
    """The messages one by one, but that some are added together with the one before."""
    edges = [0, *sorted({place for place in places if 0 < place < len(messages)}), len(messages)]
    return (messages[start:end] for start, end in zip(edges, edges[1:]) if start < end)


@pytest.mark.parametrize("special", ["template", "all"])
@pytest.mark.parametrize("version", VERSIONS)
def test_equal_to_encoding_the_whole(
    version: chat.VersionName, special: ChatSpecial, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ids, text, spans and errors; messages that are refused are left out, and those after them follow the others.

    Stretches that grow are held from `LONG` code points on: here from the first, and from more than there are.
    """
    tok = ours(version)

    @part_of_examples(0.04 if special == "template" else 0.02)
    @given(conversations(version), conversations(version), st.lists(st.integers(1, 20), max_size=20),
           st.sampled_from([0, 1 << 30]))
    def check(drawn: Drawn, more: Drawn, places: list[int], long: int) -> None:
        monkeypatch.setattr(chat.conversation, "LONG", long)
        with contextlib.suppress(chat.ChatError):
            talk = chat.Conversation(tok, version, special=special, **drawn.options)
            for messages in cut(drawn.messages + more.messages, places):
                extended(talk, messages, drawn.options)

    check()


def extended(talk: chat.Conversation, messages: list[Any], options: dict[str, Any]) -> None:
    before, cache = len(talk.messages), talk.ids
    whole = encoded(talk.tokenizer, [*talk.messages, *messages], talk.version, special=talk.special, **options)  # type: ignore[arg-type]
    try:
        change = talk.extend(messages)
    except chat.ChatError as error:
        assert (error.index, error.field, error.reference) == whole
        assert len(talk.messages) == before and talk.ids == cache
        return
    assert isinstance(whole, chat.EncodedConversation), whole
    cache[change.kept :] = change.new
    assert cache == talk.ids == whole.ids and len(talk) == len(cache)
    assert talk.encoded() == whole
    assert change.rewritten is None or 0 <= change.rewritten < before


MESSAGES: dict[str, Any] = {
    "v2": lambda number: [{"role": "user", "content": f"Question {number}, it's 中文. " * 9}],
    "r1-distill": lambda number: [{"role": "tool", "content": f"Result {number}, it's 中文. " * 9}],
}


@pytest.mark.parametrize("special", ["template", "raise"])
@pytest.mark.parametrize("version", MESSAGES)
def test_a_stretch_that_grows_is_encoded_once(
    version: chat.VersionName, special: ChatSpecial, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages without a token between them lengthen one stretch: what is encoded anew stays short."""
    tok, encoded = ours(version), list[int]()

    def parts(tokenizer: Any, text: chat.Rendered, special: Any, after: int | None = None) -> Any:
        encoded.append(len(text.text))
        return parts_of(tokenizer, text, special, after)

    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    first = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": [call] * 60}]
    talk = chat.Conversation(tok, version, first if version == "r1-distill" else [], special=special)
    monkeypatch.setattr(chat.conversation, "parts_of", parts)
    snapshots: list[tuple[chat.Conversation, list[int], Any]] = []
    for number in range(40):
        before, [message] = talk.ids, MESSAGES[version](number)
        if number % 13 == 12:
            with pytest.raises(chat.ChatError) as caught:
                talk.append({**message, "content": message["content"] + "\ud800"})
            assert caught.value.index == len(talk.messages)
            snapshots.append((talk.copy(), talk.ids, talk.encoded()))
        encoded.clear()
        change = talk.append(message)
        assert before[: change.kept] + change.new == talk.ids
        assert change.rewritten is None or change.rewritten >= len(talk.messages) - 2
        assert number < 12 or sum(encoded) < 100
    whole = chat.encode(tok, talk.messages, version, special=special)
    assert talk.ids == whole.ids and talk.encoded() == whole
    for branch, ids, kept in snapshots:
        assert branch.ids == ids == kept.ids
        branch.append(MESSAGES[version](7)[0])
        assert branch.ids == chat.encode(tok, branch.messages, version, special=special).ids


def test_tells_what_a_format_rewrites() -> None:
    talk = chat.Conversation(ours("v3.2"), "v3.2", [{"role": "user", "content": "Hello"}])
    assert talk.append({"role": "assistant", "reasoning_content": "Hm", "content": "Hi"}).rewritten is None
    assert talk.append({"role": "user", "content": "So?"}).rewritten == 1  # its reasoning is gone
    kept = chat.Conversation(ours("v4-preview"), "v4-preview", talk.messages[:2], drop_thinking=False)
    assert kept.append({"role": "user", "content": "So?"}).rewritten is None
    late = chat.Conversation(ours("v3"), "v3", [{"role": "user", "content": "Hello"}])
    assert late.append({"role": "system", "content": "Be kind."}).rewritten == 0  # it goes to the front


def test_copies_go_on_by_themselves() -> None:
    talk = chat.Conversation(ours("v3"), "v3", [{"role": "user", "content": "Hello"}])
    branch = talk.copy()
    branch.append({"role": "assistant", "content": "Hi"})
    assert talk.messages == [{"role": "user", "content": "Hello"}] and len(branch) > len(talk)
    assert talk.append({"role": "assistant", "content": "Hi"}).kept == len(branch) - 3


LONG: list[dict[str, Any]] = [
    {"role": "user", "content": "long " * 900}, {"role": "assistant", "content": "text " * 900, "reasoning_content": "Hm"},
]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
NEXT: list[dict[str, Any]] = [
    {"role": "user", "content": "So?"},
    {"role": "assistant", "content": "", "reasoning_content": "r", "tool_calls": [CALL]},
    {"role": "tool", "content": "1", "tool_call_id": "c"},
    {"role": "assistant", "content": "Yes.", "reasoning_content": "r"}, {"role": "user", "content": "And?"},
]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_work_is_that_of_what_is_new(version: chat.VersionName, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is rendered and encoded for a message does not depend on how long the conversation is: at most the turn
    before, whose reasoning some versions drop."""
    rendered: list[int] = []
    encoded: list[int] = []
    real = Format.write

    def write(self: Any, said: list[Any], writer: Any) -> None:
        rendered.append(len(said))
        real(self, said, writer)

    def parts(tokenizer: Any, text: chat.Rendered, special: Any, after: int | None = None) -> Any:
        encoded.append(len(text.text))
        return parts_of(tokenizer, text, special, after)

    talks = [chat.Conversation(ours(version), version, LONG * count) for count in (1, 100)]
    monkeypatch.setattr(Format, "write", write)
    monkeypatch.setattr(chat.conversation, "parts_of", parts)
    for talk in talks:
        for message in NEXT:
            talk.append(message)
    assert rendered[: len(NEXT)] == rendered[len(NEXT) :] and max(rendered) <= 5
    assert encoded[: len(NEXT)] == encoded[len(NEXT) :] and max(encoded) < 5000


@pytest.mark.parametrize("messages", ["Hi", b"Hi", memoryview(b"abcd").cast("B", (2, 2)), None, 7, {"role": "user", "content": "Hi"}])
def test_what_is_no_list_of_messages(messages: Any) -> None:
    with pytest.raises(chat.ChatError, match="field messages: expected a list of messages, found"):
        chat.Conversation(ours("v3"), "v3", messages)


def turn(rng: Random) -> dict[str, Any]:
    """A message: a call, a result of this or another call, a user's, or another one."""
    ids = ("c1", "c2", "c3", "c10", "other")
    role = rng.choices(("tool", "user", "assistant", "system", "latest_reminder", "developer"), (9, 8, 6, 1, 1, 1))[0]
    message: dict[str, Any] = {"role": role, "content": rng.choice(("", "x"))}
    if rng.random() < 0.1:  # fields of other roles, which are not read
        function = {"name": "f", "arguments": "{}"}
        message |= {"tool_call_id": "c1", "tool_calls": [{"id": "c1", "type": "function", "function": function}] * 2}
    if role == "tool" and rng.random() < 0.9:
        message["tool_call_id"] = rng.choice(ids)
    elif role == "user" and rng.random() < 0.05:
        message["task"] = "title"
    elif role == "assistant":
        message |= {"reasoning_content": rng.choice(("", "r")), "prefix": rng.random() < 0.1}
        if rng.random() < 0.7:
            function = {"name": "f", "arguments": "{}"}
            message["tool_calls"] = [{"id": rng.choice(ids), "type": "function", "function": function}
                                     for _ in range(rng.randrange(5))]
    return message


@pytest.mark.parametrize("version", ["v3.2", "v4-preview", "v4-0731", "v4.1"])
def test_calls_and_results_in_any_order(version: chat.VersionName) -> None:
    """The text goes on between the results of one message's calls, wherever the format leaves those before as they are."""
    for seed in seeds(5000, 150):
        rng, talk = Random(f"{version} {seed}"), list[dict[str, Any]]()
        options: dict[str, Any] = {"thinking": rng.random() < 0.7}
        if version in ("v3.2", "v4-preview"):
            options["drop_thinking"] = rng.random() < 0.7
        text = ConversationText(Format(version, **options), {})
        for _ in range(12):
            new = [turn(rng) for _ in range(rng.choice((1, 1, 1, 2)))]
            try:
                whole = chat.render([*talk, *new], version, **options)
            except chat.ChatError:
                with pytest.raises(chat.ChatError):
                    text.tail(new)
                continue
            text.take(text.tail(new))
            talk += new
            assert text.rendered() == whole, talk
