"""The kit's strategies for deepseek-v3, and what else the tests take from its guide."""

from __future__ import annotations

from real_models import V3 as TOK

from dstok.conformance import strategies
from dstok.conformance.automaton_guide import guide_of

GUIDE = guide_of(TOK)
CONTENTS = list(TOK.added_tokens)
NAMED = [content for content in CONTENTS if "place" not in content]  # not the hundreds of place holders
PARTIAL = [id for id in range(3, 128_000) if "\ufffd" in TOK.decode_bytes([id]).decode("utf-8", "replace")]  # no whole text
CLASSES = ["".join(members) for members in GUIDE.members]

characters = strategies.characters(TOK)
special_texts = strategies.special_texts(TOK)
special_parts = strategies.special_parts(TOK)
fragments = strategies.fragments(TOK)
texts = strategies.texts(TOK)
