"""Tokenizers of files, compiled once for all tests.

In: the text of a tokenizer.json, and of its config. Out: dstok's tokenizer. What `from_str` gives is saved as an image
under a name made of the contents, in a folder that tests/conftest.py makes for all processes of a run. The next process opens
the image, in milliseconds instead of seconds. Not for tests of reading files.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import dstok


def compiled(text: str, config: bytes = b"") -> dstok.Tokenizer:
    """The tokenizer of a file's text."""
    key = sha256(text.encode() + b"\0" + config).hexdigest()
    image = Path(os.environ["DSTOK_TEST_IMAGES"]) / f"{key}.image"
    if not image.exists():
        dstok.Tokenizer.from_str(text, config or None).to_image(image)  # moved there at once, whoever else does the same
    return dstok.load(image)
