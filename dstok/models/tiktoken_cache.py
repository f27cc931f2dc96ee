"""tiktoken's encodings -> their rank files in tiktoken's cache.

In: the name of an encoding, such as o200k_base. Out: the path of its rank file.
Invariant: the file is the published one, by its SHA-256. Nothing is downloaded without `download`, which tiktoken does.
Source: tiktoken 0.14.0, `tiktoken.load`: the cache is TIKTOKEN_CACHE_DIR, DATA_GYM_CACHE_DIR or data-gym-cache in the
folder for temporary files. A file is named by the SHA-1 of its address.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha1, sha256
from importlib.util import find_spec

from dstok.errors import ModelNotFoundError
from dstok.formats.tiktoken_encodings import ENCODINGS

__all__ = ["ranks_file"]

ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
OWNERS = {"p50k_edit": "p50k_base", "o200k_harmony": "o200k_base"}  # encodings with another one's rank file


def ranks_file(name: str, download: bool) -> str:
    """The path of the encoding's rank file. Raises `ModelNotFoundError`."""
    owner = OWNERS.get(name, name)
    checksum, address = ENCODINGS[owner].sha256, ADDRESS.format(owner)
    if not checksum:
        raise ModelNotFoundError(f"tiktoken has no rank file of {name}: dstok.Tokenizer.from_tiktoken takes its ranks")
    folder = _folder()
    path = os.path.join(folder, sha1(address.encode(), usedforsecurity=False).hexdigest())
    if folder and os.path.isfile(path) and _checksum(path) == checksum:
        return path
    if not download:
        place = f"expected {path} with SHA-256 {checksum}, found none" if folder else "TIKTOKEN_CACHE_DIR is empty"
        raise ModelNotFoundError(f"{name}: not in tiktoken's cache: {place}; load(..., download=True) or "
                                 f"`dstok fetch {name}` downloads it")
    _download(name, address, checksum)
    if not folder:
        raise ModelNotFoundError(f"{name}: tiktoken keeps no file, as TIKTOKEN_CACHE_DIR is empty")
    return path


def _folder() -> str:
    """tiktoken's cache; "" if it is switched off."""
    default = os.path.join(tempfile.gettempdir(), "data-gym-cache")
    return os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", default))


def _checksum(path: str) -> str:
    digest = sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _download(name: str, address: str, checksum: str) -> None:
    if find_spec("tiktoken") is None:
        raise ModelNotFoundError(f"{name}: downloading it needs tiktoken: pip install \"dstok[tiktoken]\"")
    from tiktoken.load import read_file_cached

    try:
        read_file_cached(address, checksum)
    except (OSError, ValueError) as error:
        raise ModelNotFoundError(f"{name}: the download failed: {error}") from error
