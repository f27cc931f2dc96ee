"""`PromptStream` beside upstream's `DecodeStream`: each step, after prompts that end in every way."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
import tokenizers
from character_models import DECODERS, STRIP, added_token, character_json
from kept import kept
from real_models import real
from shares import chance_of_today
from transformers import PreTrainedTokenizerFast
from transformers_calls import outcome

from dstok.integrations import prompt_stream
from dstok.integrations.prompt_stream import PromptStream, Upstream
from dstok.integrations.transformers import accelerate

KINDS = ("deepseek-r1", "characters", "stripped")
COUNT = 1500  # streams of each kind


@kept()
def backend(kind: str) -> Any:
    """The backend of an accelerated tokenizer: of bytes, of characters, and of these without a first space."""
    if kind == "deepseek-r1":
        made = real(kind)
    else:
        added = [added_token(1, "<s>", special=True)]
        file = character_json(decoders=[*DECODERS, *[STRIP] * (kind == "stripped")], added=added)
        made = tokenizers.Tokenizer.from_str(json.dumps(file))
    return accelerate(PreTrainedTokenizerFast(tokenizer_object=made), strict=True)._tokenizer


def some_ids(rng: random.Random, real_backend: Any, most: int) -> list[int]:
    """Ids of texts, of parts of characters, of added tokens, and of no token."""
    size = real_backend.get_vocab_size(with_added_tokens=True)
    added = [*real_backend.get_added_tokens_decoder()]
    text = "".join(rng.choice(["ab ", "中文", "\N{LLAMA}", " ", "é", ", a"]) for _ in range(4))
    ids = [*real_backend.encode(text, add_special_tokens=False).ids, *rng.sample(range(size), 3), *added[:3], size + 9]
    return rng.choices(ids, k=rng.randrange(most))


def steps(stream: Any, real_backend: Any, given: list[Any]) -> list[Any]:
    return [outcome(lambda each=each: stream.step(real_backend, each)) for each in given]  # type: ignore[misc]


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_is_upstreams(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_stream, "SHORT", 1)
    monkeypatch.setattr(prompt_stream, "TAIL", 3)
    rng, shortened = chance_of_today(f"prompts {kind}"), 0
    for _ in range(COUNT):
        skip = rng.random() < 0.5
        prompt = some_ids(rng, backend(kind), 8)
        given = [id if rng.random() < 0.9 else rng.choice([[id, id], [], "a", -1]) for id in some_ids(rng, backend(kind), 8)]
        expected, found = Upstream(prompt, skip), PromptStream(prompt, skip)
        first = copy.copy(found)
        assert steps(found, backend(kind), given) == steps(expected, backend(kind), given), (prompt, given, skip)
        second, following = copy.deepcopy(found), some_ids(rng, backend(kind), 3)
        wanted = steps(expected, backend(kind), following)
        assert steps(found, backend(kind), following) == wanted == steps(second, backend(kind), following)
        assert steps(first, backend(kind), given) == steps(Upstream(prompt, skip), backend(kind), given)
        shortened += len(prompt) > 3
    assert shortened > COUNT / 3


def test_only_the_end_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []

    def begin(ids: list[int], skip: bool) -> Any:
        begun.append(ids)
        return Upstream(ids, skip)

    monkeypatch.setattr(prompt_stream, "Upstream", begin)
    made = backend("deepseek-r1")
    ids = made.encode("Why is the sky blue? " * 20, add_special_tokens=False).ids
    eos, part = made.token_to_id("<｜end▁of▁sentence｜>"), made.encode("\N{LLAMA}", add_special_tokens=False).ids[:1]
    for prompt, skip, end in [(ids, False, ids[-1:]), ([*ids, eos], True, [ids[-1], eos]), ([*ids, eos], False, [eos])]:
        begun.clear()
        assert PromptStream(prompt, skip).step(made, ids[0]) == "Why"
        assert begun == [prompt, end]
    begun.clear()
    assert PromptStream([*ids, *part]).step(made, ids[0]) is not None
    assert begun == [[*ids, *part]]


def test_other_backends_get_upstreams_stream() -> None:
    plain = tokenizers.Tokenizer.from_str(json.dumps(character_json()))
    ids = plain.encode("abc, é中文 " * 20, add_special_tokens=False).ids
    assert type(PromptStream(ids[:9])) is Upstream and type(PromptStream()) is Upstream
    assert steps(PromptStream(ids), plain, ids[:9]) == steps(Upstream(ids), plain, ids[:9])


@pytest.mark.parametrize("args", [([1, -1] * 50,), ("a" * 99,), ([2**40] * 99,), ([1] * 99, 1), (5,)])
def test_errors_are_upstreams(args: Any) -> None:
    assert outcome(lambda: PromptStream(*args)) == outcome(lambda: Upstream(*args))
