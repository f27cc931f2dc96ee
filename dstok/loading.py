"""A model of any kind, by name or path.

In: a name of a built-in model or of one in an installed package, or the path of a file or folder. Out: `Tokenizer`.
Invariant: a name means its model, whatever files lie about: a folder `deepseek-v3` does not change what
`load("deepseek-v3")` gives; `./deepseek-v3` names the folder. A built-in name means the built-in model, whatever is
installed. What a file is, its first bytes say, not its name.
"""

from __future__ import annotations

import os
from errno import ENOENT

from dstok.base.paths import StrPath
from dstok.models import built_in
from dstok.models.names import FILES, find, is_name
from dstok.tokenizer import Tokenizer

__all__ = ["is_path", "load"]


def load(name: StrPath) -> Tokenizer:
    """A model by its name or path.

    A name is that of a model or an alias, in any case, with or without `deepseek-ai/`; `models()` lists those that are
    built in and those of installed packages. A path is that of a tokenizer.json, a folder with one, a GGUF file, an
    image that `Tokenizer.save` wrote, or one of the rank files that tiktoken publishes. A file named as a model is, is
    given as `./deepseek-v3`, or as a `Path`.

    Raises `ModelNotFoundError`, also for names of DeepSeek's API that have moved from model to model,
    `ModelPackageError` if the package that has the name is broken or two have it, `OSError` for a path where nothing
    is, `TypeError`, and what `Tokenizer.from_file`, `from_gguf`, `from_tiktoken` and `open` raise.

    >>> load("deepseek-r1").token_to_id("<think>")
    128798
    >>> load("deepseek-ai/DeepSeek-V3-0324").name
    'deepseek-v3'
    """
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"expected the name or path of a model, found {type(name).__name__}")
    if isinstance(name, str):
        found = find(name)
        if found is not None:
            return Tokenizer(*built_in(found))
        if not is_path(name):
            return _installed(name)
    return _open(_in_folder(name) if os.path.isdir(name) else name)


def is_path(name: StrPath) -> bool:
    """Whether `load` takes `name` for a path: no name of a model is one, and what is there, or reads like a file's, is.

    >>> is_path("deepseek-v3"), is_path("./deepseek-v3"), is_path("model.gguf"), is_path("Qwen/Qwen9")
    (False, True, True, False)
    """
    if not isinstance(name, str):
        return True
    if is_name(name):
        return False
    if name.startswith((".", os.sep, "/")) or name.endswith(FILES):
        return True
    if not os.path.exists(name):
        return False
    from dstok.models.packages import is_named  # not needed for built-in models

    return not is_named(name)


def _installed(name: str) -> Tokenizer:
    from dstok.models.packages import installed, missing  # not needed for built-in models

    found = installed(name, Tokenizer)
    if found is None:
        raise missing(name)
    return found


def _in_folder(folder: StrPath) -> str:
    path = os.path.join(folder, "tokenizer.json")
    if not os.path.exists(path):
        raise FileNotFoundError(ENOENT, "no tokenizer.json is in this folder", os.fspath(folder))
    return path


def _open(path: StrPath) -> Tokenizer:
    from dstok.formats.kinds import GGUF, IMAGE, RANKS  # not needed for built-in models

    kind = _kind(path)
    if kind == IMAGE:
        return Tokenizer.open(path)
    if kind == GGUF:
        return Tokenizer.from_gguf(path)
    return Tokenizer.from_tiktoken(path) if kind == RANKS else Tokenizer.from_file(path)


def _kind(path: StrPath) -> str | None:
    """What a file is; None of a pipe, of which a look would take the start away."""
    from dstok.formats.kinds import LOOK, kind_of

    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return kind_of(file.read(LOOK))
