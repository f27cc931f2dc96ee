"""Images of small models with a bit of everything.

In: nothing. Out: the models; what two tokenizers must have in common; the parts of an image, to be changed.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from character_models import DECODERS, PREPEND, STRIP, character_json, metaspace
from character_models import added_token as character_added
from shares import share
from small_models import added_token, model_json
from tokenizer_json_cases import READ, changed

import dstok
from dstok._util.files import write_at_once
from dstok.compiled.image_file import Digest, image_bytes, image_parts, open_image, sha256_digest
from dstok.inspection.explain import explain

MERGES = [(b"1", b"2"), (b" ", b"a"), (b"a", b"b"), (b" a", b"b"), ("é".encode()[:1], "é".encode()[1:])]
ADDED = [added_token("<s>", special=True), added_token("<w>", single_word=True, normalized=True),
         added_token("<l>", lstrip=True), added_token("<r>", rstrip=True, normalized=True), added_token("ab")]
TEXTS = ["", "ab ab é12 中文かな <s><w> <l>  <r> \n ab", "<w>a <w> a<w>", "a" * 5000, "\x00\U0001f999 " * 40, "1234567 x!?\r\n\n"]
CHARACTERS_ADDED = [character_added(1, "<s>", special=True), character_added(277, "<w>", normalized=True, single_word=True)]
MODELS = {
    "plain": model_json(MERGES, ADDED),
    "one piece": model_json(MERGES, ADDED, None),
    "no merges": model_json(),
    "ignore_merges": model_json(MERGES, ADDED, extra=[b"abab", b"xyz"], ignore_merges=True),
    "holes": model_json(MERGES, [added_token("ab")], holes=3),
    "not monotone": model_json([(b"ab", b"c"), *MERGES, (b"b", b"c")], ADDED),
    "odd splits": model_json(MERGES, ADDED, [r"\p{N}{1,3}", "[ぁ-ん]+", r"\s+(?!\S)|\s+|.b"]),
    "both sides": model_json(MERGES, ADDED, [r"\d{1,3}(?=(?:\d{3})*\b)", r"(?<=[a-z])[ab]+|\s+(?!\S)|\s+|\w+"]),
    "characters": json.dumps(character_json(PREPEND, decoders=[*DECODERS, STRIP], added=CHARACTERS_ADDED)),
    "characters, Metaspace": json.dumps(character_json(None, metaspace("first"), added=CHARACTERS_ADDED[:1])),
    **{f"file {i}": json.dumps(changed(*changes)) for i, changes in enumerate(READ)},
}
FILES = [name for name in MODELS if name.startswith("file ")]
TODAY = [name for name in MODELS if name not in FILES] + list(share(FILES, 10))


def outcomes(tok: dstok.Tokenizer, text: str) -> Iterator[Any]:
    """What the calls of a tokenizer give for a text."""
    for special in ("all", "none", "raise", {content for content in tok.added_tokens if "<" in content}):
        try:
            yield tok.encode(text, special=special)
        except dstok.SpecialTokenError as error:
            yield error.token, error.offset
    encoding = tok.encode_with_offsets(text)
    yield encoding.ids.tolist(), encoding.byte_spans.tolist()
    yield tok.inspect().pretokenize(text)
    yield tok.decode(tok.encode(text)), tok.decode(tok.encode(text), skip_special_tokens=True)
    yield tok.count(text), tok.truncate(text, 5)


def assert_same(one: dstok.Tokenizer, other: dstok.Tokenizer, texts: list[str]) -> None:
    assert one.fingerprint == other.fingerprint
    assert one.added_tokens == other.added_tokens
    assert (one.name, one.bos_id, one.eos_id, one.vocab_size) == (other.name, other.bos_id, other.eos_id, other.vocab_size)
    for text in texts:
        assert list(outcomes(one, text)) == list(outcomes(other, text))
    assert explain(one.inspect(), texts[1]) == explain(other.inspect(), texts[1])


class Parts:
    """The parts of an image, to be changed and written again as it should be written."""

    def __init__(self, path: Path) -> None:
        opened = open_image(path)
        self.description: dict[str, Any] = json.loads(json.dumps(opened.header))
        self.tokenizer: dict[str, Any] = json.loads(json.dumps(opened.tokenizer))
        self.sections = {name: bytearray(opened.section(name)) for name in opened.places}

    def words(self, name: str, at: int, *values: int, kind: str = "I") -> None:
        """Writes numbers into a section."""
        data = array(kind, values).tobytes()
        start = at * array(kind).itemsize % len(self.sections[name])
        self.sections[name][start : start + len(data)] = data

    def write(self, path: Path, digest: Digest = sha256_digest) -> None:
        write_at_once(path, image_bytes(image_parts(self.description, self.sections, self.tokenizer), digest))
