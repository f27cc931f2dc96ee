"""Accelerated tokenizers of transformers: every call as the original's, whatever is changed, from threads and in copies."""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers
from judges import judge
from reference import DEEP
from shares import SEED, seeds
from tokenizers import models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers_calls import compare, outcome, shown
from transformers_models import ALL_KINDS, KINDS, REAL, folder, loaded

import dstok.integrations.transformers as fast
from dstok.errors import UnsupportedError

TEXT = "Hello the sentence, naïve é 中文🦙  <think>12345<s> <mask> x"
TODAY = REAL if DEEP else [REAL[SEED % len(REAL)]]  # another real model each day
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(params=KINDS)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any]:
    """A tokenizer of each kind, and an accelerated one."""
    return loaded(request.param, tmp_path), fast.accelerate(loaded(request.param, tmp_path), strict=True)


def same(both: tuple[Any, Any], *args: Any, **kwargs: Any) -> None:
    """Both give the same for a call."""
    first, second = (outcome(lambda tok=tok: tok(*args, **kwargs)) for tok in both)  # type: ignore[misc]
    assert first == second


def by_dstok(tok: Any) -> bool:
    """Whether dstok encodes a text, not the backend."""
    before = tok.dstok.explain()
    tok._encode_plus(TEXT)
    after = tok.dstok.explain()
    return [line for line in before.split("\n") if line.startswith("backend")] == [
        line for line in after.split("\n") if line.startswith("backend")] and before != after


@pytest.mark.parametrize("kind", [*(ALL_KINDS[number] for number in seeds(len(ALL_KINDS), 2)), *TODAY])
def test_random_calls(kind: str, tmp_path: Path) -> None:
    pair = loaded(kind, tmp_path), fast.accelerate(loaded(kind, tmp_path), strict=True)
    count = 25_000 if DEEP else 500
    raised = compare(*pair, count, SEED)
    assert raised < count / 2
    told = pair[1].dstok.explain()
    assert "dstok: encode" in told and "dstok: decode" in told


def test_sub_ranges_are_decoded_alike(both: tuple[Any, Any]) -> None:
    original, tok = both
    ids = tok(TEXT)["input_ids"]
    for start in range(len(ids)):
        for end in range(start, len(ids) + 1):
            for options in ({}, {"skip_special_tokens": True}, {"clean_up_tokenization_spaces": True}):
                assert tok.decode(ids[start:end], **options) == original.decode(ids[start:end], **options)
    ranges = [ids[start:] for start in range(len(ids))]
    assert tok.batch_decode(ranges) == original.batch_decode(ranges)
    assert "backend" not in tok.dstok.explain()


@pytest.mark.parametrize("side", ["right", "left"])
def test_pairs_that_are_cut(both: tuple[Any, Any], side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # of two texts that fail, threads tell of whichever is first
    for tok in both:
        tok.truncation_side = side
    for truncation in (True, "only_first", "only_second"):
        for longest in (4, 7, 12, 25):
            for options in ({}, {"stride": 2, "return_overflowing_tokens": True, "return_offsets_mapping": True}):
                same(both, [TEXT, "a"], ["b c d", TEXT], truncation=truncation, max_length=longest, padding=True, **options)
    assert "dstok: encode" in both[1].dstok.explain()


def test_encodings_are_upstreams_own(both: tuple[Any, Any]) -> None:
    original, tok = both
    for options in ({}, {"return_offsets_mapping": True}, {"padding": True}):
        expected, found = original([TEXT, "a"], **options), tok([TEXT, "a"], **options)
        assert all(type(each) is tokenizers.Encoding for each in found.encodings)
        assert type(found[0]) is tokenizers.Encoding and found.is_fast
        assert found.char_to_token(1, 0) == expected.char_to_token(1, 0)
        assert shown(pickle.loads(pickle.dumps(found))) == shown(pickle.loads(pickle.dumps(expected)))
        several = found.encodings
        for taken in (*reversed(several), *several.copy(), *(several + several), several.pop()):
            assert type(taken) is tokenizers.Encoding
    assert [shown(each) for each in found.encodings[0:1]] == [shown(each) for each in expected.encodings[0:1]]


def test_a_decode_stream_takes_the_backend(both: tuple[Any, Any]) -> None:
    stream = tokenizers.decoders.DecodeStream(skip_special_tokens=False)
    ids = both[1]("Hello the 中")["input_ids"]
    assert "".join(stream.step(both[1]._tokenizer, each) or "" for each in ids) == both[0].decode(ids)


# Classes with methods of their own


def _shouting(base: Any, name: str) -> Any:
    """A class that has a method of its own, as Whisper's and those of users have."""
    def own(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = getattr(super(made, self), name)(*args, **kwargs)
        if isinstance(found, str):
            return found.upper()
        if isinstance(found, list):
            return found[::-1]
        found["input_ids"] = [0]
        return found

    made = type(base)("Own", (base,), {name: own})
    return made


@pytest.mark.parametrize("name", ["__call__", "encode", "decode", "_encode_plus", "_decode"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_methods_of_a_class_are_called(name: str, when: str, tmp_path: Path) -> None:
    """Whether the class is accelerated, or made of one that is."""
    original, tok = loaded("qwen", tmp_path / "1"), loaded("qwen", tmp_path / "2")
    original.__class__ = _shouting(type(original), name)
    if when == "before":
        tok.__class__ = _shouting(type(tok), name)
    fast.accelerate(tok, strict=True)
    if when == "after":
        tok.__class__ = _shouting(type(tok), name)
    ids = [*tok("Hello the")["input_ids"]]
    assert ids == [*original("Hello the")["input_ids"]]
    assert tok.encode("Hello the") == original.encode("Hello the")
    assert tok.decode(tok.convert_tokens_to_ids(["h", "e"])) == original.decode(original.convert_tokens_to_ids(["h", "e"]))


def test_a_copy_of_which_the_original_has_got_another_backend(tmp_path: Path) -> None:
    tok = fast.accelerate(loaded("qwen", tmp_path), strict=True)
    copied = copy.copy(tok)
    held = copied._tokenizer
    tok._tokenizer = tokenizers.Tokenizer.from_str(held.to_str())
    for _ in range(3):
        tok("Hello"), copied("Hello")
    held.add_tokens(["xyz"])
    assert copied.encode("xyz") == held.encode("xyz").ids


# What is changed


CHANGES = {
    "add_tokens": lambda tok: tok.add_tokens(["sent", "ello"]),
    "add_special_tokens": lambda tok: tok.add_special_tokens({"cls_token": "<cls>"}),
    "a token with other flags": lambda tok: tok.add_tokens([tokenizers.AddedToken("<think>", lstrip=True)]),
    "a token of the vocabulary": lambda tok: tok._tokenizer.add_tokens(["the"]),
    "post_processor": lambda tok: setattr(tok._tokenizer, "post_processor", processors.TemplateProcessing(
        single="$A </s>", pair="$A $B", special_tokens=[("</s>", tok.eos_token_id)])),
    "a text twice": lambda tok: setattr(tok._tokenizer, "post_processor", processors.TemplateProcessing(
        single="$A $A", pair="$A $B", special_tokens=[])),
    "pre_tokenizer": lambda tok: setattr(tok._tokenizer, "pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "another pre_tokenizer": lambda tok: setattr(tok._tokenizer, "pre_tokenizer", pre_tokenizers.Whitespace()),
    "normalizer": lambda tok: setattr(tok._tokenizer, "normalizer", normalizers.Lowercase()),
    "no decoder": lambda tok: setattr(tok._tokenizer, "decoder", None),
    "model": lambda tok: setattr(tok._tokenizer, "model", models.BPE(
        {**{text: id for text, id in tok.get_vocab().items() if id < 256}, "he": 256}, [("h", "e")])),
    "unk_token": lambda tok: setattr(tok._tokenizer.model, "unk_token", "<s>"),
    "encode_special_tokens": lambda tok: setattr(tok._tokenizer, "encode_special_tokens", True),
    "split_special_tokens": lambda tok: setattr(tok, "split_special_tokens", True),
    "truncation": lambda tok: tok._tokenizer.enable_truncation(3),
    "model_max_length": lambda tok: setattr(tok, "model_max_length", 4),
    "model_input_names": lambda tok: setattr(tok, "model_input_names", ["input_ids", "token_type_ids"]),
    "backend": lambda tok: setattr(tok, "_tokenizer", tokenizers.Tokenizer.from_str(
        tok._tokenizer.to_str().replace('"<think>"', '"<thunk>"'))),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(both: tuple[Any, Any], name: str) -> None:
    same(both, TEXT)
    for tok in both:
        CHANGES[name](tok)
    for _ in range(2):
        same(both, TEXT)
        same(both, TEXT, return_offsets_mapping=True, truncation=True)
        same(both, [TEXT, "a"], "b c", padding=True)
        ids = list(range(0, 290, 7))
        assert both[0].decode(ids, skip_special_tokens=True) == both[1].decode(ids, skip_special_tokens=True)


def test_a_change_by_who_holds_the_backend_is_seen(both: tuple[Any, Any]) -> None:
    held = [tok._tokenizer for tok in both]
    same(both, TEXT)
    for tokens in (["sent"], ["the"], [tokenizers.AddedToken("the", single_word=True)]):
        for backend in held:
            backend.add_tokens(tokens)
        same(both, TEXT)
    assert by_dstok(both[1])


def test_a_shallow_copy_shares_the_backend(both: tuple[Any, Any]) -> None:
    copies = [copy.copy(tok) for tok in both]
    for tok in both:
        tok.add_tokens(["sent"])
    same((copies[0], copies[1]), TEXT)
    assert by_dstok(copies[1])


def test_the_backend_has_the_settings_of_the_last_call(both: tuple[Any, Any], tmp_path: Path) -> None:
    options: Any
    for number, options in enumerate([{"truncation": True, "max_length": 4}, {"padding": "max_length", "max_length": 4}, {}]):
        texts = []
        for tok in both:
            tok(TEXT, **options)
            tok.save_pretrained(tmp_path / str(number))
            texts.append([(tmp_path / str(number) / file).read_text("utf-8")
                          for file in ("tokenizer.json", "tokenizer_config.json")])
        assert texts[0] == texts[1]


def test_who_holds_the_backend_sees_the_settings_of_each_call(both: tuple[Any, Any]) -> None:
    held = [tok.backend_tokenizer for tok in both]
    for options in ({"truncation": True, "max_length": 4}, {"padding": "max_length", "max_length": 40},
                    {"split_special_tokens": True}, {}):
        same(both, TEXT, **options)
        assert shown(held[0].encode(TEXT)) == shown(held[1].encode(TEXT))
        assert held[0].to_str() == held[1].to_str()


def test_settings_of_who_holds_the_backend_stay(both: tuple[Any, Any]) -> None:
    for change in (lambda real: real.enable_truncation(4), lambda real: real.enable_padding(length=40),
                   lambda real: setattr(real, "encode_special_tokens", True)):
        for tok in both:
            change(tok.backend_tokenizer)
        first, second = (shown(tok.backend_tokenizer.encode(TEXT)) for tok in both)
        assert first == second


@pytest.mark.parametrize("name", ["add_tokens", "truncation"])
def test_a_change_by_who_then_lets_the_backend_go_is_seen(both: tuple[Any, Any], name: str) -> None:
    held = [tok.backend_tokenizer for tok in both]
    same(both, TEXT)
    held[0].add_tokens(["sent"]), held[1].add_tokens(["sent"])
    held[0].enable_truncation(4), held[1].enable_truncation(4)
    del held
    first, second = (shown(tok.backend_tokenizer.encode(TEXT)) if name == "truncation" else shown(tok(TEXT)) for tok in both)
    assert first == second


@pytest.mark.parametrize(("longest", "stride"), [(4, 3), (0, 1)])
def test_a_truncation_that_a_later_post_processor_has_no_room_for(both: tuple[Any, Any], longest: int, stride: int) -> None:
    """It stays, though upstream would not take it now."""
    for tok in both:
        wide = processors.TemplateProcessing(single="$A </s> </s> </s>", pair="$A $B", special_tokens=[("</s>", 3)])
        tok.backend_tokenizer.post_processor = wide if stride > longest else None
        tok.backend_tokenizer.enable_truncation(longest, stride=stride)
        tok.backend_tokenizer.post_processor = None if stride > longest else wide
        tok.backend_tokenizer.add_tokens(["sent"])  # a new engine is made, by trying the backend without truncation
    same(both, TEXT, truncation=True, max_length=longest, stride=stride)
    same(both, TEXT, truncation=True, max_length=longest, stride=stride, padding="max_length")
    assert both[0].backend_tokenizer.to_str() == both[1].backend_tokenizer.to_str()


# What cannot be done


def test_what_dstok_cannot_do_comes_back_as_it_was() -> None:
    words = PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    with pytest.warns(UserWarning, match="expected the model type BPE, found WordLevel"):
        assert fast.accelerate(words) is words
    assert type(words) is PreTrainedTokenizerFast
    with pytest.raises(UnsupportedError, match="expected the model type BPE"):
        fast.accelerate(words, strict=True)
    with pytest.raises(UnsupportedError, match="expected a tokenizer with a backend of tokenizers, found str"):
        fast.accelerate("gpt2", strict=True)


def test_special_tokens_that_others_overlap_are_the_backends(tmp_path: Path) -> None:
    pair = loaded("plain", tmp_path), fast.accelerate(loaded("plain", tmp_path), strict=True)
    for tok in pair:
        tok.add_tokens(["end|>more"])
    same(pair, "<|end|>more x", split_special_tokens=True)
    assert "backend: encode: an added token that may overlap a special one" in pair[1].dstok.explain()
    same(pair, "<|end|>more x")


def test_the_account_names_what_went_where(both: tuple[Any, Any]) -> None:
    tok = both[1]
    assert tok.dstok.explain() == "no calls yet"
    tok(TEXT)
    tok.decode([10**6])
    tok("\ud800") if outcome(lambda: both[0]("\ud800"))[0] != "raised" else outcome(lambda: tok("\ud800"))
    told = tok.dstok.explain().split("\n")
    assert told[0] == "dstok: encode, 1 calls"
    assert "backend: decode: an id that is no token, 1 calls" in told
    assert "backend: encode: a lone surrogate, 1 calls" in told
    assert tok.dstok.tokenizer.encode("the") == both[0].encode("the", add_special_tokens=False)


def test_install(tmp_path: Path) -> None:
    at = folder("llama", tmp_path)
    fast.install()
    try:
        fast.install()
        found = AutoTokenizer.from_pretrained(at)
        assert "dstok" in dir(found) and found.encode(TEXT) == loaded("llama", tmp_path).encode(TEXT)
    finally:
        fast.uninstall()
    fast.uninstall()
    assert "dstok" not in dir(AutoTokenizer.from_pretrained(at))
    assert "from_pretrained" not in vars(PreTrainedTokenizerFast)


# Copies, threads, processes


def test_copies_and_pickles(both: tuple[Any, Any]) -> None:
    original, tok = both
    tok.add_tokens(["sent"])
    for made in (copy.deepcopy(tok), copy.copy(tok), pickle.loads(pickle.dumps(tok))):
        assert type(made) is type(tok) and type(made).__name__ == type(original).__name__
        assert shown(made(TEXT)) == shown(tok(TEXT)) and by_dstok(made)
    separate = copy.deepcopy(tok)
    tok.add_tokens(["ello"])
    assert separate(TEXT)["input_ids"] != tok(TEXT)["input_ids"]


def test_a_subclass_of_the_class(both: tuple[Any, Any]) -> None:
    tok = copy.copy(both[1])
    tok.__class__ = type("Cached", (type(tok),), {"__len__": lambda self: 7})  # as vLLM does
    assert len(tok) == 7 and shown(tok(TEXT)) == shown(both[0](TEXT)) and by_dstok(copy.deepcopy(tok))


def test_sixteen_threads(both: tuple[Any, Any]) -> None:
    original, tok = both
    calls: list[dict[str, Any]] = [{}, {"padding": "max_length", "max_length": 30, "truncation": True}, {"split_special_tokens": True},
                                   {"return_offsets_mapping": True}, {"truncation": True, "max_length": 5, "stride": 1}]
    expected = [shown(original([TEXT, "a b"], **options)) for options in calls]

    def work(number: int) -> bool:
        each = number % len(calls)
        return bool(shown(tok([TEXT, "a b"], **calls[each])) == expected[each]) and len(tok) == len(original)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(320)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_after_a_fork(both: tuple[Any, Any]) -> None:
    expected = both[1]([TEXT] * 50)["input_ids"]
    child = os.fork()
    if child == 0:
        os._exit(0 if both[1]([TEXT] * 50)["input_ids"] == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0



def test_in_a_spawned_process(tmp_path: Path) -> None:
    tok = fast.accelerate(loaded("llama", tmp_path), strict=True)
    (tmp_path / "tok.pickle").write_bytes(pickle.dumps(tok))
    code = ("import pickle, sys; tok = pickle.load(open(sys.argv[1], 'rb'));"
            "print(tok(sys.argv[2])['input_ids'], hasattr(tok, 'dstok'))")
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path / "tok.pickle"), TEXT], capture_output=True,
                           check=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert found.stdout.decode().strip() == f"{tok(TEXT)['input_ids']} True"


@pytest.mark.night
def test_datasets_gives_a_tokenizer_one_hash_in_each_process(tmp_path: Path) -> None:
    """By the hash of what it maps with, `Dataset.map` finds its cache. A process imports for seconds: one for all settings."""
    pytest.importorskip("datasets")
    code = ("import sys; from datasets.fingerprint import Hasher; from transformers import AutoTokenizer\n"
            "import dstok.integrations.transformers as fast\n"
            "for special in ('all', 'template'):\n"
            "    tok = fast.accelerate(AutoTokenizer.from_pretrained(sys.argv[1]), strict=True, special=special)\n"
            "    print(Hasher.hash(tok), Hasher.hash(lambda texts: tok(texts)), tok.add_tokens(['new']), Hasher.hash(tok), end=' ')\n"
            "    tok(['a b c', 'a'], truncation=True, max_length=2, padding=True)\n"
            "    print(Hasher.hash(tok), tok._tokenizer.truncation['max_length'], tok._tokenizer.padding['direction'])")
    lines, others = (subprocess.run([sys.executable, "-c", code, folder("llama", tmp_path)], check=True, text=True, stdout=subprocess.PIPE,
                                    env={**os.environ, "PYTHONHASHSEED": seed}).stdout.splitlines() for seed in "12")
    assert lines == others and len(lines) == 2
    for one in map(str.split, lines):
        assert one[0] != one[3] == one[4] and one[5:] == ["2", "right"]


def test_nothing_keeps_a_backend(tmp_path: Path) -> None:
    import weakref

    tok = fast.accelerate(loaded("plain", tmp_path), strict=True)
    tok(TEXT)
    seen = weakref.ref(tok), weakref.ref(tok._tokenizer)
    del tok
    gc.collect()
    assert [each() for each in seen] == [None, None]


# transformers' own tests


# One of the two a day.
@pytest.mark.parametrize("kind", ["llama", *TODAY] if DEEP else [["llama", *TODAY][SEED // len(REAL) % 2]])
def test_transformers_own_tests(kind: str, tmp_path: Path) -> None:
    source = judge(f"transformers/transformers-{transformers.__version__}")
    script = Path(__file__).with_name("run_mixins.py")
    outcomes = []
    for how in ("plain", "accelerated"):
        run = subprocess.run([sys.executable, str(script), str(source), str(folder(kind, tmp_path / kind)), how],
                             capture_output=True, check=True, text=True)
        outcomes.append(json.loads(run.stdout))
    assert outcomes[0] == outcomes[1]
    assert sum(outcome == "passed" for outcome in outcomes[1].values()) > 50
