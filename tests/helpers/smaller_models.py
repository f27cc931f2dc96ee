"""Published files with a small vocabulary: what does not depend on its size is quick to compile, write and read.

In: the name of a published tokenizer.json. Out: its text, with the first merges alone, the tokens that these make, and
some that no merge makes. All else is as it was: pre-tokenizer, normalizer, decoder, added tokens. Ids are counted anew,
in their old order, without holes. It is made once for all processes of a run, in the folder of compiled.py.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from kept import kept
from real_models import real_json

MERGES = 3000
UNMADE = 50  # tokens that no merge of the whole file makes; some families have them


@kept()
def smaller_json(name: str) -> str:
    """The text of the smaller file."""
    path = Path(os.environ["DSTOK_TEST_IMAGES"]) / f"{name}-smaller.json"
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(_made_smaller(name), encoding="utf-8")
        unfinished.replace(path)  # at once, whoever else does the same
    return path.read_text(encoding="utf-8")


def _made_smaller(name: str) -> str:
    file: dict[str, Any] = json.loads(real_json(name))
    model = file["model"]
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    made = {left + right for left, right in pairs}
    added = {token["id"]: token["content"] for token in file["added_tokens"]}
    other = [token for token in model["vocab"] if len(token) > 1 and token not in made and token not in added.values()]
    used = {part for left, right in pairs[:MERGES] for part in (left, right, left + right)}
    wanted = {*used, *other[:UNMADE], *added.values()}
    ids = {token: id for token, id in model["vocab"].items() if len(token) == 1 or token in wanted}
    numbers = {id: number for number, id in enumerate(sorted({*ids.values(), *added}))}
    model["vocab"] = {token: numbers[id] for token, id in ids.items()}
    model["merges"] = model["merges"][:MERGES]
    for token in file["added_tokens"]:
        token["id"] = numbers[token["id"]]
    return json.dumps(file, ensure_ascii=False)
