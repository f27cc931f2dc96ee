"""The engines: for each, its loading, and its fastest public call for each mode.

In: the engine's imported module, the path of a tokenizer.json, a mode. Out: a `Call`.
Invariant: every engine gets the same `str`, matches special tokens in it, and adds none of its own. It may return its
fastest type (an array, or an object that makes ids later); in the mode "list" it returns a list of `int`. The result is
turned into an array of ids for the comparison, outside the timing.
Source: each package's own help; the calls were chosen by timing the alternatives on wiki.test.raw and english.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ENGINES", "LEVELS", "UPSTREAM", "Call", "Engine", "tiktoken_encoding"]

Ids = npt.NDArray[np.uint32]
UPSTREAM = "tokenizers"  # the judge of ids
LEVELS = {"avx512": "AVX-512", "avx2": "AVX2", "neon": "NEON", "portable": "portable code",
          "automaton": "the automaton alone"}


@dataclass(frozen=True)
class Call:
    """`encode` takes a text (a list of texts in the batch modes); `ids` takes its result."""

    encode: Callable[[Any], Any]
    ids: Callable[[Any], Ids]


@dataclass(frozen=True)
class Engine:
    """An engine.

    `exact`: it should give upstream's ids. `slow`: one round, no more passes than needed. `level` gives the instruction
    set in force, one of `LEVELS`, if the engine tells it. `package`: the module's name, if it is not the engine's.
    `wheel`: what pip installs into an environment of the engine's own, if another version of the package is a peer.
    """

    name: str
    open: Callable[[Any, Path, str, int], Call]
    exact: bool = True
    slow: bool = False
    level: Callable[[], str] | None = None
    package: str = ""
    wheel: str = ""

    @property
    def module(self) -> str:
        """The name of the module that is imported."""
        return self.package or self.name


def _array(ids: Iterable[int]) -> Ids:
    return np.asarray(ids, dtype=np.uint32)


def _dstok(module: Any, path: Path, mode: str, threads: int) -> Call:
    built_in = path.stem in module.models()
    tok = module.load(path.stem if built_in else path)
    if mode.startswith("batch"):
        return Call(lambda texts: tok.encode_batch_arrays(texts, num_threads=threads), lambda got: _array(got[0]))
    return Call(tok.encode if mode in ("lines", "list") else tok.encode_array, _array)


def _dstok_level() -> str:
    return str(importlib.import_module("dstok.core.cpu.level").chosen_level())


def _gigatoken(module: Any, path: Path, mode: str, threads: int) -> Call:
    tok = module.Tokenizer(str(path))
    if mode.startswith("batch"):
        flatten = importlib.import_module("awkward").flatten
        return Call(lambda texts: tok.encode_batch(texts, parallel=threads > 1), lambda got: _array(flatten(got)))
    if mode == "list":
        return Call(lambda text: tok.encode_batch_list([text], parallel=False)[0], _array)
    return Call(tok.backend.encode, _array)  # `tok.encode` calls this


def _fastokens(module: Any, path: Path, mode: str, threads: int) -> Call:
    tok = module.Tokenizer.from_file(str(path))
    if mode.startswith("batch"):
        return Call(tok.encode_batch_flat, lambda got: np.frombuffer(got[0], np.uint32))
    if mode in ("whole", "docs"):
        return Call(lambda text: tok.encode_batch_flat([text]), lambda got: np.frombuffer(got[0], np.uint32))
    if mode == "list":
        return Call(lambda text: tok.encode(text).ids, _array)
    return Call(tok.encode, lambda got: _array(got.ids))


def _tokenizers(module: Any, path: Path, mode: str, threads: int) -> Call:
    tok = module.Tokenizer.from_file(str(path))
    encode = tok.encode_batch_fast  # without offsets; there is no such call for one text
    if mode.startswith("batch"):
        return Call(lambda texts: encode(texts, add_special_tokens=False),
                    lambda got: _array([id for one in got for id in one.ids]))
    if mode == "list":
        return Call(lambda text: encode([text], add_special_tokens=False)[0].ids, _array)
    return Call(lambda text: encode([text], add_special_tokens=False), lambda got: _array(got[0].ids))


def _tokenizers_1(module: Any, path: Path, mode: str, threads: int) -> Call:
    """1.0.0rc3: `encode` has no offsets; it is as fast as a batch of one text."""
    tok = module.Tokenizer.from_file(str(path))
    if mode.startswith("batch"):
        return Call(lambda texts: tok.encode_batch(texts, add_special_tokens=False),
                    lambda got: np.concatenate([one.ids_array for one in got]))
    if mode == "list":
        return Call(lambda text: tok.encode(text, add_special_tokens=False).ids, _array)
    return Call(lambda text: tok.encode(text, add_special_tokens=False), lambda got: got.ids_array)


def _tokie(module: Any, path: Path, mode: str, threads: int) -> Call:
    tok = module.Tokenizer.from_json(str(path))
    if mode.startswith("batch"):
        return Call(lambda texts: tok.encode_batch_flat(texts, add_special_tokens=False), lambda got: _array(got[0]))
    if mode == "list":
        return Call(lambda text: tok.encode(text, add_special_tokens=False).ids, _array)
    return Call(lambda text: tok.encode(text, add_special_tokens=False), lambda got: _array(got.ids))


def _tiktoken(module: Any, path: Path, mode: str, threads: int) -> Call:
    tok, special = tiktoken_encoding(module, path)
    rule: dict[str, Any] = {"allowed_special": set(special), "disallowed_special": ()}  # "all" costs a set a call
    if mode.startswith("batch"):
        return Call(lambda texts: tok.encode_batch(texts, num_threads=threads, **rule),
                    lambda got: _array([id for one in got for id in one]))
    if mode in ("lines", "list"):
        return Call(lambda text: tok.encode(text, **rule), _array)
    return Call(lambda text: tok.encode_to_numpy(text, **rule), _array)


def tiktoken_encoding(module: Any, path: Path) -> tuple[Any, dict[str, int]]:
    """tiktoken's nearest: V3's vocabulary with one pattern in place of three. Its load includes reading the JSON."""
    model = json.loads(path.read_bytes())
    special = {token["content"]: token["id"] for token in model["added_tokens"]}
    back = _byte_alphabet()
    ranks = {bytes(back[c] for c in token): id for token, id in model["model"]["vocab"].items() if token not in special}
    return module.Encoding("deepseek-v3", pat_str=_ONE_PATTERN, mergeable_ranks=ranks, special_tokens=special), special


def _byte_alphabet() -> dict[str, int]:
    """The spelling of bytes in tokenizer.json: printable Latin-1 as itself, the others from U+0100 on in order."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


# The alternatives of V3's three splits in the order of the splits; later classes leave out the characters of earlier
# splits. Not exact: the look-ahead `\s+(?!\S)` does not see the edge of an earlier split's piece.
_HAN_KANA = "一-龥\u3040-ゟ゠-ヿ"
_ONE_PATTERN = "|".join([
    r"\p{N}{1,3}",
    f"[{_HAN_KANA}]+",
    r"[!-/:-@\[-`{-~][A-Za-z]+",
    rf"[^\r\n\p{{L}}\p{{P}}\p{{S}}\p{{N}}]?[\p{{L}}\p{{M}}&&[^{_HAN_KANA}]]+",
    r" ?[\p{P}\p{S}]+[\r\n]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
])

ENGINES: dict[str, Engine] = {engine.name: engine for engine in [
    Engine("dstok", _dstok, level=_dstok_level),
    Engine("gigatoken", _gigatoken),
    Engine("fastokens", _fastokens),
    Engine("tokenizers", _tokenizers, slow=True),
    Engine("tokenizers-1.0", _tokenizers_1, package="tokenizers", wheel="tokenizers==1.0.0rc3"),
    Engine("tokie", _tokie, exact=False),
    Engine("tiktoken", _tiktoken, exact=False, slow=True),
]}
