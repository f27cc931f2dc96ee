"""Conversations that take sampled ids: these stay in every version, and masks and labels cover exactly them."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from character_models import DECODERS, PREPEND, STRIP, character_json
from chat_models import ours
from hypothesis import given
from hypothesis import strategies as st
from reference import part_of_examples
from text_strategies import special_texts, texts

import dstok
from dstok import chat
from dstok.chat.encode import parts_of
from dstok.chat.writer import EOS
from dstok.errors import ArgumentError, UnknownIdError

VERSIONS = [version.name for version in chat.versions()]
USER, MORE = {"role": "user", "content": "Is it so?"}, {"role": "user", "content": "And <｜User｜> now?"}
PLAIN = {"role": "assistant", "reasoning_content": "Hm.", "content": "Yes."}


def opened(version: Any, **arguments: Any) -> tuple[dstok.Tokenizer, chat.Conversation]:
    """A conversation that waits for an answer."""
    tok = ours(version)
    return tok, chat.Conversation(tok, version, [USER], add_generation_prompt=True, **arguments)


def odd_ids(tok: dstok.Tokenizer, text: str, odd: bool) -> list[int]:
    """The ids of a text: its own, or one for each byte."""
    return [tok.token_to_id(bytes([byte])) for byte in text.encode()] if odd else tok.encode(text, special="none")


def next_turn(version: Any, tok: dstok.Tokenizer, ended: bool) -> list[int]:
    """The ids that the format writes after an answer: its end token, if the model did not sample it, and the next turn."""
    text = chat.render([USER, PLAIN, MORE], version, add_generation_prompt=True)
    end = max(last for first, last in text.special_ranges if text.text[first:last] == EOS)
    start = end if ended else end - len(EOS)
    ranges = [(first - start, last - start) for first, last in text.special_ranges if first >= start]
    spans = [chat.Span(0, len(text.text) - start, -1, "content", False)]
    return chat.encode_rendered(tok, chat.Rendered(text.text[start:], ranges, spans)).ids


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_ids_stay_and_masks_cover_them(version: Any, ended: bool, odd: bool) -> None:
    tok, talk = opened(version)
    before = talk.ids
    sampled = [*odd_ids(tok, "It is so", odd), *([tok.added_tokens[EOS]] if ended else [])]
    assert talk.append(PLAIN, ids=sampled) == chat.Change(len(before), sampled, None)
    assert talk.ids == before + sampled
    after = next_turn(version, tok, ended)
    assert talk.append(MORE) == chat.Change(len(before + sampled), after, None)
    assert talk.ids == before + sampled + after
    assert len(talk) == len(talk.ids)
    whole, mask = talk.encoded(), [False] * len(before) + [True] * len(sampled) + [False] * len(after)
    assert whole.sampled.tolist() == mask
    assert whole.labels.tolist() == [id if own else -100 for id, own in zip(talk.ids, mask)]
    assert whole.message_index[len(before)] == 1
    assert whole.rendered.text == tok.decode(talk.ids)
    starts, ends = whole.offsets.T.tolist()
    assert (starts[0], ends[-1]) == (0, len(whole.rendered.text))
    assert all(start <= end_before and start >= start_before  # ids of one character have one span
               for start, start_before, end_before in zip(starts[1:], starts, ends))


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_messages_after_them_one_by_one(version: Any, called: bool) -> None:
    """All of them stay: a later message is rendered from a checkpoint that stands after earlier ones."""
    tok, talk = opened(version)
    calls = [{"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for number in range(3)]
    results = [{"role": "tool", "tool_call_id": f"c{number}", "content": f"<{number}>"} for number in range(3)]
    talk.append({**PLAIN, "tool_calls": calls} if called else PLAIN, ids=[*tok.encode("It is so"), tok.added_tokens[EOS]])
    more = [*(results if called else ()), USER, PLAIN, MORE, PLAIN, USER]
    whole = talk.copy()
    whole.extend(more)
    for number, message in enumerate(more):
        before = talk.ids
        change = talk.append(message)
        assert talk.ids == before[: change.kept] + change.new
        if number == len(more) // 2:
            talk = talk.copy()
    assert talk.ids == whole.ids
    assert talk.encoded().rendered == whole.encoded().rendered


@pytest.mark.parametrize("version", VERSIONS)
def test_canonical_ids_are_marked_so(version: Any) -> None:
    """The ids that encoding gives are canonical, with a user's `<｜User｜>` beside them; ids of single bytes are not."""
    tok, talk = opened(version)
    blank = "" if talk.encoded().rendered.text.endswith(("\n", ">")) else " "  # V2's model writes a blank first
    talk.append(PLAIN, ids=[*odd_ids(tok, blank + "It is so", False), tok.added_tokens[EOS]])
    talk.append(MORE)
    assert talk.encoded().canonical.all()
    start = len(talk)
    talk.append(PLAIN, ids=[*odd_ids(tok, "It is so", True), tok.added_tokens[EOS]])
    assert talk.encoded().canonical[:start].all()
    assert not talk.encoded().canonical[start:-1].all()
    assert talk.encoded().canonical[-1]


def test_special_all_compares_the_whole_text() -> None:
    tok, talk = opened("v3", special="all")
    talk.append(PLAIN, ids=[*odd_ids(tok, "It", True), tok.added_tokens[EOS]])
    talk.append(MORE)
    canonical = talk.encoded().canonical.tolist()
    assert (canonical.index(False) if False in canonical else None) == dstok.sampling.first_noncanonical(tok, talk.ids)


@pytest.mark.parametrize("version", ["r1", "v3.1", "v3.2", "v4-preview", "v4-0731"])
def test_answers_are_parsed_and_reasoning_stays(version: Any) -> None:
    """The format drops the reasoning of earlier turns; sampled ids of it stay."""
    arguments = {} if version == "r1" else {"thinking": True}
    tok, talk = opened(version, **arguments)
    answer = [*tok.encode("Hm, so</think>It is."), tok.added_tokens[EOS]]
    before = talk.ids
    talk.append(ids=answer)
    assert talk.messages[-1]["content"] == "It is."
    assert talk.messages[-1]["reasoning_content"] == "Hm, so"
    talk.append(MORE)
    assert talk.ids[: len(before) + len(answer)] == before + answer
    assert "Hm, so" in tok.decode(talk.ids)
    assert talk.encoded().sampled.sum() == len(answer)


HOSTILE = ("</think>", "<think>", "Yes.", "\n\n", "{", EOS, "<｜User｜>", "<｜begin▁of▁sentence｜>", "｜DSML｜", "\xff", "f",
           *(f'{close}\n\n<｜DSML｜{block}>\n<｜DSML｜{gap}invoke name="f">\n<｜DSML｜{gap}parameter name="x" string="false">no JSON'
             f"</｜DSML｜{gap}parameter>\n</｜DSML｜{gap}invoke>\n</｜DSML｜{block}>"
             for close in ("", "</think>")
             for block, gap in (("function_calls", ""), ("tool_calls", ""), (" calls", " "))),
           *(f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>{call}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
             for call in ("f<｜tool▁sep｜>no JSON", "function<｜tool▁sep｜>f\n```json\n{\n```", "f")))


@part_of_examples(0.5)
@given(st.sampled_from(VERSIONS), st.booleans(), st.sampled_from(["template", "all"]), st.lists(
    st.lists(st.tuples(st.sampled_from(HOSTILE), st.sampled_from(["all", "none"])), max_size=4), min_size=1, max_size=3))
def test_sampled_ids_are_never_refused_for_what_they_say(version: Any, thinking: bool, special: Any, turns: Any) -> None:
    """An end token at once, calls whose arguments are no JSON: also before the results of calls, and the next answer."""
    can_think = "thinking" in chat.versions()[VERSIONS.index(version)].options
    tok, talk = opened(version, special=special, **({"thinking": thinking} if can_think else {}))
    for parts in turns:
        before, ids = talk.ids, [id for text, how in parts for id in tok.encode(text, special=how)]
        assert talk.append(ids=ids) == chat.Change(len(before), ids, None)
        calls = talk.messages[-1].get("tool_calls", [])
        for call in calls:
            talk.append({"role": "tool", "tool_call_id": call["id"], "content": "7"})
        if not calls:
            talk.append(MORE)
        assert talk.ids[: len(before) + len(ids)] == before + ids


def test_the_message_of_sampled_ids_may_lack_what_the_format_wants() -> None:
    """V3.2 refuses an answer to the last user with neither reasoning nor calls; sampled ids it does not write."""
    tok, talk = opened("v3.2", thinking=True)
    ids = [*tok.encode("</think>Yes."), tok.added_tokens[EOS]]
    answer = {"role": "assistant", "content": "Yes."}
    assert talk.append(answer, ids=ids).new == ids
    assert talk.messages[-1] is answer
    with pytest.raises(chat.ChatError, match="reasoning_content"):
        talk.copy().extend([MORE, answer])


def test_the_answer_to_a_tool_of_v3_1_needs_no_opener() -> None:
    """There the format writes nothing between the last output and the answer, which begins without reasoning."""
    tok, talk = opened("v3.1", thinking=True)
    call = "</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
    talk.append(ids=[*tok.encode(call), tok.added_tokens[EOS]])
    talk.append({"role": "tool", "content": "7"})
    ids = [*tok.encode("It is 7."), tok.added_tokens[EOS]]
    assert talk.append(ids=ids).new == ids
    assert talk.messages[-1] == {"role": "assistant", "content": "It is 7."}


@part_of_examples(0.3)
@given(st.sampled_from(VERSIONS), st.lists(st.tuples(st.one_of(texts, special_texts), st.booleans(), st.booleans()), max_size=4))
def test_several_turns(version: Any, turns: list[tuple[str, bool, bool]]) -> None:
    """After each turn all earlier ids are the same, and the mask is that of the sampled ones."""
    tok, talk = opened(version)
    mask, other = [False] * len(talk), talk.copy()
    for text, ended, odd in turns:
        ids = [*odd_ids(tok, text, odd), *([tok.added_tokens[EOS]] if ended else [])]
        before = talk.ids
        talk.append(PLAIN, ids=ids)
        mask += [True] * len(ids)
        change = talk.append(MORE)
        assert change.kept == len(before) + len(ids)
        assert talk.ids == before + ids + change.new
        mask += [False] * len(change.new)
        assert talk.encoded().sampled.tolist() == mask
        assert len(talk.encoded().offsets) == len(talk)
    assert other.ids == chat.encode(tok, [USER], version, add_generation_prompt=True).ids


def test_messages_between_sampled_ids() -> None:
    """Several messages after sampled ids: the ids of those that stay are kept."""
    tok, talk = opened("v3.1")
    talk.append(PLAIN, ids=[*tok.encode("Yes"), tok.added_tokens[EOS]])
    fixed = len(talk)
    first = talk.append(MORE)
    second = talk.append(MORE)
    assert first.kept == fixed
    assert second.kept > fixed
    assert talk.ids[: second.kept] + second.new == talk.ids
    other = copy.copy(talk)
    other.append(PLAIN, ids=[1, 2])
    assert other.ids[:-2] == talk.ids
    assert talk.ids[-1] != 2


def test_text_before_the_sampled_ids_is_refused() -> None:
    """V3 moves system messages to the front. After an error nothing has changed."""
    tok, talk = opened("v3")
    talk.append(PLAIN, ids=tok.encode("Yes"))
    before = talk.ids
    with pytest.raises(chat.ChatError, match="before them") as caught:
        talk.append({"role": "system", "content": "Be brief."})
    assert caught.value.index == 2
    assert talk.ids == before
    talk.append(MORE)
    assert talk.ids[: len(before)] == before


def test_work_is_for_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 128 turns each encodes its own text."""
    read = list[int]()

    def counted(tokenizer: Any, rendered: chat.Rendered, special: Any, after: int | None = None) -> Any:
        read.append(len(rendered.text))
        return parts_of(tokenizer, rendered, special, after)

    monkeypatch.setattr(chat.conversation, "parts_of", counted)
    tok, talk = opened("v3.1")
    answer = [*tok.encode("It is so, and it stays so."), tok.added_tokens[EOS]]
    for _ in range(128):
        talk.append(PLAIN, ids=answer)
        talk.append(MORE)
    assert sum(read) < 130 * 100


def test_ids_need_an_open_answer() -> None:
    talk = chat.Conversation(ours("v3"), "v3", [USER])
    with pytest.raises(chat.ChatError, match="generation prompt"):
        talk.append(PLAIN, ids=[1])
    assert talk.messages == [USER]


def test_templates_need_the_message() -> None:
    pytest.importorskip("jinja2")
    tok = ours("v3")
    template = chat.Template("{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}", tok)
    talk = chat.Conversation(tok, template, [USER])
    with pytest.raises(chat.ChatError, match="a template cannot read answers"):
        talk.append(ids=[1])
    before = talk.ids
    talk.append(PLAIN, ids=[1, 2])
    talk.append(USER)
    assert talk.ids[: len(before) + 2] == [*before, 1, 2]
    assert talk.ids[len(before) + 2 :] == chat.encode(tok, [USER], template).ids


def test_bad_ids() -> None:
    _, talk = opened("v3")
    before = talk.ids
    with pytest.raises(UnknownIdError):
        talk.append(PLAIN, ids=[1 << 30])
    with pytest.raises(ArgumentError):
        talk.append(PLAIN, ids="abc")  # type: ignore[arg-type]
    assert talk.ids == before
    assert talk.append(PLAIN, ids=np.array([1, 2])).new == [1, 2]


def test_places_of_ids_in_a_model_that_puts_a_space_before_texts() -> None:
    """Decoding drops the space of the first id: the places are those of the text."""
    tok = dstok.Tokenizer.from_str(json.dumps(character_json(PREPEND, decoders=[*DECODERS, STRIP])))
    ids = tok.encode("ab c")
    encoded = chat.EncodedConversation(ids, chat.Rendered("", [], []), "template", tok)
    places = encoded._decoded(10, 10 + len(tok.decode(ids)), ids).tolist()
    assert [tok.decode(ids)[start - 10 : end - 10] for start, end in places] == ["ab", " ", "c"]
