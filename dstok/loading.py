"""A model of any kind, by name or path.

In: the name of a model, built in, of an installed package, or in the hub's cache, or of an encoding in tiktoken's; or
the path of a file or folder. Out: `Tokenizer`.
Invariant: a name means its model, whatever files lie about. Take a folder `deepseek-v3`: `load("deepseek-v3")` still
gives the model, and `./deepseek-v3` names the folder. A built-in name means the built-in model, whatever is installed.
The first bytes of a file decide its kind, not its name.
"""

from __future__ import annotations

import os
from contextlib import suppress
from errno import ENOENT
from functools import partial
from importlib import import_module

from dstok._util.arguments import explained
from dstok._util.files import StrPath
from dstok.errors import ArgumentError, ImageError, ModelNotFoundError
from dstok.formats import MODEL_FILES, NEWEST_UPSTREAM
from dstok.models import built_in
from dstok.models.names import FILES, ORGANIZATION, find, installed, is_name, is_taken, not_found
from dstok.tokenizer import Tokenizer, image_parts_of, tokenizer_of, tokenizer_of_description, tokenizer_of_image


@explained
def load(
    name: StrPath, *, upstream: str | None = None, verify: bool = True, revision: str | None = None,
    download: bool = False, cache: bool | None = None,
) -> Tokenizer:
    """A model by its name or path.

    A name is a model's name or alias, in any case, with or without `deepseek-ai/`; `models()` lists the built-in ones.
    An installed package can name a file of its own (an entry point of the group `dstok.models`). A path leads to a
    tokenizer.json or tekken.json, a model's folder, a GGUF file (only the vocabulary is read), an image that
    `Tokenizer.to_image` wrote, a .model file of SentencePiece (BPE with byte fallback, as Llama 2 has it), or one of
    the rank files that tiktoken publishes. For a file with a model's name write `./deepseek-v3`, or a `Path`.

    Any other `org/name` is a model of the Hugging Face hub, and a name of tiktoken's, such as o200k_base, an encoding:
    their files are read from the local caches of huggingface_hub and tiktoken. `revision` is a branch, tag or commit of
    a model of the hub. `download` gets a file that is not in the cache, or of the hub a newer one.

    upstream: such as "tokenizers-1.0.0rc3", the version of upstream whose Unicode tables decide; without it, the
        version of the model or image, and the newest stable one for a file.
    verify: whether the checksum of an image is compared. An image is mapped, not read, and shared between processes; of
        another `upstream` it is not shared. Its tables are checked in any case, so that no file can make a call crash.
        Do not write into one that is in use: replace it by another file, as `to_image` does.
    cache: whether a model's file is compiled once only: the result is kept as an image in a folder of this user, and a
        later load of the same files maps it. None: what DSTOK_CACHE in the environment says, 1 or a folder; by default
        nothing is kept. The tokenizer is the same in all, and what fails with the cache is no error.

    Raises `ModelNotFoundError`, also for names of DeepSeek's API that have moved from model to model and for one that
    two installed packages have, `OSError` for a path without a file, `ArgumentError` (also for `upstream` with a rank
    file or tekken.json, which are tiktoken's, or with a .model file, and for a DSTOK_CACHE that is no folder's path),
    `ImageError` for an image that is damaged or has another version, and the errors of `Tokenizer.from_json` and
    `from_tiktoken`.

    >>> load("deepseek-r1").token_to_id("<think>")
    128798
    >>> load("deepseek-ai/DeepSeek-V3-0324").name
    'deepseek-v3'
    """
    if not isinstance(name, str | os.PathLike):
        raise ArgumentError(f"expected the name or path of a model, found {type(name).__name__}", "name")
    if isinstance(name, str):
        known = find(name)
        if known is not None:
            _refuse(revision, f"the built-in {known}")
            tokenizer = tokenizer_of(*built_in(known))
            return tokenizer if upstream is None else tokenizer.replace(upstream=upstream)
        if not is_path(name):
            own = installed(name)
            if own is None:
                return _open(*fetched(name, revision, download), upstream=upstream, verify=verify, cache=cache)
            _refuse(revision, f"the installed {name}")
            return _open(own, upstream=upstream, verify=verify, cache=cache)
    _refuse(revision, "a path")
    return _open(name, upstream=upstream, verify=verify, cache=cache)


def is_path(name: StrPath) -> bool:
    """Whether `load` takes `name` for a path: no model has this name, and it exists or looks like a file's.

    >>> is_path("deepseek-v3"), is_path("./deepseek-v3"), is_path("model.gguf"), is_path("Qwen/Qwen9")
    (False, True, True, False)
    """
    if not isinstance(name, str):
        return True
    if is_name(name):
        return False
    if name.startswith((".", os.sep, "/")) or name.endswith(FILES):
        return True
    return os.path.exists(name) and installed(name) is None


def _refuse(revision: str | None, what: str) -> None:
    if revision is not None:
        raise ArgumentError(f"expected a revision of a model of the hub, found one of {what}", "revision")


def fetched(name: str, revision: str | None, download: bool) -> tuple[str, str | None]:
    """The path of a model of the hub, and None; or of a rank file of tiktoken's, and the encoding's name.

    Raises `ModelNotFoundError`.
    """
    from dstok.formats.tiktoken import ENCODINGS
    from dstok.models.caches import hub_file, is_hub_name, ranks_file

    if name in ENCODINGS:
        _refuse(revision, f"tiktoken's {name}")
        return ranks_file(name, download), name
    if not is_hub_name(name) or is_taken(name):
        raise not_found(name)
    try:
        return hub_file(name, revision, download), None
    except ModelNotFoundError as error:
        if not name.lower().startswith(ORGANIZATION):
            raise
        raise ModelNotFoundError(f"{not_found(name)}; {error}") from error.__cause__


def _open(
    path: StrPath, encoding: str | None = None, *, upstream: str | None, verify: bool, cache: bool | None,
) -> Tokenizer:
    """The model of a file or folder, from the cache if it is there; it is put there if the cache is wanted."""
    from dstok.compiled.cache import find_cache, key_of  # not needed for built-in models

    if os.path.isdir(path):
        found = [each for name in MODEL_FILES if os.path.exists(each := os.path.join(path, name))]
        if not found:
            first, *others = MODEL_FILES
            raise FileNotFoundError(ENOENT, f"no {first} is in this folder, and no {' or '.join(others)}",
                                    os.fspath(path))
        path = found[0]
    kept = find_cache(cache)
    key = None if kept is None else key_of(path, encoding, upstream)
    if kept is None or key is None:
        return _read(path, encoding, upstream=upstream, verify=verify)
    try:
        if (image := kept.open(key)) is not None:
            return tokenizer_of_image(image)
    except (ImageError, ValueError):  # it is damaged
        kept.remove(key)
    from dstok._util.threads import at_once  # a model that is kept needs no threads

    # While the file is read, the other thread imports what it is compiled with, and hashes it. Two threads that import
    # wait for each other.
    import_module("dstok.formats.reading")
    late = ("dstok.formats.tokenizer_json", "dstok.compiled.build", "dstok.compiled.image")
    made: Tokenizer = at_once(partial(_read, path, encoding, upstream=upstream, verify=verify),
                              *(partial(import_module, name) for name in late), partial(getattr, key, "name"))[0]
    if key.holds(path, encoding, upstream):  # nobody has changed the files meanwhile
        with suppress(MemoryError, RecursionError, ValueError):  # settings may be too deep or too long to write
            kept.write(key, image_parts_of(made, os.path.abspath(path)))
    return made


def _read(path: StrPath, encoding: str | None, *, upstream: str | None, verify: bool) -> Tokenizer:
    """The model of a file."""
    from dstok.formats import reading  # not needed for built-in models

    kind = None
    if os.path.isfile(path):  # a look would take the first bytes of a pipe away
        with open(os.fspath(path), "rb") as file:
            kind = reading.kind_of(file.read(reading.LOOK))
    if kind in (reading.RANKS, reading.SENTENCEPIECE) and upstream is not None:
        what = "a rank file, whose ids are tiktoken's" if kind == reading.RANKS else "a .model file of SentencePiece"
        raise ArgumentError(f"{what}: no version of tokenizers reads it", "upstream")
    if kind == reading.IMAGE:
        from dstok.compiled.image_file import open_image

        return tokenizer_of_image(open_image(path, verify), upstream)
    with reading.about_file(path):
        if kind == reading.RANKS:
            return tokenizer_of_description(reading.describe_ranks(path, encoding))
        if kind == reading.SENTENCEPIECE:
            return tokenizer_of_description(reading.describe_sentencepiece_file(path))
        if kind == reading.GGUF:
            from dstok.formats.gguf import describe_gguf

            return tokenizer_of_description(describe_gguf(path, upstream or NEWEST_UPSTREAM))
        return tokenizer_of_description(reading.describe_json_file(path, None, upstream or NEWEST_UPSTREAM))
