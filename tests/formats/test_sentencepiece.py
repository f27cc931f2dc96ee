"""SentencePiece's .model files: the ids of sentencepiece, from real files and from small ones; what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judges import judge
from kept import kept
from reference import examples
from sentencepiece_bytes import SMALL, message, model_bytes
from shared_data import CORPORA, corpus
from shares import chance_of_today, share
from text_strategies import texts as odd_texts
from tokenizers import Tokenizer

import dstok
from dstok.errors import ArgumentError, TokenizerFileError, UnsupportedError
from dstok.formats.reading import describe_sentencepiece_file
from dstok.formats.sentencepiece import CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, Piece, describe_sentencepiece
from dstok.formats.tokenizer_json import write_tokenizer_json

FILES = ("tokenizer.model.v1", "mistral_instruct_tokenizer_240216.model.v2", "mistral_instruct_tokenizer_240323.model.v3",
         "mistral_instruct_tokenizer_241114.model.v7")
SPACES = ("", " ", "  ", "▁", "▁▁ ", " \n ", "\n\n", "a ▁", "\t \t", "\u3000", " " * 15, " " * 16, " " * 17, " " * 40)


def sentencepiece(data: bytes) -> Any:
    return processor()(model_proto=data)


@kept(most=1)
def processor() -> Any:
    sys.path.append(str(judge("mistral")))  # after the packages that are installed
    from sentencepiece import SentencePieceProcessor  # type: ignore[import-not-found]

    return SentencePieceProcessor


def tokenizer(data: bytes) -> dstok.Tokenizer:
    return dstok.Tokenizer._of_description(describe_sentencepiece(data))


@kept(most=1)
def real(name: str) -> tuple[dstok.Tokenizer, Any]:
    path = judge(f"mistral/mistral_common/data/{name}")
    return dstok.load(path), sentencepiece(path.read_bytes())


def parts(name: str) -> Iterator[str]:
    """Lines and groups of lines of a corpus."""
    lines = corpus(name).splitlines(keepends=True)
    for at in range(0, len(lines), 7):
        yield "".join(lines[at : at + 7])[:2000]


def compare(ours: dstok.Tokenizer, theirs: Any, texts: list[str]) -> None:
    """The ids of sentencepiece, which finds user-defined symbols in a text, but no control tokens; and its texts."""
    symbols = {token.content for token in ours._added.tokens if not token.special}
    for text, ids in zip(texts, ours.encode_batch(texts, special=symbols)):
        assert ids == theirs.encode(text), text
        assert ours.decode(ids) == theirs.decode(ids) == text.replace("▁", " "), text


@pytest.mark.parametrize("name", FILES)
def test_corpora(name: str) -> None:
    compare(*real(name), [text for source in CORPORA for text in share(parts(source), 60)])


@pytest.mark.parametrize("name", FILES)
def test_spaces_and_odd_texts(name: str) -> None:
    rng, tokens = chance_of_today(f"sentencepiece {name}"), [*"ab  \n\t▁é中🦙the0.\r\x00'", "<s>", "[INST]", "[REF]", "<unk>"]
    made = ["".join(rng.choices(tokens, k=rng.randrange(40))) for _ in range(1000)]
    compare(*real(name), [*SPACES, *made])


@pytest.mark.parametrize("name", FILES)
def test_stretches_between_control_tokens(name: str) -> None:
    """Each stretch has the ids that it has alone, as mistral-common puts messages together."""
    tok, theirs = real(name)
    for parts in (["a", " b"], ["", "a"], ["\n", "x▁"]):
        expected = [id for part in parts for id in [*theirs.encode(part), 2]]
        assert tok.encode("</s>".join([*parts, ""])) == expected


SMALL_RULES = st.lists(st.text("ab▁", min_size=2, max_size=5), max_size=8, unique=True)


@examples(60)
@given(SMALL_RULES, st.randoms(use_true_random=False), st.lists(odd_texts | st.text("ab ▁c", max_size=20), min_size=1))
def test_random_models(tokens: list[str], rng: Any, texts: list[str]) -> None:
    """Pieces in any order of scores, some of them equal: what is not refused has sentencepiece's ids."""
    scores = rng.choices(range(-40, 0), k=len(tokens)) if rng.random() < 0.3 else rng.sample(range(-40, 0), len(tokens))
    alone = [Piece(char, -100 - number, NORMAL) for number, char in enumerate("▁abcé")]
    made = [Piece(text, score, NORMAL) for text, score in zip(tokens, scores)]
    data = model_bytes([*SMALL[:259], *made, *alone], normalizer={3: rng.randrange(2)})
    theirs = sentencepiece(data)
    try:
        model = describe_sentencepiece(data)
    except UnsupportedError as error:
        assert "score" in str(error) or "grown" in str(error)
        return
    compare(dstok.Tokenizer._of_description(model), theirs, texts)


KINDS = st.dictionaries(st.text("ab▁ <x\n", min_size=1, max_size=4), st.sampled_from([NORMAL, USER_DEFINED, CONTROL, UNUSED]),
                        min_size=1, max_size=9)


@examples(60)
@given(KINDS, st.integers(0, 1), st.randoms(use_true_random=False))
def test_random_kinds(kinds: dict[str, int], prefix: int, rng: Any) -> None:
    """Pieces of all types, of one character and of several, with spaces of both kinds."""
    alone = [Piece(char, -100 - number, NORMAL) for number, char in enumerate("▁ab<x") if char not in kinds]
    made = [Piece(text, score, kind) for (text, kind), score in zip(kinds.items(), rng.sample(range(-60, 0), len(kinds)))]
    data = model_bytes([*SMALL[:259], *made, *alone], normalizer={3: prefix})
    with suppress(UnsupportedError, TokenizerFileError):  # two pieces of one text, and what merging makes of odd ones
        tok = tokenizer(data)
        compare(tok, sentencepiece(data), ["".join(rng.choices([*kinds, *"ab ▁<x\n"], k=rng.randrange(9))) for _ in range(30)])


def test_characters_that_are_control_pieces() -> None:
    """Such a character is spelled by its bytes; so merging must not need it."""
    pieces = [*SMALL[:259], *SMALL[262:264], Piece("b", 0, CONTROL), Piece("é", 0, CONTROL), Piece("c", -9, NORMAL)]
    data = model_bytes(pieces)
    compare(tokenizer(data), sentencepiece(data), ["b", "aé b", "éa"])
    with pytest.raises(UnsupportedError, match="the piece 'cb' with 'b', which is no piece"):
        tokenizer(model_bytes([*pieces, Piece("cb", -70, UNUSED), Piece("cbc", -71, NORMAL)]))


RUNS = [([2, 3, 4], True), ([2, 3, 4, 6], True), ([2, 4], True), ([2, 5, 7], False), ([3], True)]


@pytest.mark.parametrize(("lengths", "taken"), RUNS)
def test_runs_of_one_score(lengths: list[int], taken: bool) -> None:
    """Runs with one score are taken where the longest left side is the leftmost pair, and have sentencepiece's ids."""
    runs = [Piece("a" * length, -9, NORMAL) for length in lengths]
    data = model_bytes([*SMALL[:259], *runs, *(Piece(char, -50, NORMAL) for char in "▁ab")])
    if not taken:
        with pytest.raises(UnsupportedError, match="a score that another one has"):
            describe_sentencepiece(data)
        return
    compare(tokenizer(data), sentencepiece(data), ["a" * n + "b" * (n % 2) for n in range(40)])


def test_a_run_that_is_taken_before_it_has_grown() -> None:
    made = [Piece("aa", -9, NORMAL), Piece("aaa", -9, NORMAL), Piece("aab", -3, NORMAL)]
    with pytest.raises(UnsupportedError, match="takes 'aa' before that has grown"):
        describe_sentencepiece(model_bytes([*SMALL[:259], *made, *(Piece(char, -50, NORMAL) for char in "▁ab")]))


def test_what_is_read() -> None:
    model = describe_sentencepiece(model_bytes(trainer={46: b"<s>", 47: b"</s>", 48: b"<pad>"}))
    assert (model.config.bos_id, model.config.eos_id, model.config.pad_id) == (1, 2, None)
    assert [token.content for token in model.added_tokens] == ["<unk>", "<s>", "</s>"]
    assert model.merge_rules() == [(263, 264, 259), (262, 263, 260), (260, 264, 261), (262, 259, 261)]
    assert [model.tokens[13], *[*model.tokens][259:264]] == [b"\n", b"ab", b" a", b" ab", b" ", b"a"]
    assert model.characters is not None and (model.characters.prefix, model.characters.strip) == ("stretch", 1)
    bare = describe_sentencepiece(model_bytes(normalizer={3: 0}))
    assert bare.characters is not None and (bare.characters.prefix, bare.characters.strip) == ("none", 0)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"trainer": {3: 1}}, "expected the model type BPE, found Unigram - at trainer_spec.model_type"),
    ({"trainer": {3: 4}}, "found characters"),
    ({"trainer": {35: 0}}, "trainer_spec.byte_fallback"),
    ({"trainer": {24: 1}}, "trainer_spec.treat_whitespace_as_suffix"),
    ({"normalizer": {1: b"nmt_nfkc", 2: b"x"}}, "the normalization 'nmt_nfkc' - at normalizer_spec.precompiled_charsmap"),
    ({"normalizer": {4: 1}}, "normalizer_spec.remove_extra_whitespaces"),
    ({"normalizer": {5: 0}}, "normalizer_spec.escape_whitespaces"),
    ({"more": [(5, message([(2, b"x")]))]}, "denormalizer_spec.precompiled_charsmap"),
    ({"pieces": [*SMALL, Piece("abc", -70, UNUSED)]}, "the piece 'abc' of no text, which merging could make - at pieces[267]"),
    ({"pieces": [*SMALL, Piece("ax", -70, NORMAL)]}, "the piece 'ax' with 'x', which is no piece"),
    ({"pieces": [*SMALL, Piece("a b▁", -70, NORMAL)]}, "the piece 'a b▁' with a space and U+2581 - at pieces[267]"),
    ({"pieces": [*SMALL, Piece("a" * 257, -70, NORMAL)]}, "of more than 256 characters"),
    ({"pieces": [*SMALL, Piece("bc", -1, NORMAL)]}, "with a score that another one has, too"),
    ({"pieces": [*SMALL[:50], *SMALL[51:]]}, "a vocabulary without the piece '<0x2F>'"),
    ({"pieces": [piece for piece in SMALL if piece.text != "▁"]}, "'▁'"),
]
BROKEN: list[tuple[bytes, str]] = [
    (model_bytes([*SMALL, SMALL[-1]]), "a piece of its own, found 'é' of id 266 again - at pieces[267]"),
    (model_bytes([*SMALL, Piece("", 0, NORMAL)]), "found an empty one"),
    (model_bytes([*SMALL, Piece("<0xag>", 0, 6)]), "expected the spelling of a byte, found '<0xag>'"),
    (model_bytes()[:-3], "the file is cut short or damaged"),
    (message([(1, 5)]), "expected bytes, found a number"),
    (b"\x3b", "wire type 3"),
    (b"\x38" + b"\xff" * 11, "more than 10 bytes"),
    *((model_bytes(**changes), said) for changes, said in (
        ({"pieces": [piece for piece in SMALL if piece.text != "<0xFF>"]}, "found none for <0xFF> - at pieces"),
        ({"pieces": [piece._replace(kind=NORMAL) if piece.text == "<0xC0>" else piece for piece in SMALL]}, "found none for <0xC0>"),
        ({"pieces": [*SMALL, Piece("<unk2>", 0, UNKNOWN)]}, "expected one unknown piece, of type 2, found another - at pieces[267]"),
        ({"pieces": [*SMALL, Piece("a\0", 0, USER_DEFINED)]}, "without the character U+0000"),
        ({"more": [(0, 1)]}, "expected a field's number from 1 to 536870911, found 0"),
        ({"trainer": {0: 1}}, "found 0"), ({"normalizer": {0: b""}}, "found 0"), ({"more": [(1 << 29, b"")]}, "found 536870912"),
        ({"trainer": {35: b"\x01"}}, "expected a number, found bytes"))),
    (model_bytes() + b"\x80\x80\x80\x80\x80\x01", "expected a number, found the end or more than 5 bytes - at byte 4534"),
]
STRICTER: list[tuple[bytes, str]] = [  # SentencePiece skips a field of another type, or takes it for its default
    (model_bytes(normalizer={3: b""}), "expected a number, found bytes - at byte"),
    (model_bytes(more=[(1, message([(1, b"x"), (2, 3)]))]), "expected 32 bits, found a number"),
    (model_bytes([*SMALL, Piece("x", 0, 7)]), "expected a type from 1 to 6, found 7"),
    (model_bytes([*SMALL, Piece("x", float("nan"), NORMAL)]), "found NaN"),
    (message([(1, message([(1, b"\xff")]))]) + model_bytes(), "expected a piece in UTF-8"),
    (model_bytes() + b"\x3b\x3c", "wire type 3"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED)
def test_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        describe_sentencepiece(model_bytes(**changes))
    assert said in str(caught.value)


@pytest.mark.parametrize(("data", "said"), [*BROKEN, *STRICTER])
def test_broken(data: bytes, said: str) -> None:
    with pytest.raises(TokenizerFileError) as caught:
        describe_sentencepiece(data)
    assert said in str(caught.value)
    if (data, said) in BROKEN:
        with pytest.raises(RuntimeError):
            sentencepiece(data)
    else:
        sentencepiece(data)


def test_settings_in_two_parts() -> None:
    """They are one message, of which the last value counts."""
    data = model_bytes(normalizer={3: 0}, more=[(3, message([(3, 1)])), (2, message([(3, 2)]))])
    compare(tokenizer(data), sentencepiece(data), ["ab", " ab"])


def test_damaged_bytes() -> None:
    """What SentencePiece does not load is refused."""
    rng, whole, verdicts = chance_of_today("damaged"), model_bytes(), set()
    for _ in range(300):
        at, data = rng.choice([rng.randrange(len(whole)), rng.randrange(len(whole) - 60, len(whole))]), bytearray(whole)
        data[at : at + rng.randrange(2)] = bytes([rng.choice([0, 1, 8, 255, rng.randrange(256)])][: rng.randrange(2)])
        try:
            sentencepiece(bytes(data))
        except (RuntimeError, UnicodeDecodeError):
            with pytest.raises((TokenizerFileError, UnsupportedError)):
                describe_sentencepiece(bytes(data))
            verdicts.add(False)
        else:
            verdicts.add(True)
    assert verdicts == {False, True}


# Folders of the hub

TOKEN = {"content": "<mine>", "single_word": False, "lstrip": True, "rstrip": False, "normalized": False, "special": True}


def test_tokens_of_the_config() -> None:
    config = {"eos_token": "<mine>", "add_bos_token": True, "added_tokens_decoder": {
        "1": {**TOKEN, "content": "<s>"}, "267": TOKEN, "264": {**TOKEN, "content": "b"}}}
    added = json.dumps({"<mine>": 267}).encode()
    model = describe_sentencepiece(model_bytes(), json.dumps(config).encode(), added)
    assert [(token.id, token.content, token.lstrip, token.special) for token in model.added_tokens[3:]] == [
        (267, "<mine>", True, True), (264, "b", True, True)]
    assert (model.config.bos_id, model.config.eos_id, model.config.add_bos) == (1, 267, True)
    with pytest.raises(UnsupportedError, match="'<mine>', which no tokenizer_config.json lists"):
        describe_sentencepiece(model_bytes(), None, added)
    for key, token in (("3", TOKEN), ("x", TOKEN), ("99999999", TOKEN)):
        wrong = {"added_tokens_decoder": {key: token}}
        with pytest.raises(TokenizerFileError, match="expected"):
            describe_sentencepiece(model_bytes(), json.dumps(wrong).encode())


@pytest.mark.parametrize("prefix", [0, 1])
def test_user_defined_symbols(prefix: int) -> None:
    symbols = "▁x", "[REF]", "▁▁", "\n", "ab", "b"
    pieces = [*SMALL[:259], *(piece for piece in SMALL[259:] if piece.text not in symbols), Piece("<c>", 0, CONTROL),
              *(Piece(text, 0, USER_DEFINED) for text in symbols), *(Piece(char, -99, NORMAL) for char in "x[]REF")]
    data, rng = model_bytes(pieces, normalizer={3: prefix}), chance_of_today("user-defined")
    made = ["".join(rng.choices([*symbols, *"a  ▁xb[R", "a[REF]b"], k=rng.randrange(9))) for _ in range(400)]
    tok = tokenizer(data)
    compare(tok, sentencepiece(data), [*SPACES, *made])
    assert [tok.id_to_token(tok.token_to_id(text)) for text in symbols] == [*symbols]
    if not prefix:
        assert Tokenizer.from_str(write_tokenizer_json(tok._describe())).encode("a[REF]b").ids == tok.encode("a[REF]b")
        return
    with pytest.raises(UnsupportedError, match="upstream would look for it with a space before it"):
        write_tokenizer_json(tok._describe())


def test_how_user_defined_symbols_are_read() -> None:
    pieces = [*SMALL, Piece("▁x", 0, USER_DEFINED), Piece("<c>", 0, CONTROL)]
    token = describe_sentencepiece(model_bytes(pieces)).added_tokens[3]
    assert (token.content, token.normalized, token.literal, token.special) == ("▁x", True, True, False)
    token = describe_sentencepiece(model_bytes(pieces, normalizer={3: 0})).added_tokens[3]
    assert (token.content, token.normalized, token.literal) == ("▁x", True, False)


@pytest.mark.parametrize("prefix", [0, 1])
@pytest.mark.parametrize("both", [False, True])
def test_pieces_with_a_literal_space(prefix: int, both: bool) -> None:
    """SentencePiece finds none of them in a text, where spaces are U+2581; they decode to their text."""
    lost = "a b", "b c ", "é  a", " ", "  ", " a"
    found = ["a▁b", "c▁"] if both else []
    pieces = [*SMALL, *(Piece(text, -99, USER_DEFINED) for text in lost),
              Piece("b a", -99, NORMAL), *(Piece(text, 0, USER_DEFINED) for text in found)]
    data = model_bytes(pieces, normalizer={3: prefix})
    tok, theirs, rng = tokenizer(data), sentencepiece(data), chance_of_today("literal spaces")
    made = ["".join(rng.choices([*lost, *found, *"ab ▁c"], k=rng.randrange(9))) for _ in range(400)]
    compare(tok, theirs, [*SPACES, *lost, "b a", *made])
    for i in range(len(SMALL), len(pieces)):
        assert (tok.id_to_token(i), tok.token_to_id(pieces[i].text)) == (theirs.id_to_piece(i), i)
        assert tok.decode([263, i]) == theirs.decode([263, i])
    if not found:
        text = write_tokenizer_json(tok._describe())
        again, upstream = dstok.Tokenizer.from_str(text), Tokenizer.from_str(text)
        assert again.get_vocab() == tok.get_vocab() == upstream.get_vocab()
        for text in made:
            assert again.encode(text) == tok.encode(text) == upstream.encode(text).ids


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(model_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"add_bos_token": true, "chat_template": "x"}', encoding="utf-8")
    tok = dstok.load(tmp_path)
    assert (tok.encode("ab<s>a"), tok.bos_id, tok.config.add_bos, tok.config.chat_template) == ([261, 1, 260], 1, True, "x")
    assert (tok.decode([261, 1, 260]), tok.id_to_token(260), tok.token_to_id("<0x0A>")) == ("ab<s> a", "▁a", 13)
    assert dstok.load(tmp_path / "tokenizer.model") == tok


def test_other_readers_name_it(tmp_path: Path) -> None:
    path = tmp_path / "some.model"
    path.write_bytes(model_bytes())
    with pytest.raises(TokenizerFileError, match="found a .model file of SentencePiece: dstok.load"):
        dstok.Tokenizer.from_json(path)
    with pytest.raises(ArgumentError, match="a .model file of SentencePiece: no version of tokenizers reads it"):
        dstok.load(path, upstream="tokenizers-1.0.0rc3")
    path.write_bytes(b"{}")
    with pytest.raises(TokenizerFileError, match="expected a .model file of SentencePiece, found JSON"):
        describe_sentencepiece_file(path)
