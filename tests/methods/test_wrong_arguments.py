"""Every public call with something else in each of its arguments: each error is in the caller's words.

The calls are found by their packages; `VALUES` has what fits an argument of a name. A new call with an argument of
another name fails here until the name has a value.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from kept import kept
from small_models import added_token, model_json

import dstok
from dstok import chat
from dstok.errors import DstokError
from dstok.formats import llama_cpp
from dstok.unicode import CodePointSet

TALK = [{"role": "user", "content": "Hi"}]


@kept()
def small() -> dstok.Tokenizer:
    return dstok.Tokenizer.from_str(model_json([(b"a", b"b")], [added_token("<x>", special=True)]))


class Frame:
    """As a table of pandas or Polars: no truth value, and nothing that compares."""

    def __bool__(self) -> bool:
        raise ValueError("The truth value of a Frame is ambiguous")

    def __eq__(self, other: object) -> Any:
        return self

    def __ne__(self, other: object) -> Any:
        return self

    __hash__ = None  # type: ignore[assignment]


WRONG: dict[str, Any] = {
    "None": None, "int": 7, "float": 1.5, "str": "x", "bytes": b"x", "texts": ["x"], "ids": [7], "nones": [None], "dict": {"x": 7},
    "path": Path("nowhere"), "frame": Frame(), "pattern": re.compile("a"), "object": object(), "array": np.array([1.5])}
VALUES: dict[str, Any] = {
    "text": "ab c", "texts": ["ab", "c"], "ids": [97, 98], "batch": [[97], [98]], "max_tokens": 3, "pair": "b", "pairs": ["x", "y"], "tail": b"a", "truncation": dstok.padding.Truncation(3),
    "count": 2, "id": 97, "token": "a", "keep": [*range(256)], "path": "tokenizer.json", "json": model_json([]), "counts": "counts",
    "vocab_size": 257, "ranks": {bytes([byte]): byte for byte in range(256)}, "replacement": "-", "function": lambda start, end: None,
    "left": "a", "right": " ", "other": dstok.Splitter("b"), "name": "gpt-2", "encoding": "cl100k_base", "patterns": r"\w+", "files": ["text.txt"],
    "like": "gpt-2", "array": pa.array(["ab"]), "lists": pa.array([[97]], pa.list_(pa.uint32())), "talks": pa.array([TALK]), "messages": TALK,
    "conversation": TALK, "completion": "Hi", "body": {"messages": TALK, "model": "x"}, "model": "deepseek-v3", "part": "Hi", "slot": 0,
    "out": "out", "inputs": "text.txt", "group": 1, "template": r"\1", "data": b"a", "piece": b"a", "pattern": "a", "code_point": 97, "one": "15.0", "chars": "ab",
    "ranges": [(1, 2)], "version": "v3", "tokenizer": None, "tok": None, "splitter": dstok.Splitter("a"), "rendered": None, "index": 0,
    "segments": [("ab", True), (b"c", False)], "languages": [["ab"], ["ac"]], "trainer": dstok.training.BpeTrainer(vocab_size=257)}


def of_modules() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of the public packages, and constructors."""
    for module in ("dstok", "dstok.padding", "dstok.sampling", "dstok.chat", "dstok.arrow", "dstok.corpus", "dstok.training", "dstok.unicode"):
        package = importlib.import_module(module)
        for name in package.__all__:
            call = getattr(package, name)
            if inspect.isfunction(call):
                yield f"{module}.{name}", call
    for kind in (dstok.Splitter, dstok.Split, dstok.sampling.BatchDecodeStream, dstok.training.BpeTrainer, chat.Parser, chat.Template,
                 chat.Conversation):
        yield kind.__name__, kind


OBJECTS: dict[str, Callable[[], Any]] = {
    "Tokenizer": small, "Splitter": lambda: dstok.Splitter(r"(\w+)|\s+"), "Match": lambda: dstok.Splitter("(a)").matcher().search("a"),
    "EncodeStream": lambda: small().encode_stream(), "DecodeStream": lambda: small().decode_stream(),
    "BatchDecodeStream": lambda: dstok.sampling.BatchDecodeStream(small(), 2), "IncrementalEncoding": lambda: small().encode_incremental(),
    "SplitStream": lambda: dstok.Splitter("a").stream(), "Inspection": lambda: small().inspect(),
    "CodePointSet": lambda: CodePointSet.from_chars("ab"), "Parser": lambda: chat.Parser("v3")}
# These ask for files or other libraries, and have tests of their own; `Match.groups` takes whatever a group may be.
LEFT_OUT = {"dstok.chat.VersionName", "dstok.training.train", "dstok.training.count", "Match.groups", "Match.groupdict"}


def of_objects() -> Iterator[tuple[str, Callable[..., Any]]]:
    for label, make in OBJECTS.items():
        kind = type(make())
        for name in dir(kind):
            call = inspect.getattr_static(kind, name)
            if not name.startswith("_") and callable(getattr(kind, name)) and not isinstance(call, property):
                yield f"{label}.{name}", method(make, name)


def method(make: Callable[[], Any], attribute: str) -> Callable[..., Any]:
    return lambda *given, **named: getattr(make(), attribute)(*given, **named)


def signature_of(label: str) -> inspect.Signature:
    kind, _, name = label.rpartition(".")
    return inspect.signature(getattr(OBJECTS[kind](), name)) if kind in OBJECTS else inspect.signature(CALLS[label])


CALLS = {label: call for label, call in [*of_modules(), *of_objects()] if label not in LEFT_OUT}


def value_for(label: str, name: str) -> Any:
    if name in ("tok", "tokenizer"):
        return small()
    if name == "version" and label.startswith(("dstok.unicode", "Splitter")):
        return "16.0"
    if name == "other" and label.startswith(("dstok.unicode", "CodePointSet")):
        return "16.0" if label.startswith("dstok") else CodePointSet.from_chars("a")
    if label == "Tokenizer.encode_segments_batch" and name == "batch":
        return [VALUES["segments"]]
    return chat.render(TALK, "v3") if name == "rendered" else VALUES[name]


def in_words(error: Exception) -> bool:
    """Whether an error says what was expected in the caller's words: its own, Python's of a path, or that of a Frame."""
    text = str(error)
    if re.search("object is not|object has no|unhashable|unsupported operand|not supported between|must be", text):
        return False
    return isinstance(error, DstokError | OSError) or "The truth value of a Frame" in text or (
        isinstance(error, TypeError | ValueError | IndexError) and bool(re.search(r"expected .*(found|, not )", text, re.DOTALL)))


same_pieces = cache(llama_cpp.same_pieces)  # a wrong value of to_gguf is told after a third of a second


@pytest.mark.parametrize("label", CALLS)
def test_an_error_is_in_the_caller_s_words(label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(llama_cpp, "same_pieces", same_pieces)
    Path("text.txt").write_text("ab c\n" * 9)
    Path("tokenizer.json").write_text(model_json([]))
    parameters = [each for each in signature_of(label).parameters.values()
                  if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) and each.name not in ("self", "download")]
    needed = {each.name: value_for(label, each.name) for each in parameters if each.default is each.empty}
    for parameter in parameters:
        for kind, wrong in WRONG.items():
            named = {**needed, parameter.name: wrong}
            given = [named.pop(each.name) for each in parameters if each.kind == each.POSITIONAL_ONLY and each.name in named]
            try:
                found = CALLS[label](*given, **named)
                if inspect.isgenerator(found):
                    next(found, None)
            except Exception as error:
                assert in_words(error), f"{parameter.name}={kind}: {type(error).__name__}: {error}"


def test_the_words_name_what_is_needed_and_what_was_found() -> None:
    tok: Any = small()
    rows: Any = dstok.padding
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: rows.encode_pair("x", "a", "b"), "expected a tokenizer, such as dstok.load gives, as tok, found str: 'x'"),
        (lambda: rows.from_config(dstok.Tokenizer), "expected a tokenizer, such as dstok.load gives, as tok, found the class Tokenizer"),
        (lambda: dstok.Splitter("a").analyze().difference("a"), "expected a dstok.Splitter as other, found str: 'a'"),  # type: ignore[arg-type]
        (lambda: dstok.Splitter(re.compile("a")), "expected str or a dstok.Split or a list as patterns, found Pattern"),  # type: ignore[arg-type]
        (lambda: dstok.Tokenizer.from_json(None), r"expected a path \(str or os.PathLike; no NUL, no lone surrogate\) as path, found None"),  # type: ignore[arg-type]
        (lambda: dstok.Tokenizer.from_json(0), r"expected a path \(str or os.PathLike; no NUL, no lone surrogate\) as path, found int: 0"),  # type: ignore[arg-type]
        (lambda: chat.count(None, TALK, "v3"), "expected a tokenizer, such as dstok.load gives, as tokenizer, found None"),  # type: ignore[arg-type]
        (lambda: [*tok.chunk("a\N{LLAMA}b", 2)], "expected max_tokens to be at least 2 more, as the character "
         "'\N{LLAMA}' at code point 1 has 4 ids, found room for 2")]
    for call, words in cases:
        with pytest.raises(dstok.errors.ArgumentError, match=f"^{words}$"):
            call()


def test_errors_of_others_stay() -> None:
    """An error of the caller's own code, beside arguments that are right, passes as it is."""
    def texts() -> Iterator[str]:
        yield "a"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        dstok.training.count_pieces(dstok.Splitter("a"), texts())
    with pytest.raises(ZeroDivisionError):
        dstok.Splitter("a").matcher().scan("a", lambda start, end: 1 // start)


def test_a_split_stream_copies() -> None:
    stream = dstok.Splitter(r"\w+").stream()
    assert stream.feed("ab cd") == ["ab", " "]
    assert (stream.copy().feed("e "), stream.finish()) == (["cde"], ["cd"])
