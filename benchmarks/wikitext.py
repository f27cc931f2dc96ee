"""wiki.test.raw, the test split of WikiText-2: found on this machine, or fetched.

    python -m benchmarks.wikitext [FILE]      fetches it if it is missing, and says so; writes it to FILE

In: `DSTOK_SHARED` (else `../shared` beside the checkout), whose `data/` may hold the file; the cache of the package
`datasets`, which may hold its rows; a network to fetch these from. Out: the file's bytes. Invariant: the bytes have the
file's SHA-256, whatever their source; anything else is ignored.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

__all__ = ["HOW", "SHA256", "canonical", "fetch", "find", "main", "shared_folder"]

SHA256 = "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08"
HOW = "fetch it with `python -m benchmarks.wikitext`, or set DSTOK_SHARED to the folder that holds data/wiki.test.raw"
_BESIDE = Path(__file__).resolve().parents[2] / "shared"


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wikitext", description="find or fetch wiki.test.raw")
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="write it there, too")
    options = parser.parse_args(arguments)
    data, where = find(), "found"
    if data is None:
        try:
            data, where = fetch(), "fetched into the cache of datasets"
        except Exception as error:  # from any library between here and the network
            print(f"benchmarks.wikitext: expected wikitext from datasets, found {_one_line(error)}", file=sys.stderr)
            return 2
    if options.file:
        options.file.write_bytes(data)
    print(f"wiki.test.raw: {where}; {len(data)} bytes, sha256 {SHA256}")
    return 0


def shared_folder() -> Path:
    """The folder of the project's corpora and fixtures, if this machine has it."""
    return Path(os.environ.get("DSTOK_SHARED") or _BESIDE).resolve()


def find() -> bytes | None:
    """The file from this machine; None if it is not there."""
    return next((data for data in _candidates() if sha256(data).hexdigest() == SHA256), None)


def fetch() -> bytes:
    """The file from the rows that `datasets` fetches and keeps. Raises its errors, and `ValueError` for other rows."""
    from datasets import load_dataset

    data = canonical(load_dataset("wikitext", "wikitext-2-raw-v1", split="test")["text"])
    if (found := sha256(data).hexdigest()) != SHA256:
        raise ValueError(f"rows that make another file: expected sha256 {SHA256}, found {found}")
    return data


def canonical(rows: Iterable[str]) -> bytes:
    r"""The file with the data set's rows as its lines, in order. A line of a blank is an empty row in the data set.

    >>> canonical(["", " = Title = \n", ""])
    b' \n = Title = \n \n'
    """
    return "".join(row or " \n" for row in rows).encode()


def _candidates() -> Iterator[bytes]:
    file = shared_folder() / "data" / "wiki.test.raw"
    if file.is_file():
        yield file.read_bytes()
    try:
        import datasets
    except ImportError:
        return
    for table in sorted(Path(datasets.config.HF_DATASETS_CACHE).glob("*wikitext*/*-raw-v1/**/wikitext-test.arrow")):
        try:
            yield canonical(datasets.Dataset.from_file(str(table))["text"])
        except (OSError, ValueError, KeyError):  # not whole, or something else
            continue


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


if __name__ == "__main__":
    sys.exit(main())
