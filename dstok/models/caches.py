"""Names of the Hugging Face hub and of tiktoken's encodings -> their files in the local caches.

In: a name such as `Qwen/Qwen3-8B`, and a revision; or the name of an encoding, such as o200k_base. Out: the path of its
tokenizer.json in the cache, or of its file of another kind; the files that are read with it lie beside it.
Invariant: nothing is downloaded without `download`. A name or revision that is no hub's leads nowhere. If something is
missing, the error says what was looked for, and where. A rank file is the published one, by its SHA-256.
Source: huggingface_hub 2.4, which knows where its cache is (`constants.HF_HUB_CACHE`); tiktoken 0.14.0,
`tiktoken.load`: its cache names a file by the SHA-1 of its address.
"""

from __future__ import annotations

import os
import re
import tempfile
from hashlib import sha1, sha256
from importlib.util import find_spec

from dstok.errors import ArgumentError, ModelNotFoundError
from dstok.formats import MODEL_FILES, SIDE_FILES
from dstok.formats.tiktoken import ENCODINGS

ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
OWNERS = {"p50k_edit": "p50k_base", "o200k_harmony": "o200k_base"}  # encodings with another one's rank file
MAIN, *OTHERS = MODEL_FILES
FILES = (*MODEL_FILES, *SIDE_FILES)
_WORD = r"[A-Za-z0-9_](?:(?!--|\.\.)[A-Za-z0-9_.-]){0,95}"
_NAME = re.compile(f"{_WORD}/{_WORD}")
_REVISION = re.compile(rf"{_WORD}(?:/{_WORD}){{0,7}}")


def is_hub_name(name: str) -> bool:
    """Whether it has the form of a name on the hub.

    >>> is_hub_name("Qwen/Qwen3-8B"), is_hub_name("gpt2"), is_hub_name("../x"), is_hub_name("a/b/c")
    (True, False, False, False)
    """
    return _NAME.fullmatch(name) is not None


def hub_file(name: str, revision: str | None, download: bool) -> str:
    """The path of the first of `MODEL_FILES` that a model has.

    Raises `ModelNotFoundError`, and `ArgumentError` for a bad revision.
    """
    if revision is not None and not (isinstance(revision, str) and _REVISION.fullmatch(revision)):
        raise ArgumentError(f"expected a branch, tag or commit, found {revision!r}", "revision")
    if find_spec("huggingface_hub") is None:
        raise ModelNotFoundError(f"{name}: models of the hub need huggingface_hub: pip install \"dstok[hub]\"")
    if download:
        from huggingface_hub import snapshot_download

        try:
            snapshot_download(name, revision=revision, allow_patterns=list(FILES))  # all files of one commit
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ModelNotFoundError(f"{name}: the download failed: {reason}") from error
    from huggingface_hub import try_to_load_from_cache

    paths = (try_to_load_from_cache(name, file, revision=revision) for file in MODEL_FILES)
    path = next((path for path in paths if isinstance(path, str)), None)
    if path is None:
        raise ModelNotFoundError(f"{name}: {_reason(name, revision or 'main')}; load(..., download=True) or "
                                 f"`dstok fetch {name}` downloads it")
    for beside in FILES:  # a stopped download or a clean-up leaves a link without its file
        file = os.path.join(os.path.dirname(path), beside)
        if os.path.islink(file) and not os.path.exists(file):
            raise ModelNotFoundError(f"the hub's cache has only a part of this model: {file} is a link to no file")
    return path


def _reason(name: str, revision: str) -> str:
    """The part of the model's place in the cache that is missing."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = os.path.join(HF_HUB_CACHE, "models--" + name.replace("/", "--"))
    if not os.path.isdir(folder):
        return f"not in the hub's cache: expected the folder {folder}, found none"
    snapshot, ref = revision, os.path.join(folder, "refs", revision)
    if os.path.isfile(ref):
        with open(ref, encoding="utf-8", errors="replace") as file:
            snapshot = file.read(100)
    path = os.path.join(folder, "snapshots", snapshot)
    if not os.path.isdir(path):
        return f"the revision {revision} is not in the hub's cache: expected {ref} or the folder {path}, found neither"
    others = " or ".join(OTHERS)
    if os.path.isfile(os.path.join(folder, ".no_exist", snapshot, MAIN)):
        return f"this model has no {MAIN}, as {folder} says, and its cache no {others}"
    return f"the hub's cache has only a part of this model: expected {MAIN}, {others} in {path}, found none"


def ranks_file(name: str, download: bool) -> str:
    """The path of the encoding's rank file. Raises `ModelNotFoundError`."""
    owner = OWNERS.get(name, name)
    checksum, address = ENCODINGS[owner].sha256, ADDRESS.format(owner)
    if not checksum:
        raise ModelNotFoundError(f"tiktoken has no rank file of {name}: dstok.Tokenizer.from_tiktoken takes its ranks")
    default = os.path.join(tempfile.gettempdir(), "data-gym-cache")
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", default))  # "": switched off
    path = os.path.join(folder, sha1(address.encode(), usedforsecurity=False).hexdigest())
    if folder and os.path.isfile(path):
        digest = sha256()
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() == checksum:
            return path
    if not download:
        place = f"expected {path} with SHA-256 {checksum}, found none" if folder else "TIKTOKEN_CACHE_DIR is empty"
        raise ModelNotFoundError(f"{name}: not in tiktoken's cache: {place}; load(..., download=True) or "
                                 f"`dstok fetch {name}` downloads it")
    if find_spec("tiktoken") is None:
        raise ModelNotFoundError(f"{name}: downloading it needs tiktoken: pip install \"dstok[tiktoken]\"")
    from tiktoken.load import read_file_cached

    try:
        read_file_cached(address, checksum)
    except (OSError, ValueError) as error:
        raise ModelNotFoundError(f"{name}: the download failed: {error}") from error
    if not folder:
        raise ModelNotFoundError(f"{name}: tiktoken keeps no file, as TIKTOKEN_CACHE_DIR is empty")
    return path
