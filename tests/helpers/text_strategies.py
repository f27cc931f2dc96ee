"""The kit's strategies for deepseek-v3, and what else the tests take from its guide."""

from __future__ import annotations

import dstok
from dstok.testing import Guide, strategies

_TOK = dstok.load("deepseek-v3")
GUIDE = Guide(_TOK)
CONTENTS = list(_TOK.special_tokens)
NAMED = [content for content in CONTENTS if "place" not in content]  # not the hundreds of place holders
PARTIAL = [id for id in range(3, 128_000) if "\ufffd" in _TOK.token_bytes(id).decode("utf-8", "replace")]  # no whole text
CLASSES = ["".join(members) for members in GUIDE.members]

characters = strategies.characters(_TOK)
special_texts = strategies.special_texts(_TOK)
special_parts = strategies.special_parts(_TOK)
fragments = strategies.fragments(_TOK)
texts = strategies.texts(_TOK)
