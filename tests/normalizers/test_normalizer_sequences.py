"""Files with any normalizer: every step in every place, for byte-level models and models of characters, with and without
a space put before the text, and with post-processors that trim spans. dstok gives what upstream gives, or refuses."""

from __future__ import annotations

import copy
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import character_models
import pytest
import tokenizers
from character_models import PREPEND, character_json, metaspace
from images import Parts
from normalized_models import STEPS, replace, sequence
from reference import BRIEF, DEEP
from small_models import BYTE_LEVEL, added_token, model_json, upstream_ids

import dstok
from dstok.core.split.finder import Finder
from dstok.errors import ImageError, UnsupportedError

BLANKS, SPACES = replace("▁", " "), replace(" ", "▁")
PREFIX = {**BYTE_LEVEL, "add_prefix_space": True, "use_regex": True}
LITERALS = ("▁", " ", "a", "<", "ab", "  ", "é", "e\u0301", "\u0301", "XY", "中")
CONTENTS = (" ", "▁", "", "x", "xyz", "é", "e\u0301", "<x>", "A", "  ", "\u0301")
REGEXES = ("a+", r"\s+", "[▁ ]", "^a", "a$", r"\p{M}", "(?i)ab", r"\s+$", r"^\s+", "b*", "(ab|a)", "[^a]", ".")
PREPENDED = ("▁", " ", "XY", "é_", "<x", "\u0301", "a")
REFUSED_STEPS = ({"type": "Nmt"}, {"type": "ByteLevel"}, {
    "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True})
ADDED: list[tuple[str, dict[str, bool]]] = [
    ("<x>", {}), ("<y>", {"normalized": True}), ("XA", {"normalized": True, "lstrip": True}),
    ("é!", {"normalized": True, "single_word": True}), ("<R>", {"rstrip": True, "special": True}),
    ("<L>", {"lstrip": True, "special": True}), ("▁z", {}), (" q", {"normalized": True}), ("\nĠ\n", {"normalized": True})]
PARTS = ("a", "b", "ab", "e", "x", "X", "XY", "A", "<x>", "<y>", "<R>", "<L>", "XA", "xa", "é!", "e\u0301!", "▁", "▁▁", " ",
         "  ", "\n", "\u3000", "\u0301", "\u0323", "é", "É", "İ", "\u212b", "\ufb01", "\uff1c", "\uff1e", "\u0338", "가",
         "\u1100\u1161", "中", "文", ".", "'s", "1", "\U0001f600", "▁z", " q", "<0x0A>", "\x00", "\u200b", "\u00a0", "\u0344",
         "ς", "Σ", "Ġ", "\nĠ\n", "\t", "\u0085", "\u2028")
BYTE_MERGES = [(b"a", b"b"), (b"\xcc", b"\x81"), (b"\xc3", b"\xa9"), (b" ", b"a"), (b"e", b"\xcc\x81"), (b" ", b" "),
               (b"X", b"Y"), (b" ", b"X"), (b"\xe2", b"\x96"), (b"\xe2\x96", b"\x81"), (b"\xe2\x96\x81", b"a"),
               (b"'", b"s"), (b"a", b" ")]
CHARACTER_MERGES = [*character_models.MERGES, ("X", "Y"), ("▁", "X"), ("\n", "\n"), ("▁", "\n"), ("\n", "a"), ("a", "\u3000"),
                    ("a", "▁"), ("Ġ", "a"), ("\n", "▁")]
KINDS = ("bytes", "characters")
COUNT, TEXTS = 2500, 25  # files of a kind, texts of a file: 100,000 texts and more, without the files that are refused


def random_step(rng: random.Random) -> dict[str, Any]:
    kind = rng.randrange(6)
    if kind == 0:
        return replace(rng.choice(REGEXES), rng.choice(CONTENTS), "Regex")
    if kind == 1:
        return replace(rng.choice(LITERALS), rng.choice(CONTENTS))
    if kind == 2:
        return {"type": "Prepend", "prepend": rng.choice(PREPENDED)}
    if kind == 3:
        return rng.choice([BLANKS, SPACES])
    return rng.choice(REFUSED_STEPS) if rng.random() < 0.03 else rng.choice(STEPS)


def random_normalizer(rng: random.Random) -> dict[str, Any]:
    """One to three steps; many begin like a model of characters'."""
    steps = [random_step(rng) for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.4:
        steps[0] = rng.choice([BLANKS, SPACES])
    if len(steps) == 1 and rng.random() < 0.5:
        return steps[0]
    return sequence(*steps[:2], sequence(*steps[2:])) if rng.random() < 0.1 else sequence(*steps)


def random_processor(rng: random.Random) -> dict[str, Any] | None:
    trimming = {"trim_offsets": rng.random() < 0.8, "add_prefix_space": rng.random() < 0.5}
    return rng.choice([None, {**BYTE_LEVEL, **trimming},
                       {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0], **trimming}])


def random_file(kind: str, rng: random.Random) -> dict[str, Any]:
    """A tokenizer.json. A third of the models of characters has a normalizer that none of the known ones has."""
    found = [added_token(content, **flags) for content, flags in ADDED if rng.random() < 0.25]
    prefixed = rng.random() < 0.5
    if kind == "bytes":
        if prefixed and rng.random() < 0.8:  # else most of them are refused
            found = [{**token, "normalized": False} for token in found]
        made = json.loads(model_json(BYTE_MERGES, found))
        made["normalizer"] = random_normalizer(rng)
        if prefixed:
            made["pre_tokenizer"] = {**PREFIX, "use_regex": rng.random() < 0.6}
    else:
        metaspaces = [metaspace(scheme, split) for scheme in ("always", "first", "never") for split in (None, False, True)]
        shapes: list[tuple[Any, Any]] = [(SPACES, None), (SPACES, character_models.SPLIT), (PREPEND, None)]
        normalizer, cutting = rng.choice(shapes) if prefixed else (None, rng.choice(metaspaces))
        if rng.random() < 0.3:
            normalizer = rng.choice([random_normalizer(rng), sequence(random_step(rng), SPACES),
                                     sequence({"type": "Prepend", "prepend": "▁"}, SPACES, random_step(rng))])
        made = character_json(normalizer, cutting, merges=CHARACTER_MERGES, characters="abcxyzXYA.,é中文<>▁\n\u0301\u3000Ġ\u00a0",
                              decoders=[*character_models.DECODERS, *[character_models.STRIP] * rng.randrange(2)])
        following = len(made["model"]["vocab"])
        made["added_tokens"] = [{**token, "id": following + number} for number, token in enumerate(found)]
    return {**made, "post_processor": random_processor(rng)}


def random_text(rng: random.Random) -> str:
    text = "".join(rng.choices(PARTS, k=rng.randrange(12)))
    return text * rng.choice([1] * 20 + [300])  # longer than the core copies as a whole


def verdict(tok: dstok.Tokenizer, judge: tokenizers.Tokenizer, text: str) -> str:
    """What differs from upstream; "equal", or the reason why the text is refused."""
    expected = judge.encode(text, add_special_tokens=False)
    try:
        found = tok.encode_with_offsets(text)
    except UnsupportedError as error:
        return f"refused: {error}"
    same = {
        "ids": tok.encode(text) == tok.encode(text.encode()) == expected.ids,
        "ids with offsets": found.ids.tolist() == expected.ids,
        "offsets": list(map(tuple, found.char_spans.tolist())) == expected.offsets,
        "count": tok.count(text) == len(expected.ids) and tok.count(text, limit=3) == min(len(expected.ids), 4),
        "a batch": tok.encode_batch([text, "a"]) == [expected.ids, upstream_ids(judge, "a")],
        "pieces": found.pieces.tolist() == expected.word_ids,
        "decoding": tok.decode(expected.ids) == judge.decode(expected.ids, skip_special_tokens=False),
    }
    return next((name for name, equal in same.items() if not equal), "equal")


def compared(kind: str, number: int) -> Counter[str]:
    """The verdicts of the texts of a file, or why it is refused."""
    rng = random.Random(f"{kind} {number}")
    file = random_file(kind, rng)
    try:
        tok = dstok.Tokenizer.from_str(json.dumps(file))
    except UnsupportedError as error:
        assert "$." in str(error)
        return Counter([f"file refused: {re.sub(r'[0-9]+', 'N', re.sub(chr(39) + '.*' + chr(39), '...', str(error)))}"])
    judge, verdicts = tokenizers.Tokenizer.from_str(json.dumps(file)), Counter[str]()
    for _ in range(TEXTS):
        text = random_text(rng)
        found = verdict(tok, judge, text)
        assert found == "equal" or found.startswith("refused: a text of"), (found, number, text, file["normalizer"])
        verdicts[found[:17]] += 1
    return verdicts


@pytest.mark.parametrize("kind", KINDS)
def test_random_sequences(kind: str) -> None:
    total = Counter[str]()
    for number in range(COUNT if DEEP else 4 if BRIEF else 60):
        total += compared(kind, number)
    print(kind, *total.most_common(), sep="\n")
    assert total["equal"] > sum(total.values()) // 2


# A byte-level model whose steps look like a model of characters'


LIKE_CHARACTERS = [
    sequence(BLANKS, {"type": "Prepend", "prepend": "XY"}), sequence(BLANKS, {"type": "Prepend", "prepend": " "}),
    sequence(BLANKS, {"type": "NFC"}), sequence(BLANKS, {"type": "Lowercase"}), sequence(BLANKS, SPACES), BLANKS,
]


def like_characters(normalizer: dict[str, Any], prefixed: bool) -> str:
    file = json.loads(model_json(BYTE_MERGES, [added_token("<x>")]))
    return json.dumps({**file, "normalizer": normalizer, **({"pre_tokenizer": PREFIX} if prefixed else {})})


@pytest.mark.parametrize("prefixed", [False, True])
@pytest.mark.parametrize("normalizer", LIKE_CHARACTERS, ids=str)
def test_byte_level_models_are_none_of_characters(normalizer: dict[str, Any], prefixed: bool, tmp_path: Path) -> None:
    file = like_characters(normalizer, prefixed)
    judge, made = tokenizers.Tokenizer.from_str(file), dstok.Tokenizer.from_str(file)
    made.to_image(tmp_path / "image")
    for tok in (made, copy.copy(made), dstok.load(tmp_path / "image")):
        for text in (".", "a▁b", "▁", " ▁a", "<x>a<x> b", "", "X" * 3000, "▁ab é" * 1000, "▁<x>" * 700):
            assert verdict(tok, judge, text) == "equal", text[:10]


def test_images_cannot_say_more_than_files(tmp_path: Path) -> None:
    """The step that puts a space before the first stretch alone is one of models of characters."""
    dstok.Tokenizer.from_str(like_characters(BLANKS, True)).to_image(tmp_path / "good")
    parts = Parts(tmp_path / "good")
    assert [step["type"] for step in parts.description["normalizer"]] == ["Replace", "PrefixSpace"]
    parts.description["normalizer"][1]["type"] = "TextSpace"
    parts.write(tmp_path / "bad")
    with pytest.raises(ImageError, match="normalizer type: expected one of NFC, .*, found TextSpace"):
        dstok.load(tmp_path / "bad")


def test_the_core_refuses_finders_that_it_would_take_for_others() -> None:
    characters = dstok.Tokenizer.from_str(json.dumps(character_json(PREPEND)))
    other = dstok.Tokenizer.from_str(model_json(BYTE_MERGES))
    encoder = type(other._encoder)
    with pytest.raises(ValueError, match="expected a finder of characters with a normalizer that puts a prefix"):
        encoder(other._encoder.finder, other._bpe, other._tables.sections["direct"], 300, characters._normalizer)
    with pytest.raises(NotImplementedError):
        Finder().resync_point(b"a b", 0)
