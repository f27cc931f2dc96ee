"""Models whose vocabulary lacks bytes: upstream leaves these out of a text, or an unk_token stands for them.

Random models of few letters are compared with upstream in all calls. Files and images that would give other ids are
refused by name.
"""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import pytest
from cli_process import ok
from images import Parts
from proofs import few_texts
from shares import seeds
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Upstream

import dstok
from dstok import Tokenizer, UnsupportedError
from dstok.conformance.prove import prove, steps
from dstok.errors import ArgumentError, ImageError
from dstok.formats.byte_alphabet import NOT_IN_UTF_8, spelling
from dstok.viewer.reading import merge_steps

LETTERS = "abxyz ABé中\nß1'🙂"
USED = sorted({*LETTERS.encode()})
UNKNOWN = [None, "<unk>", "｜u｜"]


def text(chance: random.Random, longest: int = 60) -> str:
    return "".join(chance.choice(LETTERS) * chance.choice([1, 1, 1, 2]) for _ in range(chance.randint(0, longest)))


def byte_level(**settings: bool) -> Any:
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False, "use_regex": True, **settings})


def random_model(chance: random.Random) -> Upstream:
    """With some bytes lost, and any of the parts that a byte-level model has."""
    lost, unknown = set(chance.sample(USED, chance.randint(1, 8))), chance.choice(UNKNOWN)
    known = [spelling(bytes([b])) for b in range(256) if b not in lost and (b in USED or chance.random() < 0.7)]
    vocab = [*dict.fromkeys([*([unknown] if unknown else []), *known])]
    pool, merges = [spelling(bytes([b])) for b in USED if b not in lost], list[tuple[str, str]]()
    for _ in range(chance.randint(0, 40)):
        pair = chance.choice(pool), chance.choice(pool)
        if pair not in merges:
            merges.append(pair)
            pool.append("".join(pair))
    vocab = [*dict.fromkeys([*vocab, *pool, *(spelling(text(chance, 5).encode()) for _ in range(3))])]
    ids = {token: id for id, token in enumerate(filter(None, vocab))}
    made = Upstream(models.BPE(vocab=ids, merges=merges, ignore_merges=chance.random() < 0.3, fuse_unk=chance.random() < 0.5,
                               **({"unk_token": unknown} if unknown else {})))
    pattern, behavior = Regex(chance.choice([r"\s+", "a", r"[^\n]+"])), chance.choice(["isolated", "merged_with_next", "removed"])
    made.pre_tokenizer = chance.choice([byte_level(), byte_level(add_prefix_space=True), pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, behavior), byte_level(use_regex=chance.random() < 0.5)])])
    made.decoder = decoders.ByteLevel()
    if chance.random() < 0.5:
        made.post_processor = processors.ByteLevel(trim_offsets=chance.random() < 0.7, add_prefix_space=chance.random() < 0.5)
    if chance.random() < 0.3:
        made.normalizer = chance.choice([normalizers.NFC(), normalizers.Lowercase(), normalizers.NFD()])
    if chance.random() < 0.5:
        made.add_tokens([AddedToken(chance.choice(["<s>", "xy", "ab"]), special=chance.random() < 0.5, normalized=False)])
    if unknown and chance.random() < 0.5:
        made.add_special_tokens([unknown])
    return made


def check_calls(tok: Tokenizer, sample: str, ids: list[int], chance: random.Random) -> None:
    """The calls that upstream does not have agree with `encode`; budgets are kept, and nothing of the text is lost."""
    at, most = chance.randint(0, len(sample)), chance.randint(0, 9)
    assert tok.count(sample) == len(ids) and tok.encode(sample.encode()) == ids == tok.encode_batch([sample, "a"])[0]
    if tok._normalizer is None or tok._normalizer.local:
        stream, grown = tok.encode_stream(), tok.encode_incremental()
        assert [*stream.feed(sample[:at]), *stream.feed(sample[at:]), *stream.finish()] == ids
        grown.append(sample[:at])
        grown.append(sample[at:])
        assert grown.ids == ids
    for side in ("right", "left"):
        cut = tok.truncate(sample, most, truncation_side=side)
        assert (sample.startswith if side == "right" else sample.endswith)(cut) and tok.count(cut) <= most
    assert tok.count(sample, limit=most) == min(len(ids), most + 1)
    parts = [*tok.chunk(sample, most + 8)]
    assert "".join(parts) == sample and all(tok.count(part) <= most + 8 for part in parts)


@pytest.mark.parametrize("seed", seeds(4000, 30))
def test_random_models_by_upstream(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    judge = random_model(chance)
    tok = Tokenizer.from_str(judge.to_str())
    tok.to_image(tmp_path / "image")
    tok.to_json(tmp_path / "tokenizer.json")
    others = dstok.load(tmp_path / "image"), dstok.load(tmp_path / "tokenizer.json"), pickle.loads(pickle.dumps(tok))
    assert all(other == tok for other in others)
    for _ in range(10):
        sample = text(chance)
        expected = judge.encode(sample, add_special_tokens=False)
        found = tok.encode_with_offsets(sample)
        assert tok.encode(sample) == expected.ids == found.ids.tolist() == others[chance.randrange(3)].encode(sample)
        assert [(start, end) for start, end in found.char_spans.tolist()] == expected.offsets
        assert tok.decode(expected.ids) == judge.decode(expected.ids, skip_special_tokens=False)
        check_calls(tok, sample, expected.ids, chance)


def small(lost: str = "xyĠ", merges: tuple[tuple[str, str], ...] = (("a", "b"),), **options: Any) -> str:
    """A file without a token for these bytes, and with "<unk>" as id 0."""
    known = [spelling(bytes([b])) for b in range(256) if b not in NOT_IN_UTF_8]
    vocab = ["<unk>", *(char for char in known if char not in lost), *options.pop("more", []), *map("".join, merges)]
    made = Upstream(models.BPE(vocab={token: id for id, token in enumerate(vocab)}, merges=[*merges], **options))
    made.pre_tokenizer, made.decoder = byte_level(), decoders.ByteLevel()
    return made.to_str()


def test_long_pieces_and_texts() -> None:
    """Merged in sections, in strips, in portions, and as pieces of which nothing is left."""
    chance = random.Random(7)
    samples = ["ax" * 3000 + "b", "".join(chance.choices("abxy", k=5000)), "x" * 3000, ("ab xb " * 40_000)[:200_001],
               " ".join("".join(chance.choices("abxyé", k=chance.randint(1, 30))) for _ in range(20_000))]
    for options in ({}, {"unk_token": "<unk>"}, {"unk_token": "<unk>", "fuse_unk": True}):
        data = small(merges=(("a", "b"), ("ab", "ab"), ("b", "a"), ("a", "a")), **options)
        tok, judge = Tokenizer.from_str(data), Upstream.from_str(data)
        for sample in samples:
            expected = judge.encode(sample)
            assert tok.encode(sample) == expected.ids
            assert list(map(tuple, tok.encode_with_offsets(sample).char_spans.tolist())) == expected.offsets


@pytest.mark.parametrize(("options", "fault"), [
    ({"unk_token": "<zz>"}, r"expected a token of the vocabulary .* found '<zz>' - at \$.model.unk_token"),
    ({"unk_token": "\ta中", "more": ["\ta中"]}, r"without white space around it, .* - at \$.model.unk_token"),
    ({"unk_token": "c", "merges": (("a", "b"), ("c", "a"))}, r"a merge of the unk_token 'c', .* - at \$.model.merges\[1\]"),
    ({"unk_token": "中", "more": ["中"], "merges": (("中", "a"),)}, r"a merge of the unk_token '中'.* - at \$.model.merges\[0\]"),
    ({"byte_fallback": True, "more": ["<0xC4>", "<0xA0>"]}, r"byte_fallback with tokens for 'Ġ', .* - at \$.model.byte_fallback"),
])
def test_refused(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(UnsupportedError, match=fault):
        Tokenizer.from_str(small(**options))


def test_options_without_effect() -> None:
    for options in ({"byte_fallback": True, "more": ["<0xC4>"]}, {"lost": "", "unk_token": "<zz>", "fuse_unk": True}):
        data = small(**options)  # type: ignore[arg-type]
        assert Tokenizer.from_str(data).encode(" xaéb") == Upstream.from_str(data).encode(" xaéb").ids


@pytest.mark.parametrize(("change", "fault"), [
    (lambda parts: parts.description["lost"][0].remove(0x20), "byte_ids: expected the id of byte 32"),
    (lambda parts: parts.description["lost"].__setitem__(1, 3), "lost: expected"),
    (lambda parts: parts.description["lost"].__setitem__(1, "3"), "unknown token: expected int"),
    (lambda parts: parts.description["lost"][0].append("x"), "lost: expected only int"),
    (lambda parts: parts.description["lost"][0].append(0x61), "lost: expected"),
    (lambda parts: parts.description.pop("lost"), "section starts: expected 244"),
    (lambda parts: parts.description.__setitem__("unknown", ["<unk>", 1]), "unknown: expected a text and a bool"),
    (lambda parts: parts.description.__setitem__("unknown", ["a", False]), "lost: .*merge of the unk_token|a merge of the unk_token"),
    (lambda parts: parts.description["byte_ids"].__setitem__(0x20, 1 << 20), "expected the id of byte 32 below"),
    (lambda parts: parts.sections.__setitem__("joined", bytearray(1 << 17)), "joined"),
])
def test_images_are_checked(change: Any, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    Tokenizer.from_str(small(unk_token="<unk>")).to_image(path)
    parts = Parts(path)
    change(parts)
    parts.write(path)
    with pytest.raises(ImageError, match=fault):
        dstok.load(path)


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize("options", [{}, {"unk_token": "<unk>", "fuse_unk": True}])
def test_they_say_what_they_lose(options: dict[str, Any], ignore_merges: bool, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(small(ignore_merges=ignore_merges, more=["xa"], **options), encoding="utf-8")
    tok = dstok.load(tmp_path)
    model = tok.inspect()
    assert model.lost_bytes == b" xy" and model.unknown_token == (0 if options else None)
    if ignore_merges == bool(options):  # some seconds each
        with few_texts():
            faults = {step.name: step.faults for step in prove(tok)}
        assert not any(faults.values()) and "lost bytes" in faults
    found = ok("info", "-m", str(tmp_path)).decode()
    assert f"3 ({'each is <unk>' if options else 'left out'}): 20, 78-79" in found
    assert merge_steps(tok, b"axb") == [] and [step.id for step in merge_steps(tok, b"ab")] == [tok.token_to_id("ab")][ignore_merges:]
    for write in (tok.to_tiktoken, tok.to_gguf):
        with pytest.raises(UnsupportedError, match="the byte 0x20"):
            write(tmp_path / "other")


def test_a_planted_fault_is_found() -> None:
    tok = Tokenizer.from_str(small())
    tok._tables.header.lost[0].remove(0x79)  # the textbook then takes this byte for the token of byte 0
    assert dict(steps(tok))["lost bytes"]().faults


def test_unfit_budgets() -> None:
    with pytest.raises(ArgumentError, match="max_tokens"):
        [*Tokenizer.from_str(small(unk_token="<unk>", lost="ðŁĻĤ")).chunk("ab🙂", 3)]
