"""Images that somebody made by hand, with a checksum that fits: refused, or harmless; never a crash."""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from real_models import level, levels
from small_models import added_token, model_json
from test_image import MODELS, TEXTS

import dstok
from dstok.errors import DstokError, ImageError, PatternError, UnsupportedError
from dstok.formats import image
from dstok.formats.image import open_image, write_image
from dstok.inspection.explain import explain
from dstok.tables.build import FORMAT
from dstok.tables.image_checks import STARTS
from dstok.tables.kernels import KINDS, NONE, RARE, V3

ROW = 256


class Parts:
    """The parts of an image, to be changed and written again as it should be written."""

    def __init__(self, path: Path) -> None:
        opened = open_image(path)
        self.description: dict[str, Any] = json.loads(json.dumps(opened.description))
        self.tokenizer: dict[str, Any] = json.loads(json.dumps(opened.tokenizer))
        self.sections = {name: bytearray(opened.section(name)) for name in opened.places}

    def words(self, name: str, at: int, *values: int, kind: str = "I") -> None:
        """Writes numbers into a section."""
        data = array(kind, values).tobytes()
        start = at * array(kind).itemsize % len(self.sections[name])
        self.sections[name][start : start + len(data)] = data

    def write(self, path: Path) -> None:
        write_image(path, self.description, {name: bytes(data) for name, data in self.sections.items()}, self.tokenizer)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "small"
    dstok.Tokenizer.from_str(MODELS["odd splits"]).save(path)
    return path


@pytest.fixture(scope="module")
def v3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "v3"
    dstok.load("deepseek-v3").save(path)
    return path


Change = Callable[[Parts], Any]


def put(key: str, value: Any) -> Change:
    return lambda parts: parts.description.__setitem__(key, value)


def own(key: str, value: Any) -> Change:
    return lambda parts: parts.tokenizer.__setitem__(key, value)


def column(key: str, index: int, value: Any) -> Change:
    return lambda parts: parts.tokenizer["added"][key].__setitem__(index, value)


def words(name: str, at: int, *values: int, kind: str = "I") -> Change:
    return lambda parts: parts.words(name, at, *values, kind=kind)


def resized(name: str, size: int) -> Change:
    return lambda parts: parts.sections.__setitem__(name, bytearray(size))


def merged(*ids: int) -> Change:
    return lambda parts: parts.sections.__setitem__("merged", bytearray(array("I", ids).tobytes()))


def reordered(parts: Parts) -> None:
    parts.sections["pages"] = parts.sections.pop("pages")


def split(key: str, value: Any) -> Change:
    return lambda parts: parts.description["splits"][0].__setitem__(key, value)


def kernel(rules: int = V3, kind: int = RARE, kinds: list[int] | None = None, edges: str = "") -> Change:
    """Rules for the automaton, whatever it is."""
    def change(parts: Parts) -> None:
        each = [kind] * (parts.description["symbols"] - 1) if kinds is None else kinds
        parts.description["kernel"] = {"rules": rules, "kinds": each, "edges": edges}

    return change


def strange_pair(parts: Parts) -> None:
    """One pair more than there are merges."""
    slots = memoryview(parts.sections["pairs"]).cast("Q")
    slots[list(slots).index(0xFFFFFFFFFFFFFFFF)] = 0


REFUSED: list[tuple[Change, str]] = [
    # the description
    (put("format", 1), f"expected tables of format {FORMAT}, found 1: make it again from the tokenizer.json"),
    (put("format", None), "found None"),
    (lambda parts: parts.description.pop("byte_ids"), "expected 'byte_ids', found none"),
    (put("byte_ids", list(range(255))), "byte_ids: expected 256, found 255"),
    (put("byte_ids", [256, *range(1, 256)]), "expected the id of a byte, found 256"),
    (put("byte_ids", [1, 0, *range(2, 256)]), "byte_ids"),
    (put("byte_ids", [1 << 70, *range(1, 256)]), "expected|overflow|large"),
    (put("byte_ids", [-1, *range(1, 256)]), "found -1"),
    (put("byte_ids", [0.0, *range(1, 256)]), "only int, found \\['float', 'int'\\]"),
    (put("monotone", 1), "monotone: expected bool, found 1"),
    (put("ignore_merges", None), "ignore_merges: expected bool"),
    (put("symbols", 1), "symbols: expected 2 to 128"),
    (put("symbols", 129), "symbols: expected 2 to 128"),
    (put("symbols", 2), "expected classes below 1"),
    (put("symbols", True), "symbols: expected int"),
    (put("raw_ids", [5000]), "raw_ids: expected ids below"),
    (put("raw_ids", [-1]), "raw_ids: expected ids below"),
    (put("raw_ids", [200]), "raw_ids: expected tokens that are text"),
    (put("raw_ids", {}), "raw_ids: expected list"),
    (put("unicode_version", 16.0), "unicode_version: expected str"),
    (put("splits", [{}]), "splits: expected a split"),
    (put("splits", None), "splits: expected list"),
    (split("pattern", 3), "pattern: expected str"),
    (put("kernel", []), "kernel: expected dict"),
    (put("kernel", {"rules": NONE, "kinds": []}), "expected 'edges', found none"),
    (put("kernel", {"rules": max(KINDS) + 1, "kinds": [], "edges": ""}), "rules: expected one of .*, found 7"),
    (put("kernel", {"rules": True, "kinds": [], "edges": ""}), "rules: expected int"),
    (kernel(kinds=[1]), "kinds: expected one for each of [0-9]+ classes, found 1"),
    *((kernel(rules=rules, kind=kind), "kinds: expected some of") for rules in KINDS for kind in (-1, 0, 16, 128, 1 << 70)),
    (kernel(edges="0"), "section edges: expected the automaton that the rules stand for, SHA-256 0, found"),
    # the sizes
    (lambda parts: parts.sections.pop("joined"), "sections: expected"),
    (lambda parts: parts.sections.update(x=bytearray()), "sections: expected"),
    (reordered, "sections: expected"),
    *((resized(name, size), f"section {name}: expected") for name, size in (
        ("pages", 0), ("pages", 100), ("page_numbers", 8702), ("edges", 1024), ("edges", 4 * ROW * 3 + 4), ("starts", 4),
        ("starts", 1029), ("pairs", 64), ("pairs", 120), ("pairs", 384), ("seeds", 32), ("seeds", 38), ("seeds", 40), ("pair_ids", 5), ("merges", 12),
        ("pair_ids", 4 << 16), ("atoms", 0), ("atoms", 4), ("byte_pairs", 8191), ("direct", 5), ("direct", 1 << 20), ("joined", 1),
        ("borders", 1))),
    (resized("merges", 0), "expected a pair table of 0 pairs, found 5"),
    (resized("merged", 24), "section merged: expected 20 bytes"),
    (put("first", 5000), "first: expected 5 ids below"),
    (put("first", 255), "expected a token as long as its sides"),
    (put("first", -1), "negative|below"),
    (resized("merged", 3), "section merged: expected"),
    (resized("blob", 5), "expected tokens of 0 to 5 bytes"),
    # the automaton
    (words("page_numbers", 3, 0xFFFF, kind="H"), "expected page numbers below"),
    (words("pages", -1, 255, kind="B"), "expected classes below"),
    (words("edges", ROW, 0x1000000 | 2 * ROW), "expected the edge of its class"),
    (words("edges", ROW, 1), "expected an edge"),
    (words("edges", ROW, 0xFFFF00), "expected an edge"),
    (words("edges", ROW, 0x3000000), "expected an edge"),
    (lambda parts: parts.words("edges", ROW, *[0] * ROW), "expected pieces of at least one character"),
    (lambda parts: parts.words("edges", ROW, *[0x1000000 | 2 * ROW] * ROW), "expected pieces of at least one character"),
    (lambda parts: parts.words("edges", 2 * ROW, *[0] * (len(parts.sections["edges"]) // 4 - 2 * ROW)), "expected the end"),
    (lambda parts: parts.words("edges", ROW, *[ROW] * ROW), "expected the end of a piece, found none in state 1"),
    (resized("windows", 1), "expected 4352 bytes and 256 a history, found 1"),
    (resized("windows", 0x1100), "expected 4352 bytes and 256 a history, found 4352"),
    (words("windows", 65, 16, kind="B"), "expected groups of bytes, found 16 for 0x41"),
    (words("windows", 200, 14, kind="B"), "expected groups of bytes, found 14 for 0xc8"),
    (words("windows", 0x10FF, 255, kind="B"), "expected the number of a history below [0-9]+, found 255"),
    (words("windows", 0x1100 + 0xF0, 0x80, kind="B"), "expected no piece that begins inside a character"),
    # the vocabulary
    (words("starts", 0, 1), "expected tokens of 0 to"),
    (words("starts", -1, 1 << 31), "expected tokens of 0 to"),
    (words("starts", 43, 0xFFFFFFFF), "expected starts that rise"),
    (words("starts", 97, 98), "expected the id of a byte"),
    (words("blob", 97, 0, kind="B"), "byte_ids: expected the id of byte"),
    # the merges
    (words("pairs", 0, *[0] * 16, kind="Q"), "expected the pair table to hold merge 0"),
    (words("pairs", 0, *[0xFFFFFFFFFFFFFFFF] * 16, kind="Q"), "expected the pair table to hold merge 0"),
    (resized("pairs", 256), "expected the pair table to hold merge"),
    (strange_pair, "expected a pair table of 5 pairs, found 6"),
    (words("seeds", 0, *range(1, 17), kind="H"), "expected the pair table to hold merge"),
    (words("seeds", -1, 7, kind="H"), "expected the pair table to hold merge"),
    (words("merges", 0, 1 << 20), "expected ids below"),
    (words("byte_pairs", 0, 0, kind="H"), "expected the token of the bytes 0x0000"),
    (words("byte_pairs", 0, 0xFFFE, kind="H"), "expected numbers of pairs below"),
    (words("pair_ids", 0, 5000), "expected ids of tokens of two bytes, found 5000"),
    (words("pair_ids", 0, 65), "expected ids of tokens of two bytes, found 65"),
    (merged(5000, 0, 0, 0, 0), "expected ids below"),
    (merged(3, 0, 0, 0, 0), "expected a token as long as its sides"),
    (words("atoms", 0x41, 66), "expected the token of U"),
    (words("atoms", 0x4E2D, 1 << 31), "expected ids below"),
    (words("atoms", 0xE9, 257), "expected the token of U"),
    (words("direct", 3, 5000), "expected ids of tokens that rise, found 5000"),
    (words("direct", 3, 0), "expected ids of tokens that rise, found 0"),
    # the tokenizer
    (lambda parts: parts.tokenizer.pop("name"), "expected 'name', found none"),
    (own("name", None), "name: expected str"),
    (own("bos_id", 5000), "bos_id: expected an id below"),
    (own("bos_id", -1), "bos_id: expected an id below"),
    (own("eos_id", "a"), "eos_id: expected int"),
    (own("added", []), "added: expected dict"),
    (own("added", {"id": [], "content": []}), "expected 'flags'"),
    (own("added", {"id": [], "content": [], "flags": [0]}), "added: expected columns of one length"),
    (column("id", 0, 1 << 40), "id: expected 0 to"),
    (column("id", 0, -1), "id: expected 0 to"),
    (column("id", 0, 262), "id: expected each added token once"),
    (column("id", 0, True), "id: expected only int"),
    (column("flags", 0, 64), "flags: expected 0 to 63"),
    (column("content", 0, ""), "content: expected added tokens of at least one character"),
    (column("content", 0, "<l>"), "content: expected each added token once"),
    (column("content", 0, "\ud800"), "content: expected text"),
    (column("content", 3, " x"), "begins with white space"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refused(change: Change, words: str, small: Path, tmp_path: Path) -> None:
    """Each thing that the core relies on, broken by itself: an `ImageError` that names the file."""
    parts = Parts(small)
    change(parts)
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match=words) as caught:
        dstok.Tokenizer.open(tmp_path / "x")
    assert str(caught.value).startswith(str(tmp_path / "x"))


def test_ranks_that_do_not_rise(tmp_path: Path) -> None:
    """A model whose merges are not monotone cannot say that they are."""
    dstok.Tokenizer.from_str(MODELS["not monotone"]).save(tmp_path / "x")
    parts = Parts(tmp_path / "x")
    assert not parts.description["monotone"]
    parts.description["monotone"] = True
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match="expected merges whose ranks rise"):
        dstok.Tokenizer.open(tmp_path / "x")


def test_an_image_without_symbols_to_start_from(tmp_path: Path) -> None:
    """As images of models whose ranks do not rise were once; with rising ones it is none."""
    tok = dstok.Tokenizer.from_str(MODELS["not monotone"])
    tok.save(tmp_path / "x")
    parts = Parts(tmp_path / "x")
    for name in STARTS:
        del parts.sections[name]
    parts.write(tmp_path / "x")
    text = "abc cab bca \u00e9" * 9
    assert dstok.Tokenizer.open(tmp_path / "x").encode(text) == tok.encode(text)
    parts.description["monotone"] = True
    parts.write(tmp_path / "x")
    with pytest.raises(ImageError, match="sections: expected"):
        dstok.Tokenizer.open(tmp_path / "x")


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
    assert dstok.Tokenizer.open(tmp_path / "x").encode(TEXTS[1]) == dstok.Tokenizer.open(small).encode(TEXTS[1])


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
        dstok.Tokenizer.open(tmp_path / "x")


@pytest.mark.parametrize("text", [b"[" * 3000, b"[]", b"7", b"null", b"\xff", b'"', b'{"sections": [[1e999, 0, 0]]}', b"1" * 5000])
def test_headers_that_are_none(text: bytes, small: Path, tmp_path: Path) -> None:
    data = small.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    (tmp_path / "x").write_bytes(signed(data[:12] + len(text).to_bytes(4, "little") + data[16:48] + text + data[48 + length :]))
    with pytest.raises(ImageError, match="expected a header of JSON"):
        dstok.Tokenizer.open(tmp_path / "x")


def use(path: Path, texts: list[str]) -> bool:
    """Opens an image and does with it all there is to do; only `DstokError` may come of it. Was it refused?"""
    try:
        tok = dstok.Tokenizer.open(path)
    except ImageError:
        return True
    for text in texts:
        for special in ("all", "none", "raise"):
            try:
                ids = tok.encode(text, special=special)
                assert len(tok.decode_bytes(ids)) <= len(text.encode()) + 4000 * len(tok.special_tokens)
                assert len(ids) == tok.count(text, special=special)
            except DstokError:
                pass
        try:
            tok.encode_with_offsets(text)
            tok.pretokenize(text)
            tok.truncate(text, 3)
            explain(tok, text)
        except (ImageError, PatternError, UnsupportedError):
            pass
    assert len(repr(tok)) and tok.fingerprint and tok.special_tokens
    assert all(tok.id_to_token(i) for i in range(256))
    return False


@pytest.mark.parametrize("name", ["plain", "ignore_merges", "odd splits", "one piece", "not monotone", "holes"])
def test_flipped_bits_with_a_checksum_that_fits(name: str, tmp_path: Path) -> None:
    """In the header, and in each section: refused, or everything still runs."""
    dstok.Tokenizer.from_str(MODELS[name]).save(tmp_path / "x")
    data, opened = (tmp_path / "x").read_bytes(), open_image(tmp_path / "x")
    rng = random.Random(name)
    header = range(image._FIXED, image._FIXED + int.from_bytes(data[12:16], "little"))
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
    for _ in range(3):
        parts = Parts(v3)
        pages = parts.sections["pages"]
        first = 256 * int.from_bytes(parts.sections["page_numbers"][:2], "little")
        for at in range(len(pages)):
            if not first <= at < first + 128 and rng.random() < 0.2:  # those of ASCII are the automaton's columns
                pages[at] = rng.randrange(parts.description["symbols"] - 1)
        for at in rng.sample(range(len(parts.sections["joined"])), 5000):
            parts.sections["joined"][at] = rng.randrange(256)
        parts.sections["direct"] = bytearray(array("I", sorted(rng.sample(range(3, 128_000), 50_000))).tobytes())
        parts.write(tmp_path / "x")
        with level(name):
            tok = dstok.Tokenizer.open(tmp_path / "x")
            assert tok.decode(tok.encode(text)) == text
        with pytest.raises(ImageError, match="automaton of the image's splits"):
            explain(tok)


def test_splits_of_another_automaton(small: Path, tmp_path: Path) -> None:
    """They are compiled where they are asked for, and told apart there."""
    parts = Parts(small)
    parts.description["splits"][0]["pattern"] = "[a-c]"
    parts.write(tmp_path / "x")
    tok = dstok.Tokenizer.open(tmp_path / "x")
    assert tok.encode("ab") == dstok.Tokenizer.open(small).encode("ab")
    for call in (tok.encode_with_offsets, tok.pretokenize, lambda text: explain(tok, text)):
        with pytest.raises(ImageError, match="expected the automaton of the image's splits"):
            call("ab")


def test_the_kernels_automaton_is_the_one_that_was_walked_through(v3: Path) -> None:
    parts = Parts(v3)
    assert parts.description["kernel"]["rules"] == V3
    assert parts.description["kernel"]["edges"] == sha256(parts.sections["edges"]).hexdigest()


@pytest.mark.parametrize("rules", KINDS)
@pytest.mark.parametrize("name", levels())
def test_rules_of_another_automaton(name: str, rules: int, v3: Path, tmp_path: Path) -> None:
    """Whatever an image says of rules and kinds: ids may be wrong, and text comes back as it was."""
    rng = random.Random(rules)
    for _ in range(3):
        parts = Parts(v3)
        parts.description["kernel"].update(
            rules=rules, kinds=rng.choices(KINDS[rules], k=parts.description["symbols"] - 1))
        parts.write(tmp_path / "x")
        text = "".join(rng.choices("ab's \n\t1/!\u00e9\u3042\u30fb\u0301\u3000\U0001f600\u0661", k=5000))
        with level(name):
            tok = dstok.Tokenizer.open(tmp_path / "x")
            assert tok.decode(tok.encode(text)) == text


def test_the_last_bytes_of_a_page(tmp_path: Path) -> None:
    """Tokens that end where the mapped file's page does are read to their end and no further."""
    for extra in range(4090, 4100):
        dstok.Tokenizer.from_str(model_json(extra=[b"x" * (extra - 300)], added=[added_token("<s>")])).save(tmp_path / "x")
        tok = dstok.Tokenizer.open(tmp_path / "x")
        assert tok.decode(tok.encode("x" * 5000)) == "x" * 5000
