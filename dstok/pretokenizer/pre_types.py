"""Which of llama.cpp's pre-tokenizers (`tokenizer.ggml.pre`) cuts as a splitter does, for every text.

In: a splitter. Out: the names, with the shortest text that llama.cpp cuts otherwise; if none is equal, the nearest.
Invariant: two splitters cut every text alike exactly if their fingerprints are equal (analysis.py). A name stands for
two sets of patterns: those in the published files of its models, and llama.cpp's own, which often leave out a case of
the published ones. What is compared is the patterns, with one Unicode version: not how llama.cpp runs them, and no
normalizers.
Source: pre_types.json, from llama.cpp v0.5.0 (MIT), src/llama-vocab.cpp. It has a fingerprint of each set, for the
newest upstream; tests/pretokenizer/test_pre_types.py makes them anew. Two names (kimi-k2, afmoe) have only those of the
published files, since llama.cpp has code for them.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from dstok.pretokenizer.analysis import Difference
from dstok.pretokenizer.splitter import Splitter


class PreType(NamedTuple):
    """llama.cpp's names for a splitter.

    names: first those whose `ignore_merges` is the model's. proof: "own" if llama.cpp's own patterns cut every text as
    the splitter does, "published" if those of the published files do, "nearest" if none do. difference: the shortest
    text that llama.cpp's own patterns cut otherwise, with the splitter's pieces and theirs; None for "own", and where
    llama.cpp has code.
    """

    names: list[str]
    proof: str
    difference: Difference | None
    version: str

    def sentences(self) -> list[str]:
        """The same in words, a line each."""
        proofs = {"own": "cuts every text as llama.cpp's patterns do, with the same Unicode",
                  "published": "cuts every text as the published files of these models do",
                  "nearest": "no pre-type of llama.cpp cuts every text alike; this one is the nearest"}
        lines = [", ".join(self.names), f"{proofs[self.proof]} ({self.version})"]
        if self.difference is not None:
            lines.append(f"llama.cpp's patterns cut {self.difference.text!r} otherwise: {self.difference.others} "
                         f"instead of {self.difference.pieces}")
        return lines


def pre_type(splitter: Splitter, ignore_merges: bool = False) -> PreType:
    """The pre-type of a splitter. Raises `UnsupportedError` if its automaton is too large to compare.

    >>> import dstok
    >>> found = pre_type(dstok.Splitter.from_tokenizer(dstok.load("deepseek-v3")))
    >>> found.names[:3], found.proof
    (['deepseek-v3', 'hunyuan-dense', 'joyai-llm'], 'own')
    """
    data, fingerprint = _data(), splitter.analyze().fingerprint
    for proof, key in (("own", "fingerprint"), ("published", "published_fingerprint")):
        alike = sorted((entry for entry in data["pre_types"] if entry.get(key) == fingerprint),
                       key=lambda entry: entry["ignore_merges"] is not ignore_merges)
        if alike:
            names = [name for entry in alike for name in entry["names"]]
            patterns = alike[0]["patterns"] if proof == "published" else []
            own = splitter.analyze().difference(Splitter(patterns)) if patterns else None
            return PreType(names, proof, own, data["version"])
    found = []
    for entry in {entry["fingerprint"]: entry for entry in data["pre_types"][::-1] if entry["patterns"]}.values():
        difference = splitter.analyze().difference(Splitter(entry["patterns"]))
        if difference is not None:  # never None: the fingerprints differ
            found.append((len(difference.text), difference, entry["names"]))
    _, nearest, names = max(found, key=lambda each: each[0])
    return PreType(names, "nearest", nearest, data["version"])


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(files("dstok.pretokenizer").joinpath("pre_types.json").read_bytes())
    return data
