"""Grammars: the masks from dstok's vocabulary are those that each library gives with upstream's tokenizer of the same file.

xgrammar needs PyTorch and transformers, and is not installed in CI: run by hand, with 0.2.8.
"""

from __future__ import annotations

import json
import pickle
import random
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from fetched_models import both
from judges import judge
from kept import kept
from llguidance import LLMatcher, LLTokenizer
from outlines_core import Index, Vocabulary
from real_models import V3, real, real_json
from recipes import recipe
from shares import chance_of_today, seeds

import dstok
from dstok.integrations.llguidance import ll_tokenizer
from dstok.integrations.special import special_ids, stop_ids

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"},
                                           "tags": {"type": "array", "items": {"enum": ["a", "é中", "🦙"]}}}, "required": ["name", "age"]}
GRAMMARS = {
    "schema": LLMatcher.grammar_from_json_schema(json.dumps(SCHEMA)),
    "regex": LLMatcher.grammar_from_regex(r"[0-9]{3}-(é|中|🦙)+ (yes|no)\n*"),
    "lark": 'start: <think> /[a-z ]{1,20}/ </think> /(.|\\n)*/',
}
MODELS = ["deepseek-r1", "deepseek-r1-distill-qwen"]
OutlinesTokenizer, vocabulary = recipe("outlines").OutlinesTokenizer, recipe("outlines").vocabulary


@kept(most=1)
def llguidance_pair(model: str) -> tuple[LLTokenizer, LLTokenizer]:
    """Ours and that of upstream's file."""
    tok = dstok.load(model)
    assert tok.eos_id is not None
    return ll_tokenizer(tok), LLTokenizer(real_json(model), eos_token=tok.eos_id)


MASKED = [(MODELS[0], "schema"), (MODELS[0], "regex"), (MODELS[0], "lark"), (MODELS[1], "regex")]


@pytest.mark.parametrize(("model", "grammar"), [MASKED[number] for number in seeds(len(MASKED), 2)])
def test_masks_of_llguidance(model: str, grammar: str) -> None:
    """Along a random text that the grammar allows, token by token."""
    pair = [LLMatcher(tokenizer, GRAMMARS[grammar]) for tokenizer in llguidance_pair(model)]
    rng = chance_of_today(f"llguidance {grammar}")
    for _ in range(40):
        ours, theirs = (matcher.compute_bitmask() for matcher in pair)
        assert ours == theirs and not any(matcher.is_error() for matcher in pair)
        if pair[0].is_stopped():
            break
        allowed = np.flatnonzero(np.unpackbits(np.frombuffer(ours, np.uint8), bitorder="little"))
        token = int(rng.choice(allowed.tolist()))
        assert all(matcher.consume_token(token) for matcher in pair)


@pytest.mark.parametrize("model", MODELS)
def test_tokens_of_llguidance(model: str) -> None:
    ours, theirs = llguidance_pair(model)
    lost = {token.id for token in dstok.load(model).inspect().added_tokens if not theirs.decode_bytes([token.id])}
    assert (ours.vocab_size, ours.eos_token, ours.is_canonical) == (theirs.vocab_size, theirs.eos_token, theirs.is_canonical)
    for id in set(range(ours.vocab_size)) - lost:
        assert ours.decode_bytes([id]) == theirs.decode_bytes([id]) and ours.is_special_token(id) == theirs.is_special_token(id)
    for text in ("Hello world 123", "naïve 中文 🦙\n\n", "<think>so</think>", "<｜User｜>hi"):
        for special in (False, True):
            assert ours.tokenize_str(text, parse_special=special) == theirs.tokenize_str(text, parse_special=special)


@pytest.mark.parametrize("name", ["llama2", "yi"])
def test_models_of_characters_in_llguidance(name: str) -> None:
    """Tokens and ids; llguidance puts no space before a text, since a grammar forces text inside of another one."""
    (tok, _), file = both(name), judge(f"npm/{name}/tokenizer.json").read_text(encoding="utf-8")
    ours, theirs = ll_tokenizer(tok, eos_token=2), LLTokenizer(file, eos_token=2)
    for id in range(tok.vocab_size):
        assert ours.decode_bytes([id]) == theirs.decode_bytes([id]) and ours.is_special_token(id) == theirs.is_special_token(id)
    for text in ("Hello world 123", "naïve 中文 🦙\n\n", "", " a", "  a", "\0a", "▁", "<s>", "a</s>"):
        assert ours.tokenize_str(text) == theirs.tokenize_str(text), text
    pair = [LLMatcher(tokenizer, GRAMMARS["regex"]) for tokenizer in (ours, theirs)]
    for id in ours.tokenize_str("123-é中🦙 yes\n"):
        masks = [matcher.compute_bitmask() for matcher in pair]
        assert masks[0] == masks[1] and all(matcher.consume_token(id) for matcher in pair)
    assert all(matcher.is_accepting() for matcher in pair)


def test_arguments_of_llguidance() -> None:
    tokenizer = ll_tokenizer(V3, n_vocab=129280, eos_token=[1, 2], slices=[])
    theirs = LLTokenizer(real_json("deepseek-v3"), n_vocab=129280, eos_token=[1, 2], slices=[])
    assert (tokenizer.vocab_size, tokenizer.eos_tokens) == (theirs.vocab_size, theirs.eos_tokens) == (129280, [1, 2])
    for id in (128814, 128815, 129279):
        assert tokenizer.decode_bytes([id]) == theirs.decode_bytes([id]) and tokenizer.is_special_token(id)
    with pytest.raises(dstok.DstokError, match="at least the tokenizer's 128815 ids, found 7"):
        ll_tokenizer(V3, n_vocab=7)
    with pytest.raises(dstok.errors.UnknownIdError, match="id 200000"):
        ll_tokenizer(V3, eos_token=200000)
    with pytest.raises(dstok.DstokError, match="expected an id that ends a text"):
        ll_tokenizer(V3.replace(eos_id=None))


def test_special_ids_are_upstreams() -> None:
    for model in ("deepseek-v3", "deepseek-r1"):
        decoder = real(model).get_added_tokens_decoder()
        assert special_ids(dstok.load(model)) == sorted(id for id, token in decoder.items() if token.special)
    assert (stop_ids(V3, None), stop_ids(V3, 2), stop_ids(V3, [2, 3])) == ([1], [2], [2, 3])


# outlines-core


def lossy() -> Vocabulary:
    """As outlines makes it: by the text of each token, where parts of characters are U+FFFD."""
    judge = real("deepseek-v3")
    tokens: dict[str, list[int]] = {}
    for id in range(judge.get_vocab_size()):
        if id not in LEFT_OUT:
            tokens.setdefault(judge.decode([id], skip_special_tokens=False), []).append(id)
    return Vocabulary(1, tokens)


LEFT_OUT = {1, *special_ids(V3)}
WHOLE = {id for id, token in enumerate(V3.inspect().token_bytes()) if id not in LEFT_OUT and b"\xef\xbf\xbd" not in token
         and token.decode("utf-8", "replace").encode() == token}


@pytest.mark.parametrize("regex", [r"[0-9]{2}-(é|中)+ (yes|no)", r'\{"name": "[a-zé ]{1,9}"\}'])
def test_masks_of_outlines_core(regex: str) -> None:
    """For tokens of whole characters those of outlines' own vocabulary."""
    ours, theirs = Index(regex, vocabulary(V3)), Index(regex, lossy())
    rng = random.Random(regex)
    states = ours.get_initial_state(), theirs.get_initial_state()
    for _ in range(12):
        allowed, expected = (set(index.get_allowed_tokens(state)) for index, state in zip((ours, theirs), states))
        assert allowed & WHOLE == expected & WHOLE and (1 in allowed) == (1 in expected)
        if not allowed & WHOLE:
            break
        token = rng.choice(sorted(allowed & WHOLE))
        states = ours.get_next_state(states[0], token), theirs.get_next_state(states[1], token)


def test_parts_of_characters_in_outlines_core() -> None:
    """The ids of a text that is allowed are allowed, one after the other, though each is a part of a character."""
    index, ids = Index("(🦙|𓀀)+", vocabulary(V3)), V3.encode("🦙𓀀")
    assert len(ids) > 4 and not WHOLE.issuperset(ids)
    state: Any = index.get_initial_state()
    for id in ids:
        assert id in index.get_allowed_tokens(state)
        state = index.get_next_state(state, id)
    assert 1 in index.get_allowed_tokens(state)


def test_models_of_characters_in_outlines() -> None:
    """Spaces for U+2581, and bytes for tokens such as "<0xE4>"."""
    tok, _ = both("llama2")
    made = vocabulary(tok, eos_token_id=2)
    assert (made.get(b" world"), made.get(b"\xff")) == ([tok.token_to_id("▁world")], [tok.token_to_id("<0xFF>")])
    index = Index("(🦙|é)+ world", made)
    state: Any = index.get_initial_state()
    for id in tok.encode("🦙é world")[1:]:  # without the space before the text
        assert id in index.get_allowed_tokens(state)
        state = index.get_next_state(state, id)
    assert 2 in index.get_allowed_tokens(state)
    assert OutlinesTokenizer(tok).convert_token_to_string("▁world") == " world"


def test_vocabulary_of_outlines_core() -> None:
    made = vocabulary(V3)
    assert made.get_eos_token_id() == 1 and made.get(b" world") == [2058] and made.get("<｜User｜>") == [128803]
    assert made.get("<｜begin▁of▁sentence｜>") is None and len(made) == len(V3.get_vocab()) - len(LEFT_OUT) + 1  # and EOS


def test_the_tokenizer_of_outlines() -> None:
    tokenizer, other = OutlinesTokenizer(V3), OutlinesTokenizer(dstok.load("deepseek-r1"))
    assert (tokenizer.eos_token, tokenizer.eos_token_id, tokenizer.pad_token_id) == ("<｜end▁of▁sentence｜>", 1, 1)
    assert tokenizer.vocabulary == V3.get_vocab() and "<｜end▁of▁sentence｜>" in tokenizer.special_tokens
    ids, mask = tokenizer.encode("Hello world")
    assert (ids.tolist(), mask.tolist(), ids.dtype, mask.dtype) == ([[19923, 2058]], [[1, 1]], np.int64, np.int64)
    assert tokenizer.encode([])[0].shape == (0, 0) and tokenizer.decode(np.array([[0, 19923, 1]])) == ["Hello"]
    assert tokenizer.convert_token_to_string("Ġworld") == " world"
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again == tokenizer and hash(again) == hash(tokenizer) and tokenizer != other and hash(tokenizer) != hash(other)
    assert again.encode(["a", "b c"])[0].tolist() == tokenizer.encode(["a", "b c"])[0].tolist()
    with pytest.raises(TypeError, match="padding"):
        tokenizer.encode("a", padding=True)


# xgrammar


@pytest.mark.skipif(not find_spec("xgrammar"), reason="needs xgrammar, with PyTorch: run by hand")
@pytest.mark.parametrize("model", ["deepseek-v3", "deepseek-v3.2", "deepseek-r1-distill-qwen"])
def test_masks_of_xgrammar(model: str) -> None:
    import xgrammar
    from transformers import PreTrainedTokenizerFast

    from dstok.integrations.xgrammar import tokenizer_info

    tok = dstok.load(model)
    assert tok.eos_id is not None
    whole = PreTrainedTokenizerFast(tokenizer_object=real(model), eos_token=tok.id_to_token(tok.eos_id))
    ours, theirs = tokenizer_info(tok), xgrammar.TokenizerInfo.from_huggingface(whole)
    assert ours.decoded_vocab == theirs.decoded_vocab and ours.stop_token_ids == theirs.stop_token_ids
    assert tokenizer_info(tok, vocab_size=tok.vocab_size + 64).vocab_size == tok.vocab_size + 64
    pair = [xgrammar.GrammarMatcher(xgrammar.GrammarCompiler(info).compile_json_schema(json.dumps(SCHEMA))) for info in (ours, theirs)]
    rng = chance_of_today("xgrammar")
    for _ in range(30):
        masks = [xgrammar.allocate_token_bitmask(1, tok.vocab_size) for _ in pair]
        for matcher, mask in zip(pair, masks):
            matcher.fill_next_token_bitmask(mask)
        assert (masks[0] == masks[1]).all()
        bits = np.unpackbits(masks[0].numpy().view(np.uint8), bitorder="little")[: tok.vocab_size]
        token = int(rng.choice(np.flatnonzero(bits).tolist()))
        assert all(matcher.accept_token(token) for matcher in pair)
        if pair[0].is_terminated():
            break


@pytest.mark.skipif(not find_spec("xgrammar"), reason="needs xgrammar, with PyTorch: run by hand")
@pytest.mark.parametrize("name", ["llama2", "yi"])
def test_models_of_characters_in_xgrammar(name: str) -> None:
    """Masks are made from these bytes: xgrammar itself gets them from the spellings."""
    import xgrammar

    from dstok.integrations.xgrammar import tokenizer_info

    tok, _ = both(name)
    spelled = [token for token, _ in sorted(tok.get_vocab().items(), key=lambda item: item[1])]
    theirs = xgrammar.TokenizerInfo(spelled, xgrammar.VocabType.BYTE_FALLBACK, stop_token_ids=[2])
    ours = tokenizer_info(tok, stop_token_ids=2)
    assert ours.decoded_vocab == theirs.decoded_vocab and ours.special_token_ids == theirs.special_token_ids
