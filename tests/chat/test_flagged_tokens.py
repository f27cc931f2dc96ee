"""Formats whose tokens take white space along, want a border of words, or begin one another: the ids of the whole text."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from normalized_models import LOWERCASE, NFC, file_of
from shares import chance_of_today
from small_models import added_token, model_json

import dstok
from dstok import chat
from dstok.chat.encode import stand_alone

FLAGGED = [added_token("<u>", rstrip=True), added_token("<a>", lstrip=True), added_token("<w>", single_word=True),
           added_token("<u><a>"), added_token("<e>"), added_token("<n>", normalized=True)]
PLAIN = [added_token(token["content"]) for token in FLAGGED if token["content"] not in ("<u><a>", "<n>")]
MERGES = [(b" ", b" "), (b"h", b"i"), (b" ", b"h")]
MODELS = {"flagged": model_json(MERGES, FLAGGED), "plain": model_json(MERGES, PLAIN), "nfc": file_of(NFC, PLAIN),
          "one in a normalized text": file_of(LOWERCASE, FLAGGED), "prefix": model_json(MERGES, [*PLAIN, FLAGGED[3]])}
TEMPLATES = ["{% for m in messages %}<u> {{ m.content }} <a>{% endfor %}", "{% for m in messages %}<w>{{ m.content }}<e>{% endfor %}",
             "<u><a>{% for m in messages %} <e>{{ m.content }}{{ '<u>' }}{{ '<a>' }}{% endfor %}x"]


def talk(chance: random.Random, parts: list[str]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "".join(chance.choices(parts, k=chance.randint(0, 5)))} for _ in range(chance.randint(1, 4))]


@pytest.mark.parametrize("text", TEMPLATES)
@pytest.mark.parametrize("name", MODELS)
def test_ids_are_those_of_the_whole_text(name: str, text: str) -> None:
    tok, chance = dstok.Tokenizer.from_str(MODELS[name]), chance_of_today(f"{name} {text}")
    template = chat.Template(text, tok, trusted=True)
    for _ in range(40):
        messages = talk(chance, ["hi", " ", "\n", "é", "e\u0301", "H", "_", "."])
        found = chat.encode(tok, messages, template)
        assert found.ids == tok.encode(found.rendered.text) == chat.encode(tok, messages, template, special="all").ids
        assert chat.count(tok, messages, template) == len(found.ids)
        assert np.array_equal(found.offsets, tok.encode_with_offsets(found.rendered.text).char_spans)
        grown = chat.Conversation(tok, template)
        for message in messages:
            grown.append(message)
        assert grown.encoded() == found


@pytest.mark.parametrize("name", MODELS)
def test_no_message_makes_a_token(name: str) -> None:
    tok, chance = dstok.Tokenizer.from_str(MODELS[name]), chance_of_today(f"forged {name}")
    contents = [*tok.added_tokens]
    for text in TEMPLATES:
        template = chat.Template(text, tok, trusted=True)
        for _ in range(20):
            messages = talk(chance, [*contents, "<", "u>", "hi "])
            plain = [{**message, "content": "." if message["content"].strip() else message["content"]} for message in messages]
            found, other = (chat.encode(tok, some, template) for some in (messages, plain))
            added = {id for token, id in tok.added_tokens.items() if token != "<w>"}  # a word beside it makes it plain text
            assert [id for id in found.ids if id in added] == [id for id in other.ids if id in added]
            if any(token in message["content"] for message in messages for token in contents):
                with pytest.raises(chat.ChatError, match="added token"):
                    chat.encode(tok, messages, template, special="raise")
            else:
                assert chat.encode(tok, messages, template, special="raise").ids == found.ids


def test_which_models_grow_part_by_part() -> None:
    assert [name for name, text in MODELS.items() if stand_alone(dstok.Tokenizer.from_str(text))] == ["plain", "nfc"]
    assert all(stand_alone(dstok.load(name)) for name in dstok.models())
