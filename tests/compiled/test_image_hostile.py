"""Images that somebody made by hand, with a checksum that fits: refused, or harmless; never a crash."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from character_models import character_json
from image_changes import BOTH_SIDES, REFUSED, Change, resized, words
from images import MODELS, TEXTS, Parts
from kernel_texts import NO_ADDED
from real_models import level, levels
from reference import DEEP
from shares import chance_of_today, seeds
from small_models import added_token, model_json

import dstok
from dstok.compiled import image_file as file
from dstok.compiled.image_file import open_image
from dstok.compiled.kernel_selection import KINDS, V3
from dstok.core.bpe.facts import JOINED_BYTES
from dstok.errors import DstokError, ImageError, PatternError, UnsupportedError
from dstok.inspection.explain import explain


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "small"
    dstok.Tokenizer.from_str(MODELS["odd splits"]).to_image(path)
    return path


@pytest.fixture(scope="module")
def v3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "v3"
    dstok.load("deepseek-v3").to_image(path)
    return path


@pytest.mark.parametrize(("change", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refused(change: Change, words: str, small: Path, tmp_path: Path) -> None:
    """Each thing that the core relies on, broken by itself: an `ImageError` that names the file."""
    parts = Parts(small)
    change(parts)
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match=words) as caught:
        dstok.load(tmp_path / "x")
    assert str(caught.value).startswith(str(tmp_path / "x"))


@pytest.mark.parametrize(("change", "words"), BOTH_SIDES, ids=range(len(BOTH_SIDES)))
def test_refused_sides(change: Change, words: str, tmp_path: Path) -> None:
    """The same for the tables of two sides."""
    dstok.Tokenizer.from_str(MODELS["both sides"]).to_image(tmp_path / "both")
    parts = Parts(tmp_path / "both")
    change(parts)
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match=words):
        dstok.load(tmp_path / "x")


def test_changed_sides(tmp_path: Path) -> None:
    """Any change of the tables of two sides is refused, or harmless: every byte of a text is in a piece."""
    dstok.Tokenizer.from_str(MODELS["both sides"]).to_image(tmp_path / "both")
    refused, texts, tried = 0, [*TEXTS, "abab 1234567 cab", "1" * 9000], [*seeds(10_000, 150)]
    for seed in tried:
        chance, parts = random.Random(seed), Parts(tmp_path / "both")
        data = parts.sections["shuffles"]
        for _ in range(chance.choice((1, 1, 2, 6))):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 2, 3, 255, chance.randrange(256)))
        parts.write(tmp_path / "x")
        try:
            tok = dstok.load(tmp_path / "x")
        except ImageError:
            refused += 1
            continue
        for text in texts:
            spans = tok._encoder.piece_spans(text, tok._added.policy("none"), tok._encoder.finder).tolist()
            assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])][: len(spans)], (seed, text)
            assert (spans[-1][1] if spans else 0) == len(text.encode()), (seed, text)
            stream = tok.encode_stream(special="none")
            assert len(stream.feed_list(text[:7]) + stream.feed_list(text[7:]) + stream.finish_list()) >= len(spans) - 9
    assert refused >= len(tried) // 8


SHAPES: list[tuple[str, Any, str]] = [  # of a model of characters: a field of its shape, a value, words of the error
    ("prefix", "always", "prefix: expected one of"), ("prefix", "none", "normalizer: expected the steps"),
    ("split", 1, "split: expected bool"), ("split", True, "parts: expected"), ("strip", 2, "strip: expected 0 or 1"),
    ("strip", 0, "parts: expected"), ("byte_ids", [-1] * 255, "byte_ids: expected 256"),
    ("byte_ids", [0] * 256, "byte_ids: expected the id of byte 0"), ("parts", "[]", "parts: expected an object"),
    ("parts", 5, "parts: expected str"), ("more", 1, "characters: expected the keys"),
]


@pytest.mark.parametrize(("key", "value", "words"), SHAPES)
def test_shapes(key: str, value: Any, words: str, tmp_path: Path) -> None:
    dstok.Tokenizer.from_str(MODELS["characters"]).to_image(tmp_path / "x")
    parts = Parts(tmp_path / "x")
    parts.description["characters"][key] = value
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match=re.escape(words)):
        dstok.load(tmp_path / "x")


PAGES = 16 + 2 * 0x1100  # where the pages of a matrix begin
MATRICES = [
    (resized("matrix", 8), "section matrix: expected pages of 256 bytes"),
    (resized("matrix", PAGES), "section matrix: expected pages of 256 bytes"),
    (resized("matrix", PAGES + 100), "section matrix: expected pages of 256 bytes"),
    (words("matrix", 8, 60_000, kind="H"), "expected page numbers below [0-9]+, found 60000"),
    (words("matrix", PAGES + 300, 8, kind="B"), "expected classes below 8, found 8"),
    (words("matrix", PAGES + ord("a"), 0, kind="B"), "expected the class 7 for U.0061, found another"),
    (words("matrix", 7, 0, kind="B"), "expected no cut between U.0061 and U.0062 of merge"),
    (words("matrix", 6, 0, kind="B"), "expected no cut between U.00E9 and U.00E9 of merge"),
    (resized("joined", JOINED_BYTES), "expected no cut between U.4E2D and U.6587 of merge"),
    (lambda parts: parts.description["characters"].update(split=True, parts=""), "expected a cut before each space"),
    (lambda parts: parts.sections.pop("matrix"), "sections: expected pages .* shuffles matrix"),
]


@pytest.mark.parametrize(("change", "words"), MATRICES, ids=range(len(MATRICES)))
def test_matrix_of_a_model_of_characters(change: Change, words: str, tmp_path: Path) -> None:
    """An image whose matrix would cut where a merge joins, or would make the core read elsewhere, is refused."""
    tok = dstok.Tokenizer.from_str(json.dumps(character_json()))
    tok.to_image(tmp_path / "x")
    assert dstok.load(tmp_path / "x").encode(" ab\u4e2d\u6587") == tok.encode(" ab\u4e2d\u6587")
    parts = Parts(tmp_path / "x")
    change(parts)
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match=words):
        dstok.load(tmp_path / "x")


def test_tokens_of_a_model_of_characters_are_text(tmp_path: Path) -> None:
    """All but byte tokens; decoding and the vocabulary rely on it."""
    dstok.Tokenizer.from_str(json.dumps(character_json())).to_image(tmp_path / "x")
    parts = Parts(tmp_path / "x")
    at = bytes(parts.sections["blob"]).index("é".encode())
    parts.words("blob", at, 0xFF, kind="B")
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match=r"expected tokens that are text, found b'\\xff\\xa9' at id [0-9]+"):
        dstok.load(tmp_path / "x")


def test_ranks_that_do_not_rise(tmp_path: Path) -> None:
    """A model whose merges are not monotone cannot say that they are."""
    dstok.Tokenizer.from_str(MODELS["not monotone"]).to_image(tmp_path / "x")
    parts = Parts(tmp_path / "x")
    assert not parts.description["monotone"]
    parts.description["monotone"] = True
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match="expected merges whose ranks rise"):
        dstok.load(tmp_path / "x")


def test_a_piece_table_with_tokens_of_no_bytes(tmp_path: Path) -> None:
    """An id that no token has is not to be put into the piece table."""
    dstok.Tokenizer.from_str(MODELS["holes"]).to_image(tmp_path / "x")
    parts = Parts(tmp_path / "x")
    starts = memoryview(parts.sections["starts"]).cast("I")
    hole = next(i for i in range(len(starts) - 1) if starts[i] == starts[i + 1])
    assert not parts.sections["direct"][hole >> 3] >> (hole & 7) & 1
    parts.sections["direct"][hole >> 3] |= 1 << (hole & 7)
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match=f"expected ids of tokens, found {hole}"):
        dstok.load(tmp_path / "x")


def with_header(data: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """An image with another header, filled up to the first section, and the checksum of that."""
    header = json.loads(data[48 : 48 + int.from_bytes(data[12:16], "little")])
    change(header)
    text = json.dumps(header).encode().ljust(4048)
    assert len(text) == 4048
    return signed(data[:12] + len(text).to_bytes(4, "little") + data[16:48] + text + data[4096:])


def test_a_header_may_be_longer(small: Path, tmp_path: Path) -> None:
    """The tests below change what they mean to change: without a change the image is fine."""
    (tmp_path / "x").write_bytes(with_header(small.read_bytes(), len))
    assert dstok.load(tmp_path / "x").encode(TEXTS[1]) == dstok.load(small).encode(TEXTS[1])


def signed(data: bytes) -> bytes:
    return data[:16] + sha256(data[48:]).digest() + data[48:]


@pytest.mark.parametrize("change", [
    lambda header: header["sections"].pop(),
    lambda header: header["sections"].pop(0),
    lambda header: header["sections"][0].__setitem__(1, 0),
    lambda header: header["sections"][0].__setitem__(1, 4096.0),
    lambda header: header["sections"][0].__setitem__(2, -1),
    lambda header: header["sections"][2].__setitem__(1, header["sections"][1][1]),
    lambda header: header["sections"][2].__setitem__(2, 1 << 40),
    lambda header: header["sections"][0].__setitem__(0, 7),
    lambda header: header["sections"].__setitem__(0, [[], 1, 2]),
    lambda header: header["sections"].__setitem__(0, "abc"),
    lambda header: header.pop("sections"),
    lambda header: header.__setitem__("sections", 7),
    lambda header: header.__setitem__("tokenizer", [1]),
    lambda header: header.__setitem__("description", 7),
])
def test_headers(change: Callable[[dict[str, Any]], Any], small: Path, tmp_path: Path) -> None:
    """Sections that lie elsewhere, overlap, or are none."""
    (tmp_path / "x").write_bytes(with_header(small.read_bytes(), change))
    with pytest.raises(ImageError, match="damaged"):
        dstok.load(tmp_path / "x")


@pytest.mark.parametrize("text", [b"[" * 3000, b"[]", b"7", b"null", b"\xff", b'"', b'{"sections": [[1e999, 0, 0]]}', b"1" * 5000])
def test_headers_that_are_none(text: bytes, small: Path, tmp_path: Path) -> None:
    data = small.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    (tmp_path / "x").write_bytes(signed(data[:12] + len(text).to_bytes(4, "little") + data[16:48] + text + data[48 + length :]))
    with pytest.raises(ImageError, match="expected a header of JSON"):
        dstok.load(tmp_path / "x")


def use(path: Path, texts: list[str]) -> bool:
    """Opens an image and does with it all there is to do; only `DstokError` may come of it. Was it refused?"""
    try:
        tok = dstok.load(path)
    except ImageError:
        return True
    for text in texts:
        for special in ("all", "none", "raise"):
            try:
                ids = tok.encode(text, special=special)
                assert len(tok.decode_bytes(ids)) <= 1 + len(text.encode()) + 4000 * len(tok.added_tokens)
                assert len(ids) == tok.count(text, special=special)
            except DstokError:
                pass
        try:
            tok.encode_with_offsets(text)
            tok.inspect().pretokenize(text)
            tok.truncate(text, 3)
            explain(tok.inspect(), text)
        except (ImageError, PatternError, UnsupportedError):
            pass
    assert len(repr(tok)) and tok.fingerprint and tok.added_tokens
    assert all(tok.id_to_token(i) for i in range(256))
    return False


HOSTILE = ["plain", "ignore_merges", "odd splits", "one piece", "not monotone", "holes", "characters",
           "characters, Metaspace"]


@pytest.mark.parametrize("name", [HOSTILE[number] for number in seeds(len(HOSTILE), 2)])
def test_flipped_bits_with_a_checksum_that_fits(name: str, tmp_path: Path) -> None:
    """In the header, and in each section: refused, or everything still runs."""
    dstok.Tokenizer.from_str(MODELS[name]).to_image(tmp_path / "x")
    data, opened = (tmp_path / "x").read_bytes(), open_image(tmp_path / "x")
    rng = random.Random(name)
    header = range(file._FIXED, file._FIXED + int.from_bytes(data[12:16], "little"))
    places = [rng.choice(header) for _ in range(60)]
    for offset, size in opened.places.values():
        places += [offset + rng.randrange(size) for _ in range(6 if size else 0)]
    refused = 0
    for at in places:
        flipped = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 20])):
            flipped[at] ^= 1 << rng.randrange(8)
            at = min(at + rng.randrange(8), len(data) - 1)
        (tmp_path / "x").write_bytes(signed(bytes(flipped)))
        refused += use(tmp_path / "x", TEXTS)
    assert refused > len(places) // 4


@pytest.mark.parametrize("name", levels())
def test_classes_of_v3_in_disorder(name: str, v3: Path, tmp_path: Path) -> None:
    """The mask kernels read the class table without a check: any classes below the number of symbols are harmless."""
    rng = random.Random(4)
    text = "".join(map(chr, [*range(0xD800), *rng.choices(range(0x3000, 0xA000), k=4000), *rng.choices(range(128), k=9000)]))
    for _ in range(3 if DEEP else 1):
        parts = Parts(v3)
        pages = parts.sections["pages"]
        first = 256 * int.from_bytes(parts.sections["page_numbers"][:2], "little")
        for at in range(len(pages)):
            if not first <= at < first + 128 and rng.random() < 0.2:  # those of ASCII are the automaton's columns
                pages[at] = rng.randrange(parts.description["symbols"] - 1)
        for at in rng.sample(range(len(parts.sections["joined"])), 5000):
            parts.sections["joined"][at] = rng.randrange(256)
        parts.sections["direct"][1:] = rng.randbytes(len(parts.sections["direct"]) - 1)
        parts.write(tmp_path / "x")
        with level(name):
            tok = dstok.load(tmp_path / "x")
            assert tok.decode(tok.encode(text)) == text
        with pytest.raises(ImageError, match="automaton of the image's splits"):
            explain(tok.inspect())


def test_splits_of_another_automaton(small: Path, tmp_path: Path) -> None:
    """They are compiled where they are asked for, and told apart there."""
    parts = Parts(small)
    parts.description["splits"][0]["pattern"] = "[a-c]"
    parts.write(tmp_path / "x")
    tok = dstok.load(tmp_path / "x")
    assert tok.encode("ab") == dstok.load(small).encode("ab")
    assert tok.encode_with_offsets("ab").ids.tolist() == tok.encode("ab")  # by the image's automaton, too
    for call in (tok.inspect().pretokenize, lambda text: explain(tok.inspect(), text)):
        with pytest.raises(ImageError, match="expected the automaton of the image's splits"):
            call("ab")


def test_the_kernels_automaton_is_the_one_that_was_walked_through(v3: Path) -> None:
    parts = Parts(v3)
    assert parts.description["kernel"]["rules"] == V3
    assert parts.description["kernel"]["edges"] == sha256(parts.sections["edges"]).hexdigest()


@pytest.mark.parametrize("rules", KINDS)
@pytest.mark.parametrize("name", levels())
def test_rules_of_another_automaton(name: str, rules: int, v3: Path, tmp_path: Path) -> None:
    """Whatever an image says of rules and kinds: ids may be wrong, and text comes back as it was.

    No piece begins inside a character: the masks of a block that does are not defined.
    """
    rng = chance_of_today(f"{name} {rules}")
    for _ in range(3 if DEEP else 1):
        parts = Parts(v3)
        parts.description["kernel"].update(
            rules=rules, kinds=rng.choices(KINDS[rules], k=parts.description["symbols"] - 1))
        parts.write(tmp_path / "x")
        text = "".join(rng.choices("ab's \n\t1/!\u00e9\u3042\u30fb\u0301\u3000\U0001f600\u0661", k=5000))
        with level(name):
            tok = dstok.load(tmp_path / "x")
            assert tok.decode(tok.encode(text)) == text
            data = text.encode()
            assert not [start for start, _ in tok._encoder.pieces(data, NO_ADDED) if 0x80 <= data[start] < 0xC0]


def test_the_last_bytes_of_a_page(tmp_path: Path) -> None:
    """Tokens that end where the mapped file's page does are read to their end and no further."""
    for extra in range(4090, 4100):
        dstok.Tokenizer.from_str(model_json(extra=[b"x" * (extra - 300)], added=[added_token("<s>")])).to_image(tmp_path / "x")
        tok = dstok.load(tmp_path / "x")
        assert tok.decode(tok.encode("x" * 5000)) == "x" * 5000
