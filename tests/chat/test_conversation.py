"""A conversation that grows is the whole conversation at every moment, and tells what changed."""

from __future__ import annotations

import pytest
from chat_models import ours
from hypothesis import given, settings

from dstok import chat
from dstok.testing.conversations import Drawn, conversations

VERSIONS = [version.name for version in chat.versions()]


@pytest.mark.parametrize("special", ["template", "all"])
@pytest.mark.parametrize("version", VERSIONS)
def test_equal_to_encoding_the_whole(version: str, special: chat.encoding.ChatSpecial) -> None:
    tok = ours(version)

    @settings(max_examples=max(int(settings.default.max_examples * 0.04), 1))  # type: ignore[union-attr]
    @given(conversations(version))
    def check(drawn: Drawn) -> None:
        talk = chat.Conversation(tok, version, special=special, **drawn.options)
        cache: list[int] = []
        for message in drawn.messages:
            before = len(talk.messages)
            try:
                change = talk.append(message)
            except chat.ChatError:
                assert len(talk.messages) == before and talk.ids == cache
                continue
            cache[change.kept :] = change.new
            whole = chat.encode(tok, talk.messages, version, special=special, **drawn.options)
            assert cache == talk.ids == whole.ids
            assert len(talk) == len(cache)
            assert talk.encoded().message_index.tolist() == whole.message_index.tolist()
            assert change.rewritten is None or 0 <= change.rewritten < before

    check()


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


def test_what_is_before_is_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last stretches are: with a conversation of any length."""
    tok = ours("v4-preview")
    talk = chat.Conversation(tok, "v4-0731", [{"role": "user", "content": "long " * 9000},
                                              {"role": "assistant", "content": "text " * 9000}])
    seen: list[int] = []
    real = chat.conversation.encode_rendered

    def counted(tokenizer: object, rendered: chat.Rendered, special: str) -> chat.Encoded:
        seen.append(len(rendered.text))
        return real(tok, rendered, "template")

    monkeypatch.setattr(chat.conversation, "encode_rendered", counted)
    talk.append({"role": "user", "content": "So?"})
    assert seen == [seen[0]] and seen[0] < 100
