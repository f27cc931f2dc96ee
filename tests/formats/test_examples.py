"""Small examples of the functions of `dstok.formats`, as their authors would show them."""

from __future__ import annotations

import json
from array import array

import pytest

from dstok._util.json_value import Value
from dstok.core.text.model_json import pack_tokens
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.byte_alphabet import byte_spelling, decoded_bytes, is_spelling, spelling
from dstok.formats.character_bpe import byte_of_token, canonical_steps, parts_of
from dstok.formats.components import check_framing, pair_parts, read_padding, read_truncation
from dstok.formats.description import CharacterShape, ModelDescription, spelled, with_word_end
from dstok.formats.llama_cpp import family_base, same_pieces
from dstok.formats.sentencepiece import BYTE, NORMAL, UNKNOWN, Piece, _grow_alike, describe_pieces
from dstok.formats.tiktoken import describe_tiktoken, last_join, ranked_merges, read_ranks
from dstok.formats.tokenizer_config import read_generation_config, read_tokenizer_config
from dstok.formats.tokenizer_json import read_tokenizer_json, write_tokenizer_json
from dstok.formats.upstream import VERSIONS, upstream_version
from dstok.regex import Split

SHAPE = CharacterShape("stretch", False, 1, (-1,) * 256)


def test_spellings_of_bytes() -> None:
    assert spelling(" é".encode()) == "ĠÃ©"
    assert (is_spelling("Ġa"), is_spelling(" a"), is_spelling("")) == (True, False, False)
    assert (decoded_bytes("Ġa"), decoded_bytes("Ġ中"), decoded_bytes("õ")) == (b" a", b"\xc4\xa0\xe4\xb8\xad", b"\xf5")
    assert [byte_of_token(text) for text in ("<0xE4>", "<0xe4>", "<0x+5>", "<0x>")] == [228, 228, 5, None]
    assert (with_word_end(b"hi\xff", "</w>"), with_word_end(b"\xff", "</w>")) == (b"hi</w>", b"\xff")
    shape = CharacterShape("none", False, 0, (*range(3, 259),))
    assert (spelled(b"\n", 13, shape), spelled(b" a", 300, shape)) == ("<0x0A>", "▁a")


def test_the_parts_of_a_model_of_characters() -> None:
    assert [step.type for step in canonical_steps(SHAPE)] == ["Replace", "Prepend"]
    assert parts_of(SHAPE)["normalizer"]["normalizers"][0] == {"type": "Prepend", "prepend": "▁"}
    assert parts_of(SHAPE._replace(prefix="text"))["pre_tokenizer"]["prepend_scheme"] == "first"


def test_framing_and_rows() -> None:
    with pytest.raises(TokenizerFileError, match=r"expected a string, found the number 7 - at \$.framing\[0\].type"):
        check_framing('[{"type": 7}]')
    bert = '[{"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", 2]}]'
    assert [part.ids or part.text for part in pair_parts(bert, add_special_tokens=True)] == [(1,), 0, (2,), 1, (2,)]
    truncation = {"max_length": 512, "strategy": "LongestFirst", "stride": 0}
    assert read_truncation(Value(truncation, "$.truncation")) == {**truncation, "direction": "Right"}
    padding = {"strategy": {"Fixed": 8}, "direction": "Left", "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"}
    assert read_padding(Value(padding, "$.padding")) == {**padding, "pad_to_multiple_of": None}


def test_an_error_gets_the_place_in_the_file() -> None:
    places = {"merges": "$.model.merges"}
    model = ModelDescription((), pack_tokens(()), frozenset(), array("I"), (), False, places=places)
    with pytest.raises(UnsupportedError, match=r"a merge - at \$.model.merges\[3\]"), model.naming_places():
        raise UnsupportedError("a merge", "merges[3]")


def test_families_and_their_pieces() -> None:
    base = family_base("gpt-2")
    assert base.splits[0].behavior == "Isolated"
    assert json.loads(write_tokenizer_json(base))["pre_tokenizer"]["pretokenizers"][-1]["type"] == "ByteLevel"
    assert same_pieces((Split("a+|[^a]+"),), (Split("[^a]+|a+"),), "16.0")
    assert not same_pieces((Split("a+"),), (Split("b+"),), "16.0")


def test_pieces_with_scores() -> None:
    texts = "<unk>", *map(byte_spelling, range(256)), "▁", "a", "▁a"
    kinds = UNKNOWN, *[BYTE] * 256, *[NORMAL] * 3
    model = describe_pieces([Piece(t, -i, k) for i, (t, k) in enumerate(zip(texts, kinds))], "none", 0, "pieces")
    assert (model.merge_rules(), model.tokens[11], model.tokens[259]) == ([(257, 258, 259)], b"\n", b" a")
    assert [_grow_alike(lengths) for lengths in ({2, 3, 4}, {2, 3, 4, 6}, {2, 5, 7})] == [True, True, False]


def test_ranks() -> None:
    ranks = {b"a": 0, b"b": 1, b"ab": 2, b"ba": 3, b"aba": 4, b"bb": 5, b"abb": 6}
    assert ranked_merges(ranks) == [(b"a", b"b"), (b"b", b"a"), (b"ab", b"a"), (b"b", b"b"), (b"ab", b"b")]
    assert last_join(b"aab", {b"a": 0, b"b": 1, b"aa": 7, b"ab": 5, b"aab": 6}) == (b"a", b"ab")
    model = describe_tiktoken({bytes([b]): b for b in range(256)} | {b"ab": 256}, r"\S++|\s++", {"<end>": 257})
    found = model.merge_rules(), model.splits[0].pattern, model.added_tokens[0].id
    assert found == ([(97, 98, 256)], r"\S+|\s+", 257)
    assert read_ranks(b"YWI= 7\n") == {b"ab": 7}
    with pytest.raises(TokenizerFileError, match=r"a rank, found b'YWI 8' - at line 2 \(byte 7\)"):
        read_ranks(b"YWI= 7\nYWI 8\n")


def test_settings_and_versions() -> None:
    config = read_tokenizer_config('{"bos_token": {"content": "<s>"}, "add_bos_token": true}', {"<s>": 1}.get)
    assert (config.bos_id, config.eos_id, config.add_bos) == (1, None, True)
    generation = {"temperature": 0.6, "top_p": 0.95}
    assert read_generation_config(json.dumps(generation)) == generation
    assert (min(VERSIONS), max(VERSIONS)) == ("tokenizers-0.13.3", "tokenizers-1.0.0rc3")
    assert upstream_version("tokenizers-0.21.1").patterns == "14.0"


def test_refused_files() -> None:
    with pytest.raises(UnsupportedError, match=r"the model type 'BPE', found 'Unigram' - at \$.model.type"):
        read_tokenizer_json('{"model": {"type": "Unigram", "vocab": []}}')
    with pytest.raises(TokenizerFileError, match=r"a number or null, found the string '0.1' - at \$.model.dropout"):
        read_tokenizer_json('{"model": {"dropout": "0.1", "vocab": {}, "merges": []}}')
