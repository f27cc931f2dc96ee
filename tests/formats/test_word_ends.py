"""Models with an end_of_word_suffix, such as CLIP's: ids, spans, decoded texts and written files are upstream's."""

from __future__ import annotations

import json
import pickle
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from proofs import few_texts
from shared_data import corpus
from shares import seeds
from small_models import upstream_ids
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import dstok
from dstok import UnsupportedError
from dstok.conformance.prove import steps
from dstok.formats.byte_alphabet import BYTE_TO_CHAR
from dstok.viewer.reading import merge_steps

PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
ALPHABET = [" ", "a", "b", "'s", "é", "漢", "字", "1", "!", "</w>", "<", "w>", "ß", "İ", "\n", "e\u0301", "x" * 30, "ÿ", "the", "<|end|>", "Ab"]


@cache
def clip() -> str:
    """CLIP's steps, with a vocabulary that upstream learns: 512 first tokens, each byte alone and at a word's end."""
    model = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|end|>", fuse_unk=False))
    model.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    model.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    model.decoder = decoders.ByteLevel()
    first = [*BYTE_TO_CHAR, *(f"{char}</w>" for char in BYTE_TO_CHAR)]
    trainer = trainers.BpeTrainer(vocab_size=3000, special_tokens=first, end_of_word_suffix="</w>", show_progress=False)
    model.train_from_iterator([corpus("english")[:60_000], corpus("multilingual")[:60_000]], trainer)
    file = json.loads(model.to_str())
    file["added_tokens"] = []  # the first tokens are plain ones
    model = Tokenizer.from_str(json.dumps(file))
    model.add_special_tokens([AddedToken("<|end|>", special=True)])
    return model.to_str()


def changed(**values: Any) -> str:
    file = json.loads(clip())
    file["model"] |= values
    return json.dumps(file)


def random_text(chance: random.Random) -> str:
    return "".join(chance.choice(ALPHABET) * chance.choice([1, 1, 1, 2, 3]) for _ in range(chance.randrange(12)))


def test_calls_are_upstreams(tmp_path: Path) -> None:
    ours, judge = dstok.Tokenizer.from_str(clip()), Tokenizer.from_str(clip())
    texts = [random_text(random.Random(seed)) for seed in seeds(20_000, 2000)]
    texts += [corpus(name)[-20_000:] for name in ("english", "code", "chinese", "multilingual")]
    texts += ["a" * 5000, "漢" * 3000, "thequickbrown" * 700, "x" * 70_000 + " y"]
    ours.to_json(tmp_path / "written.json")
    written = Tokenizer.from_file(str(tmp_path / "written.json"))
    for text in texts:
        found = judge.encode(text, add_special_tokens=False)
        encoding = ours.encode_with_offsets(text)
        assert ours.encode(text) == list(encoding.ids) == found.ids == upstream_ids(written, text), text[:200]
        assert [*map(tuple, encoding.char_spans.tolist())] == found.offsets, text[:200]
        assert ours.decode(found.ids) == judge.decode(found.ids, skip_special_tokens=False)
    for key in ("vocab", "merges", "end_of_word_suffix"):
        assert json.loads((tmp_path / "written.json").read_text())["model"][key] == json.loads(clip())["model"][key]
    ours.to_image(tmp_path / "image")
    for other in (pickle.loads(pickle.dumps(ours)), dstok.load(tmp_path / "image")):
        assert other.encode_batch(texts) == ours.encode_batch(texts) and other.get_vocab() == judge.get_vocab()
        assert other.fingerprint == ours.fingerprint


def test_parts_and_budgets() -> None:
    file = json.loads(clip()) | {"normalizer": {"type": "Lowercase"}}
    tok = dstok.Tokenizer.from_str(json.dumps(file))
    for seed in seeds(2000, 200):
        chance = random.Random(seed)
        text, ids, at = random_text(chance), list[int](), 0
        stream, grown = tok.encode_stream(), tok.encode_incremental()
        while at < len(text):
            end = at + chance.randrange(1, 5)
            ids += stream.feed_list(text[at:end])
            grown.append(text[at:end])
            at = end
        assert ids + stream.finish_list() == tok.encode(text) == list(grown.ids)
        for most in (1, 2, 5):
            assert text.startswith(cut := tok.truncate(text, most)) and tok.count(cut) <= most


def test_parts_that_look_at_tokens() -> None:
    tok = dstok.Tokenizer.from_str(clip())
    assert merge_steps(tok, b"the") == [] and tok.inspect().word_end == "</w>"
    assert [tok.token_to_id(tok.id_to_token(i)) for i in tok.encode("the tower")] == tok.encode("the tower")
    assert tok.id_to_token(tok.encode("the")[-1]).endswith("</w>") and tok.decode_bytes(tok.encode("a")) == b"a</w>"
    assert dstok.sampling.canonical_ids(tok, ids := tok.encode("a tower")) == tok.encode(tok.decode(ids))


@pytest.mark.night
def test_the_proof_holds() -> None:
    with few_texts():
        proofs = [check() for _, check in steps(dstok.Tokenizer.from_str(clip()))]
    assert [step.name for step in proofs if step.faults] == []


def test_what_is_refused(tmp_path: Path) -> None:
    tok = dstok.Tokenizer.from_str(clip())
    with pytest.raises(UnsupportedError, match="an end_of_word_suffix"):
        dstok.training.train_from_iterator(["a"], like=tok)
    with pytest.raises(UnsupportedError):
        tok.to_tiktoken(tmp_path / "ranks")
    for values, message in (
        ({"ignore_merges": True}, "an end_of_word_suffix in a model with ignore_merges"),
        ({"continuing_subword_prefix": "##"}, r"continuing_subword_prefix - at \$\.model\.continuing_subword_prefix"),
        ({"end_of_word_suffix": "</x>"}, r"without a token of each byte .* - at \$\.model\.end_of_word_suffix"),
        ({"dropout": 0.1}, r"dropout, which makes encodings random - at \$\.model\.dropout"),
    ):
        with pytest.raises(UnsupportedError, match=message):
            dstok.Tokenizer.from_str(changed(**values))
    model = json.loads(clip())["model"]
    last = max(model["vocab"], key=model["vocab"].__getitem__)
    vocab = {token: id for token, id in model["vocab"].items() if token != last}
    with pytest.raises(UnsupportedError, match="longer tokens of the byte 0xFF"):
        dstok.Tokenizer.from_str(changed(vocab=vocab | {"aÿ": model["vocab"][last]}, merges=model["merges"][:-1]))
    vocab["a</w>b"] = model["vocab"][last]
    with pytest.raises(UnsupportedError, match=r"a merge after the end of a word.* - at \$\.model\.merges"):
        dstok.Tokenizer.from_str(changed(vocab=vocab, merges=[*model["merges"][:-1], ["a</w>", "b"]]))
