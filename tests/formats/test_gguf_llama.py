"""GGUF files of pieces with scores: llama.cpp's ids, and what is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from character_models import DECODERS, PREPEND, STRIP, added_token, character_json, metaspace
from fetched_models import both
from gguf_bytes import Typed, llama_bytes
from judges import judge
from kept import kept
from llama_cpp_answers import ask
from reference import DEEP
from sentencepiece_bytes import SMALL
from shared_data import CORPORA, corpus
from shares import chance_of_today, share

import dstok
from dstok.errors import DstokError, TokenizerFileError, UnsupportedError
from dstok.formats.gguf import describe_gguf, read_gguf
from dstok.formats.sentencepiece import CONTROL, NORMAL, UNUSED, USER_DEFINED, Piece, pieces_of

FILES = ("tokenizer.model.v1", "mistral_instruct_tokenizer_241114.model.v7")
ODD = ("a", "b", " ", "  ", "\n", "\t", "▁", "é", "中", "\U0001f999", "<s>", "</s>", "the", " the", "0", ".", "\r", "\0", "'",
       "<unk>", "<0x41>", "[INST]", "[REF]")


def compare(path: Path, texts: list[str]) -> None:
    """The ids are llama.cpp's."""
    for text, ids, own in zip(texts, ask(path, texts)["ids"], dstok.load(path).encode_batch(texts)):
        assert own == ids, text


def odd_texts(name: str, count: int) -> list[str]:
    rng = chance_of_today(f"llama {name}")
    return ["".join(rng.choices(ODD, k=rng.randrange(30))) for _ in range(count)]


@kept(most=1)
def real(name: str) -> list[Piece]:
    return pieces_of(judge(f"mistral/mistral_common/data/{name}").read_bytes())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("space", [None, False])
def test_real_files(name: str, space: bool | None, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(llama_bytes(real(name), add_space_prefix=space))
    odd = odd_texts(f"{name} {space}", 1000)
    lines = [line for source in CORPORA for line in share(corpus(source).splitlines(keepends=True), 300)]
    compare(path, [*odd, *(line[:2000] for line in lines)])


def test_white_space_after_tokens_of_phi_3(tmp_path: Path) -> None:
    tokens = [Piece("<|user|>", -99, USER_DEFINED), Piece("<|end|>", -99, CONTROL), Piece("<|endoftext|>", -99, CONTROL)]
    path = tmp_path / "x.gguf"
    path.write_bytes(llama_bytes([*SMALL, *tokens], name="Microsoft Phi-3 mini"))
    compare(path, ["<|user|>\n a<|end|> \t\nb", "<s> a</s> b<unk> c", "<|endoftext|> a", "a <|user|>", "<|end|>\x0ba", "<|end|> "])
    assert not any(token.rstrip for token in describe(SMALL, tmp_path).added_tokens)


MODELS = 100 if DEEP else 4


def test_random_pieces(tmp_path: Path) -> None:
    """Pieces in any order of scores, some of them equal: what is not refused has llama.cpp's ids."""
    rng, path = chance_of_today("pieces of llama"), tmp_path / "x.gguf"
    for _ in range(MODELS):
        made = dict.fromkeys("".join(rng.choices("ab▁c", k=rng.randint(2, 5))) for _ in range(rng.randint(1, 12)))
        scores = rng.sample(range(-60, 0), len(made)) if rng.random() < 0.7 else rng.choices(range(-60, 0), k=len(made))
        alone = [Piece(char, -100 - number, NORMAL) for number, char in enumerate("▁abcé")]
        path.write_bytes(llama_bytes([*SMALL[:259], *(Piece(text, score, NORMAL) for text, score in zip(made, scores)), *alone],
                                     add_space_prefix=rng.choice([None, False])))
        with suppress(UnsupportedError):  # equal scores
            compare(path, ["".join(rng.choices(["a", "b", "▁", " ", "c", "é", "<s>", "\n"], k=rng.randrange(14))) for _ in range(150)])


@pytest.mark.parametrize("space", [None, False])
def test_pieces_with_a_literal_space(space: bool | None, tmp_path: Path) -> None:
    """llama.cpp makes none by merging; it finds the user-defined ones in the text as it is."""
    path = tmp_path / "x.gguf"
    more = [Piece("a b", -40, NORMAL), Piece(" c", -41, NORMAL), Piece(" ", -42, NORMAL), Piece("b c", -43, USER_DEFINED)]
    path.write_bytes(llama_bytes([*SMALL, *more], add_space_prefix=space))
    compare(path, ["a b", " c", "ab c a b c", "a▁b▁c", "b c b", "  a  c"])
    assert [dstok.load(path).id_to_token(267 + i) for i in range(4)] == [piece.text for piece in more]


def describe(pieces: Any, folder: Path, **changes: Any) -> Any:
    (folder / "y.gguf").write_bytes(llama_bytes(pieces, **changes))
    return describe_gguf(folder / "y.gguf")


def test_what_is_read(tmp_path: Path) -> None:
    model = describe(SMALL, tmp_path)
    assert (model.config.bos_id, model.config.eos_id, model.config.add_bos) == (1, 2, True)
    assert (model.characters.prefix, model.characters.strip) == ("stretch", 1)
    assert [(token.content, token.special) for token in model.added_tokens] == [
        ("<unk>", True), ("<s>", True), ("</s>", True)]
    model = describe([*SMALL, Piece("[PAD]", -99, UNUSED), Piece("+", -99, USER_DEFINED)], tmp_path,
                     add_space_prefix=False, add_bos_token=False)
    assert (model.characters.prefix, model.characters.strip, model.config.add_bos) == ("none", 0, False)
    assert (model.tokens[-2], model.tokens[-1]) == (None, b"+") and not model.added_tokens[-1].special


ERRORS: list[tuple[Any, dict[str, Any], type[DstokError], str]] = [
    (SMALL, {"scores": None}, TokenizerFileError, "expected a value, found none - at tokenizer.ggml.scores"),
    (SMALL, {"scores": [Typed("f", 1.0)]}, TokenizerFileError, "expected 267 scores, one a token, found an array of 1"),
    (SMALL, {"scores": [1] * 267}, TokenizerFileError, "scores"),
    (SMALL, {"scores": [Typed("f", 0.0)] * 267}, UnsupportedError, "with a score that another one has, too"),
    (SMALL, {"token_type": [7] * 267}, TokenizerFileError, "expected a type from 1 to 6, found the number 7"),
    (SMALL, {"token_type": None}, UnsupportedError, "a vocabulary without the piece '<0x00>'"),
    ([*SMALL, Piece("abc", -99, UNUSED)], {}, UnsupportedError, r"'abc' of no text, .* - at tokenizer.ggml.tokens\[267\]"),
    ([*SMALL, Piece("é", -99, NORMAL)], {}, TokenizerFileError, r"found 'é' of id 266 again"),
]


@pytest.mark.parametrize(("pieces", "changes", "error", "said"), ERRORS)
def test_refused(pieces: Any, changes: dict[str, Any], error: type[DstokError], said: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=said):
        describe(pieces, tmp_path, **changes)


# Writing


@pytest.mark.parametrize("name", ["llama2", "yi", *(["gemma3"] if DEEP else [])])
def test_written_files(name: str, tmp_path: Path) -> None:
    """llama.cpp has the ids of a tokenizer.json, and the file gives the same tokenizer again."""
    (tok, _), path = both(name), tmp_path / "x.gguf"
    tok.to_gguf(path)
    again, texts = dstok.load(path), odd_texts(name, 1000)
    assert again.inspect().token_bytes() == tok.inspect().token_bytes() and again.added_tokens == tok.added_tokens
    assert again.encode_batch(texts) == tok.encode_batch(texts)
    assert again.decode_batch(again.encode_batch(texts)) == tok.decode_batch(tok.encode_batch(texts))
    compare(path, texts)


def test_random_merges(tmp_path: Path) -> None:
    """Merges in any order: what is written has the same ids, in llama.cpp and read again."""
    rng, path = chance_of_today("merges for llama"), tmp_path / "x.gguf"
    for _ in range(MODELS):
        tokens, merges = list("abc▁é"), list[tuple[str, str]]()
        for _ in range(rng.randint(1, 12)):
            merge = rng.choice(tokens), rng.choice(tokens)
            if len("".join(merge)) < 7 and merge not in merges:
                merges.append(merge)
                tokens.append("".join(merge))
        rng.shuffle(merges)
        space: dict[str, Any] = {"normalizer": PREPEND, "decoders": [*DECODERS, STRIP]} if rng.random() < 0.5 else {}
        tok = small(merges=merges, characters="abc▁é", added=[added_token(0, "<unk>"), added_token(1, "<s>")], **space)
        texts = ["".join(rng.choices(["a", "b", "▁", " ", "c", "é", "<s>", "\n"], k=rng.randrange(14))) for _ in range(150)]
        try:
            tok.to_gguf(path)
        except UnsupportedError as error:
            assert "in another order" in str(error)
            continue
        compare(path, texts)
        assert dstok.load(path).encode_batch(texts) == tok.encode_batch(texts)


def small(**options: Any) -> dstok.Tokenizer:
    return dstok.Tokenizer.from_str(json.dumps(character_json(**options)))


def test_what_is_written(tmp_path: Path) -> None:
    added = [added_token(0, "<unk>", special=True), added_token(1, "<s>", special=True), added_token(271, "ab")]
    tok = small(normalizer=PREPEND, decoders=[*DECODERS, STRIP], added=added, merges=[("a", "b"), ("▁", "ab"), ("a", "a")])
    told = tok.to_gguf(tmp_path / "x.gguf")
    assert told[0].startswith("1 added tokens that merging makes, too, 'ab' the first")
    values = read_gguf(tmp_path / "x.gguf")
    assert (values["tokenizer.ggml.model"], values["tokenizer.ggml.add_space_prefix"]) == ("llama", True)
    assert (values["tokenizer.ggml.unknown_token_id"], values["tokenizer.ggml.token_type"][:3]) == (0, [2, 3, 6])
    assert values["tokenizer.ggml.token_type"][270:] == [1, 4, 1, 1]
    compare(tmp_path / "x.gguf", ["ab a aab", "aaa▁ab", "x<s> ab", "é\n"])


UNWRITTEN: list[tuple[dict[str, Any], str]] = [
    ({"normalizer": None, "pre_tokenizer": metaspace("first", False), "decoders": [*DECODERS, STRIP]}, "some stretches only"),
    ({"pre_tokenizer": metaspace("never", True), "normalizer": None}, "cuts before spaces"),
    ({"decoders": [*DECODERS, STRIP]}, "decoding that drops a space"),
    ({"added": [added_token(1, "<s>", normalized=True)], "normalizer": PREPEND, "decoders": [*DECODERS, STRIP]},
     "found in the normalized text"),
    ({"added": [added_token(1, "<s>", lstrip=True)]}, "lstrip, rstrip or single_word"),
    ({"merges": [("a", "b"), ("b", "c"), ("a", "bc")]}, "the token 'abc', which llama.cpp would make"),
]


@pytest.mark.parametrize(("options", "said"), UNWRITTEN)
def test_refused_to_write(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=said):
        small(**options).to_gguf(tmp_path / "x.gguf")
