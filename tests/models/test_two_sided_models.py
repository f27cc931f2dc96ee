"""Models whose patterns are read from both sides: every call, against upstream, with a vocabulary trained like them."""

from __future__ import annotations

import json
import pickle
import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import tokenizers
from images import Parts
from proofs import few_texts
from shares import seeds
from small_models import BYTE_LEVEL, added_token, model_json
from tokenizers import trainers
from two_sided_models import FAMILIES, hostile

import dstok
from dstok.conformance import cover_size, prove
from dstok.conformance.automaton_guide import Guide
from dstok.conformance.prove import steps
from dstok.errors import UnsupportedError
from dstok.regex.bimachine import KINDS
from dstok.training import BpeTrainer, train_from_iterator

each_family = pytest.mark.parametrize("name", FAMILIES)


@cache
def like(name: str) -> str:
    """A file of such a model, without a vocabulary."""
    model = json.loads(model_json([], [added_token("<s>", special=True)]))
    return json.dumps({**model, "pre_tokenizer": {"type": "Sequence", "pretokenizers": FAMILIES[name]}, "decoder": BYTE_LEVEL})


def texts(name: str, count: int, start: int = 0) -> list[str]:
    return [hostile(random.Random(f"{name} {seed + start}")) for seed in seeds(100_000, count)]


@cache
def both(name: str) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    trainer = BpeTrainer(vocab_size=600, special_tokens=["<s>"])
    made = train_from_iterator(texts(name, 400, 10**6), trainer, like=json.loads(like(name)))
    return made, tokenizers.Tokenizer.from_str(written(made))


def written(tok: dstok.Tokenizer) -> str:
    with TemporaryDirectory() as place:
        tok.to_json(Path(place, "tokenizer.json"))
        return Path(place, "tokenizer.json").read_text(encoding="utf-8")


@each_family
def test_training(name: str) -> None:
    """The vocabulary is that of upstream's trainer."""
    judge = tokenizers.Tokenizer.from_str(like(name))
    judge.train_from_iterator(texts(name, 400, 10**6), trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<s>"], initial_alphabet=BpeTrainer.byte_alphabet(), show_progress=False))
    ours = json.loads(written(both(name)[0]))["model"]
    theirs = json.loads(judge.to_str())["model"]
    assert [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in ours["merges"]] == [
        tuple(merge) for merge in theirs["merges"]]


@each_family
def test_ids_are_upstream_s(name: str) -> None:
    ours, judge = both(name)
    assert ours.inspect().way.startswith("both sides")
    some = texts(name, 400) + ["".join(texts(name, 60, 77)) * 40, "1234567 " * 3000, "7" * 9001, ""]
    expected = [found.ids for found in judge.encode_batch(some, add_special_tokens=False)]
    assert [ours.encode(text) for text in some] == expected
    assert [ours.encode_array(text.encode()).tolist() for text in some] == expected
    assert ours.encode_batch(some, num_threads=2) == expected
    assert ours.count_batch(some) == [len(ids) for ids in expected]
    for text, ids in zip(some[:150], expected):
        found, theirs = ours.encode_with_offsets(text), judge.encode(text, add_special_tokens=False)
        assert (found.ids.tolist(), found.char_spans.tolist()) == (ids, [list(span) for span in theirs.offsets])
        assert found.pieces.tolist() == theirs.word_ids


@pytest.mark.parametrize("name", ["tiny-aya", "afmoe", "afmoe, all numbers", "superbpe"])
def test_ids_are_those_of_fastokens(name: str) -> None:
    fastokens = pytest.importorskip("fastokens")
    other, some = fastokens.Tokenizer.from_json_str(written(both(name)[0])), texts(name, 300)
    assert both(name)[0].encode_batch(some) == [list(other.encode(text).ids) for text in some]


@each_family
def test_every_split_of_a_stream(name: str) -> None:
    ours, _ = both(name)
    for text in texts(name, 60):
        ids = ours.encode(text)
        for cut in range(len(text) + 1):
            stream = ours.encode_stream()
            assert stream.feed_list(text[:cut]) + stream.feed_list(text[cut:]) + stream.finish_list() == ids, (text, cut)
        grown, stream, found = ours.encode_incremental(), ours.encode_stream(), list[int]()
        for at, char in enumerate(text, 1):
            grown.append(char)
            found += stream.feed_list(char)
            assert list(grown.ids) == ours.encode(text[:at]) and found == ids[: len(found)], text[:at]
        assert found + stream.finish_list() == ids


@each_family
def test_budgets(name: str) -> None:
    ours, _ = both(name)
    text = "".join(texts(name, 40))
    for most in (1, 7, 60):
        right, left = ours.truncate(text, most), ours.truncate(text, most, truncation_side="left")
        assert text.startswith(right) and text.endswith(left) and max(map(ours.count, (right, left))) <= most
        assert ours.count(text, limit=most) == min(ours.count(text), most + 1)
        parts = list(ours.chunk(text, max(most, 6)))
        assert "".join(parts) == text and max(map(ours.count, parts)) <= max(most, 6)


@each_family
def test_images_and_pickles(name: str, tmp_path: Path) -> None:
    ours, _ = both(name)
    ours.to_image(tmp_path / "x")
    for other in (dstok.load(tmp_path / "x"), pickle.loads(pickle.dumps(ours)), dstok.Tokenizer.from_str(written(ours))):
        assert other == ours and other.fingerprint == ours.fingerprint
        assert all(other.encode(text) == ours.encode(text) for text in texts(name, 30))
    text = "It is 1234567 <s>é"
    assert [piece.text for piece in ours.inspect().pretokenize(text)] == [
        text[start:end] for start, end in ours.inspect().piece_spans(text, unit="characters").tolist()]
    with pytest.raises(UnsupportedError, match="read from both sides"):
        _ = ours.inspect().automaton


@each_family
def test_segments(name: str) -> None:
    """Pieces reach across their borders; a number that a user goes on with is grouped from its end."""
    ours, _ = both(name)
    for text in texts(name, 40):
        cut = len(text) // 2
        assert ours.encode_segments([(text[:cut], True), (text[cut:], True)]) == ours.encode(text)


@pytest.mark.night
@pytest.mark.parametrize("name", ["superbpe", "tiny-aya"])
def test_prove(name: str) -> None:
    with few_texts():
        found = prove(both(name)[0])
    assert [step.faults for step in found] == [()] * len(found)
    assert cover_size(Guide(both(name)[0]), 1) > 10


def test_a_changed_side_is_found(tmp_path: Path) -> None:
    """Planted: a table of sides with another mark passes the checks of an image, and fails the proof."""
    both("superbpe")[0].to_image(tmp_path / "x")
    parts = Parts(tmp_path / "x")
    data = memoryview(parts.sections["shuffles"])[16 + KINDS :].cast("H")  # the head and the classes are before the marks
    at = next(at for at, mark in enumerate(data) if at % 2 and mark == 1)
    data[at] = 2  # a piece that is dropped
    data.release()
    parts.write(tmp_path / "y")
    assert dict(steps(dstok.load(tmp_path / "y")))["one automaton"]().faults
